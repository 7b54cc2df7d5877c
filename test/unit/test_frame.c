/* SPDX-License-Identifier: MIT */
/* The frame table against a plain model: what is taken is free, disjoint and aligned; what goes back joins. */
#include <stdlib.h>

#include "suite.h"
#include "host_kernel.h"

#define RUNS 200u

START_TEST(random_runs_never_overlap)
{
    struct env *env = host_start();
    static uint8_t model[HOST_FRAMES];
    struct {
        uint32_t first, count;
    } run[RUNS] = {0};
    uint32_t all = frames_free;
    srand(1);
    for (unsigned i = 0; i < HOST_FRAMES; i++)
        model[i] = 0;
    for (unsigned turn = 0; turn < 20000; turn++) {
        unsigned at = (unsigned)rand() % RUNS;
        if (run[at].count) {
            uint32_t part = rand() % 2 ? run[at].count : 1; /* all at once, or one by one */
            for (uint32_t i = 0; i < run[at].count; i++) {
                frame_disown(env, (frame_t){run[at].first + i});
                model[run[at].first + i] = 0;
            }
            for (uint32_t i = 0; i < run[at].count; i += part)
                frame_release((frame_t){run[at].first + i}, part);
            run[at].count = 0;
            continue;
        }
        uint32_t count = 1u << rand() % 5;
        count -= count > 1 && rand() % 2;
        unsigned align = (unsigned)rand() % 4;
        frame_t first;
        uint64_t wanted = rand() % 4 ? EXO_ANY : (uint64_t)(rand() % 1024) & ~((1u << align) - 1);
        int error = frame_take(count, align, number_of(wanted), &first);
        if (error)
            continue;
        ck_assert_uint_eq(first.number & ((1u << align) - 1), 0);
        ck_assert(wanted == EXO_ANY || first.number == wanted);
        for (uint32_t i = 0; i < count; i++) {
            ck_assert_int_eq(model[first.number + i], 0);
            model[first.number + i] = 1;
            frame_own(env, (frame_t){first.number + i}, FRAME_OWNED, KIND_NONE);
        }
        run[at].first = first.number;
        run[at].count = count;
    }
    for (unsigned at = 0; at < RUNS; at++)
        for (uint32_t i = 0; i < run[at].count; i++) {
            frame_disown(env, (frame_t){run[at].first + i});
            frame_release((frame_t){run[at].first + i}, 1);
        }
    ck_assert_uint_eq(frames_free, all);
    host_check();
    frame_t big; /* everything joined again */
    ck_assert_int_eq(frame_take(256, 8, number_of(EXO_ANY), &big), 0);
}
END_TEST

START_TEST(hostile_numbers_are_refused)
{
    host_start();
    frame_t frame;
    ck_assert_int_eq(frame_take(0, 0, number_of(EXO_ANY), &frame), -EXO_E_RANGE);
    ck_assert_int_eq(frame_take(1, 11, number_of(EXO_ANY), &frame), -EXO_E_RANGE);
    ck_assert_int_eq(frame_take(1025, 0, number_of(EXO_ANY), &frame), -EXO_E_RANGE);
    ck_assert_int_eq(frame_take(1, 1, number_of(3), &frame), -EXO_E_RANGE);
    ck_assert_int_eq(frame_take(17, 0, number_of(32), &frame), -EXO_E_RANGE);
    ck_assert_int_eq(frame_take(1, 0, number_of(HOST_FRAMES), &frame), -EXO_E_FRAME);
    ck_assert_int_eq(frame_take(1, 0, number_of(EXO_ANY - 1), &frame), -EXO_E_FRAME);
    ck_assert_int_eq(frame_take(1, 0, number_of(0), &frame), -EXO_E_NO_FRAMES);
    ck_assert_int_eq(frame_take(1, 0, number_of(HOST_FRAMES - 1), &frame), -EXO_E_NO_FRAMES);
    ck_assert(!frame_checked(number_of(HOST_FRAMES - 1), 2, &frame));
    ck_assert(!frame_checked(number_of(1), UINT64_MAX, &frame));
    ck_assert(frame_checked(number_of(HOST_FRAMES - 1), 1, &frame));
    host_check();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("frame");
    TCase *tests = tcase_create("frame");
    tcase_add_test(tests, random_runs_never_overlap);
    tcase_add_test(tests, hostile_numbers_are_refused);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
