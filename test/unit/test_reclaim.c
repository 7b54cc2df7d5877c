/* SPDX-License-Identifier: MIT */
/*
 * RECLAIM: a parent asks frames back. A child that answers (by itself or by a plan it left behind), one
 * that is slow, one that refuses, one that dies; force, what it takes and what it leaves.
 */
#include <stdlib.h>
#include <string.h>

#include "suite.h"
#include "host_kernel.h"

#define BASE 0x200000000000ull
#define PAGES 40u

static struct env *env, *child;
static uint32_t handle;

static struct exo_op *op_of(struct env *of, unsigned code, uint32_t handle_of)
{
    struct exo_op *op = host_op(of, code);
    op->handle = handle_of;
    return op;
}

static void drain(struct env *of)
{
    while (host_completion(of)) {
    }
}

/* One operation in a plan of its own; its status and result. */
static int run(struct env *of, struct exo_op cell, uint64_t *result)
{
    host_plan(of, EXO_PLAN_QUIET);
    *host_op(of, cell.code) = cell;
    (void)host_enter(of);
    const struct exo_completion *completion = host_completion(of);
    ck_assert_ptr_nonnull(completion);
    if (result)
        *result = completion->result;
    int status = completion->status;
    drain(of);
    return status;
}

static uint64_t alloc(struct env *of, uint64_t count)
{
    uint64_t first;
    ck_assert_int_eq(run(of, (struct exo_op){.code = EXO_ALLOC, .arg = {count, 0, EXO_ANY}}, &first), 0);
    return first;
}

static void slots(struct env *of)
{
    uint64_t frame = alloc(of, 2);
    ck_assert_int_eq(run(of, (struct exo_op){.code = EXO_SLOTS, .arg = {frame, 2, 16}}, NULL), 0);
}

static void tables(struct env *of, uint64_t address)
{
    for (unsigned level = 3; level >= 1; level--)
        ck_assert_int_eq(run(of, (struct exo_op){.code = EXO_TABLE, .arg = {alloc(of, 1), address, level}}, NULL), 0);
}

static int map(struct env *of, uint64_t address, uint64_t frame, uint64_t count)
{
    return run(of, (struct exo_op){.code = EXO_MAP, .arg = {address, frame, count, EXO_READ | EXO_WRITE}}, NULL);
}

/* A child with PAGES pages mapped at BASE, and nothing of its limit to spare. */
static uint64_t memory;

static void setup(void)
{
    env = host_start();
    slots(env);
    child = host_child(env, 100, 2, 16, &handle);
    tables(child, BASE);
    memory = alloc(child, PAGES);
    ck_assert_int_eq(map(child, BASE, memory, PAGES), 0);
    env->frames_limit += child->frames_limit - child->frames_used;
    child->frames_limit = child->frames_used;
    host_check();
}

static void ask(uint64_t count, uint64_t deadline)
{
    host_plan(env, EXO_PLAN_QUIET);
    struct exo_op *op = op_of(env, EXO_RECLAIM, handle);
    op->arg[0] = count, op->arg[1] = deadline;
    host_enter(env);
    host_check();
}

static void expect(struct env *of, int status, uint64_t result, uint32_t more)
{
    const struct exo_completion *completion = host_completion(of);
    ck_assert_ptr_nonnull(completion);
    ck_assert_int_eq(completion->status, status);
    ck_assert_uint_eq(completion->result, result);
    ck_assert_uint_eq(completion->more, more);
    drain(of);
}

static void pass_to(uint64_t tick)
{
    host_now = tick;
    timer_expire(env, host_now, 8);
    host_continue(env);
    host_check();
}

static bool mapped(uint64_t address)
{
    frame_t frame;
    unsigned perm;
    return space_lookup(child, (page_t){address}, &frame, &perm) == 0;
}

/* ---- asked, and answered ------------------------------------------------------------------ */

START_TEST(unused_frames_return_at_once)
{
    child->frames_limit += 10, env->frames_limit -= 10;
    uint32_t limit = env->frames_limit;
    host_plan(child, 0), host_op(child, EXO_RECLAIM_WAIT);
    host_enter(child);
    ask(10, EXO_NEVER);
    expect(env, 0, 10, 0);
    ck_assert_uint_eq(env->frames_limit, limit + 10);
    ck_assert_uint_eq(child->frames_limit, child->frames_used);
    ck_assert_ptr_null(host_completion(child)); /* nothing for it to do */
    host_check();
}
END_TEST

START_TEST(a_child_answers)
{
    uint32_t limit = env->frames_limit, left = child->frames_limit;
    host_plan(child, 0), host_op(child, EXO_RECLAIM_WAIT);
    host_enter(child);
    ask(6, host_now + 1000);
    ck_assert_ptr_null(host_completion(env));
    ck_assert_uint_eq(child->info->reclaim, 6);
    ck_assert_uint_eq(child->info->reclaim_deadline, host_now + 1000);
    host_continue(child);
    expect(child, 0, 6, (uint32_t)(host_now + 1000));
    for (unsigned i = 0; i < 6; i++) {
        ck_assert_ptr_null(host_completion(env));
        struct exo_op cell = {.code = EXO_UNMAP, .arg = {BASE + i * EXO_PAGE_SIZE, 1}};
        ck_assert_int_eq(run(child, cell, NULL), 0);
        cell = (struct exo_op){.code = EXO_FREE, .arg = {memory + i, 1}};
        ck_assert_int_eq(run(child, cell, NULL), 0);
        host_check();
    }
    host_continue(env);
    expect(env, 0, 6, 0);
    ck_assert_uint_eq(env->frames_limit, limit + 6);
    ck_assert_uint_eq(child->frames_limit, left - 6);
    ck_assert_uint_eq(child->info->reclaim, 0);
    ck_assert_ptr_null(env->timers);
    struct exo_op cell = {.code = EXO_ALLOC, .arg = {1, 0, EXO_ANY}};
    ck_assert_int_eq(run(child, cell, NULL), -EXO_E_QUOTA); /* it can't have them again */
    ck_assert_uint_eq(child->info->taken_tail, 0);
}
END_TEST

/* A standing plan gives what it was asked for: the program itself never runs. */
START_TEST(a_plan_left_behind_answers)
{
    host_plan(child, EXO_PLAN_QUIET);
    op_of(child, EXO_RECLAIM_WAIT, 0)->flags = EXO_QUIET;
    struct exo_op *op = op_of(child, EXO_UNMAP, 0);
    op->arg[0] = BASE, op->arg[1] = 20, op->after = 1, op->flags = EXO_QUIET;
    op = op_of(child, EXO_FREE, 0);
    op->arg[0] = memory, op->arg[1] = 20, op->after = 2, op->flags = EXO_QUIET;
    (void)host_syscall(child, host_built(child), EXO_NEVER - 1, EXO_NEVER);
    ask(20, host_now + 1000000);
    uint64_t wakeups = child->info->wakeups;
    (void)host_syscall(env, host_built(env), env->cq_tail + 1, EXO_NEVER);
    for (unsigned i = 0; i < 4; i++)
        (void)host_leave();
    host_check();
    expect(env, 0, 20, 0);
    ck_assert_uint_eq(child->info->wakeups, wakeups);
    ck_assert_int_eq(child->state, ENV_WAITING);
}
END_TEST

/* Asked before anybody waited: the next RECLAIM_WAIT hears of it, once. */
START_TEST(told_once)
{
    ask(3, EXO_NEVER);
    struct exo_op cell = {.code = EXO_RECLAIM_WAIT};
    uint64_t wanted;
    ck_assert_int_eq(run(child, cell, &wanted), 0);
    ck_assert_uint_eq(wanted, 3);
    host_plan(child, 0), host_op(child, EXO_RECLAIM_WAIT);
    host_enter(child);
    ck_assert_ptr_null(host_completion(child));
    host_check();
}
END_TEST

/* Frames that an admitted plan has reserved count as used until it ends. */
START_TEST(reservations_return_too)
{
    child->frames_limit += 8, env->frames_limit -= 8;
    host_plan(child, EXO_PLAN_ANNOUNCE);
    host_op(child, EXO_TIMER)->arg[0] = EXO_NEVER;
    struct exo_op *op = host_op(child, EXO_ALLOC);
    op->arg[0] = 8, op->arg[2] = EXO_ANY, op->after = 1;
    host_enter(child);
    uint64_t id = host_completion(child)->result;
    ask(8, EXO_NEVER);
    ck_assert_ptr_null(host_completion(env));
    host_plan(child, 0), op = host_op(child, EXO_CANCEL), op->arg[0] = id, op->arg[1] = EXO_ANY;
    host_enter(child);
    drain(child);
    host_enter(child);
    host_continue(env);
    expect(env, 0, 8, 0);
    host_check();
}
END_TEST

START_TEST(refusals)
{
    struct exo_op cell = {.code = EXO_RECLAIM, .handle = handle, .arg = {child->frames_limit + 1, 0}};
    ck_assert_int_eq(run(env, cell, NULL), -EXO_E_QUOTA);
    cell.handle = EXO_SELF;
    ck_assert_int_eq(run(env, cell, NULL), -EXO_E_HANDLE);
    ask(3, EXO_NEVER);
    cell.handle = handle, cell.arg[0] = 1;
    ck_assert_int_eq(run(env, cell, NULL), -EXO_E_BUSY);
    host_check();
}
END_TEST

/* ---- not answered -------------------------------------------------------------------------------- */

START_TEST(force_takes_what_was_asked)
{
    child->control->spare = BASE + 5 * EXO_PAGE_SIZE + 7; /* any address will do */
    uint32_t free = frames_free, limit = env->frames_limit;
    ask(10, host_now + 1000);
    pass_to(host_now + 999);
    ck_assert_ptr_null(host_completion(env));
    ck_assert(env_runnable(child));
    pass_to(host_now + 1);
    expect(env, 0, 10, 10);
    ck_assert_uint_eq(frames_free, free + 10);
    ck_assert_uint_eq(env->frames_limit, limit + 10);
    for (unsigned i = 0; i < PAGES; i++)
        ck_assert_int_eq(mapped(BASE + i * EXO_PAGE_SIZE), i < 5 || i >= 15);
    ck_assert_uint_eq(child->info->taken_tail, 1);
    ck_assert_uint_eq(child->info->taken[0].first, BASE + 5 * EXO_PAGE_SIZE);
    ck_assert_uint_eq(child->info->taken[0].count, 10);
    ck_assert(env_runnable(child)); /* and goes on */
    ck_assert_int_eq(run(child, (struct exo_op){.code = EXO_NOP}, NULL), 0);
    ck_assert_int_eq(run(child, (struct exo_op){.code = EXO_FREE, .arg = {memory + 5, 1}}, NULL), -EXO_E_FRAME);
    ask(3, 0); /* what comes next has an entry of its own, since the child may have seen the last */
    expect(env, 0, 3, 3);
    ck_assert_uint_eq(child->info->taken_tail, 2);
    ck_assert_uint_eq(child->info->taken[1].first, BASE + 15 * EXO_PAGE_SIZE);
}
END_TEST

/* The walk leaves out what it must not take, and comes around at the end of the address space. */
START_TEST(force_leaves_what_is_not_to_be_taken)
{
    child->control->spare = BASE + (PAGES - 4) * EXO_PAGE_SIZE;
    host_pinned = (uint32_t)memory + PAGES - 4; /* a device writes there */
    frames[host_pinned].pins++;
    ck_assert_int_eq(map(child, BASE + 0x100000, memory + PAGES - 3, 1), 0);         /* mapped twice */
    ck_assert_int_eq(map(child, BASE + 0x101000, child->sq_frame, 1), 0);            /* the ring */
    struct exo_op cell = {.code = EXO_MAP, .arg = {BASE + 0x102000, EXO_INFO_FRAME, 1, EXO_READ}};
    ck_assert_int_eq(run(child, cell, NULL), 0);
    ask(4, 0);
    expect(env, 0, 4, 4);
    ck_assert(mapped(BASE + (PAGES - 4) * EXO_PAGE_SIZE) && mapped(BASE + (PAGES - 3) * EXO_PAGE_SIZE));
    ck_assert(!mapped(BASE + (PAGES - 2) * EXO_PAGE_SIZE) && !mapped(BASE + (PAGES - 1) * EXO_PAGE_SIZE));
    ck_assert(mapped(BASE + 0x100000) && mapped(BASE + 0x101000) && mapped(BASE + 0x102000));
    ck_assert(!mapped(BASE) && !mapped(BASE + 0x1000) && mapped(BASE + 0x2000));
    ck_assert_uint_eq(child->info->taken_tail, 2);
    ck_assert_uint_eq(child->info->taken[1].first, BASE);
    frames[host_pinned].pins--;
    host_pinned = 0;
    host_check();
}
END_TEST

/* Frozen pages go as rights; frames that are nowhere mapped come last, by number. */
START_TEST(force_takes_rights_and_unmapped_frames)
{
    struct exo_op cell = {.code = EXO_PROTECT, .arg = {BASE, PAGES, EXO_READ}};
    ck_assert_int_eq(run(child, cell, NULL), 0);
    cell = (struct exo_op){.code = EXO_FREEZE, .arg = {BASE, PAGES}};
    ck_assert_int_eq(run(child, cell, NULL), 0);
    child->frames_limit += 3, env->frames_limit -= 3;
    uint64_t loose = alloc(child, 3);
    uint32_t free = frames_free;
    ask(PAGES + 2, 0);
    expect(env, 0, PAGES + 2, PAGES + 2);
    ck_assert_uint_eq(frames_free, free + PAGES + 2);
    ck_assert_uint_eq(child->info->taken[0].count, PAGES);
    unsigned gone = 0;
    for (unsigned i = 0; i < 3; i++)
        gone += frames[loose + i].state == FRAME_FREE;
    ck_assert_uint_eq(gone, 2);
    for (uint64_t i = 1, n = 0; i < child->info->taken_tail; i++)
        for (uint64_t k = 0; k < child->info->taken[i].count; k++, n++) {
            uint64_t frame = (child->info->taken[i].first >> EXO_PAGE_SHIFT) + k;
            ck_assert_uint_eq(child->info->taken[i].first & 0xfff, EXO_TAKEN_FRAMES);
            ck_assert_uint_eq(frames[frame].state, FRAME_FREE);
        }
    host_check();
}
END_TEST

START_TEST(not_enough_is_the_end)
{
    host_plan(env, EXO_PLAN_QUIET);
    op_of(env, EXO_ENV_WAIT, handle);
    host_enter(env);
    uint32_t limit = env->frames_limit;
    ask(PAGES + 1, 0);
    const struct exo_completion *stopped = host_completion(env); /* the event, before what caused it ends */
    ck_assert_ptr_nonnull(stopped);
    ck_assert_uint_eq(stopped->result, EXO_STOP_RECLAIM);
    ck_assert_uint_eq(stopped->more, 1); /* a frame still missing */
    expect(env, -EXO_E_DEAD, 0, PAGES);
    ck_assert_uint_eq(env->frames_limit, limit);
    ck_assert_int_eq(child->state, ENV_STOPPED);
    drain(env);
    struct exo_op cell = {.code = EXO_ENV_KILL, .handle = handle};
    ck_assert_int_eq(run(env, cell, NULL), 0);
    host_check();
}
END_TEST

/* Force is a walk in steps: the child stands still, whatever happens between them. */
static void force_step(uint32_t work)
{
    host_plan(env, EXO_PLAN_QUIET);
    ((struct exo_plan *)(uintptr_t)&env->sq[(host_built(env) - 1) & (env->sq_size - 1)])->work = work;
    struct exo_op *op = op_of(env, EXO_RECLAIM, handle);
    op->arg[0] = PAGES;
    host_enter(env);
}

START_TEST(force_in_steps)
{
    for (uint32_t work = 1; work < 40; work++) {
        setup();
        child->control->spare = BASE;
        uint32_t free = frames_free;
        force_step(work);
        const struct exo_completion *completion = host_completion(env);
        uint32_t taken = frames_free - free;
        ck_assert_uint_le(taken, 16u * work);
        if (completion->status == 0)
            ck_assert_uint_eq(taken, PAGES);
        else
            ck_assert_int_eq(completion->status, -EXO_E_WORK);
        ck_assert(env_runnable(child) && !child->reclaim && !child->seized); /* it was let go */
        uint64_t told = child->info->taken_tail ? child->info->taken[0].count : 0;
        ck_assert_uint_eq(told, taken);
        host_check();
    }
}
END_TEST

/* Between two steps of force the child does not run, and may be killed. */
START_TEST(killed_in_the_middle)
{
    for (unsigned looks = 1; looks < 12; looks++) {
        setup();
        uint32_t limit = env->frames_limit + child->frames_limit;
        host_plan(env, EXO_PLAN_QUIET);
        struct exo_op *op = op_of(env, EXO_RECLAIM, handle);
        op->arg[0] = PAGES;
        core_this()->attention = 0;
        host_attention = looks;
        core_this()->current = env;
        env_enter(env, host_built(env), 0, 0);
        (void)env_continue(env);
        host_attention = 0;
        host_check();
        bool between = child->reclaim;
        ck_assert_int_eq(env_runnable(child), !between);
        while (!env_destroy_step(child))
            host_check();
        core_this()->attention = 0;
        host_continue(env);
        const struct exo_completion *completion = host_completion(env);
        ck_assert_int_eq(completion->status, between ? -EXO_E_HANDLE : 0);
        ck_assert_uint_eq(env->frames_limit, limit);
        host_check();
    }
}
END_TEST

START_TEST(death_and_cancel_while_parked)
{
    ask(5, host_now + 1000);
    host_plan(env, EXO_PLAN_QUIET);
    op_of(env, EXO_ENV_KILL, handle)->flags = EXO_QUIET;
    host_enter(env);
    host_continue(env);
    expect(env, -EXO_E_DEAD, 0, 0);
    ck_assert_ptr_null(env->timers);
    setup();
    host_plan(env, EXO_PLAN_QUIET | EXO_PLAN_ANNOUNCE);
    struct exo_op *op = op_of(env, EXO_RECLAIM, handle);
    op->arg[0] = 5, op->arg[1] = host_now + 1000;
    host_enter(env);
    uint64_t id = host_completion(env)->result;
    host_plan(env, EXO_PLAN_QUIET);
    op = op_of(env, EXO_CANCEL, 0), op->arg[0] = id, op->arg[1] = EXO_ANY, op->flags = EXO_QUIET;
    host_enter(env);
    expect(env, -EXO_E_CANCELLED, host_now + 1000, 0);
    ck_assert_ptr_null(env->timers);
    ck_assert_ptr_null(child->reclaim);
    ck_assert_uint_eq(child->info->reclaim, 0);
    host_check();
}
END_TEST

/* The parent of a parent dies with a RECLAIM of its own under way. */
START_TEST(the_asker_dies)
{
    child->places = 1, env->places--;
    child->frames_limit += 60, env->frames_limit -= 60;
    uint32_t inner;
    struct env *grandchild = host_child(child, 30, 1, 4, &inner);
    host_plan(child, EXO_PLAN_QUIET);
    struct exo_op *op = op_of(child, EXO_RECLAIM, inner);
    op->arg[0] = 25, op->arg[1] = host_now + 1000;
    host_enter(child);
    ck_assert_ptr_nonnull(grandchild->reclaim);
    ck_assert_int_eq(run(env, (struct exo_op){.code = EXO_ENV_KILL, .handle = handle}, NULL), 0);
    host_check();
}
END_TEST

/* What a child gets back from a child of its own counts, at once or when that one answers. */
START_TEST(up_the_tree)
{
    uint32_t inner;
    child->places = 1, env->places--;
    child->frames_limit += 60, env->frames_limit -= 60;
    struct env *grandchild = host_child(child, 30, 1, 4, &inner);
    uint64_t taken = alloc(grandchild, grandchild->frames_limit - grandchild->frames_used - 5);
    env->frames_limit += child->frames_limit - child->frames_used;
    child->frames_limit = child->frames_used;
    ask(5, EXO_NEVER);
    host_plan(child, EXO_PLAN_QUIET); /* which goes on behind it */
    struct exo_op *op = op_of(child, EXO_RECLAIM, inner);
    op->arg[0] = 5, op->arg[1] = EXO_NEVER;
    host_op(child, EXO_TIMER)->arg[0] = EXO_NEVER;
    host_enter(child);
    host_check();
    expect(env, 0, 5, 0);
    expect(child, 0, 5, 0);
    ask(1, EXO_NEVER);
    host_plan(child, EXO_PLAN_QUIET);
    op = op_of(child, EXO_RECLAIM, inner);
    op->arg[0] = 1, op->arg[1] = EXO_NEVER;
    host_enter(child);
    host_check();
    ck_assert_ptr_null(host_completion(env));
    ck_assert_int_eq(run(grandchild, (struct exo_op){.code = EXO_FREE, .arg = {taken, 1}}, NULL), 0);
    host_check();
    expect(env, 0, 1, 0);
    expect(child, 0, 1, 0);
}
END_TEST

/* More runs than there is room for: the newest are there, and the number says that some are not. */
START_TEST(many_runs)
{
    child->frames_limit += 400, env->frames_limit -= 400;
    uint64_t first = alloc(child, 150);
    for (unsigned i = 0; i < 150; i++)
        ck_assert_int_eq(map(child, BASE + 0x80000 + 2 * i * EXO_PAGE_SIZE, first + i, 1), 0);
    env->frames_limit += child->frames_limit - child->frames_used, child->frames_limit = child->frames_used;
    child->control->spare = BASE + 0x80000;
    ask(150, 0);
    expect(env, 0, 150, 150);
    ck_assert_uint_eq(child->info->taken_tail, 150);
    for (unsigned i = 150 - EXO_TAKEN; i < 150; i++)
        ck_assert_uint_eq(child->info->taken[i % EXO_TAKEN].first, BASE + 0x80000 + 2 * i * EXO_PAGE_SIZE);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("reclaim");
    TCase *tests = tcase_create("reclaim");
    tcase_set_timeout(tests, 30);
    tcase_add_checked_fixture(tests, setup, NULL);
    tcase_add_test(tests, unused_frames_return_at_once);
    tcase_add_test(tests, a_child_answers);
    tcase_add_test(tests, a_plan_left_behind_answers);
    tcase_add_test(tests, told_once);
    tcase_add_test(tests, reservations_return_too);
    tcase_add_test(tests, refusals);
    tcase_add_test(tests, force_takes_what_was_asked);
    tcase_add_test(tests, force_leaves_what_is_not_to_be_taken);
    tcase_add_test(tests, force_takes_rights_and_unmapped_frames);
    tcase_add_test(tests, not_enough_is_the_end);
    tcase_add_test(tests, force_in_steps);
    tcase_add_test(tests, killed_in_the_middle);
    tcase_add_test(tests, death_and_cancel_while_parked);
    tcase_add_test(tests, the_asker_dies);
    tcase_add_test(tests, up_the_tree);
    tcase_add_test(tests, many_runs);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
