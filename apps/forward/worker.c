/* SPDX-License-Identifier: MIT */
/*
 * worker: answers UDP port 7, ping and ARP in the name of the forwarder. It has no network: packets come as frames
 * through a channel, and it makes the answer in the frame that the question came in, with apps/echo's stack.
 *
 *   worker [ANSWERS]    ends after so many
 */
#include <libos/channel.h>
#include <libos/plan.h>
#include <libos/thread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../echo/stack.h"
#include "forward.h"

#define PORT 7u
#define WHOLE(frame) EXO_BUF(frame, 0, EXO_PAGE_SIZE)

static struct stack stack;
static uint32_t packets, empty, answers;
static uint8_t *page; /* where the packet at hand is mapped */

/* The frames that go round; none is ours again before the end of all. */
static int frames_give(void)
{
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    struct frame_ref first = plan_alloc(plan, FORWARD_FRAMES, 0);
    int error = plan_run(plan);
    if (error)
        return error;
    uint64_t frame = plan_value(plan, first);
    plan = plan_begin(&buffer);
    for (unsigned i = 0; i < FORWARD_FRAMES; i++)
        plan_send(plan, handle_number(empty), buffer_number(WHOLE(frame + i)), word_number(0), word_number(0));
    return plan_run(plan);
}

/* The next packet, mapped at `page`; before that, in the same crossing, `buffer` of the frame that is there goes away through
 * `to`, if that is not 0. */
static int packet_next(uint32_t to, uint64_t *buffer, uint32_t *flags)
{
    struct plan_buffer memory;
    struct plan *plan = plan_begin(&memory);
    if (to) {
        plan_unmap(plan, env_self(), (uint64_t)page, 1);
        plan_send(plan, handle_number(to), buffer_number(*buffer), word_number(0), word_number(0));
    }
    struct message_refs message = plan_recv(plan, handle_number(packets), 0);
    plan_map(plan, env_self(), (uint64_t)page, message.frame, 1, EXO_READ | EXO_WRITE);
    int error = thread_run(plan);
    *buffer = plan_value(plan, message.buffer);
    *flags = (uint32_t)plan_value(plan, message.first);
    return error;
}

/* Where the frame at `page` goes, and which part of it. */
static uint32_t packet_answer(uint64_t *buffer, uint32_t flags)
{
    uint64_t frame = EXO_BUF_FRAME(*buffer);
    struct packet packet = {
        .bytes = page + EXO_BUF_OFFSET(*buffer),
        .length = EXO_BUF_LENGTH(*buffer),
        .sum_known = flags & EXO_RX_CSUM_VALID,
        .sum_partial = flags & EXO_RX_CSUM_NEEDED,
    };
    if (flags & FORWARD_SENT || !stack_answer(&stack, &packet)) {
        *buffer = WHOLE(frame);
        return empty;
    }
    *buffer = EXO_BUF(frame, EXO_BUF_OFFSET(*buffer) + packet.answer_at, packet.answer_length);
    return answers;
}

static int begin(void)
{
    struct channel_message hello;
    int error = channel_receive(packets, &hello);
    memcpy(stack.mac, &hello.word[0], sizeof stack.mac);
    memcpy(stack.address, &hello.word[1], sizeof stack.address);
    stack.port = PORT;
    if (!error)
        error = frames_give();
    if (!error)
        printf("ready udp %u.%u.%u.%u:%u\n", stack.address[0], stack.address[1], stack.address[2], stack.address[3], PORT);
    return error;
}

int main(int argc, char **argv)
{
    uint64_t most = argc > 1 ? strtoull(argv[1], NULL, 10) : UINT64_MAX, buffer = 0;
    uint32_t flags, to = 0;
    packets = channel_receiver("packets");
    empty = channel_sender("empty");
    answers = channel_sender("answers");
    page = channel_page();
    if (!packets || !empty || !answers || !page) {
        printf("needs channels \"packets\", \"empty\" and \"answers\"\n");
        return 2;
    }
    int error = begin();
    while (!error && (error = packet_next(to, &buffer, &flags)) == 0 && stack.udp < most)
        to = packet_answer(&buffer, flags);
    printf("answered %llu datagrams, %llu pings, %llu questions for an address; then: %s\n", (unsigned long long)stack.udp,
           (unsigned long long)stack.ping, (unsigned long long)stack.arp, exo_error_text(error));
    return error == 0 || error == -EXO_E_DEAD ? 0 : 1;
}
