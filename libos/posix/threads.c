/* SPDX-License-Identifier: MIT */
/*
 * System calls of threads and their locks.
 */
#include <libos/clock.h>
#include <libos/plan.h>
#include <string.h>
#include <time.h>

#include "../core/core.h"
#include "../thread/thread_internal.h"
#include "posix_internal.h"

#define UNUSED6 SYSCALL_UNUSED(a, b, c, d, e, f)

/* Of Linux's futex(2). */
#define FUTEX_WAIT 0
#define FUTEX_WAKE 1
#define FUTEX_REQUEUE 3
#define FUTEX_CMP_REQUEUE 4
#define FUTEX_WAIT_BITSET 9
#define FUTEX_WAKE_BITSET 10
#define FUTEX_PRIVATE 128
#define FUTEX_CLOCK_REALTIME 256

SYSCALL(exit)
{
    UNUSED6;
    thread_exit();
}

SYSCALL(exit_group)
{
    UNUSED6;
    program_exit((int)a);
}

SYSCALL(gettid)
{
    UNUSED6;
    return thread_current->tid;
}

SYSCALL(set_tid_address)
{
    UNUSED6;
    thread_current->clear_tid = (int *)a;
    return thread_current->tid;
}

SYSCALL(sched_yield)
{
    UNUSED6;
    thread_yield();
    return 0;
}

SYSCALL(set_robust_list)
{
    UNUSED6;
    return 0; /* threads do not end behind the C library's back */
}

/* One vcpu: a thread that runs has seen what those before it did. */
SYSCALL(membarrier)
{
    UNUSED6;
    return 0;
}

#define ARCH_SET_FS 0x1002
#define ARCH_GET_FS 0x1003

SYSCALL(arch_prctl)
{
    UNUSED6;
    if (a == ARCH_GET_FS) {
        *(uint64_t *)b = thread_current->fs_base;
        return 0;
    }
    if (a != ARCH_SET_FS)
        return -EINVAL;
    thread_current->fs_base = (uint64_t)b;
    __asm__ volatile("wrfsbase %0" : : "r"(b));
    return 0;
}

/* ---- futex ------------------------------------------------------------------------ */

static int futex_deadline(long operation, const struct timespec *timeout, uint64_t *deadline)
{
    *deadline = EXO_NEVER;
    if (timeout == NULL)
        return 0;
    if (timeout->tv_sec < 0 || (uint64_t)timeout->tv_nsec >= 1000000000)
        return -EINVAL;
    uint64_t seconds = (uint64_t)timeout->tv_sec;
    uint64_t ns = seconds > UINT32_MAX * 2ull ? UINT64_MAX / 2
                                              : seconds * 1000000000 + (uint64_t)timeout->tv_nsec;
    if ((operation & ~(FUTEX_PRIVATE | FUTEX_CLOCK_REALTIME)) == FUTEX_WAIT_BITSET) {
        bool real = (operation & FUTEX_CLOCK_REALTIME) != 0;
        uint64_t now = real ? clock_realtime_ns() : clock_monotonic_ns();
        ns = ns > now ? ns - now : 0;
    }
    *deadline = clock_deadline(ns);
    return 0;
}

SYSCALL(futex)
{
    const int *word = (const int *)a;
    uint64_t deadline;
    int error;
    switch (b & ~(FUTEX_PRIVATE | FUTEX_CLOCK_REALTIME)) {
    case FUTEX_WAIT:
    case FUTEX_WAIT_BITSET:
        error = futex_deadline(b, (const struct timespec *)d, &deadline);
        return error < 0 ? error : futex_wait(word, (int)c, deadline);
    case FUTEX_WAKE:
    case FUTEX_WAKE_BITSET:
        return futex_wake(word, (unsigned)c);
    case FUTEX_CMP_REQUEUE:
        if (__atomic_load_n(word, __ATOMIC_SEQ_CST) != (int)f)
            return -EAGAIN;
        return futex_requeue(word, (unsigned)c, (unsigned)d, (const int *)e);
    case FUTEX_REQUEUE:
        return futex_requeue(word, (unsigned)c, (unsigned)d, (const int *)e);
    default:
        return -ENOSYS;
    }
}
