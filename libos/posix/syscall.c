/* SPDX-License-Identifier: MIT */
/*
 * Where the C library enters the libos: a table of functions by Linux's numbers for
 * x86_64. A call that is not there fails with ENOSYS and is named on the
 * console once.
 */
#include <libos/log.h>
#include <libos/thread.h>
#include <sys/syscall.h>

#include "../plan/ring.h"
#include "../thread/thread_internal.h"
#include "posix_internal.h"
#include "signal_internal.h"
#include "syscall_names.h"

typedef long syscall_function(long, long, long, long, long, long);

#define CALLS 512

#define SYSCALL_X(name) SYSCALL(name) __attribute__((weak));
SYSCALL_LIST_SOCKET(SYSCALL_X)
#undef SYSCALL_X

static syscall_function *const table[CALLS] = {
#define SYSCALL_X(name) [SYS_##name] = sys_##name,
    SYSCALL_LIST(SYSCALL_X)
    SYSCALL_LIST_SOCKET(SYSCALL_X)
#undef SYSCALL_X
};

static __attribute__((noinline)) long missing(long number)
{
    static uint8_t told[CALLS / 8];
    static bool told_strange;
    if (number < 0 || number >= CALLS) {
        if (!told_strange)
            libos_log("libos: system call %ld does not exist", number);
        told_strange = true;
        return -ENOSYS;
    }
    if ((told[number / 8] >> number % 8 & 1) == 0) {
        told[number / 8] |= (uint8_t)(1u << number % 8);
        const char *name = syscall_name((unsigned)number);
        libos_log("libos: %s (system call %ld) is not implemented", name, number);
    }
    return -ENOSYS;
}

/* Whether SA_RESTART applies to a call that a signal ended: not to those with a time limit. */
static bool restarts(long n, long d, long result)
{
    if (result != -EINTR || thread_current->no_restart)
        return false;
    switch (n) {
    case SYS_read:
    case SYS_readv:
    case SYS_write:
    case SYS_writev:
    case SYS_accept:
    case SYS_accept4:
    case SYS_connect:
    case SYS_recvfrom:
    case SYS_recvmsg:
    case SYS_sendto:
    case SYS_sendmsg:
        return true;
    case SYS_futex:
        return d == 0;
    default:
        return false;
    }
}

/* One call; whether a handler ran for it that wants it to be tried again. */
static inline long call(syscall_function *function, long a, long b, long c, long d, long e, long f,
                        bool *again)
{
    /* libos_enter() and libos_leave(), without calls around which the arguments would have to
     * be kept. */
    ring_guard();
    long result = function(a, b, c, d, e, f);
    if (libos_slice_ended || completion_pending())
        libos_leave();
    else
        ring_unguard();
    struct thread *self = thread_current;
    if ((self->signals_pending & ~self->signals_blocked) != 0)
        *again = signal_deliver(NULL, NULL);
    return result;
}

static __attribute__((noinline)) long call_again(long n, long a, long b, long c, long d, long e, long f)
{
    for (;;) {
        bool again = false;
        long result = call(table[n], a, b, c, d, e, f, &again);
        if (!again || !restarts(n, d, result))
            return result;
    }
}

long libos_syscall(long n, long a, long b, long c, long d, long e, long f);
long libos_syscall(long n, long a, long b, long c, long d, long e, long f)
{
    bool again;
    if (n == SYS_clock_gettime) /* often called, and needs nothing of ours */
        return sys_clock_gettime(a, b, c, d, e, f);
    syscall_function *function = (unsigned long)n < CALLS ? table[n] : NULL;
    if (function == NULL)
        return missing(n);
    if (signal_restarts)
        return call_again(n, a, b, c, d, e, f);
    return call(function, a, b, c, d, e, f, &again);
}
