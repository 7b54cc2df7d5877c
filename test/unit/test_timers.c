/* SPDX-License-Identifier: MIT */
/* The heap of deadlines against a plain array: adding, taking the earliest, taking any. */
#include <stdlib.h>

#include "suite.h"
#include "../../libos/thread/timers.c"

#define THREADS 300

static struct thread thread[THREADS];

static struct thread *earliest(void)
{
    struct thread *first = NULL;
    for (int i = 0; i < THREADS; i++)
        if (thread[i].in_timers && (first == NULL || thread[i].deadline < first->deadline))
            first = &thread[i];
    return first;
}

static void compare(void)
{
    struct thread *first = timers_first(), *wanted = earliest();
    ck_assert_int_eq(first == NULL, wanted == NULL);
    if (first != NULL)
        ck_assert_uint_eq(first->deadline, wanted->deadline);
}

START_TEST(test_random)
{
    srand((unsigned)_i + 1);
    for (int step = 0; step < 3000; step++) {
        struct thread *t = &thread[rand() % THREADS];
        if (rand() % 3 == 0 && timers_first() != NULL) {
            timers_remove(timers_first());
        } else if (t->in_timers) {
            timers_remove(t);
        } else {
            t->deadline = (uint64_t)(rand() % 1000);
            timers_add(t);
        }
        compare();
    }
    while (timers_first() != NULL) {
        uint64_t before = timers_first()->deadline;
        timers_remove(timers_first());
        ck_assert(timers_first() == NULL || timers_first()->deadline >= before);
    }
    ck_assert(earliest() == NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("timers");
    TCase *cases = tcase_create("timers");
    tcase_add_loop_test(cases, test_random, 0, 4);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
