/* SPDX-License-Identifier: MIT */
/*
 * Programs and what they name at odd moments: children that die between the door and the operation, ids of plans that are
 * none, ends in the middle of a crossing, upcalls that nobody set up, rings that lie in each other.
 */
#include <stdlib.h>

#include "suite.h"
#include "host_kernel.h"

#define BASE 0x200000000000ull

static struct env *env, *child;
static uint32_t handle;
static uint64_t frame; /* 24 of its own */

static int run(struct env *of, struct exo_op cell, uint64_t *result)
{
    int status = 0;
    host_plan(of, EXO_PLAN_QUIET);
    *host_op(of, cell.code) = cell;
    (void)host_enter(of);
    const struct exo_completion *completion;
    while ((completion = host_completion(of))) {
        status = completion->status;
        if (result)
            *result = completion->result;
    }
    return status;
}

#define RUN(of, op, ...) run(of, (struct exo_op){.code = EXO_##op, __VA_ARGS__}, NULL)

static uint64_t get(struct exo_op cell)
{
    uint64_t result = 0;
    ck_assert_int_eq(run(env, cell, &result), 0);
    return result;
}

static uint64_t alloc(uint64_t count) { return get((struct exo_op){.code = EXO_ALLOC, .arg = {count, 0, EXO_ANY}}); }

static void setup(void)
{
    env = host_start();
    (void)get((struct exo_op){.code = EXO_SLOTS, .arg = {alloc(8), 8, 16}});
    child = host_child(env, 60, 2, 16, &handle);
    frame = alloc(24);
}

/* The kernel works on what became ready, and then nothing is due. */
static void pass(uint64_t ticks)
{
    host_now += ticks;
    timer_expire(env, host_now, 8);
    timer_expire(child, host_now, 8);
}

/* ---- a child dies while the operation that names it waits ------------------------------------------------- */

/* Every operation that a handle of a child is for, well formed, behind a timer. */
static struct exo_op late_op(unsigned code)
{
    static const uint64_t plain[] = {0, 16, 1, 16, 1};
    struct exo_op op = {.code = (uint8_t)code, .handle = handle, .after = 1};
    for (unsigned k = 0; k < 5; k++) {
        switch (op_infos[code].arg[k]) {
        case K_FRAME: op.arg[k] = frame + 4 * k; break;
        case K_ADDR: op.arg[k] = BASE + k * EXO_PAGE_SIZE; break;
        case K_COUNT: op.arg[k] = 1; break;
        case K_PERM: op.arg[k] = EXO_READ; break;
        case K_BUF: op.arg[k] = EXO_BUF(frame, 0, sizeof(struct exo_account)); break;
        case K_SMALL: op.arg[k] = plain[k] % 3; break;
        case K_HANDLE: op.arg[k] = EXO_BOOT_CONSOLE; break;
        case K_WORD: op.arg[k] = 0x1000; break;
        default: break;
        }
    }
    return op;
}

START_TEST(children_die_before_their_operation)
{
    unsigned count = 0;
    for (unsigned code = 0; code < EXO_CODE_END; code++) {
        if (op_infos[code].handle != K_ENV)
            continue;
        setup();
        host_plan(env, EXO_PLAN_QUIET);
        struct exo_op *timer = host_op(env, EXO_TIMER), late = late_op(code);
        timer->arg[0] = host_now + 1000, timer->flags = EXO_QUIET;
        *host_op(env, code) = late;
        (void)host_enter(env);
        ck_assert_ptr_null(host_completion(env)); /* it is well formed: it waits */
        ck_assert_int_eq(RUN(env, ENV_KILL, .handle = handle), 0);
        uint32_t used = env->frames_used, limit = env->frames_limit;
        pass(1000);
        host_continue(env);
        const struct exo_completion *completion = host_completion(env);
        ck_assert_msg(completion && completion->status == -EXO_E_HANDLE, "%s of a child that died", op_infos[code].name);
        ck_assert(env->frames_used == used && env->frames_limit == limit);
        host_check();
        count++;
    }
    ck_assert_uint_gt(count, 15);
}
END_TEST

/* ---- plans by ids that are none ------------------------------------------------------------------------------ */

static uint64_t announced(struct env *of)
{
    host_plan(of, EXO_PLAN_ANNOUNCE);
    host_op(of, EXO_TIMER)->arg[0] = EXO_NEVER;
    for (unsigned i = 0; i < 15; i++)
        host_op(of, EXO_NOP)->after = 1;
    (void)host_enter(of);
    return host_completion(of)->result;
}

/* What a plan's operations keep, and what is behind the last slot of a run, looks like plans that are under way. */
static void plans_forge(struct plan *plan)
{
    for (unsigned i = 1; i < plan->cells; i++)
        plan->op[i].step[1] = UINT64_MAX;
    struct frame *entry = &frames[(uint32_t)(plan->number * sizeof(struct op) >> EXO_PAGE_SHIFT)];
    uint64_t bytes = slots_frames(entry) * (uint64_t)EXO_PAGE_SIZE, size = plan_slot_bytes(slots_class(entry));
    char *run = frame_memory((frame_t){slots_base(entry)});
    ((struct plan *)(void *)(run + bytes / size * size))->admitted = 1;
}

START_TEST(ids_of_plans)
{
    uint64_t mine = announced(env), its = announced(child), found = 0;
    plans_forge(plan_find(child, number_of(its)));
    uint64_t end = (uint64_t)HOST_FRAMES * EXO_PAGE_SIZE / sizeof(struct op) + 64;
    for (uint64_t number = 0; number < end; number++)
        for (uint64_t generation = 0; generation < 4; generation++) {
            uint64_t id = generation << 32 | number;
            struct plan *plan = plan_find(child, number_of(id));
            ck_assert(plan == NULL || id == its);
            found += plan != NULL;
        }
    ck_assert_uint_eq(found, 1);
    ck_assert_ptr_null(plan_find(child, number_of(its | 1ull << 48)));
    ck_assert_int_eq(RUN(child, CANCEL, .arg = {mine, 1}), -EXO_E_ABSENT);
    ck_assert_int_eq(RUN(env, CANCEL, .arg = {its, 1}), -EXO_E_ABSENT);
    ck_assert_int_eq(RUN(child, CANCEL, .arg = {its, 1}), 0);
    host_check();
}
END_TEST

/* ---- ends -------------------------------------------------------------------------------------------------------- */

/* Who ends itself waits for nothing any more, and nothing of it runs. */
START_TEST(ended_in_its_crossing)
{
    host_plan(child, 0), host_op(child, EXO_ENV_EXIT)->arg[0] = EXO_STOP_EXIT;
    host_plan(child, 0), host_op(child, EXO_NOP);
    (void)host_syscall(child, host_built(child), child->cq_tail + 100, EXO_NEVER);
    ck_assert_int_eq(child->state, ENV_STOPPED);
    ck_assert(!env_runnable(child));
    ck_assert_uint_eq(child->sq_head, host_built(child) - 2); /* the NOP's plan was not taken */
    host_check();
}
END_TEST

START_TEST(ended_by_the_first_of_its_ready_plans)
{
    for (unsigned i = 0; i < 2; i++) {
        host_plan(child, 0);
        host_op(child, EXO_TIMER)->arg[0] = host_now + 10 + i;
        struct exo_op *op = host_op(child, i ? EXO_FREE : EXO_ENV_EXIT);
        op->after = 1, op->arg[0] = i ? 1 : EXO_STOP_EXIT, op->arg[1] = 1;
    }
    (void)host_enter(child);
    pass(100);
    uint64_t tail = child->cq_tail;
    host_continue(child);
    ck_assert_int_eq(child->state, ENV_STOPPED);
    ck_assert(!list_empty(&child->ready)); /* the other one, which will never run */
    for (; tail < child->cq_tail; tail++)
        ck_assert_int_ne(child->cq[tail & (child->cq_size - 1)].status, -EXO_E_FRAME);
    ck_assert_int_eq(RUN(env, ENV_KILL, .handle = handle), 0);
    host_check();
}
END_TEST

/* ---- upcalls that nobody set up ------------------------------------------------------------------------------------ */

START_TEST(events_without_an_entry)
{
    child->control->want = UINT32_MAX;
    child->control->entry = 0;
    env_event(child, EXO_UPCALL_SLICE);
    ck_assert_uint_eq(child->control->pending, 1);
    ck_assert_uint_eq(child->control->depth, 0);
    child->control->entry = 0x400000, child->control->want = 0;
    env_event(child, EXO_UPCALL_COMPLETION);
    ck_assert_uint_eq(child->control->pending, 3);
    child->control->want = 2;
    env_event(child, EXO_UPCALL_COMPLETION);
    ck_assert_uint_eq(child->control->depth, 1);
    ck_assert_uint_eq(child->context.rip, 0x400000);
    child->context.rip = 0x401000;
    env_event(child, EXO_UPCALL_COMPLETION); /* not at another depth */
    ck_assert_uint_eq(child->control->depth, 1);
    ck_assert_uint_eq(child->context.rip, 0x401000);
}
END_TEST

/* ---- rings and buffers that are not as they should be ----------------------------------------------------------------- */

START_TEST(rings_in_each_other)
{
    uint32_t bare = (uint32_t)get((struct exo_op){.code = EXO_ENV_CREATE, .arg = {alloc(EXO_ENV_FRAMES), 40, 0}});
    ck_assert_int_eq(RUN(env, GIVE, .handle = bare, .arg = {frame, 16}), 0);
    static const struct { uint8_t control, sq, sq_count, cq, cq_count; } apart[] = {
        {0, 1, 1, 1, 1}, {0, 1, 2, 2, 1}, {0, 2, 2, 1, 2}, {1, 2, 1, 1, 1}, {2, 4, 4, 1, 2}, {8, 4, 4, 0, 8}};
    for (unsigned i = 0; i < sizeof(apart) / sizeof(apart[0]); i++)
        ck_assert_int_eq(RUN(env, ENV_RINGS, .handle = bare,
                             .arg = {frame + apart[i].control, frame + apart[i].sq, apart[i].sq_count, frame + apart[i].cq,
                                     apart[i].cq_count}), -EXO_E_BUSY);
    /* The completion ring must not be mapped: it could be written. */
    for (unsigned level = 3; level; level--)
        ck_assert_int_eq(RUN(env, TABLE, .handle = bare, .arg = {frame + 15 + level, BASE, level}), 0);
    ck_assert_int_eq(RUN(env, MAP, .handle = bare, .arg = {BASE, frame + 2, 1, EXO_READ | EXO_WRITE}), 0);
    ck_assert_int_eq(RUN(env, ENV_RINGS, .handle = bare, .arg = {frame, frame + 1, 1, frame + 2, 1}), -EXO_E_BUSY);
    ck_assert_int_eq(RUN(env, ENV_RINGS, .handle = bare, .arg = {frame, frame + 2, 1, frame + 3, 1}), 0);
    host_check();
}
END_TEST

START_TEST(buffers_of_a_page)
{
    ck_assert_int_eq(RUN(child, ENV_EXIT, .arg = {EXO_STOP_EXIT}), 0);
    ck_assert_int_eq(RUN(env, ENV_READ, .handle = handle, .arg = {BASE, EXO_BUF(frame, 0, 4097)}), -EXO_E_RANGE);
    ck_assert_int_eq(RUN(env, ENV_READ, .handle = handle, .arg = {BASE, EXO_BUF(frame, 4000, 4096)}), 0); /* nothing there */
    ck_assert_int_eq(RUN(env, CONSOLE_READ, .handle = EXO_BOOT_CONSOLE + 0x10000), -EXO_E_HANDLE);
    host_check();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("programs");
    TCase *tests = tcase_create("programs");
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, setup, NULL);
    tcase_add_test(tests, children_die_before_their_operation);
    tcase_add_test(tests, ids_of_plans);
    tcase_add_test(tests, ended_in_its_crossing);
    tcase_add_test(tests, ended_by_the_first_of_its_ready_plans);
    tcase_add_test(tests, events_without_an_entry);
    tcase_add_test(tests, rings_in_each_other);
    tcase_add_test(tests, buffers_of_a_page);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
