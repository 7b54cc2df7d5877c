/* SPDX-License-Identifier: MIT */
/*
 * Stands for apps/forward's worker and takes packets only when it is told to, through a queue of its own. An order is
 * a letter, its own number, which is one that was not heard before, and perhaps a count:
 *
 *   "t I N"  takes N packets and keeps their frames; their payloads must be numbers that go up
 *   "g I"    gives all of these frames back
 *   "x I"    ends, with what it has
 *
 * What NET_RX said of the order's checksum goes with the answer.
 *
 * As "keeper" it only keeps the machine running.
 */
#include <libos/channel.h>
#include <stdlib.h>
#include <string.h>

#include "../../../apps/forward/forward.h"
#include "op.h"

#define PAYLOAD 42u /* behind Ethernet, IPv4 and UDP headers */
#define TCP_PAYLOAD 54u
#define WHOLE(frame) EXO_BUF(frame, 0, PAGE)

static uint32_t packets, empty;
static uint64_t order_frame, kept[FORWARD_FRAMES];
static char *const order = (char *)SPARE;
static uint8_t *const packet = (uint8_t *)(SPARE + PAGE);
static unsigned count;
static unsigned long next_number;

/* The frame is nobody's but ours, until it is given back, and then no more. */
static void take_one(void)
{
    OK(OP_ON(packets, RECV, 0));
    uint64_t buffer = op_result[0], frame = op_result[3], length = EXO_BUF_LENGTH(buffer);
    CHECK(frame && EXO_BUF_FRAME(buffer) == frame && EXO_BUF_OFFSET(buffer) == 0);
    OK(OP(MAP, (uint64_t)packet, frame, 1, EXO_READ | EXO_WRITE));
    CHECK(length > PAYLOAD && packet[12] == 8 && packet[13] == 0 && packet[23] == 17);
    packet[length] = 0; /* a frame is longer than a packet */
    unsigned long number = strtoul((char *)packet + PAYLOAD, NULL, 10);
    CHECK(number >= next_number);
    next_number = number + 1;
    OK(OP(UNMAP, (uint64_t)packet, 1));
    kept[count++] = frame;
}

static void give_back(void)
{
    while (count > 0) {
        uint64_t frame = kept[--count];
        OK(OP_ON(empty, SEND, WHOLE(frame)));
        FAILS(FRAME, OP(MAP, (uint64_t)packet, frame, 1, EXO_READ));
        FAILS(FRAME, OP_ON(empty, SEND, WHOLE(frame)));
    }
}

static bool obey(void)
{
    static unsigned long heard;
    memset(order, 0, PAGE);
    OK(OP_ON(start_info()->queue, NET_RX, WHOLE(order_frame)));
    unsigned flags = (unsigned)op_result[1];
    char *text = order + (order[23] == 6 ? TCP_PAYLOAD : PAYLOAD), *end;
    unsigned long number = strtoul(text + 1, &end, 10), wanted = strtoul(end, NULL, 10);
    if (number == heard)
        return true; /* it was sent twice */
    heard = number;
    for (unsigned long i = 0; *text == 't' && i < wanted && count < FORWARD_FRAMES; i++)
        take_one();
    if (*text == 'g')
        give_back();
    printf("did %c %lu, has %u, next %lu, flags %u\n", *text, number, count, next_number, flags);
    return *text != 'x';
}

static void begin(void)
{
    packets = channel_receiver("packets");
    empty = channel_sender("empty");
    tables_make(SPARE);
    order_frame = frames_take(1);
    OK(OP(MAP, SPARE, order_frame, 1, EXO_READ | EXO_WRITE));
    OK(OP_ON(packets, RECV, 0)); /* who the forwarder is */
    CHECK(op_result[3] == 0 && op_result[1] != 0);
    uint64_t frame = frames_take(FORWARD_FRAMES);
    for (unsigned i = 0; i < FORWARD_FRAMES; i++)
        OK(OP_ON(empty, SEND, WHOLE(frame + i)));
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!strcmp(start_info()->name, "keeper"))
        OK(OP(TIMER, EXO_NEVER - 1));
    begin();
    printf("ready\n");
    while (obey())
        ;
    return check_failures ? 1 : 0;
}
