/* SPDX-License-Identifier: MIT */
/*
 * Plans as a program meets them: through the rings of a kernel on the host. The
 * start conditions, references, refusals with the cell's number, timers,
 * cancelling, standing plans, full rings, and what is left when a program dies.
 */
#include <stdlib.h>
#include <string.h>

#include "suite.h"
#include "host_kernel.h"

static struct env *env;

static void setup(void)
{
    env = host_start();
    /* Room for longer plans: a frame of 16-cell and three of 64-cell slots. */
    host_plan(env, EXO_PLAN_QUIET);
    struct exo_op *op = host_op(env, EXO_ALLOC);
    op->arg[0] = 4, op->arg[2] = EXO_ANY, op->flags = EXO_QUIET;
    for (unsigned i = 0; i < 2; i++) {
        op = host_op(env, EXO_SLOTS);
        op->after = 1, op->uses = 1, op->arg[0] = EXO_REF(0, 0, i), op->flags = EXO_QUIET;
        op->arg[1] = i ? 3 : 1, op->arg[2] = i ? 64 : 16;
    }
    ck_assert_int_eq(host_enter(env), 0);
}

static void expect(int operation, int status, uint64_t result)
{
    const struct exo_completion *completion = host_completion(env);
    ck_assert_ptr_nonnull(completion);
    ck_assert_int_eq(completion->operation, operation < 0 ? EXO_PLAN_SELF : operation);
    ck_assert_int_eq(completion->status, status);
    ck_assert_uint_eq(completion->result, result);
}

static void expect_none(void) { ck_assert_ptr_null(host_completion(env)); }

static struct exo_op *nop(uint64_t word)
{
    struct exo_op *op = host_op(env, EXO_NOP);
    op->arg[0] = word;
    return op;
}

/* FREE of a frame that is not ours: fails, whatever else. */
static struct exo_op *failing(void)
{
    struct exo_op *op = host_op(env, EXO_FREE);
    op->arg[0] = 1, op->arg[1] = 1;
    return op;
}

START_TEST(results_flow_and_everything_completes)
{
    host_plan(env, 0);
    nop(40);
    struct exo_op *op = nop(EXO_REF(0, 0, 2));
    op->after = 1, op->uses = 1;
    ck_assert_int_eq(host_enter(env), 0);
    expect(0, 0, 40);
    expect(1, 0, 42);
    expect(-1, 0, 0);
    expect_none();
    host_check();
}
END_TEST

/* Every start condition, after one good and one bad operation, both ended. */
START_TEST(start_conditions)
{
    static const int wanted[4] = {-EXO_E_CAUSE, 0, 0, 0};
    for (unsigned condition = 0; condition < 4; condition++) {
        host_plan(env, EXO_PLAN_QUIET);
        nop(1);
        failing();
        struct exo_op *op = nop(7);
        op->after = 3, op->flags = (uint8_t)condition;
        ck_assert_int_eq(host_enter(env), condition == 0 ? 2 : 1);
        expect(0, 0, 1);
        expect(1, -EXO_E_FRAME, 0);
        expect(2, wanted[condition], condition == 0 ? 0 : 7);
        expect(-1, -EXO_E_FRAME, 0);
    }
    host_check();
}
END_TEST

START_TEST(handler_not_needed_ends_well)
{
    host_plan(env, 0);
    nop(1);
    struct exo_op *op = nop(9);
    op->after = 1, op->flags = EXO_START_SOME;
    ck_assert_int_eq(host_enter(env), 0);
    expect(0, 0, 1);
    expect(1, 0, 0); /* results 0: it did not run */
    expect(-1, 0, 0);
}
END_TEST

static void refused(unsigned cell, int error)
{
    ck_assert_int_eq(host_enter(env), 1);
    expect(-1, -error, cell);
    expect_none();
    host_check();
}

START_TEST(malformed_plans_are_refused_whole)
{
    host_plan(env, 0), nop(1), host_op(env, 250);
    refused(2, EXO_E_CODE);
    host_plan(env, 0), host_op(env, EXO_IRQ);
    refused(1, EXO_E_NOT_BUILT);
    host_plan(env, 0x80), nop(1);
    refused(0, EXO_E_FORM);
    host_plan(env, 0), nop(1)->after = 1;
    refused(1, EXO_E_EDGE);
    host_plan(env, 0), nop(1)->after = 2;
    refused(1, EXO_E_EDGE);
    host_plan(env, 0), nop(1)->flags = EXO_START_ANY;
    refused(1, EXO_E_FORM);
    host_plan(env, 0), nop(1)->flags = 0x10;
    refused(1, EXO_E_FORM);
    host_plan(env, 0), nop(1)->uses = 0x40;
    refused(1, EXO_E_FORM);
    host_plan(env, 0), nop(1)->handle = 1;
    refused(1, EXO_E_FORM);
    host_plan(env, 0), nop(1)->arg[1] = 1;
    refused(1, EXO_E_FORM);
    host_plan(env, 0), nop(1), nop(EXO_REF(0, 0, 0))->uses = 1; /* does not wait for it */
    refused(2, EXO_E_EDGE);
    host_plan(env, 0), nop(1);
    struct exo_op *op = host_op(env, EXO_TIMER); /* a word is not a tick */
    op->uses = 1, op->after = 1, op->arg[0] = EXO_REF(0, 0, 0);
    refused(2, EXO_E_TYPE);
    host_plan(env, 0), nop(1), op = nop(EXO_REF(0, 1, 0));
    op->uses = 1, op->after = 1; /* NOP has no second result */
    refused(2, EXO_E_TYPE);
    host_plan(env, 0), nop(1), op = host_op(env, EXO_ALLOC); /* the price can't be a reference */
    op->uses = 1, op->after = 1, op->arg[0] = EXO_REF(0, 0, 0);
    refused(2, EXO_E_TYPE);
    host_plan(env, 0), host_op(env, EXO_ALLOC);
    refused(1, EXO_E_RANGE);
    host_plan(env, 0), host_op(env, EXO_THAW)->arg[0] = EXO_USER_END; /* just beyond */
    refused(1, EXO_E_RANGE);
    host_plan(env, 0), host_op(env, EXO_MORE);
    refused(1, EXO_E_FORM);
    host_plan(env, 0), nop(1), host_op(env, EXO_MORE); /* NOP takes none */
    refused(2, EXO_E_FORM);
    host_plan(env, 0), op = host_op(env, EXO_CONSOLE_WRITE), op->handle = 77;
    refused(1, EXO_E_HANDLE);
    host_plan(env, 0), op = host_op(env, EXO_ENV_CREATE), op->arg[1] = 1; /* nothing can be added to a handle */
    op = host_op(env, EXO_YIELD), op->after = 1, op->uses = 32, op->arg[4] = EXO_REF(0, 0, 1);
    refused(2, EXO_E_FORM);
    host_plan(env, EXO_PLAN_STANDING), nop(1); /* would never wait */
    refused(1, EXO_E_FORM);
    host_plan(env, 0);
    ck_assert_int_eq(host_enter(env), 1); /* no cells at all */
    expect(-1, -EXO_E_FORM, 0);
}
END_TEST

START_TEST(garbage_in_the_ring_is_refused)
{
    srand(3);
    for (unsigned turn = 0; turn < 3000; turn++) {
        unsigned cells = 1 + (unsigned)rand() % 20;
        host_plan(env, 0);
        for (unsigned i = 0; i < cells; i++) {
            struct exo_op *op = host_op(env, 0);
            for (unsigned k = 0; k < sizeof *op; k++)
                ((uint8_t *)op)[k] = rand() % 3 ? 0 : (uint8_t)rand();
            op->code = (uint8_t)(rand() % 40);
            if (op->code == EXO_POWER || op->code == EXO_ENV_EXIT)
                op->code = EXO_NOP;
            if (rand() % 2)
                op->flags &= 0xf, op->uses = 0, op->handle = 0;
            op->after &= i ? (1u << i) - 1 : 0;
        }
        long result = host_enter(env);
        ck_assert_int_ge(result, 0);
        while (host_completion(env)) {
        }
        host_now += 1000;
        host_check();
    }
}
END_TEST

START_TEST(rings_have_edges)
{
    env_enter(env, env->sq_head + env->sq_size + 1, 0, 0);
    ck_assert_int_eq((long)env->context.rax, -EXO_E_RING);
    env_enter(env, env->sq_head - 1, 0, 0);
    ck_assert_int_eq((long)env->context.rax, -EXO_E_RING);
}
END_TEST

START_TEST(completions_wait_for_room)
{
    uint64_t size = env->cq_size;
    for (uint64_t i = 0; i < size / 4; i++) { /* three each: 3/4 of the ring */
        host_plan(env, 0), nop(i), nop(i);
        ck_assert_int_eq(host_enter(env), 0);
    }
    unsigned more = 0;
    while (more < 60) { /* 180 more: they do not fit */
        host_plan(env, 0), nop(1000 + more), nop(1000 + more);
        more++;
        long result = host_enter(env);
        if (result < 0) {
            ck_assert_int_eq(result, -EXO_E_FULL);
            break;
        }
    }
    uint64_t counted = 0, last = 0;
    for (unsigned turn = 0; turn < 200; turn++) {
        const struct exo_completion *completion;
        while ((completion = host_completion(env))) {
            ck_assert_int_eq(completion->status, 0);
            counted++;
            last = completion->operation == EXO_PLAN_SELF ? last : completion->result;
        }
        ck_assert_int_ge(host_enter(env), 0);
    }
    ck_assert_uint_eq(counted, size / 4 * 3 + more * 3); /* none was lost */
    ck_assert_uint_eq(last, 999 + more);
    host_check();
}
END_TEST

static void timer(uint64_t tick, uint64_t after, unsigned flags)
{
    struct exo_op *op = host_op(env, EXO_TIMER);
    op->arg[0] = tick, op->after = after, op->flags = (uint8_t)flags;
}

START_TEST(whichever_first_and_cancel_the_other)
{
    host_plan(env, 0);
    timer(host_now + 100, 0, 0);
    timer(host_now + 900, 0, 0);
    struct exo_op *op = host_op(env, EXO_CANCEL);
    op->after = 3, op->flags = EXO_START_ANY, op->arg[1] = 3;
    ck_assert_int_eq(host_enter(env), 0);
    expect_none();
    host_now += 150;
    timer_expire(env, host_now, 16);
    host_continue(env);
    expect(0, 0, host_now);
    expect(1, -EXO_E_CANCELLED, host_now + 750);
    expect(2, 0, 1);
    expect(-1, -EXO_E_CANCELLED, 0);
    ck_assert_ptr_null(env->timers);
    host_check();
}
END_TEST

/* Not in the order in which plans became ready: a queue's packets would arrive reordered. */
START_TEST(completions_come_in_the_order_of_events)
{
    host_plan(env, EXO_PLAN_QUIET);
    timer(host_now + 10, 0, 0);
    timer(host_now + 30, 0, 0);
    host_plan(env, EXO_PLAN_QUIET);
    timer(host_now + 20, 0, 0);
    timer(host_now + 40, 0, 0);
    ck_assert_int_eq(host_enter(env), 0);
    uint64_t before = env->timers->result[0];
    for (unsigned i = 0; i < 4; i++) { /* nothing ran between them */
        host_now = before + 10 * i;
        timer_expire(env, host_now, 16);
    }
    host_continue(env);
    for (unsigned i = 0; i < 4; i++)
        expect(i >> 1, 0, before + 10 * i);
    expect_none();
    host_check();
}
END_TEST

START_TEST(standing_plan_starts_over_and_is_cancelled)
{
    host_plan(env, EXO_PLAN_STANDING | EXO_PLAN_ANNOUNCE);
    timer(host_now + 10, 0, EXO_QUIET);
    struct exo_op *op = nop(5);
    (op - 1)->arg[1] = 10; /* every 10 ticks */
    op->after = 1;
    ck_assert_int_eq(host_enter(env), 0);
    const struct exo_completion *announced = host_completion(env);
    uint64_t id = announced->result;
    ck_assert_int_eq(announced->operation, EXO_PLAN_SELF);
    for (unsigned pass = 0; pass < 50; pass++) {
        host_now += pass == 20 ? 35 : 10; /* passes that came too late are not made up for */
        timer_expire(env, host_now, 16);
        host_continue(env);
        expect(1, 0, 5);
        expect_none();
    }
    host_plan(env, EXO_PLAN_QUIET);
    op = host_op(env, EXO_CANCEL);
    op->arg[0] = id, op->arg[1] = UINT64_MAX;
    ck_assert_int_eq(host_enter(env), 2); /* both of its operations ended badly */
    expect(0, -EXO_E_CANCELLED, ((host_now + 10) / 10) * 10);
    expect(1, -EXO_E_CANCELLED, 0);
    expect(0, 0, 2); /* CANCEL itself */
    (void)host_enter(env);
    expect(-1, -EXO_E_CANCELLED, 0);
    host_plan(env, 0); /* gone: its id names nothing any more */
    op = host_op(env, EXO_CANCEL);
    op->arg[0] = id, op->arg[1] = UINT64_MAX;
    ck_assert_int_eq(host_enter(env), 1);
    expect(0, -EXO_E_ABSENT, 0);
    host_check();
}
END_TEST

/* Between two steps, and while an event has made it ready again, an operation can be cancelled too. */
START_TEST(cancelled_between_steps)
{
    uint32_t free = frames_free, used = env->frames_used;
    host_plan(env, EXO_PLAN_ANNOUNCE);
    struct exo_op *op = host_op(env, EXO_ALLOC);
    op->arg[0] = 200, op->arg[2] = EXO_ANY;
    env_enter(env, host_built(env), 0, 0);
    host_attention = 3;
    ck_assert(!env_continue(env));
    core_this()->attention = 0;
    struct plan *plan = plan_find(env, number_of(host_completion(env)->result));
    ck_assert_uint_lt(frames_free, free);
    ck_assert_uint_eq(plan_cancel(plan, 1, NULL), 1);
    host_continue(env);
    const struct exo_completion *ended = host_completion(env);
    ck_assert_int_eq(ended->status, -EXO_E_CANCELLED);
    uint32_t got = ended->more; /* what was handed over before is the program's */
    ck_assert(got > 0 && got < 200 && got % 16 == 0);
    expect(-1, -EXO_E_CANCELLED, 0);
    ck_assert_uint_eq(frames_free, free - got);
    ck_assert_uint_eq(env->frames_used, used + got);
    ck_assert_uint_eq(env->frames_reserved, 0);
    host_check();
}
END_TEST

/* CANCEL of all of its own plan: the standing plan has had its last pass, and it ended well. */
START_TEST(standing_plan_ends_itself)
{
    host_plan(env, EXO_PLAN_STANDING);
    timer(host_now + 10, 0, EXO_QUIET);
    struct exo_op *op = host_op(env, EXO_CANCEL);
    (op - 1)->arg[1] = 10;
    op->after = 1, op->arg[1] = UINT64_MAX;
    ck_assert_int_eq(host_enter(env), 0);
    host_now += 10;
    timer_expire(env, host_now, 16);
    host_continue(env);
    expect(1, 0, 0);
    expect(-1, 0, 0);
    host_now += 10;
    timer_expire(env, host_now, 16);
    host_continue(env);
    expect_none();
    host_check();
}
END_TEST

/* Standing plans that never wait, since their tick is past, or their child has stopped: the program goes on all
 * the same, in its crossings and in its waiting, and can end them. */
START_TEST(standing_plans_that_never_wait)
{
    uint32_t handle;
    struct env *child = host_child(env, 40, 1, 4, &handle);
    host_plan(child, EXO_PLAN_QUIET);
    host_op(child, EXO_ENV_EXIT)->arg[0] = EXO_STOP_EXIT;
    host_enter(child);
    uint64_t id[2];
    for (unsigned i = 0; i < 2; i++) {
        host_plan(env, EXO_PLAN_STANDING | EXO_PLAN_ANNOUNCE);
        if (i == 0)
            timer(host_now - 1, 0, EXO_QUIET);
        struct exo_op *op = i ? host_op(env, EXO_ENV_WAIT) : NULL;
        if (op)
            op->handle = handle, op->flags = EXO_QUIET;
        ck_assert_int_eq(host_enter(env), 0);
        id[i] = host_completion(env)->result;
    }
    for (unsigned turn = 0; turn < 100; turn++) {
        host_plan(env, EXO_PLAN_QUIET);
        if (turn % 2)
            nop(turn);
        else
            timer(host_now + 5, 0, 0);
        env_enter(env, host_built(env), env->cq_tail + 1, EXO_NEVER);
        (void)env_continue(env);
        host_now += 5;
        timer_expire(env, host_now, 16);
        ck_assert(turn % 2 || env_continue(env));
        ck_assert_int_eq(env->state, ENV_RUNNING);
        expect(0, 0, turn % 2 ? turn : host_now);
    }
    for (unsigned i = 0; i < 2; i++) {
        host_plan(env, EXO_PLAN_QUIET);
        struct exo_op *op = host_op(env, EXO_CANCEL);
        op->arg[0] = id[i], op->arg[1] = UINT64_MAX, op->flags = EXO_QUIET;
        host_enter(env);
        host_continue(env);
        ck_assert_ptr_null(plan_find(env, number_of(id[i])));
    }
    ck_assert(list_empty(&env->ready));
    host_check();
}
END_TEST

/* exo_enter counts what failed while it waited. */
START_TEST(failures_while_waiting_are_counted)
{
    host_plan(env, EXO_PLAN_QUIET);
    timer(host_now + 10, 0, EXO_QUIET);
    failing()->after = 1;
    env_enter(env, host_built(env), env->cq_tail + 2, EXO_NEVER);
    ck_assert(!env_continue(env));
    ck_assert_int_eq(env->state, ENV_WAITING);
    host_now += 10;
    timer_expire(env, host_now, 16);
    host_continue(env);
    ck_assert_int_eq(env->state, ENV_RUNNING);
    ck_assert_uint_eq(env->context.rax, 1);
    expect(1, -EXO_E_FRAME, 0);
    expect(-1, -EXO_E_FRAME, 0);
}
END_TEST

START_TEST(no_slot_is_said)
{
    for (unsigned i = 0; i < 40; i++) {
        host_plan(env, 0);
        timer(host_now + 1000, 0, EXO_QUIET);
        if (host_enter(env) == 0)
            continue;
        expect(-1, -EXO_E_NO_SLOT, 0);
        host_now += 2000;
        timer_expire(env, host_now, 64);
        host_continue(env);
        while (host_completion(env)) {
        }
        host_plan(env, 0), nop(3);
        ck_assert_int_eq(host_enter(env), 0);
        return;
    }
    ck_abort_msg("slots never ran out");
}
END_TEST

START_TEST(interrupted_between_steps_goes_on)
{
    uint32_t free = frames_free;
    host_plan(env, 0);
    struct exo_op *op = host_op(env, EXO_ALLOC);
    op->arg[0] = 200, op->arg[2] = EXO_ANY;
    op = host_op(env, EXO_FREE);
    op->after = 1, op->uses = 1, op->arg[0] = EXO_REF(0, 0, 0), op->arg[1] = 200;
    host_attention = 3; /* in the middle of ALLOC */
    ck_assert_int_eq(host_enter(env), 0);
    ck_assert_uint_eq(frames_free, free);
    ck_assert_uint_eq(env->frames_reserved, 0);
    host_check();
}
END_TEST

#define DONATIONS 20u /* of 16 frames: 7 slots of 64 cells each */
#define TIMERS (DONATIONS * 7u * 64u)

/* Thousands due at one tick: a look ends as many as it is told to, and no more. */
START_TEST(many_timers_end_a_few_at_a_time)
{
    for (unsigned i = 0; i < DONATIONS; i++) {
        host_plan(env, EXO_PLAN_QUIET);
        struct exo_op *op = host_op(env, EXO_ALLOC);
        op->arg[0] = 16, op->arg[2] = EXO_ANY, op->flags = EXO_QUIET;
        op = host_op(env, EXO_SLOTS);
        op->after = 1, op->uses = 1, op->arg[0] = EXO_REF(0, 0, 0), op->flags = EXO_QUIET;
        op->arg[1] = 16, op->arg[2] = 64;
        ck_assert_int_eq(host_enter(env), 0);
    }
    for (unsigned i = 0; i < TIMERS; i++) {
        if (i % 64 == 0)
            host_plan(env, EXO_PLAN_QUIET);
        timer(host_now + 100, 0, EXO_QUIET);
        if (i % 64 == 63)
            ck_assert_int_eq(host_enter(env), 0);
    }
    ck_assert_uint_lt(env->timers->rank, 15); /* of so many no right spine is longer */
    unsigned looks = 1;
    host_now += 100;
    for (; timer_expire(env, host_now, 16); looks++) {
    }
    ck_assert_uint_eq(looks, TIMERS / 16);
    ck_assert_ptr_null(env->timers);
    host_continue(env);
    host_check();
    expect_none();
}
END_TEST

START_TEST(quota_is_asked_at_the_door)
{
    uint32_t handle;
    struct env *child = host_child(env, 40, 1, 16, &handle);
    env = child;
    host_plan(child, 0);
    struct exo_op *op = host_op(child, EXO_ALLOC);
    op->arg[0] = 32, op->arg[2] = EXO_ANY;
    ck_assert_int_eq(host_enter(child), 1);
    const struct exo_completion *refused = host_completion(child);
    ck_assert_int_eq(refused->status, -EXO_E_QUOTA);
    ck_assert_uint_eq(refused->result, 0); /* the plan as a whole */
    ck_assert_uint_eq(refused->more, 32);  /* frames that it needs */
    ck_assert_uint_eq(child->frames_reserved, 0);
    host_plan(child, 0);
    op = host_op(child, EXO_ALLOC);
    op->arg[0] = 31, op->arg[2] = EXO_ANY;
    ck_assert_int_eq(host_enter(child), 0);
    host_check();
}
END_TEST

/* A child that dies with a timer parked, a plan ready and frames owned leaves nothing. */
START_TEST(death_returns_everything)
{
    struct env *parent = env;
    for (unsigned turn = 0; turn < 200; turn++) {
        uint32_t free = frames_free, used = parent->frames_used, limit = parent->frames_limit;
        uint32_t handle;
        struct env *child = host_child(parent, 100, 1, 16, &handle);
        env = child;
        host_plan(child, 0);
        struct exo_op *op = host_op(child, EXO_ALLOC);
        op->arg[0] = 1 + turn % 50, op->arg[2] = EXO_ANY;
        timer(host_now + 5, 0, 0);
        ck_assert_int_eq(host_enter(child), 0);
        if (turn % 2) {
            host_now += 10;
            timer_expire(child, host_now, 16);
        }
        env = parent;
        host_plan(parent, EXO_PLAN_QUIET);
        op = host_op(parent, EXO_ENV_KILL);
        op->handle = handle, op->flags = EXO_QUIET;
        host_attention = turn % 7;
        ck_assert_int_eq(host_enter(parent), 0);
        host_attention = 0;
        ck_assert_ptr_null(handle_env(parent, number_of(handle), false));
        ck_assert_uint_eq(frames_free, free);
        ck_assert_uint_eq(parent->frames_used, used);
        ck_assert_uint_eq(parent->frames_limit, limit);
        host_check();
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("plan");
    TCase *tests = tcase_create("plan");
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, setup, NULL);
    tcase_add_test(tests, results_flow_and_everything_completes);
    tcase_add_test(tests, start_conditions);
    tcase_add_test(tests, handler_not_needed_ends_well);
    tcase_add_test(tests, malformed_plans_are_refused_whole);
    tcase_add_test(tests, garbage_in_the_ring_is_refused);
    tcase_add_test(tests, rings_have_edges);
    tcase_add_test(tests, completions_wait_for_room);
    tcase_add_test(tests, whichever_first_and_cancel_the_other);
    tcase_add_test(tests, completions_come_in_the_order_of_events);
    tcase_add_test(tests, standing_plan_starts_over_and_is_cancelled);
    tcase_add_test(tests, cancelled_between_steps);
    tcase_add_test(tests, standing_plan_ends_itself);
    tcase_add_test(tests, standing_plans_that_never_wait);
    tcase_add_test(tests, failures_while_waiting_are_counted);
    tcase_add_test(tests, no_slot_is_said);
    tcase_add_test(tests, interrupted_between_steps_goes_on);
    tcase_add_test(tests, many_timers_end_a_few_at_a_time);
    tcase_add_test(tests, quota_is_asked_at_the_door);
    tcase_add_test(tests, death_returns_everything);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
