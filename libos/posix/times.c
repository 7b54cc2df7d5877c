/* SPDX-License-Identifier: MIT */
/*
 * System calls on time.
 */
#include <libos/clock.h>
#include <libos/plan.h>
#include <libos/thread.h>
#include <sys/time.h>
#include <sys/times.h>
#include <time.h>

#include "posix_internal.h"

#define UNUSED6 SYSCALL_UNUSED(a, b, c, d, e, f)
#define NS_PER_SECOND 1000000000ull

static int clock_read(long clock, uint64_t *ns)
{
    switch (clock) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
    case CLOCK_TAI:
        *ns = clock_realtime_ns();
        return 0;
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_BOOTTIME:
        *ns = clock_monotonic_ns();
        return 0;
    case CLOCK_PROCESS_CPUTIME_ID:
    case CLOCK_THREAD_CPUTIME_ID: /* as of the last crossing; threads are not told apart */
        *ns = clock_tick_to_ns(PLAN_INFO->ticks_used);
        return 0;
    default:
        return -EINVAL;
    }
}

static void spec_fill(struct timespec *spec, uint64_t ns)
{
    spec->tv_sec = (time_t)(ns / NS_PER_SECOND);
    spec->tv_nsec = (long)(ns % NS_PER_SECOND);
}

static bool spec_good(const struct timespec *spec)
{
    return spec->tv_sec >= 0 && (uint64_t)spec->tv_nsec < NS_PER_SECOND;
}

/* Saturates at some 500 years. */
static uint64_t spec_ns(const struct timespec *spec)
{
    uint64_t seconds = (uint64_t)spec->tv_sec;
    if (seconds >= UINT64_MAX / NS_PER_SECOND - 1)
        return UINT64_MAX;
    return seconds * NS_PER_SECOND + (uint64_t)spec->tv_nsec;
}

SYSCALL(clock_gettime)
{
    UNUSED6;
    uint64_t ns;
    int error = clock_read(a, &ns);
    if (error == 0)
        spec_fill((struct timespec *)b, ns);
    return error;
}

SYSCALL(clock_getres)
{
    UNUSED6;
    uint64_t ns;
    int error = clock_read(a, &ns);
    if (error == 0 && b != 0)
        spec_fill((struct timespec *)b, 1);
    return error;
}

SYSCALL(gettimeofday)
{
    UNUSED6;
    struct timeval *value = (struct timeval *)a;
    uint64_t us = clock_realtime_ns() / 1000;
    if (value != NULL)
        *value = (struct timeval){ (time_t)(us / 1000000), (suseconds_t)(us % 1000000) };
    return 0;
}

SYSCALL(time)
{
    UNUSED6;
    time_t seconds = (time_t)(clock_realtime_ns() / NS_PER_SECOND);
    if (a != 0)
        *(time_t *)a = seconds;
    return seconds;
}

SYSCALL(times)
{
    UNUSED6;
    struct tms *tms = (struct tms *)a;
    uint64_t used = clock_tick_to_ns(PLAN_INFO->ticks_used) / (NS_PER_SECOND / 100);
    if (tms != NULL)
        *tms = (struct tms){ .tms_utime = (clock_t)used };
    return (long)(clock_monotonic_ns() / (NS_PER_SECOND / 100));
}

static long sleep_until(uint64_t deadline, struct timespec *rest)
{
    struct wait_queue queue = { NULL, NULL };
    int error = thread_wait(&queue, deadline);
    if (error != -EINTR)
        return 0;
    uint64_t now = clock_tick();
    if (rest != NULL)
        spec_fill(rest, deadline > now ? clock_tick_to_ns(deadline - now) : 0);
    return -EINTR;
}

SYSCALL(clock_nanosleep)
{
    UNUSED6;
    const struct timespec *spec = (const struct timespec *)c;
    uint64_t now, ns;
    int error = clock_read(a, &now);
    if (error < 0 || !spec_good(spec))
        return -EINVAL;
    ns = spec_ns(spec);
    if (((int)b & TIMER_ABSTIME) == 0)
        return sleep_until(clock_deadline(ns), (struct timespec *)d);
    return ns <= now ? 0 : sleep_until(clock_deadline(ns - now), NULL);
}

SYSCALL(nanosleep)
{
    UNUSED6;
    return sys_clock_nanosleep(CLOCK_MONOTONIC, 0, a, b, 0, 0);
}
