/* SPDX-License-Identifier: MIT */
/*
 * Ticks as nanoseconds and the other way, by multiplication with a reciprocal that is
 * computed once; the counter's rate comes from the info page.
 */
#include <libos/clock.h>
#include <libos/plan.h>

#define NS_PER_SECOND 1000000000ull

__extension__ typedef unsigned __int128 wide;

/* 2^32 * 10^9 / rate: good for rates from 1 Hz to 4 GHz and beyond, to 2^-32. */
static uint64_t ns_per_tick(void)
{
    static uint64_t cached;
    if (cached == 0)
        cached = (uint64_t)(((wide)NS_PER_SECOND << 32) / PLAN_INFO->tick_hz);
    return cached;
}

uint64_t clock_tick_to_ns(uint64_t ticks)
{
    return (uint64_t)((wide)ticks * ns_per_tick() >> 32);
}

uint64_t clock_ns_to_tick(uint64_t ns)
{
    wide ticks = (wide)ns * PLAN_INFO->tick_hz / NS_PER_SECOND;
    return ticks >= EXO_NEVER ? EXO_NEVER - 1 : (uint64_t)ticks;
}

uint64_t clock_deadline(uint64_t ns)
{
    uint64_t now = clock_tick(), ticks = clock_ns_to_tick(ns);
    return ticks >= EXO_NEVER - 1 - now ? EXO_NEVER - 1 : now + ticks + 1;
}

uint64_t clock_monotonic_ns(void)
{
    return clock_tick_to_ns(clock_tick());
}

uint64_t clock_realtime_ns(void)
{
    uint64_t since = clock_tick() - PLAN_INFO->tick_zero;
    return PLAN_INFO->wall_zero * NS_PER_SECOND + clock_tick_to_ns(since);
}
