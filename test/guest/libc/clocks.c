/* SPDX-License-Identifier: MIT */
/*
 * Time: clocks that never go back, in whatever thread, and sleeps that are never short. Says what time it is,
 * so that the test can look at its own watch.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "../check.h"

#define SECOND 1000000000ll

static int64_t read_clock(clockid_t clock)
{
    struct timespec t;
    CHECK(clock_gettime(clock, &t) == 0 && t.tv_nsec >= 0 && t.tv_nsec < SECOND);
    return t.tv_sec * SECOND + t.tv_nsec;
}

static _Atomic int64_t latest;

/* Whatever one thread has read, no thread reads less afterwards. */
static void *watch(void *argument)
{
    uintptr_t bad = 0;
    for (unsigned i = 0; i < 30000; i++) {
        int64_t seen = latest, now = read_clock(CLOCK_MONOTONIC);
        bad += now < seen;
        while (seen < now && !atomic_compare_exchange_weak(&latest, &seen, now))
            continue;
    }
    (void)argument;
    return (void *)bad;
}

static void monotonic(void)
{
    pthread_t thread[4];
    for (unsigned i = 0; i < 4; i++)
        CHECK(pthread_create(&thread[i], NULL, watch, NULL) == 0);
    for (unsigned i = 0; i < 4; i++) {
        void *bad;
        CHECK(pthread_join(thread[i], &bad) == 0 && bad == NULL);
    }
    struct timespec resolution;
    CHECK(clock_getres(CLOCK_MONOTONIC, &resolution) == 0 && resolution.tv_sec == 0 && resolution.tv_nsec >= 1);
    CHECK(clock_gettime(12345, &resolution) == -1 && errno == EINVAL);
}

static void sleeps(void)
{
    static const long us[] = { 0, 1, 50, 1000, 7000, 50000 };
    for (unsigned i = 0; i < sizeof(us) / sizeof(us[0]); i++) {
        struct timespec t = { 0, us[i] * 1000 }, rest = { 5, 5 };
        int64_t from = read_clock(CLOCK_MONOTONIC);
        CHECK(nanosleep(&t, &rest) == 0);
        int64_t passed = read_clock(CLOCK_MONOTONIC) - from;
        CHECK(passed >= us[i] * 1000 && passed < us[i] * 1000 + 5 * SECOND);
    }
    struct timespec bad = { 0, 1000000000 }, until;
    CHECK(nanosleep(&bad, NULL) == -1 && errno == EINVAL);
    bad = (struct timespec){ -1, 0 };
    CHECK(nanosleep(&bad, NULL) == -1 && errno == EINVAL);
    int64_t at = read_clock(CLOCK_REALTIME) + 20000000;
    until = (struct timespec){ at / SECOND, at % SECOND };
    CHECK(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &until, NULL) == 0 && read_clock(CLOCK_REALTIME) >= at);
    CHECK(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &until, NULL) == 0); /* past */
}

/* Sleepers wake in the order of their times, not in that in which they went to bed. */
static atomic_int place;
static int order[8];

static void *sleep_for(void *argument)
{
    int me = (int)(intptr_t)argument;
    usleep((useconds_t)(20000 + (7 - me) * 15000));
    order[place++] = me;
    return NULL;
}

static void sleepers(void)
{
    pthread_t thread[8];
    int64_t from = read_clock(CLOCK_MONOTONIC);
    for (intptr_t i = 0; i < 8; i++)
        pthread_create(&thread[i], NULL, sleep_for, (void *)i);
    for (unsigned i = 0; i < 8; i++)
        pthread_join(thread[i], NULL);
    int64_t passed = read_clock(CLOCK_MONOTONIC) - from;
    CHECK(place == 8 && passed >= 125000000 && passed < 5 * SECOND); /* together, not one after the other */
    unsigned bad = 0;
    for (int i = 0; i < 8; i++)
        bad += order[i] != 7 - i;
    CHECK(bad <= 2); /* on a machine that stands still for 15 ms two may be due at once */
}

static void cpu_time(void)
{
    int64_t wall = read_clock(CLOCK_MONOTONIC), used = read_clock(CLOCK_PROCESS_CPUTIME_ID);
    while (read_clock(CLOCK_MONOTONIC) - wall < SECOND / 5)
        continue;
    int64_t spun = read_clock(CLOCK_PROCESS_CPUTIME_ID) - used;
    CHECK(spun > 0 && spun <= SECOND);
    used = read_clock(CLOCK_PROCESS_CPUTIME_ID);
    usleep(200000);
    CHECK(read_clock(CLOCK_PROCESS_CPUTIME_ID) - used < SECOND / 10);
    CHECK(clock() > 0);
}

static void wall(void)
{
    struct timeval t;
    CHECK(gettimeofday(&t, NULL) == 0 && t.tv_sec == time(NULL));
    int64_t both = read_clock(CLOCK_REALTIME) - read_clock(CLOCK_MONOTONIC);
    usleep(100000);
    int64_t later = read_clock(CLOCK_REALTIME) - read_clock(CLOCK_MONOTONIC);
    CHECK(llabs(later - both) < 1000000);
    printf("now %lld.%06ld\n", (long long)t.tv_sec, (long)t.tv_usec);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        { "monotonic", monotonic }, { "sleeps", sleeps }, { "sleepers", sleepers },
        { "cpu-time", cpu_time },   { "wall", wall },     { NULL, NULL },
    };
    return check_main(cases, argc, argv);
}
