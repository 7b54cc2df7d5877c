/* SPDX-License-Identifier: MIT */
/*
 * forwarder: has a queue of the network card, and sleeps. It leaves standing plans behind that move each
 * arriving packet's frame to the worker and each answer of the worker's to the wire:
 *
 *   in:   RECV(empty) ─► NET_RX(into that frame) ─► SEND(packets: the packet and its flags)
 *   out:  RECV(answers) ─► NET_TX(from that frame) ─► SEND(packets: the same frame, it was sent)
 *
 * Nobody copies a frame, and nobody wakes it for one: a packet costs it no crossing. It wakes when a plan ends, because
 * the worker has gone or the network has failed.
 */
#include <libos/channel.h>
#include <libos/plan.h>
#include <libos/start.h>
#include <stdio.h>
#include <string.h>

#include "forward.h"

#define IN 16u /* packets that find a frame without the forwarder having the CPU in between */
#define OUT 4u
#define STEPS 7u /* RECV, NET_RX or NET_TX, SEND: bits of a plan's first three operations */

struct standing {
    struct completion_target target;
    uint64_t id;
    bool ended;
};
static struct standing standing[IN + OUT];
static unsigned ended;
static int why; /* the first one ended */

/* The plan was admitted, or it has ended. */
static void plan_told(struct completion_target *target, const struct exo_completion *completion)
{
    struct standing *self = (struct standing *)(void *)target;
    if (completion->status == 0) {
        self->id = completion->result;
        return;
    }
    self->ended = true;
    if (ended++ == 0)
        why = completion->status;
}

static struct plan *standing_begin(struct plan_buffer *buffer, struct standing *self)
{
    struct plan *plan = plan_begin(buffer);
    self->target.done = plan_told;
    plan_flags(plan, EXO_PLAN_STANDING | EXO_PLAN_QUIET | EXO_PLAN_ANNOUNCE, &self->target);
    plan_quiet(plan, true);
    return plan;
}

/* If a step behind RECV fails, the frame is ours. */
static void standing_leave(struct plan *plan, struct op_ref send, struct frame_ref frame)
{
    plan_after(plan, plan_bit(send), EXO_START_SOME);
    plan_free(plan, frame, 1);
    plan_submit(plan);
}

static void leave_in(struct standing *self, uint32_t queue, uint32_t empty, uint32_t packets)
{
    struct plan_buffer buffer;
    struct plan *plan = standing_begin(&buffer, self);
    struct message_refs frame = plan_recv(plan, handle_number(empty), 0);
    struct packet_refs packet = plan_net_rx_to(plan, handle_number(queue), frame.buffer);
    struct op_ref send = plan_send(plan, handle_number(packets), packet.packet, packet.flags, word_number(0));
    standing_leave(plan, send, frame.frame);
}

static void leave_out(struct standing *self, uint32_t queue, uint32_t answers, uint32_t packets)
{
    struct plan_buffer buffer;
    struct plan *plan = standing_begin(&buffer, self);
    struct message_refs answer = plan_recv(plan, handle_number(answers), 0);
    plan_net_tx_from(plan, handle_number(queue), answer.buffer, 0);
    struct op_ref send =
        plan_send(plan, handle_number(packets), answer.buffer, word_number(FORWARD_SENT), word_number(0));
    standing_leave(plan, send, answer.frame);
}

/* Until something is told. */
static void sleep_until_told(void)
{
    exo_enter(PLAN_INFO->sq_head, PLAN_INFO->cq_tail + 1, EXO_NEVER);
    completion_dispatch();
}

/* Ends the plans that are left. Each gives back the frame that it had. */
static void standing_end(void)
{
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    plan_unordered(plan, true); /* one of them may end by itself meanwhile */
    for (unsigned i = 0; i < IN + OUT; i++)
        if (!standing[i].ended)
            plan_cancel(plan, word_number(standing[i].id), STEPS);
    if (ended < IN + OUT)
        (void)plan_run(plan);
    while (ended < IN + OUT)
        sleep_until_told();
}

/* Who we are, for whoever answers in our name. */
static int introduce(const struct start_info *info, uint32_t packets)
{
    uint64_t mac = 0;
    memcpy(&mac, info->mac, sizeof info->mac);
    return channel_send(packets, 0, mac, info->address);
}

static void counts_say(uint32_t queue)
{
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    struct queue_info_refs info = plan_queue_info(plan, handle_number(queue));
    struct word_ref received = plan_nop(plan, info.received), dropped = plan_nop(plan, info.dropped),
                    sent = plan_nop(plan, info.sent);
    if (plan_run(plan) == 0)
        printf("%llu packets came, %llu found no frame, %llu were sent\n", (unsigned long long)plan_value(plan, received),
               (unsigned long long)plan_value(plan, dropped), (unsigned long long)plan_value(plan, sent));
}

int main(void)
{
    const struct start_info *info = start_info();
    uint32_t packets = channel_sender("packets"), empty = channel_receiver("empty"), answers = channel_receiver("answers");
    if (!info->queue || !info->address || !packets || !empty || !answers) {
        printf("needs a queue with a fixed address and channels \"packets\", \"empty\" and \"answers\"\n");
        return 2;
    }
    if (plan_slots_add(4, IN + OUT)) {
        printf("no memory for its plans\n");
        return 1;
    }
    uint64_t frames = PLAN_INFO->frames_used;
    for (unsigned i = 0; i < IN; i++)
        leave_in(&standing[i], info->queue, empty, packets);
    for (unsigned i = 0; i < OUT; i++)
        leave_out(&standing[IN + i], info->queue, answers, packets);
    (void)introduce(info, packets); /* behind them: the worker gives us frames when it has heard; DEAD is told below too */
    uint64_t crossings = PLAN_INFO->crossings, wakeups = PLAN_INFO->wakeups, switches = PLAN_INFO->switches;
    while (!ended)
        sleep_until_told();
    printf("woken by: %s; %llu wake-ups, %llu crossings, %llu switches\n", exo_error_text(why),
           (unsigned long long)(PLAN_INFO->wakeups - wakeups), (unsigned long long)(PLAN_INFO->crossings - crossings),
           (unsigned long long)(PLAN_INFO->switches - switches));
    standing_end();
    counts_say(info->queue);
    printf("frames left of theirs: %lld\n", (long long)(PLAN_INFO->frames_used - frames));
    return why == -EXO_E_DEAD && PLAN_INFO->frames_used == frames ? 0 : 1;
}
