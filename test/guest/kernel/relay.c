/* SPDX-License-Identifier: MIT */
/*
 * Three programs in a row: "source" sends frames, "relay" leaves a standing plan behind that takes them in and passes them on
 * and sleeps, "sink" reads them. The relay must not wake for what it relays.
 */
#include <libos/channel.h>
#include <libos/clock.h>
#include <stdio.h>
#include <string.h>

#include "op.h"

#define FRAMES 300u

static int source(void)
{
    uint32_t out = channel_sender("in");
    uint64_t *page = channel_page();
    for (uint64_t i = 0; i < FRAMES; i++) {
        OK(channel_fill_page(page));
        page[0] = i * i;
        OK(channel_send_page(out, page, i, ~i));
    }
    return check_failures ? 1 : 0;
}

static int sink(void)
{
    uint32_t in = channel_receiver("out");
    uint64_t *page = channel_page();
    struct channel_message message;
    for (uint64_t i = 0; i < FRAMES; i++) {
        OK(channel_receive_page(in, page, &message));
        CHECK(message.word[0] == i && message.word[1] == ~i && page[0] == i * i);
        OK(OP(UNMAP, (uint64_t)page, 1));
        frames_give_back(message.frame, 1);
    }
    CHECK(channel_receive(in, &message) == -EXO_E_DEAD);
    return check_failures ? 1 : 0;
}

static bool ended;

static void relay_done(struct completion_target *self, const struct exo_completion *completion)
{
    (void)self;
    ended = completion->operation == EXO_PLAN_SELF && completion->status == -EXO_E_DEAD;
}

static int relay(void)
{
    static struct completion_target target = {relay_done};
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    uint64_t wakeups = PLAN_INFO->wakeups, crossings = PLAN_INFO->crossings;
    plan_flags(plan, EXO_PLAN_STANDING | EXO_PLAN_QUIET, &target);
    plan_quiet(plan, true);
    struct message_refs message = plan_recv(plan, handle_number(channel_receiver("in")), 0);
    plan_send(plan, handle_number(channel_sender("out")), message.buffer, message.first, message.second);
    CHECK(plan_submit(plan) == 0);
    for (unsigned i = 0; i < 100 && !ended; i++) { /* woken by the end of the source, and by nothing before */
        exo_enter(PLAN_INFO->sq_head, PLAN_INFO->cq_tail + 1, clock_deadline(10000000000ull));
        completion_dispatch();
    }
    CHECK(ended);
    CHECK(PLAN_INFO->wakeups - wakeups <= 4);
    CHECK(PLAN_INFO->crossings - crossings <= 8);
    printf("relayed with %llu wake-ups, %llu crossings\n", (unsigned long long)(PLAN_INFO->wakeups - wakeups),
           (unsigned long long)(PLAN_INFO->crossings - crossings));
    return check_failures ? 1 : 0;
}

int main(void)
{
    const char *name = start_info()->name;
    return !strcmp(name, "source") ? source() : !strcmp(name, "sink") ? sink() : relay();
}
