/* SPDX-License-Identifier: MIT */
/*
 * echo: answers UDP port 7, ping and ARP straight from the network queue. It uses three layers of
 * the libos only: plans, memory, queue. No sockets, no shared stack, no threads.
 */
#include <libos/clock.h>
#include <libos/log.h>
#include <libos/mem.h>
#include <libos/netqueue.h>
#include <libos/start.h>
#include <libos/thread.h>
#include <string.h>

#include "stack.h"

#define PORT 7u
#define ANNOUNCEMENTS 3u /* the first may be lost; nobody answers them */
#define SECOND 1000000000ull

static struct netqueue queue;
static struct stack stack;

static void receive(struct netqueue *from, struct netqueue_buffer *buffer)
{
    struct packet packet = {
        .bytes = buffer->bytes,
        .length = buffer->length,
        .sum_known = buffer->flags & EXO_RX_CSUM_VALID,
        .sum_partial = buffer->flags & EXO_RX_CSUM_NEEDED,
    };
    (void)from;
    bool answer = !(buffer->flags & EXO_RX_CUT) && stack_answer(&stack, &packet);
    uint64_t sum = packet.sum_start ? EXO_TX_CSUM(packet.sum_start, packet.sum_offset) : 0;
    /* A full queue drops the answer, as any network may. */
    if (!answer || netqueue_reply(buffer, packet.answer_at, packet.answer_length, sum))
        netqueue_release(buffer);
}

/* Tells neighbours where we are, so that the first packet to us need not wait for ARP. */
static void announce(uint8_t *frame, uint64_t number)
{
    uint64_t word = EXO_BUF(number, 0, ARP_FRAME);
    arp_announce(&stack, frame);
    (void)netqueue_send(&queue, &word, 1, 0, 0, frame);
}

static int queue_start(const struct start_info *info)
{
    struct netqueue_config config = {.handle = info->queue, .receive = receive};
    int error = netqueue_open(&queue, &config);
    if (error) {
        libos_log("the queue can't be opened: %s", exo_error_text(error));
        return error;
    }
    memcpy(stack.mac, info->mac, 6);
    memcpy(stack.address, &info->address, 4);
    stack.port = PORT;
    stack.device_sums = queue.features & EXO_NIC_TX_CSUM;
    return 0;
}

int main(void)
{
    const struct start_info *info = start_info();
    uint64_t number, next = 0;
    unsigned announced = 0;
    if (!info->queue || !info->address) {
        libos_log("needs a queue and a fixed address: net mac=... ip=A.B.C.D/N");
        return 1;
    }
    libos_enter(); /* for good: nothing here is to be interrupted by its own completions */
    uint8_t *frame = mem_map_run(1, &number);
    if (!frame || queue_start(info))
        return 1;
    libos_log("ready udp %u.%u.%u.%u:%u", stack.address[0], stack.address[1], stack.address[2],
              stack.address[3], PORT);
    for (;;) {
        if (announced < ANNOUNCEMENTS && clock_tick() >= next) {
            announce(frame, number);
            next = clock_deadline(SECOND);
            announced++;
        }
        netqueue_wait(&queue, announced < ANNOUNCEMENTS ? next : EXO_NEVER);
    }
}
