/* SPDX-License-Identifier: MIT */
/*
 * What plans promise (docs/plans.md), on the real kernel: start conditions, references, the door,
 * cancelling, completions that find no room. Time is in timers.c.
 */
#include "tally.h"

#define FAR (EXO_NEVER - 1)

/* ---- the door ------------------------------------------------------------------------------- */

/* Before anybody donated a slot of that class; so this case has to be the first. */
static void no_slot(void)
{
    struct plan *plan = tally_plan(0);
    for (unsigned i = 0; i < 64; i++)
        plan_nop(plan, word_number(i));
    CHECK(plan_submit(plan) == 1);
    tally_take();
    CHECK(tally.count == 1 && tally.seen[0].operation == EXO_PLAN_SELF);
    CHECK(tally.seen[0].status == -EXO_E_NO_SLOT && tally.seen[0].more == 64);
    OK(plan_slots_add(64, 10));
    plan = tally_plan(0);
    for (unsigned i = 0; i < 64; i++)
        plan_nop(plan, word_number(i));
    CHECK(plan_submit(plan) == 0);
    tally_take();
    CHECK(tally.count == 65);
    for (unsigned i = 0; i < 64; i++)
        CHECK(tally.seen[i].operation == i && tally.seen[i].result == i && tally.seen[i].status == 0);
    CHECK(tally.seen[64].operation == EXO_PLAN_SELF && tally.seen[64].status == 0);
}

/* Refused whole: the completion names the cell, and nothing of the plan happened. */
static void refused(void)
{
    static const struct {
        struct exo_op op;
        int error;
    } bad[] = {
        { { .code = 200 }, EXO_E_CODE },
        { { .code = 0 }, EXO_E_CODE },
        { { .code = EXO_PLAN }, EXO_E_CODE },
        { { .code = EXO_IRQ }, EXO_E_NOT_BUILT },
        { { .code = EXO_DISK_READ }, EXO_E_NOT_BUILT },
        { { .code = EXO_MORE }, EXO_E_FORM },
        { { .code = EXO_NOP, .flags = 0x80 }, EXO_E_FORM },
        { { .code = EXO_NOP, .uses = 0x40 }, EXO_E_FORM },
        { { .code = EXO_NOP, .handle = 1 }, EXO_E_FORM },
        { { .code = EXO_NOP, .flags = EXO_START_ANY }, EXO_E_FORM },
        { { .code = EXO_NOP, .arg = { 0, 1 } }, EXO_E_FORM },
        { { .code = EXO_NOP, .after = 1u << 1 }, EXO_E_EDGE },
        { { .code = EXO_NOP, .after = 1ull << 63 }, EXO_E_EDGE },
        { { .code = EXO_NOP, .uses = 1, .after = 1, .arg = { EXO_REF(1, 0, 0) } }, EXO_E_EDGE },
        { { .code = EXO_NOP, .uses = 1, .arg = { EXO_REF(0, 0, 0) } }, EXO_E_EDGE },
        { { .code = EXO_NOP, .uses = 1, .after = 1, .arg = { EXO_REF(0, 4, 0) } }, EXO_E_EDGE },
        { { .code = EXO_NOP, .uses = 1, .after = 1, .arg = { EXO_REF(0, 2, 0) } }, EXO_E_TYPE },
        { { .code = EXO_TIMER, .uses = 1, .after = 1, .arg = { EXO_REF(0, 0, 0) } }, EXO_E_TYPE },
        { { .code = EXO_FREE, .uses = 2, .after = 1, .arg = { 1, EXO_REF(0, 0, 0) } }, EXO_E_TYPE },
        { { .code = EXO_ALLOC, .arg = { 0 } }, EXO_E_RANGE },
        { { .code = EXO_ENV_KILL, .handle = 99 }, EXO_E_HANDLE },
        { { .code = EXO_NET_RX }, EXO_E_HANDLE },
        { { .code = EXO_QUEUE_INFO }, EXO_E_HANDLE },
        { { .code = EXO_POWER, .handle = 1 }, EXO_E_HANDLE },
    };
    uint64_t used = account_used();
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct plan *plan = tally_plan(EXO_PLAN_ANNOUNCE);
        plan_alloc(plan, 1, 0);
        plan_nop(plan, word_number(0));
        plan->cell[2] = bad[i].op;
        CHECK(plan_submit(plan) == 1);
        tally_take();
        bool right = tally.count == 1 && tally.seen[0].operation == EXO_PLAN_SELF &&
                     tally.seen[0].result == 2 && tally.seen[0].status == -bad[i].error;
        if (!right)
            printf("FAILED: bad plan %u: %s\n", i, exo_error_text(tally.seen[0].status));
        CHECK(right && account_used() == used);
    }
}

static void bad_header(void)
{
    static const struct exo_plan bad[] = {
        { .code = EXO_PLAN, .flags = 0x80, .cells = 1 },
        { .code = EXO_PLAN, .zero = { 1 }, .cells = 1 },
        { .code = EXO_PLAN, .zero = { 0, 0, 0, 0, 0, 1 }, .cells = 1 },
        { .code = EXO_NOP, .cells = 1 },
        { .code = EXO_PLAN, .cells = 0 },
        { .code = EXO_PLAN, .cells = 2 },
        { .code = EXO_PLAN, .cells = 65 },
    };
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct exo_plan header = bad[i];
        uint64_t index = ring_tail, mask = PLAN_INFO->sq_size - 1;
        struct exo_op nop = { .code = EXO_NOP };
        tally.count = 0;
        header.tag = (uint64_t)&tally.target;
        memcpy((struct exo_op *)LIBOS_SQ + (index & mask), &header, sizeof(header));
        ((struct exo_op *)LIBOS_SQ)[(index + 1) & mask] = nop;
        ring_tail += 2;
        CHECK(exo_enter(ring_tail, 0, 0) == 1);
        tally_take();
        CHECK(tally.count == 1 && tally.seen[0].operation == EXO_PLAN_SELF);
        CHECK(tally.seen[0].status == -EXO_E_FORM && tally.seen[0].result == 0);
        CHECK(PLAN_INFO->sq_head == ring_tail);
    }
}

/* ---- conditions and references ------------------------------------------------------------------ */

static void conditions(void)
{
    struct plan *plan = tally_plan(0);
    plan_unordered(plan, true);
    struct op_ref bad = plan_free(plan, frame_number(0), 1);       /* 0: FAILED */
    struct word_ref good = plan_nop(plan, word_number(1));         /* 1: OK */
    static const uint8_t condition[] = { EXO_START_ALL, EXO_START_SOME, EXO_START_ENDED, EXO_START_ANY };
    for (unsigned i = 0; i < 4; i++) {                             /* 2 to 5: after both */
        plan_after(plan, plan_bit(bad) | plan_bit(good), condition[i]);
        plan_nop(plan, word_number(100));
    }
    for (unsigned i = 0; i < 4; i++) {                             /* 6 to 9: after the good one */
        plan_after(plan, plan_bit(good), condition[i]);
        plan_nop(plan, word_number(200));
    }
    plan_after(plan, 1u << 2, EXO_START_ALL);                      /* 10: after what was not started */
    plan_nop(plan, word_number(300));
    CHECK(plan_submit(plan) == 3);
    tally_take();
    CHECK(tally.count == 12);
    static const struct {
        int status;
        uint64_t result;
    } expected[] = {
        { -EXO_E_FRAME, 0 }, { 0, 1 },
        { -EXO_E_CAUSE, 0 }, { 0, 100 }, { 0, 100 }, { 0, 100 },
        { 0, 200 }, { 0, 0 }, { 0, 200 }, { 0, 200 },
        { -EXO_E_CAUSE, 0 },
    };
    for (unsigned i = 0; i < 11; i++) {
        const struct exo_completion *c = tally_of((uint16_t)i);
        CHECK(c != NULL && c->status == expected[i].status && c->result == expected[i].result);
    }
    CHECK(tally_of(EXO_PLAN_SELF)->status == -EXO_E_FRAME);
}

/* A chain through 64 operations, each adding to what the one before gave. */
static void references(void)
{
    struct plan *plan = tally_plan(0);
    struct word_ref last = plan_nop(plan, word_number(1000));
    for (int i = 1; i < 64; i++) {
        last.ref.word = EXO_REF(i - 1, 0, i % 2 == 0 ? 7 : -3);
        last = plan_nop(plan, last);
    }
    CHECK(plan_submit(plan) == 0);
    tally_take();
    CHECK(tally_of(63)->result == 1000 + 31 * 7 - 32 * 3);
    /* Frames, handles and ticks as references; and one that turns out to name nothing. */
    plan = tally_plan(0);
    struct frame_ref frame = plan_alloc(plan, 2, 0);
    plan_free(plan, frame_plus(frame, 1), 1);
    plan_free(plan, frame, 1);
    plan_after(plan, plan_bit(frame), EXO_START_ALL);
    plan_free(plan, frame_plus(frame, 1 << 30), 1);
    CHECK(plan_submit(plan) == 1);
    tally_take();
    CHECK(tally_of(1)->status == 0 && tally_of(2)->status == 0);
    CHECK(tally_of(3)->status == -EXO_E_FRAME);
}

static void quiet(void)
{
    uint64_t before = PLAN_INFO->cq_tail;
    struct plan *plan = tally_plan(EXO_PLAN_QUIET);
    plan_quiet(plan, true);
    plan_nop(plan, word_number(1));
    plan_nop(plan, word_number(2));
    CHECK(plan_submit(plan) == 0 && PLAN_INFO->cq_tail == before);
    plan = tally_plan(EXO_PLAN_QUIET);
    plan_quiet(plan, true);
    plan_nop(plan, word_number(1));
    plan_free(plan, frame_number(0), 1);
    plan_nop(plan, word_number(3));
    CHECK(plan_submit(plan) == 2);
    tally_take();
    CHECK(tally.count == 3 && tally_of(0) == NULL);
    CHECK(tally_of(1)->status == -EXO_E_FRAME && tally_of(2)->status == -EXO_E_CAUSE);
    CHECK(tally_of(EXO_PLAN_SELF)->status == -EXO_E_FRAME);
}

/* ---- cancelling ---------------------------------------------------------------------------------- */

static void cancel(void)
{
    struct plan *plan = tally_plan(EXO_PLAN_ANNOUNCE);
    plan_unordered(plan, true);
    struct tick_ref first = plan_timer(plan, tick_number(FAR)), second = plan_timer(plan, tick_number(FAR));
    plan_after(plan, plan_bit(first), EXO_START_ALL);
    plan_nop(plan, word_number(3));
    plan_after(plan, plan_bit(second), EXO_START_SOME);
    plan_nop(plan, word_number(4));
    CHECK(plan_submit(plan) == 0);
    tally_take();
    CHECK(tally.count == 1 && tally.seen[0].operation == EXO_PLAN_SELF && tally.seen[0].status == 0);
    uint64_t id = tally.seen[0].result;
    FAILS(ABSENT, OP(CANCEL, id + (1ull << 32), ~0ull));
    FAILS(ABSENT, OP(CANCEL, id + 1, ~0ull));
    FAILS(ABSENT, OP(CANCEL, 1, ~0ull));
    FAILS(ABSENT, OP(CANCEL, 0xffffffff, ~0ull));
    FAILS(ABSENT, OP(CANCEL, ~0ull, ~0ull));
    OK(OP(CANCEL, id, 0));
    CHECK(op_result[0] == 0);
    OK(OP(CANCEL, id, 1u << 0 | 1ull << 40));
    CHECK(op_result[0] == 1);
    CHECK(tally_wait(3, 1000000));
    CHECK(tally_of(0)->status == -EXO_E_CANCELLED && tally_of(2)->status == -EXO_E_CAUSE);
    CHECK(tally_of(1) == NULL && tally_of(3) == NULL);
    OK(OP(CANCEL, id, 1u << 1 | 1u << 3)); /* the handler too */
    CHECK(op_result[0] == 2);
    CHECK(tally_wait(6, 1000000));
    CHECK(tally_of(1)->status == -EXO_E_CANCELLED && tally_of(3)->status == -EXO_E_CANCELLED);
    CHECK(tally.count == 6 && tally.seen[5].operation == EXO_PLAN_SELF);
    FAILS(ABSENT, OP(CANCEL, id, ~0ull));
}

/* Every operation of a plan that is already running can be cancelled by a later one of it. */
static void cancel_self(void)
{
    struct plan *plan = tally_plan(0);
    plan_unordered(plan, true);
    struct tick_ref timer = plan_timer(plan, tick_number(FAR));
    plan_after(plan, plan_bit(timer), EXO_START_SOME);
    struct word_ref handler = plan_nop(plan, word_number(9));
    plan_after(plan, 0, EXO_START_ALL);
    plan_cancel(plan, word_number(0), plan_bit(timer));
    CHECK(plan_submit(plan) == 1);
    tally_take();
    CHECK(tally.count == 4);
    CHECK(tally_of(0)->status == -EXO_E_CANCELLED);
    CHECK(tally_of((uint16_t)handler.ref.op)->result == 9);
    CHECK(tally_of(2)->status == 0 && tally_of(2)->result == 1);
}

/* ---- work ------------------------------------------------------------------------------------------- */

static void work(void)
{
    struct plan *plan = tally_plan(0);
    for (unsigned i = 0; i < 5; i++)
        plan_nop(plan, word_number(i));
    plan_work(plan, 3);
    CHECK(plan_submit(plan) == 2);
    tally_take();
    for (uint16_t i = 0; i < 3; i++)
        CHECK(tally_of(i)->status == 0);
    CHECK(tally_of(3)->status == -EXO_E_WORK && tally_of(4)->status == -EXO_E_CAUSE);
}

/* ---- completions that find no room -------------------------------------------------------------------- */

#define PLANS 10u

/* Ten plans of 64 operations have 650 completions; the ring has room for 512. */
static void full_ring(void)
{
    uint64_t size = PLAN_INFO->cq_size, all = PLANS * 65;
    CHECK(size < all && completion_pending() == false);
    tally.count = 0;
    for (unsigned p = 0; p < PLANS; p++) {
        struct plan_buffer buffer;
        struct plan *plan = plan_begin(&buffer);
        plan_flags(plan, 0, &tally.target);
        plan_target(plan, &tally.target);
        for (unsigned i = 0; i < 64; i++)
            plan_nop(plan, word_number(p * 64 + i));
        plan_push(plan);
        CHECK(exo_enter(ring_tail, 0, 0) == 0);
    }
    CHECK(PLAN_INFO->cq_tail - PLAN_CONTROL->cq_head == size);
    CHECK(PLAN_INFO->sq_head == ring_tail);
    /* No room to refuse a plan in: its cells stay in the ring until there is. */
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    plan_flags(plan, 0, &tally.target);
    plan_free(plan, frame_number(0), EXO_COUNT_MAX);
    plan->cell[1].arg[1] = EXO_COUNT_MAX + 1;
    plan_push(plan);
    uint64_t head = PLAN_INFO->sq_head;
    CHECK(exo_enter(ring_tail, 0, 0) == -EXO_E_FULL && PLAN_INFO->sq_head == head);
    CHECK(exo_enter(ring_tail, 0, 0) == -EXO_E_FULL && PLAN_INFO->sq_head == head);
    completion_dispatch();
    CHECK(tally.count == size);
    CHECK(exo_enter(ring_tail, 0, 0) == 1 && PLAN_INFO->sq_head == ring_tail);
    completion_dispatch();
    CHECK(tally.count == all + 1);
    /* Each exactly once, and those of one plan in order. */
    static uint8_t seen[PLANS * 64];
    uint64_t next[PLANS] = { 0 };
    unsigned selves = 0, bad = 0;
    for (unsigned i = 0; i < tally.count; i++) {
        const struct exo_completion *c = &tally.seen[i];
        if (c->operation == EXO_PLAN_SELF) {
            selves++;
            continue;
        }
        bad += c->result >= PLANS * 64 || c->status != 0 || seen[c->result % (PLANS * 64)]++ != 0;
        bad += c->operation != next[c->result / 64 % PLANS]++;
    }
    CHECK(bad == 0 && selves == PLANS + 1);
    CHECK(tally.seen[tally.count - 1].status == -EXO_E_RANGE);
}

/* A later operation's completion never overtakes one that was held back, even if there is room when it ends. */
static void full_order(void)
{
    struct plan_buffer buffer;
    uint64_t size = PLAN_INFO->cq_size;
    tally.count = 0;
    for (unsigned i = 0; i < 8; i++) { /* 8 times 65 are more than there is room for */
        struct plan *plan = plan_begin(&buffer);
        plan_flags(plan, 0, &tally.target);
        for (unsigned k = 0; k < 64; k++)
            plan_nop(plan, word_number(k));
        plan_push(plan);
        CHECK(exo_enter(ring_tail, 0, 0) == 0);
    }
    CHECK(PLAN_INFO->cq_tail - PLAN_CONTROL->cq_head == size);
    struct plan *plan = plan_begin(&buffer);
    plan_flags(plan, EXO_PLAN_QUIET, &tally.target);
    plan_target(plan, &tally.target);
    plan_unordered(plan, true);
    plan_nop(plan, word_number(1000));
    plan_timer(plan, tick_number(tick_after_us(20000)));
    plan_push(plan);
    CHECK(exo_enter(ring_tail, 0, 0) == 0);
    tally_take(); /* room, of which the kernel hears at the next crossing only */
    tally.count = 0;
    for (uint64_t end = tick_after_us(60000); __builtin_ia32_rdtsc() < end;)
        continue;
    exo_enter(ring_tail, 0, 0);
    CHECK(tally_wait(2, 10000000));
    unsigned first = TALLY_MAX, second = 0;
    for (unsigned i = 0; i < tally.count; i++) {
        if (tally.seen[i].operation == 0 && tally.seen[i].result == 1000)
            first = i;
        if (tally.seen[i].operation == 1 && tally.seen[i].tag != 0)
            second = i;
    }
    CHECK(first < second);
    (void)tally_wait(TALLY_MAX, 1000);
}

/* A wait that a full ring keeps from being served ends with its deadline; once there is room each wait returns with what
 * was held back, and none sleeps over it. */
static void full_wait(void)
{
    struct plan_buffer buffer;
    uint64_t size = PLAN_INFO->cq_size, expected = 8 * 65 + 2;
    for (unsigned i = 0; i < 8; i++) {
        struct plan *plan = plan_begin(&buffer);
        plan_flags(plan, 0, &tally.target);
        plan_target(plan, &tally.target);
        for (unsigned k = 0; k < 64; k++)
            plan_nop(plan, word_number(k));
        plan_push(plan);
        CHECK(exo_enter(ring_tail, 0, 0) == 0);
    }
    struct plan *plan = plan_begin(&buffer);
    plan_flags(plan, 0, &tally.target);
    plan_target(plan, &tally.target);
    plan_timer(plan, tick_number(tick_after_us(5000)));
    plan_push(plan);
    uint64_t tail = PLAN_INFO->cq_tail, deadline = tick_after_us(20000);
    CHECK(tail - PLAN_CONTROL->cq_head == size);
    CHECK(exo_enter(ring_tail, tail + 1, deadline) == 0);
    CHECK(PLAN_INFO->cq_tail == tail && __builtin_ia32_rdtsc() >= deadline);
    uint64_t limit = tick_after_us(20000000);
    tally.count = 0;
    completion_dispatch();
    while (tally.count < expected && __builtin_ia32_rdtsc() < limit) {
        CHECK(exo_enter(ring_tail, PLAN_INFO->cq_tail + 1, limit) == 0);
        completion_dispatch();
    }
    CHECK(tally.count == expected && __builtin_ia32_rdtsc() < limit);
}

/* While plans are held back their slots are taken; afterwards all are there again. */
static void full_slots(void)
{
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 10; i++) {
            struct plan *plan = tally_plan(0);
            for (unsigned k = 0; k < 60; k++)
                plan_nop(plan, word_number(k));
            CHECK(plan_submit(plan) == 0);
            tally_take();
            CHECK(tally.count == 61);
        }
    }
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        { "no-slot", no_slot },
        { "refused", refused },
        { "bad-header", bad_header },
        { "conditions", conditions },
        { "references", references },
        { "quiet", quiet },
        { "cancel", cancel },
        { "cancel-self", cancel_self },
        { "work", work },
        { "full-ring", full_ring },
        { "full-order", full_order },
        { "full-wait", full_wait },
        { "full-slots", full_slots },
        { NULL, NULL },
    };
    tally_begin();
    return check_main(cases, argc, argv);
}
