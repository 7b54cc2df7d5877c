/* SPDX-License-Identifier: MIT */
/*
 * Time from the TSC and the info page: no crossing. "tick" is a TSC tick.
 */
#ifndef LIBOS_CLOCK_H
#define LIBOS_CLOCK_H

#include <stdint.h>


static inline uint64_t clock_tick(void)
{
    return __builtin_ia32_rdtsc();
}

/* Nanoseconds of that many ticks, and the other way (saturating). */
uint64_t clock_tick_to_ns(uint64_t ticks);
uint64_t clock_ns_to_tick(uint64_t ns);
/* The tick that lies so many ns in the future. */
uint64_t clock_deadline(uint64_t ns);
/* Nanoseconds since the machine was started (CLOCK_MONOTONIC) and since 1970 (CLOCK_REALTIME). */
uint64_t clock_monotonic_ns(void);
uint64_t clock_realtime_ns(void);

#endif
