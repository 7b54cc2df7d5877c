/* SPDX-License-Identifier: MIT */
/*
 * Flush epochs with two cores, of which one is late: whatever would give a frame another owner or other rights
 * while that core may still remember a mapping of it waits, and goes on by itself.
 */
#include <stdlib.h>
#include <string.h>

#include "suite.h"
#include "../../exo/flush.h"
#include "host_kernel.h"

#define BASE 0x200000000000ull

static struct env *env, *child;
static uint32_t handle;
static uint64_t frame; /* was mapped at BASE, and is not any more */

static int run(struct env *of, struct exo_op cell, uint64_t *result)
{
    host_plan(of, EXO_PLAN_QUIET);
    *host_op(of, cell.code) = cell;
    (void)host_enter(of);
    const struct exo_completion *completion = host_completion(of);
    int status = completion ? completion->status : 0;
    if (completion && result)
        *result = completion->result;
    while (host_completion(of)) {
    }
    return status;
}

static uint64_t alloc(struct env *of, uint64_t count)
{
    uint64_t first;
    ck_assert_int_eq(run(of, (struct exo_op){.code = EXO_ALLOC, .arg = {count, 0, EXO_ANY}}, &first), 0);
    return first;
}

static void map(uint64_t address, uint64_t number, uint64_t count, unsigned perm)
{
    ck_assert_int_eq(run(env, (struct exo_op){.code = EXO_MAP, .arg = {address, number, count, perm}}, NULL), 0);
}

static void unmap(uint64_t address, uint64_t count)
{
    ck_assert_int_eq(run(env, (struct exo_op){.code = EXO_UNMAP, .arg = {address, count}}, NULL), 0);
}

static void setup(void)
{
    env = host_start();
    uint64_t first = alloc(env, 2);
    ck_assert_int_eq(run(env, (struct exo_op){.code = EXO_SLOTS, .arg = {first, 2, 16}}, NULL), 0);
    child = host_child(env, 200, 2, 16, &handle);
    for (unsigned level = 3; level; level--)
        ck_assert_int_eq(run(env, (struct exo_op){.code = EXO_TABLE, .arg = {alloc(env, 1), BASE, level}}, NULL), 0);
    frame = alloc(env, 20);
    map(BASE, frame, 20, EXO_READ | EXO_WRITE);
    host_flushed = flush_epoch; /* from here on the other core is late */
    unmap(BASE, 20);
}

/* Begins it: nothing is told before the other core is there, and then everything. */
static void waits(struct exo_op cell, uint64_t wanted)
{
    host_plan(env, 0);
    cell.tag = 77;
    *host_op(env, cell.code) = cell;
    ck_assert_int_eq(host_enter(env), 0);
    ck_assert_msg(!host_completion(env), "operation %u did not wait", cell.code);
    host_check();
    host_flushed = flush_epoch - 1; /* nearly */
    while (flush_look())
        host_continue(env);
    host_continue(env);
    ck_assert_msg(!host_completion(env), "operation %u did not wait to the end", cell.code);
    host_flushed = flush_epoch;
    for (unsigned i = 0; i < 10; i++) {
        (void)flush_look();
        host_continue(env);
    }
    const struct exo_completion *completion = host_completion(env);
    ck_assert_msg(completion, "operation %u waits for ever", cell.code);
    ck_assert_int_eq(completion->status, 0);
    ck_assert(wanted == EXO_ANY || completion->result == wanted);
    host_check();
}

/* The last of the frames is the one that was unmapped last. */
START_TEST(free_waits) { waits((struct exo_op){.code = EXO_FREE, .arg = {frame, 20}}, EXO_ANY); }
END_TEST
START_TEST(give_waits)
{
    waits((struct exo_op){.code = EXO_GIVE, .handle = handle, .arg = {frame, 20}}, EXO_ANY);
    for (unsigned i = 0; i < 20; i++)
        ck_assert_uint_eq(frames[frame + i].owner, child->index);
}
END_TEST
START_TEST(table_waits) { waits((struct exo_op){.code = EXO_TABLE, .arg = {frame + 19, BASE + 0x200000, 1}}, EXO_ANY); }
END_TEST
START_TEST(slots_wait) { waits((struct exo_op){.code = EXO_SLOTS, .arg = {frame + 10, 10, 16}}, EXO_ANY); }
END_TEST
START_TEST(env_create_waits)
{
    waits((struct exo_op){.code = EXO_ENV_CREATE, .arg = {frame + 15, 20, 0}}, EXO_ANY);
}
END_TEST

START_TEST(freeze_waits_for_who_could_write)
{
    host_flushed = UINT64_MAX;
    map(BASE, frame, 20, EXO_READ | EXO_WRITE);
    host_flushed = flush_epoch;
    ck_assert_int_eq(run(env, (struct exo_op){.code = EXO_PROTECT, .arg = {BASE, 20, EXO_READ}}, NULL), 0);
    waits((struct exo_op){.code = EXO_FREEZE, .arg = {BASE, 20}}, EXO_ANY);
}
END_TEST

/* A frame that two can read is one's own again when the other's core has forgotten it. */
START_TEST(thaw_waits_for_the_other_reader)
{
    host_flushed = UINT64_MAX;
    map(BASE, frame, 1, EXO_READ);
    ck_assert_int_eq(run(env, (struct exo_op){.code = EXO_FREEZE, .arg = {BASE, 1}}, NULL), 0);
    struct exo_op share = {.code = EXO_SHARE, .arg = {BASE + 0x1000, BASE, 1, EXO_READ}};
    ck_assert_int_eq(run(env, share, NULL), 0);
    host_flushed = flush_epoch;
    unmap(BASE + 0x1000, 1);
    waits((struct exo_op){.code = EXO_THAW, .arg = {BASE}}, frame);
}
END_TEST

/* A frozen frame that is freed with its last mapping is not handed out before that is forgotten. */
START_TEST(alloc_waits_for_what_was_freed)
{
    host_flushed = UINT64_MAX;
    map(BASE, frame, 20, EXO_READ);
    ck_assert_int_eq(run(env, (struct exo_op){.code = EXO_FREEZE, .arg = {BASE, 20}}, NULL), 0);
    host_flushed = flush_epoch;
    unmap(BASE, 20);
    ck_assert_uint_eq(frames[frame].state, FRAME_FREE);
    waits((struct exo_op){.code = EXO_ALLOC, .arg = {16, 0, frame + 4}}, frame + 4);
}
END_TEST

/* A table's frame: the other core may still walk through it. */
START_TEST(a_table_taken_back)
{
    host_flushed = flush_epoch;
    ck_assert_int_eq(run(env, (struct exo_op){.code = EXO_UNTABLE, .arg = {BASE, 1}}, NULL), 0);
    uint64_t table = 0;
    for (uint32_t i = env->owned; i != FRAME_NONE && !table; i = frames[i].next)
        table = frames[i].state == FRAME_OWNED && frames[i].generation == flush_epoch ? i : 0;
    ck_assert_uint_ne(table, 0);
    host_flushed = flush_epoch;
    ck_assert_int_eq(run(env, (struct exo_op){.code = EXO_TABLE, .arg = {alloc(env, 1), BASE, 1}}, NULL), 0);
    ck_assert_int_eq(run(env, (struct exo_op){.code = EXO_UNTABLE, .arg = {BASE, 1}}, NULL), 0);
    for (uint32_t i = env->owned; i != FRAME_NONE; i = frames[i].next)
        if (frames[i].state == FRAME_OWNED && frames[i].generation == flush_epoch)
            table = i;
    ck_assert_int_eq(run(env, (struct exo_op){.code = EXO_TABLE, .arg = {alloc(env, 1), BASE, 1}}, NULL), 0);
    waits((struct exo_op){.code = EXO_MAP, .arg = {BASE, table, 1, EXO_READ | EXO_WRITE}}, 1);
}
END_TEST

/* In the middle of the way: cancelled, or killed, while waiting; nothing is missing afterwards. */
START_TEST(cancelled_while_waiting)
{
    host_flushed = UINT64_MAX;
    map(BASE, frame, 20, EXO_READ);
    ck_assert_int_eq(run(env, (struct exo_op){.code = EXO_FREEZE, .arg = {BASE, 20}}, NULL), 0);
    host_flushed = flush_epoch;
    unmap(BASE, 20);
    uint32_t free = frames_free, used = env->frames_used;
    host_plan(env, EXO_PLAN_ANNOUNCE);
    struct exo_op *op = host_op(env, EXO_ALLOC);
    op->arg[0] = 16, op->arg[2] = frame + 4;
    host_enter(env);
    uint64_t id = host_completion(env)->result;
    ck_assert_uint_eq(frames_free, free - 16);
    host_check();
    ck_assert_int_eq(run(env, (struct exo_op){.code = EXO_CANCEL, .arg = {id, EXO_ANY}}, NULL), -EXO_E_CANCELLED);
    ck_assert_uint_eq(frames_free, free);
    ck_assert_uint_eq(env->frames_used, used);
    ck_assert(!flush_look());
    host_check();
}
END_TEST

START_TEST(killed_while_waiting)
{
    uint64_t first = alloc(child, 40);
    for (unsigned level = 3; level; level--)
        (void)run(child, (struct exo_op){.code = EXO_TABLE, .arg = {alloc(child, 1), BASE, level}}, NULL);
    (void)run(child, (struct exo_op){.code = EXO_MAP, .arg = {BASE, first, 40, EXO_READ}}, NULL);
    (void)run(child, (struct exo_op){.code = EXO_UNMAP, .arg = {BASE, 40}}, NULL);
    host_plan(child, 0);
    struct exo_op *op = host_op(child, EXO_FREE);
    op->arg[0] = first, op->arg[1] = 40;
    host_enter(child);
    ck_assert_ptr_null(host_completion(child));
    while (!env_destroy_step(child))
        host_check();
    ck_assert(!flush_look());
    host_check();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("flush");
    TCase *tests = tcase_create("flush");
    tcase_add_checked_fixture(tests, setup, NULL);
    tcase_add_test(tests, free_waits);
    tcase_add_test(tests, give_waits);
    tcase_add_test(tests, table_waits);
    tcase_add_test(tests, slots_wait);
    tcase_add_test(tests, env_create_waits);
    tcase_add_test(tests, freeze_waits_for_who_could_write);
    tcase_add_test(tests, thaw_waits_for_the_other_reader);
    tcase_add_test(tests, alloc_waits_for_what_was_freed);
    tcase_add_test(tests, a_table_taken_back);
    tcase_add_test(tests, cancelled_while_waiting);
    tcase_add_test(tests, killed_while_waiting);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
