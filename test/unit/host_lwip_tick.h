/* SPDX-License-Identifier: MIT */
/* Put in front of every file of the lwIP tests: clock_tick() reads the tests' clock. */
#ifndef HOST_LWIP_TICK_H
#define HOST_LWIP_TICK_H

#include <stdint.h>

uint64_t host_tick(void);
#define __builtin_ia32_rdtsc host_tick

#endif
