/* SPDX-License-Identifier: MIT */
/*
 * Time in plans: timers never early and in order, deadlines (TIMER + ANY + CANCEL), standing plans with a
 * period, the deadline of exo_enter itself.
 */
#include <stdlib.h>

#include "tally.h"

#define FAR (EXO_NEVER - 1)
#define SECOND 1000000u /* in microseconds */
#define ALL UINT64_MAX

static uint64_t now(void)
{
    return __builtin_ia32_rdtsc();
}

/* ---- exo_enter ------------------------------------------------------------------------------------ */

static void enter(void)
{
    uint64_t head = PLAN_INFO->sq_head, size = PLAN_INFO->sq_size, tail = PLAN_INFO->cq_tail;
    CHECK(exo_enter(head - 1, 0, 0) == -EXO_E_RING);
    CHECK(exo_enter(head + size + 1, 0, 0) == -EXO_E_RING);
    CHECK(exo_enter(0, tail + 1, EXO_NEVER) == -EXO_E_RING); /* without waiting */
    CHECK(exo_enter(UINT64_MAX, 0, 0) == -EXO_E_RING);
    CHECK(PLAN_INFO->sq_head == head && PLAN_INFO->cq_tail == tail);
    CHECK(exo_enter(head, 0, EXO_NEVER) == 0);    /* does not wait */
    CHECK(exo_enter(head, tail, EXO_NEVER) == 0); /* for what is there already */
    CHECK(exo_enter(head, tail + 1, 0) == 0);     /* a deadline that is past */
    CHECK(exo_enter(head, tail + 1, now()) == 0);
    for (uint64_t us = 100; us <= 10000; us *= 10) {
        uint64_t deadline = tick_after_us(us);
        CHECK(exo_enter(head, tail + 1, deadline) == 0);
        CHECK(now() >= deadline && now() - deadline < ticks_of_us(SECOND));
    }
    CHECK(PLAN_INFO->cq_tail == tail);
}

static void enter_wakes(void)
{
    uint64_t wakeups = PLAN_INFO->wakeups;
    /* Where a slow machine let the tick pass before the wait began, there is nothing to wake from. */
    for (unsigned i = 0; i < 10 && PLAN_INFO->wakeups == wakeups; i++) {
        struct plan *plan = tally_plan(EXO_PLAN_QUIET);
        uint64_t tick = tick_after_us(10000), tail = PLAN_INFO->cq_tail;
        plan_timer(plan, tick_number(tick));
        plan_push(plan);
        CHECK(exo_enter(ring_tail, tail + 1, tick_after_us(30 * SECOND)) == 0);
        CHECK(now() >= tick && now() < tick + ticks_of_us(10 * SECOND));
        CHECK(PLAN_INFO->cq_tail == tail + 1);
        tally_take();
        CHECK(tally.count == 1 && tally.seen[0].result >= tick);
    }
    CHECK(PLAN_INFO->wakeups > wakeups);
}

/* ---- TIMER ------------------------------------------------------------------------------------------- */

/* The account is that of now when a wait ends, not that of when it began. */
static void account(void)
{
    uint64_t used = account_used();
    struct plan *plan = tally_plan(EXO_PLAN_QUIET);
    plan_quiet(plan, true);
    plan_timer(plan, tick_number(tick_after_us(1000)));
    plan_quiet(plan, false);
    struct frame_ref frame = plan_alloc(plan, 5, 0);
    plan_push(plan);
    exo_enter(ring_tail, PLAN_INFO->cq_tail + 1, tick_after_us(10 * SECOND));
    CHECK(account_used() == used + 5);
    tally_take();
    CHECK(tally_of((uint16_t)frame.ref.op) != NULL);
    frames_give_back(tally.seen[0].result, 5);
}

static void past(void)
{
    struct plan *plan = tally_plan(0);
    uint64_t before = now();
    plan_timer(plan, tick_number(0));
    plan_timer(plan, tick_number(before));
    CHECK(plan_submit(plan) == 0);
    tally_take(); /* both in that crossing */
    CHECK(tally.count == 3);
    CHECK(tally_of(0)->result >= before && tally_of(0)->result <= now());
    CHECK(tally_of(1)->result >= before);
}

/* 63 of them in one plan, in an order of their own. */
static void many(void)
{
    static uint64_t tick[63];
    for (unsigned round = 0; round < 4; round++) {
        struct plan *plan = tally_plan(0);
        plan_unordered(plan, true);
        uint64_t start = now();
        for (unsigned i = 0; i < 63; i++) {
            tick[i] = start + ticks_of_us(1000 + (unsigned)rand() % 20000);
            plan_timer(plan, tick_number(tick[i]));
        }
        CHECK(plan_submit(plan) == 0);
        CHECK(tally_wait(64, 10 * SECOND));
        uint64_t seen = 0;
        unsigned bad = 0;
        for (unsigned i = 0; i < 63; i++) {
            const struct exo_completion *c = &tally.seen[i];
            bad += c->operation >= 63 || c->status != 0 || c->result < tick[c->operation % 63];
            seen |= 1ull << c->operation % 64;
        }
        CHECK(seen == ALL >> 1);
        CHECK(bad == 0);
        CHECK(tally.seen[63].operation == EXO_PLAN_SELF);
    }
}

/* More than are ended at one look: none is lost and none is early. */
static void same_tick(void)
{
    struct plan *plan = tally_plan(0);
    plan_unordered(plan, true);
    uint64_t tick = tick_after_us(3000);
    for (unsigned i = 0; i < 64; i++)
        plan_timer(plan, tick_number(tick));
    CHECK(plan_submit(plan) == 0 && tally_wait(65, 10 * SECOND));
    uint64_t seen = 0;
    for (unsigned i = 0; i < 64; i++) {
        seen |= 1ull << tally.seen[i].operation;
        CHECK(tally.seen[i].result >= tick);
    }
    CHECK(seen == ALL);
}

/* ---- deadlines -------------------------------------------------------------------------------------- */

/* `first` or `second`, whichever comes first; the other is cancelled. */
static void race(uint64_t first, uint64_t second)
{
    struct plan *plan = tally_plan(0);
    plan_unordered(plan, true);
    struct tick_ref event = plan_timer(plan, tick_number(first));
    struct tick_ref deadline = plan_timer(plan, tick_number(second));
    plan_after(plan, plan_bit(event) | plan_bit(deadline), EXO_START_ANY);
    plan_cancel(plan, word_number(0), plan_bit(event) | plan_bit(deadline));
    plan_submit(plan);
    CHECK(tally_wait(4, 10 * SECOND));
}

static void deadline(void)
{
    uint64_t soon = tick_after_us(3000);
    race(FAR, soon);
    CHECK(tally_of(0)->status == -EXO_E_CANCELLED && tally_of(1)->status == 0);
    CHECK(tally_of(1)->result >= soon && tally_of(2)->result == 1);
    CHECK(tally_of(EXO_PLAN_SELF)->status == -EXO_E_CANCELLED);
    soon = tick_after_us(3000);
    race(soon, FAR);
    CHECK(tally_of(0)->status == 0 && tally_of(1)->status == -EXO_E_CANCELLED);
    race(0, 0);
    CHECK(tally_of(0)->status == 0 && tally_of(1)->status == 0 && tally_of(2)->result == 0);
}

/* ---- standing plans ------------------------------------------------------------------------------------ */

#define PERIOD_US 3000u

static void standing(void)
{
    struct plan *plan = tally_plan(EXO_PLAN_STANDING | EXO_PLAN_ANNOUNCE);
    uint64_t first = tick_after_us(2000), period = ticks_of_us(PERIOD_US);
    struct tick_ref tick = plan_timer(plan, tick_number(first));
    plan->cell[1].arg[1] = period;
    plan_nop(plan, (struct word_ref){ tick.ref });
    CHECK(plan_submit(plan) == 0);
    CHECK(tally_wait(1 + 2 * 12, 20 * SECOND));
    uint64_t id = tally.seen[0].result;
    CHECK(tally.seen[0].operation == EXO_PLAN_SELF);
    uint64_t last = 0;
    for (unsigned i = 0; i < 12; i++) {
        const struct exo_completion *timer = &tally.seen[1 + 2 * i], *nop = timer + 1;
        CHECK(timer->operation == 0 && nop->operation == 1 && nop->result == timer->result);
        CHECK(timer->status == 0 && nop->status == 0);
        /* Each pass waits for a multiple of its own. */
        uint64_t multiple = (timer->result - first) / period;
        CHECK(timer->result >= first && (i == 0 || multiple > last));
        CHECK(multiple >= i);
        last = multiple;
    }
    OK(OP(CANCEL, id, ALL));
    CHECK(op_result[0] >= 1);
    unsigned count = tally.count;
    (void)tally_wait(count + 100, 4 * PERIOD_US);
    CHECK(tally.count <= count + 3); /* the pass that was cancelled, and the plan's end */
    CHECK(tally.seen[tally.count - 1].operation == EXO_PLAN_SELF);
    FAILS(ABSENT, OP(CANCEL, id, ALL));
}

/* It ends at the first pass that fails, and says so. */
static void standing_fails(void)
{
    struct plan *plan = tally_plan(EXO_PLAN_STANDING);
    plan_timer(plan, tick_number(tick_after_us(500)));
    plan->cell[1].arg[1] = ticks_of_us(500);
    plan_free(plan, frame_number(0), 1);
    plan_submit(plan); /* may have failed already when we are back */
    CHECK(tally_wait(3, 10 * SECOND));
    CHECK(!tally_wait(4, 5000));
    CHECK(tally_of(EXO_PLAN_SELF)->status == -EXO_E_FRAME);
    /* An operation that would run without an event. */
    plan = tally_plan(EXO_PLAN_STANDING);
    plan_nop(plan, word_number(1));
    CHECK(plan_submit(plan) == 1);
    tally_take();
    CHECK(tally.seen[0].status == -EXO_E_FORM && tally.seen[0].result == 1);
    plan = tally_plan(EXO_PLAN_STANDING);
    plan_timer(plan, tick_number(FAR));
    plan_unordered(plan, true);
    plan_nop(plan, word_number(1));
    CHECK(plan_submit(plan) == 1);
    tally_take();
    CHECK(tally.seen[0].status == -EXO_E_FORM && tally.seen[0].result == 2);
}

/* Priced again each pass: with room for three frames there are three passes. */
static void standing_pays(void)
{
    uint64_t left = PLAN_INFO->frames_limit - account_used();
    CHECK(left > 3 && left <= 1024);
    uint64_t taken = frames_take((uint32_t)left - 3);
    struct plan *plan = tally_plan(EXO_PLAN_STANDING);
    plan_timer(plan, tick_number(tick_after_us(500)));
    plan->cell[1].arg[1] = ticks_of_us(500);
    struct frame_ref frame = plan_alloc(plan, 1, 0);
    CHECK(plan_submit(plan) == 0);
    CHECK(tally_wait(7, 10 * SECOND));
    CHECK(!tally_wait(8, 5000) && account_used() == PLAN_INFO->frames_limit);
    CHECK(tally_of(EXO_PLAN_SELF)->status == -EXO_E_QUOTA);
    for (unsigned i = 0; i < tally.count; i++)
        if (tally.seen[i].operation == frame.ref.op)
            frames_give_back(tally.seen[i].result, 1);
    frames_give_back(taken, (uint32_t)left - 3);
    CHECK(PLAN_INFO->frames_limit - account_used() == left);
}

/* Held back by a full ring it does not run ahead, and catches up with the first multiple that is not past. */
static void standing_late(void)
{
    struct plan *plan = tally_plan(EXO_PLAN_STANDING | EXO_PLAN_ANNOUNCE);
    uint64_t first = tick_after_us(1000), period = ticks_of_us(200), size = PLAN_INFO->cq_size;
    plan_timer(plan, tick_number(first));
    plan->cell[1].arg[1] = period;
    CHECK(plan_submit(plan) == 0);
    uint64_t head = PLAN_CONTROL->cq_head;
    for (unsigned i = 0; i < 2000 && PLAN_INFO->cq_tail - head < size; i++)
        exo_enter(ring_tail, head + size, tick_after_us(10000));
    CHECK(PLAN_INFO->cq_tail - head == size);
    exo_enter(ring_tail, head + size + 1, tick_after_us(30000)); /* long after the ring was full */
    CHECK(PLAN_INFO->cq_tail - head == size);
    tally_take();
    CHECK(tally.count == size);
    uint64_t id = tally.seen[0].result, late = now(), last = tally.seen[size - 1].result;
    CHECK(tally_wait((unsigned)size + 3, 10 * SECOND));
    OK(OP(CANCEL, id, ALL));
    /* The one that was held has the tick of then; those behind it come after now. */
    CHECK(tally.seen[size].result >= last && tally.seen[size].result < late);
    CHECK(tally.seen[size + 1].result >= late);
    unsigned bad = 0;
    for (unsigned i = 2; i < size + 3; i++)
        bad += (tally.seen[i].result - first) / period <= (tally.seen[i - 1].result - first) / period;
    CHECK(bad == 0);
}

/* What it asks for is there every time: a tick that is past, a message that it sends to itself. It never waits, and
 * takes the time of its program, which goes on all the same and can end it. */
static void standing_always(void)
{
    uint64_t frame = frames_take(1), id[2];
    OK(OP(CHANNEL_CREATE, frame, 4, 0));
    uint32_t sender = (uint32_t)op_result[0], receiver = (uint32_t)op_result[1];
    OK(OP_ON(sender, SEND, 0, 1, 2));
    for (unsigned i = 0; i < 2; i++) {
        struct plan *plan = tally_plan(EXO_PLAN_STANDING | EXO_PLAN_ANNOUNCE);
        plan_quiet(plan, true);
        if (i == 0) {
            plan_timer(plan, tick_number(1));
        } else {
            struct message_refs message = plan_recv(plan, handle_number(receiver), 0);
            plan_send(plan, handle_number(sender), message.buffer, message.first, message.second);
        }
        CHECK(plan_submit(plan) == 0);
        CHECK(tally_wait(1, 20 * SECOND));
        id[i] = tally.seen[0].result;
    }
    for (unsigned i = 0; i < 50; i++) {
        uint64_t tick = tick_after_us(300);
        OK(i % 2 ? OP(NOP, i) : OP(TIMER, tick));
        CHECK(i % 2 || (op_result[0] >= tick && now() >= tick));
    }
    for (unsigned i = 0; i < 2; i++) {
        OK(OP(CANCEL, id[i], ALL));
        FAILS(ABSENT, OP(CANCEL, id[i], ALL));
    }
    OK(OP_ON(receiver, RECV, 0)); /* it is still on its way */
    CHECK(op_result[0] == 0 && op_result[1] == 1 && op_result[2] == 2);
    OK(OP(HANDLE_DROP, receiver));
    OK(OP(HANDLE_DROP, sender));
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        { "enter", enter },
        { "enter-wakes", enter_wakes },
        { "account", account },
        { "past", past },
        { "many", many },
        { "same-tick", same_tick },
        { "deadline", deadline },
        { "standing", standing },
        { "standing-fails", standing_fails },
        { "standing-pays", standing_pays },
        { "standing-late", standing_late },
        { "standing-always", standing_always },
        { NULL, NULL },
    };
    tally_begin();
    OK(plan_slots_add(64, 4));
    return check_main(cases, argc, argv);
}
