/* SPDX-License-Identifier: MIT */
/*
 * TIME_WAIT: connections that are over, remembered for twice the lifetime of a segment
 * so that a late one of theirs does no harm, in 32 bytes each instead of a whole pcb.
 * At most TIMEWAIT_MAX of them; beyond that the oldest is forgotten, and
 * counted.
 */
#ifndef LIBOS_LWIP_TIMEWAIT_H
#define LIBOS_LWIP_TIMEWAIT_H

#include <stdint.h>

#define TIMEWAIT_MAX (63u * 256u) /* 512 KiB, when that many are there */
#define TIMEWAIT_SECONDS 60u /* 2 MSL as Linux counts it */

struct timewait_counts {
    uint32_t now; /* remembered (some may have expired) */
    uint64_t taken, recycled, reset, forgotten;
};
extern struct timewait_counts timewait_counts;

/* Seconds on a clock that does not go back; the port's. */
uint32_t timewait_clock(void);

#endif
