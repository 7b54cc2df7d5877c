/* SPDX-License-Identifier: MIT */
/*
 * Address spaces through operations, against a plain model of what is mapped:
 * mappings counted, missing levels named, frozen frames shared, charged and freed with their last right.
 */
#include <stdlib.h>
#include <string.h>

#include "suite.h"
#include "host_kernel.h"

#define BASE 0x200000000000ull
#define PAGES 64u

static struct env *env;

static void setup(void) { env = host_start(); }

/* One quiet operation; its status. */
static int run(struct exo_op cell, uint64_t *result)
{
    host_plan(env, EXO_PLAN_QUIET);
    *host_op(env, cell.code) = cell;
    (void)host_enter(env);
    const struct exo_completion *completion = host_completion(env);
    int status = completion ? completion->status : 0;
    if (result)
        *result = completion ? completion->result : 0;
    while (host_completion(env)) {
    }
    return status;
}

static uint64_t alloc(uint64_t count)
{
    uint64_t first;
    ck_assert_int_eq(run((struct exo_op){.code = EXO_ALLOC, .arg = {count, 0, EXO_ANY}}, &first), 0);
    return first;
}

static void tables(uint64_t address)
{
    for (unsigned level = 3; level >= 1; level--)
        (void)run((struct exo_op){.code = EXO_TABLE, .arg = {alloc(1), address, level}}, NULL);
}

static int map(uint64_t address, uint64_t frame, uint64_t count, uint64_t perm)
{
    return run((struct exo_op){.code = EXO_MAP, .arg = {address, frame, count, perm}}, NULL);
}

START_TEST(missing_levels_are_named)
{
    uint64_t frame = alloc(1), level;
    for (unsigned wanted = 3; wanted >= 1; wanted--) {
        struct exo_op cell = {.code = EXO_MAP, .arg = {BASE, frame, 1, EXO_READ}};
        ck_assert_int_eq(run(cell, &level), -EXO_E_NO_TABLE);
        ck_assert_uint_eq(level, wanted);
        cell = (struct exo_op){.code = EXO_TABLE, .arg = {alloc(1), BASE, wanted}};
        ck_assert_int_eq(run(cell, NULL), 0);
    }
    ck_assert_int_eq(map(BASE, frame, 1, EXO_READ), 0);
    ck_assert_int_eq(map(BASE, frame, 1, EXO_READ), -EXO_E_EXISTS);
    host_check();
}
END_TEST

/* An operation that fails has changed nothing. */
START_TEST(failed_table_keeps_the_frame)
{
    uint64_t frame = alloc(1), level = 0;
    uint64_t *word = frame_memory((frame_t){(uint32_t)frame});
    *word = 0x1234;
    struct exo_op cell = {.code = EXO_TABLE, .arg = {frame, BASE, 2}};
    ck_assert_int_eq(run(cell, &level), -EXO_E_NO_TABLE);
    ck_assert_uint_eq(level, 3);
    tables(BASE);
    ck_assert_int_eq(run(cell, NULL), -EXO_E_EXISTS);
    ck_assert_uint_eq(*word, 0x1234);
    cell.arg[1] = BASE + (1ull << 30);
    ck_assert_int_eq(run(cell, NULL), 0);
    ck_assert_uint_eq(*word, 0);
    host_check();
}
END_TEST

START_TEST(rights_follow_the_frame)
{
    uint64_t frame = alloc(1);
    tables(BASE);
    ck_assert_int_eq(map(BASE, 1, 1, EXO_READ), -EXO_E_FRAME);           /* frozen: not by number */
    ck_assert_int_eq(map(BASE, HOST_FRAMES - 1, 1, EXO_READ), -EXO_E_FRAME); /* the kernel's */
    ck_assert_int_eq(map(BASE, HOST_FRAMES, 1, EXO_READ), -EXO_E_FRAME);
    ck_assert_int_eq(map(BASE, env->cq_frame, 1, EXO_READ | EXO_WRITE), -EXO_E_RIGHT);
    ck_assert_int_eq(map(BASE, env->frame.number, 1, EXO_READ), -EXO_E_FRAME);
    ck_assert_int_eq(map(BASE + 4096, EXO_INFO_FRAME, 1, EXO_READ | EXO_WRITE), -EXO_E_RIGHT);
    ck_assert_int_eq(map(BASE + 4096, EXO_INFO_FRAME, 1, EXO_READ), 0);
    ck_assert_int_eq(map(BASE, frame, 1, EXO_READ | EXO_WRITE), 0);
    struct exo_op cell = {.code = EXO_FREE, .arg = {frame, 1}};
    ck_assert_int_eq(run(cell, NULL), -EXO_E_BUSY);
    cell = (struct exo_op){.code = EXO_FREEZE, .arg = {BASE, 1}};
    ck_assert_int_eq(run(cell, NULL), -EXO_E_BUSY); /* still writable */
    cell = (struct exo_op){.code = EXO_PROTECT, .arg = {BASE, 1, EXO_READ}};
    ck_assert_int_eq(run(cell, NULL), 0);
    cell = (struct exo_op){.code = EXO_FREEZE, .arg = {BASE, 1}};
    ck_assert_int_eq(run(cell, NULL), 0);
    cell = (struct exo_op){.code = EXO_PROTECT, .arg = {BASE, 1, EXO_READ | EXO_WRITE}};
    ck_assert_int_eq(run(cell, NULL), -EXO_E_RIGHT);
    host_check();
}
END_TEST

START_TEST(frozen_frames_live_as_long_as_a_right)
{
    uint64_t frame = alloc(1);
    tables(BASE);
    ck_assert_int_eq(map(BASE, frame, 1, EXO_READ), 0);
    struct exo_op freeze = {.code = EXO_FREEZE, .arg = {BASE, 1}};
    struct exo_op thaw = {.code = EXO_THAW, .arg = {BASE}};
    struct exo_op share = {.code = EXO_SHARE, .arg = {BASE + 4096, BASE, 1, EXO_READ}};
    struct exo_op unmap = {.code = EXO_UNMAP, .arg = {BASE + 4096, 1}};
    uint32_t used = env->frames_used, free = frames_free;
    ck_assert_int_eq(run(freeze, NULL), 0);
    ck_assert_int_eq(run(share, NULL), 0);
    ck_assert_uint_eq(env->frames_used, used + 1); /* each right is charged */
    ck_assert_int_eq(run(thaw, NULL), -EXO_E_BUSY);
    ck_assert_int_eq(run(unmap, NULL), 0);
    ck_assert_uint_eq(env->frames_used, used);
    ck_assert_int_eq(run(thaw, NULL), 0);
    ck_assert_int_eq(run(freeze, NULL), 0);
    unmap.arg[0] = BASE;
    ck_assert_int_eq(run(unmap, NULL), 0); /* the last right */
    ck_assert_uint_eq(frames_free, free + 1);
    ck_assert_uint_eq(env->frames_used, used - 1);
    host_check();
}
END_TEST

START_TEST(random_mappings_match_a_model)
{
    static uint64_t model[PAGES]; /* frame mapped at each page, 0: none */
    memset(model, 0, sizeof model);
    tables(BASE);
    uint64_t first = alloc(32);
    srand(11);
    for (unsigned turn = 0; turn < 4000; turn++) {
        unsigned page = (unsigned)rand() % PAGES, count = 1 + (unsigned)rand() % 20;
        uint64_t address = BASE + page * 4096ull;
        if (page + count > PAGES)
            continue;
        if (rand() % 2) {
            uint64_t frame = first + (unsigned)rand() % 12;
            int status = map(address, frame, count, rand() % 2 ? EXO_READ : EXO_READ | EXO_WRITE);
            unsigned i = 0;
            for (; i < count && !model[page + i]; i++)
                model[page + i] = frame + i;
            ck_assert_int_eq(status, i == count ? 0 : -EXO_E_EXISTS);
        } else {
            struct exo_op cell = {.code = EXO_UNMAP, .arg = {address, count}};
            ck_assert_int_eq(run(cell, NULL), 0);
            memset(&model[page], 0, count * sizeof model[0]);
        }
        unsigned rights[32] = {0};
        for (unsigned i = 0; i < PAGES; i++) {
            frame_t frame = {0};
            unsigned perm;
            int error = space_lookup(env, (page_t){BASE + i * 4096ull}, &frame, &perm);
            ck_assert_int_eq(error, model[i] ? 0 : -EXO_E_ABSENT);
            ck_assert_uint_eq(error ? 0 : frame.number, model[i]);
            if (model[i])
                rights[model[i] - first]++;
        }
        for (unsigned i = 0; i < 32; i++)
            ck_assert_uint_eq(frames[first + i].rights, rights[i]);
        host_check();
    }
}
END_TEST

START_TEST(no_access_keeps_the_frame)
{
    uint64_t frame = alloc(1);
    frame_t found;
    unsigned perm;
    tables(BASE);
    ck_assert_int_eq(map(BASE, frame, 1, EXO_READ | EXO_WRITE), 0);
    struct exo_op cell = {.code = EXO_PROTECT, .arg = {BASE, 1, EXO_NONE}};
    ck_assert_int_eq(run(cell, NULL), 0);
    ck_assert_int_eq(space_lookup(env, (page_t){BASE}, &found, &perm), 0);
    ck_assert_uint_eq(perm, EXO_NONE);
    ck_assert_uint_eq(frames[frame].writable, 0);
    cell.arg[2] = EXO_NONE | EXO_WRITE;
    ck_assert_int_eq(run(cell, NULL), -EXO_E_RANGE);
    cell.arg[2] = 0;
    ck_assert_int_eq(run(cell, NULL), -EXO_E_RANGE);
    cell.arg[2] = EXO_READ | EXO_WRITE;
    ck_assert_int_eq(run(cell, NULL), 0);
    ck_assert_uint_eq(frames[frame].writable, 1);
    host_check();
}
END_TEST

START_TEST(addresses_have_ends)
{
    uint64_t frame = alloc(2);
    ck_assert_int_eq(map(EXO_USER_END, frame, 1, EXO_READ), -EXO_E_RANGE);
    ck_assert_int_eq(map(EXO_USER_END - 4096, frame, 2, EXO_READ), -EXO_E_RANGE);
    ck_assert_int_eq(map(0xffff800000000000ull, frame, 1, EXO_READ), -EXO_E_RANGE);
    ck_assert_int_eq(map(BASE + 1, frame, 1, EXO_READ), -EXO_E_RANGE);
    struct exo_op cell = {.code = EXO_TABLE, .arg = {frame, BASE, 4}};
    ck_assert_int_eq(run(cell, NULL), -EXO_E_RANGE);
    cell.arg[2] = 0;
    ck_assert_int_eq(run(cell, NULL), -EXO_E_RANGE);
    cell = (struct exo_op){.code = EXO_UNMAP, .arg = {EXO_USER_END - 4096, 65536}};
    ck_assert_int_eq(run(cell, NULL), -EXO_E_RANGE);
    host_check();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("space");
    TCase *tests = tcase_create("space");
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, setup, NULL);
    tcase_add_test(tests, missing_levels_are_named);
    tcase_add_test(tests, failed_table_keeps_the_frame);
    tcase_add_test(tests, rights_follow_the_frame);
    tcase_add_test(tests, frozen_frames_live_as_long_as_a_right);
    tcase_add_test(tests, random_mappings_match_a_model);
    tcase_add_test(tests, no_access_keeps_the_frame);
    tcase_add_test(tests, addresses_have_ends);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
