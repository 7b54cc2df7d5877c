/* SPDX-License-Identifier: MIT */
#include "region.h"

#include <setjmp.h>
#include <signal.h>

struct mem_usage usage(void)
{
    struct mem_usage now;
    mem_usage(&now);
    return now;
}

uint64_t used(void)
{
    exo_enter(PLAN_INFO->sq_head, 0, 0);
    return PLAN_INFO->frames_used;
}

uint64_t other(void)
{
    struct mem_usage now = usage();
    return used() - now.frames - now.tables;
}

/* ---- regions and what is in them ---------------------------------------------------------------- */

char *map(size_t bytes, int flags)
{
    char *at = mmap(NULL, bytes, RW, flags, -1, 0);
    CHECK(at != MAP_FAILED);
    if (at == MAP_FAILED)
        exit(1);
    return at;
}

char *region(unsigned large)
{
    char *at = map((large + 1) * LARGE, ANONYMOUS | MAP_NORESERVE);
    char *start = (char *)(((uintptr_t)at + LARGE - 1) & ~(LARGE - 1));
    if (start > at)
        munmap(at, (size_t)(start - at));
    munmap(start + large * LARGE, LARGE - (size_t)(start - at));
    CHECK(madvise(start, large * LARGE, MADV_HUGEPAGE) == 0);
    return start;
}

static uint64_t mark(size_t page)
{
    return (page + 1) * 0x9e3779b97f4a7c15ull;
}

void fill(char *at, size_t first, size_t end)
{
    for (size_t i = first; i < end; i++) {
        *(volatile uint64_t *)(at + i * PAGE) = mark(i);
        *(volatile uint64_t *)(at + (i + 1) * PAGE - 8) = ~mark(i);
    }
}

size_t spoiled(const char *at, size_t first, size_t end)
{
    size_t bad = 0;
    for (size_t i = first; i < end; i++)
        bad += *(volatile const uint64_t *)(at + i * PAGE) != mark(i) ||
               *(volatile const uint64_t *)(at + (i + 1) * PAGE - 8) != ~mark(i);
    return bad;
}

size_t not_zero(const char *at, size_t first, size_t end)
{
    size_t bad = 0;
    for (size_t i = first * PAGE; i < end * PAGE; i += 8)
        bad += *(volatile const uint64_t *)(at + i) != 0;
    return bad;
}

/* ---- faults that are meant ------------------------------------------------------------------------- */

static sigjmp_buf back;

static void on_fault(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)info, (void)context;
    siglongjmp(back, 1);
}

bool faults(volatile char *address, bool write)
{
    struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO }, old;
    sigaction(SIGSEGV, &action, &old);
    volatile bool faulted = true;
    if (sigsetjmp(back, 1) == 0) {
        if (write)
            *address = *address;
        else
            (void)*address;
        faulted = false;
    }
    sigaction(SIGSEGV, &old, NULL);
    return faulted;
}
