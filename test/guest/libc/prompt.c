/* SPDX-License-Identifier: MIT */
/* Threads that sleep beside one that computes wake in time, not when its CPU slot ends. */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "../check.h"

#define ROUNDS 200
#define SLEEP_NS 300000

static volatile int stop;
static int64_t late[ROUNDS];

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static void *compute(void *count)
{
    while (!stop)
        ++*(volatile uint64_t *)count;
    return NULL;
}

static int ascending(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static void sleeps(void)
{
    static uint64_t count[2];
    pthread_t thread[2];
    stop = 0;
    for (int i = 0; i < 2; i++)
        CHECK(pthread_create(&thread[i], NULL, compute, &count[i]) == 0);
    usleep(20000);
    for (int i = 0; i < ROUNDS; i++) {
        int64_t before = now_ns();
        CHECK(nanosleep(&(struct timespec){ 0, SLEEP_NS }, NULL) == 0);
        late[i] = now_ns() - before - SLEEP_NS;
    }
    stop = 1;
    for (int i = 0; i < 2; i++)
        CHECK(pthread_join(thread[i], NULL) == 0);
    qsort(late, ROUNDS, sizeof(late[0]), ascending);
    printf("late by %lld us (median), %lld us (one of ten)\n", (long long)late[ROUNDS / 2] / 1000,
           (long long)late[ROUNDS * 9 / 10] / 1000);
    CHECK(late[0] >= 0 && late[ROUNDS / 2] < 700000); /* a slot is 2000 us */
    CHECK(count[0] > 1000 && count[1] > 1000);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = { { "sleeps", sleeps }, { NULL, NULL } };
    return check_main(cases, argc, argv);
}
