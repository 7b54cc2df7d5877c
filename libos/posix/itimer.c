/* SPDX-License-Identifier: MIT */
/*
 * alarm() and setitimer(): SIGALRM at a deadline, looked at where all deadlines are.
 */
#include <libos/clock.h>
#include <libos/thread.h>
#include <sys/time.h>

#include "posix_internal.h"
#include "signal_internal.h"

#define UNUSED6 SYSCALL_UNUSED(a, b, c, d, e, f)

static uint64_t due = EXO_NEVER; /* a tick */
static uint64_t period;          /* in ticks; 0: once */

static void alarm_poll(struct poller *self)
{
    (void)self;
    uint64_t now = clock_tick();
    if (now < due)
        return;
    due = period == 0 ? EXO_NEVER : now + period - (now - due) % period;
    signal_send_program(SIGALRM);
}

static uint64_t alarm_deadline(struct poller *self)
{
    (void)self;
    return due;
}

static struct timeval value_of(uint64_t ticks)
{
    uint64_t us = (clock_tick_to_ns(ticks) + 999) / 1000;
    return (struct timeval){ (time_t)(us / 1000000), (suseconds_t)(us % 1000000) };
}

static uint64_t ticks_of(const struct timeval *value)
{
    uint64_t us = (uint64_t)value->tv_sec * 1000000 + (uint64_t)value->tv_usec;
    return clock_ns_to_tick(value->tv_sec > 1000000000 ? UINT64_MAX : us * 1000);
}

static bool value_good(const struct timeval *value)
{
    return value->tv_sec >= 0 && (uint64_t)value->tv_usec < 1000000;
}

SYSCALL(getitimer)
{
    UNUSED6;
    if (a != ITIMER_REAL)
        return -EINVAL; /* CPU time is not watched */
    uint64_t now = clock_tick();
    struct timeval left = value_of(due == EXO_NEVER ? 0 : due > now ? due - now : 1);
    *(struct itimerval *)b = (struct itimerval){ value_of(period), left };
    return 0;
}

SYSCALL(setitimer)
{
    UNUSED6;
    static struct poller poller = { alarm_poll, alarm_deadline, NULL };
    static bool polled;
    const struct itimerval *value = (const struct itimerval *)b;
    if (a != ITIMER_REAL || (value && (!value_good(&value->it_value) || !value_good(&value->it_interval))))
        return -EINVAL;
    if (c != 0)
        sys_getitimer(a, c, 0, 0, 0, 0);
    uint64_t first = value == NULL ? 0 : ticks_of(&value->it_value);
    period = value == NULL ? 0 : ticks_of(&value->it_interval);
    due = first == 0 ? EXO_NEVER : clock_tick() + first;
    if (!polled && first != 0) {
        polled = true;
        poller_add(&poller);
    }
    return 0;
}

SYSCALL(alarm)
{
    UNUSED6;
    struct itimerval old, new = { .it_value.tv_sec = (unsigned)a };
    sys_setitimer(ITIMER_REAL, (long)&new, (long)&old, 0, 0, 0);
    return old.it_value.tv_sec + (old.it_value.tv_usec != 0);
}
