/* SPDX-License-Identifier: MIT */
/* The first touch of each page of 4 MiB, in small pages and in large ones: the same file on Linux and on our libos. */
#include "micro.h"

#include <stdint.h>
#include <sys/mman.h>

#define PAGE 4096u
#define LARGE (2u << 20)
#define TOUCHED 1024 /* pages */

static volatile char *next;

static char *region_map(int advice)
{
    char *at = mmap(NULL, TOUCHED * PAGE + LARGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED || madvise(at, TOUCHED * PAGE + LARGE, advice))
        micro_fail("mmap");
    next = at + (-(uintptr_t)at & (LARGE - 1));
    return at;
}

static void touch_small(void)
{
    *next = 1;
    next += PAGE;
}

static void touch_large(void)
{
    *next = 2;
    next += PAGE;
}

MICRO_WARMED(touch_small, 1024, 0)
MICRO_WARMED(touch_large, 1024, 0)

void micro_touch(void)
{
    char *at = region_map(MADV_NOHUGEPAGE);
    micro_run_touch_small();
    munmap(at, TOUCHED * PAGE + LARGE);
    at = region_map(MADV_HUGEPAGE);
    micro_run_touch_large();
    munmap(at, TOUCHED * PAGE + LARGE);
}
