/* SPDX-License-Identifier: MIT */
/*
 * Signals: actions, masks, waiting and sending. A signal that threads of the
 * program send to themselves or each other is delivered (signal_deliver.c) when its thread leaves a
 * system call or at the end of a CPU slot. Nothing comes from outside. SIGCANCEL only
 * ends waiting: the C library does the rest. One signal of a number is kept, not several.
 */
#include <libos/clock.h>
#include <libos/thread.h>
#include <string.h>
#include <time.h>

#include "../thread/thread_internal.h"
#include "posix_internal.h"
#include "signal_internal.h"

#define UNUSED6 SYSCALL_UNUSED(a, b, c, d, e, f)

struct action signal_actions[SIGNALS + 1];
bool signal_restarts;

static uint64_t program_pending; /* sent to the program, and blocked by every thread */
static struct { /* where the last one of a number came from */
    int code;
    union sigval value;
} origins[SIGNALS + 1];

bool signal_is_ignored(int signal)
{
    const struct action *action = &signal_actions[signal];
    return action->handler == SIG_IGN ||
           (action->handler == SIG_DFL &&
            (signal == SIGCHLD || signal == SIGURG || signal == SIGWINCH || signal == SIGCONT));
}

SYSCALL(rt_sigaction)
{
    UNUSED6;
    if (a < 1 || a > SIGNALS)
        return -EINVAL;
    if (c != 0)
        *(struct action *)c = signal_actions[a];
    if (b == 0)
        return 0;
    if (a == SIGKILL || a == SIGSTOP)
        return -EINVAL;
    signal_actions[a] = *(const struct action *)b;
    if (a != SIGCANCEL && (signal_actions[a].flags & SA_RESTART) != 0)
        signal_restarts = true;
    signal_actions[a].mask &= ~(signal_bit(SIGKILL) | signal_bit(SIGSTOP));
    return 0;
}

/* ---- masks ------------------------------------------------------------------------- */

void signal_mask_set(struct thread *self, uint64_t mask)
{
    self->signals_blocked = mask & ~(signal_bit(SIGKILL) | signal_bit(SIGSTOP));
    uint64_t taken = program_pending & ~self->signals_blocked;
    program_pending &= ~taken;
    self->signals_pending |= taken;
}

SYSCALL(rt_sigprocmask)
{
    UNUSED6;
    struct thread *self = thread_current;
    uint64_t old = self->signals_blocked;
    if (b != 0) {
        uint64_t set = *(const uint64_t *)b;
        if (a != SIG_BLOCK && a != SIG_UNBLOCK && a != SIG_SETMASK)
            return -EINVAL;
        signal_mask_set(self, a == SIG_BLOCK ? old | set : a == SIG_UNBLOCK ? old & ~set : set);
    }
    if (c != 0)
        *(uint64_t *)c = old;
    return 0;
}

SYSCALL(rt_sigpending)
{
    UNUSED6;
    uint64_t pending = thread_current->signals_pending | program_pending;
    *(uint64_t *)a = pending & thread_current->signals_blocked;
    return 0;
}

void signal_mask_swap(const uint64_t *set)
{
    struct thread *self = thread_current;
    if (set == NULL)
        return;
    self->signals_kept = self->signals_blocked;
    self->mask_swapped = true;
    signal_mask_set(self, *set);
    if ((self->signals_pending & ~self->signals_blocked) != 0)
        self->signalled = true; /* it does not wait at all */
}

/* If a handler is to be called, it runs with the call's mask, and the old one comes back when it
 * returns. */
long signal_mask_back(long result)
{
    struct thread *self = thread_current;
    if (!self->mask_swapped || (self->signals_pending & ~self->signals_blocked) != 0)
        return result;
    self->mask_swapped = false;
    signal_mask_set(self, self->signals_kept);
    return result;
}

/* ---- waiting for signals -------------------------------------------------------------- */

static long wait_for_any(void)
{
    struct wait_queue queue = { NULL, NULL };
    struct thread *self = thread_current;
    while ((self->signals_pending & ~self->signals_blocked) == 0)
        if (thread_wait(&queue, EXO_NEVER) == -EINTR && self->no_restart)
            break; /* cancelled */
    return -EINTR;
}

SYSCALL(pause)
{
    UNUSED6;
    return wait_for_any();
}

SYSCALL(rt_sigsuspend)
{
    UNUSED6;
    signal_mask_swap((const uint64_t *)a);
    return signal_mask_back(wait_for_any());
}

void signal_info_fill(siginfo_t *info, int signal)
{
    memset(info, 0, sizeof(*info));
    info->si_signo = signal;
    info->si_code = origins[signal].code;
    info->si_pid = 1;
    info->si_value = origins[signal].value;
}

static int pending_take(struct thread *self, uint64_t set)
{
    uint64_t pending = (self->signals_pending | program_pending) & set;
    if (pending == 0)
        return 0;
    int signal = __builtin_ctzll(pending) + 1;
    if ((self->signals_pending & signal_bit(signal)) != 0)
        self->signals_pending &= ~signal_bit(signal);
    else
        program_pending &= ~signal_bit(signal);
    return signal;
}

SYSCALL(rt_sigtimedwait)
{
    UNUSED6;
    struct thread *self = thread_current;
    struct wait_queue queue = { NULL, NULL };
    const struct timespec *limit = (const struct timespec *)c;
    uint64_t set = *(const uint64_t *)a, deadline = EXO_NEVER;
    if (limit != NULL) {
        if (limit->tv_sec < 0 || (uint64_t)limit->tv_nsec >= 1000000000)
            return -EINVAL;
        if (limit->tv_sec < 1000000000)
            deadline = clock_deadline((uint64_t)limit->tv_sec * 1000000000 + (uint64_t)limit->tv_nsec);
    }
    int signal = pending_take(self, set), error = 0;
    if (signal == 0) {
        self->signals_wanted = set;
        error = thread_wait(&queue, deadline);
        self->signals_wanted = 0;
        signal = pending_take(self, set);
    }
    if (signal == 0)
        return error == -ETIMEDOUT ? -EAGAIN : -EINTR;
    if (b != 0)
        signal_info_fill((siginfo_t *)b, signal);
    return signal;
}

/* ---- sending ------------------------------------------------------------------------- */

static void cancel_send(struct thread *thread)
{
    thread->no_restart = true;
    if (thread->state == THREAD_WAITING)
        thread_ready(thread, -EINTR);
    else
        thread->cancelled = true;
}

static long send_to(struct thread *thread, int signal)
{
    uint64_t bit = signal_bit(signal);
    bool wanted = (thread->signals_wanted & bit) != 0, blocked = (thread->signals_blocked & bit) != 0;
    if (signal_is_ignored(signal) && !wanted && !blocked)
        return 0;
    thread->signals_pending |= bit;
    if (blocked && !wanted)
        return 0;
    if (thread->state == THREAD_WAITING)
        thread_ready(thread, -EINTR);
    else if (thread != thread_current)
        thread->signalled = true;
    return 0;
}

static long signal_send(struct thread *thread, long signal, int code)
{
    if (signal < 0 || signal > SIGNALS)
        return -EINVAL;
    if (thread == NULL)
        return -ESRCH;
    if (signal == SIGCANCEL) {
        cancel_send(thread);
        return 0;
    }
    if (signal == 0)
        return 0;
    origins[signal].code = code;
    return send_to(thread, (int)signal);
}

/* Who takes a signal for the whole program: who waits for it, else the caller, else anybody who
 * does not block it. */
static struct thread *taker(uint64_t bit)
{
    struct thread *found = NULL;
    for (struct thread *t = thread_all; t != NULL; t = t->all_next) {
        if ((t->signals_wanted & bit) != 0)
            return t;
        if ((t->signals_blocked & bit) == 0 && found != thread_current)
            found = t;
    }
    return found;
}

static long program_send(int signal, int code)
{
    origins[signal].code = code;
    struct thread *thread = taker(signal_bit(signal));
    if (thread != NULL)
        return send_to(thread, signal);
    program_pending |= signal_bit(signal);
    return 0;
}

long signal_send_program(long signal)
{
    return program_send((int)signal, SI_KERNEL);
}

SYSCALL(tkill)
{
    UNUSED6;
    return signal_send(thread_find((int)a), b, SI_TKILL);
}

SYSCALL(tgkill)
{
    UNUSED6;
    return signal_send(thread_find((int)b), c, SI_TKILL);
}

SYSCALL(kill)
{
    UNUSED6;
    if (a != 1 && a != 0 && a != -1)
        return -ESRCH;
    if (b < 0 || b > SIGNALS)
        return -EINVAL;
    return b == 0 ? 0 : program_send((int)b, SI_USER);
}

SYSCALL(rt_sigqueueinfo)
{
    UNUSED6;
    if (a != 1 || b < 0 || b > SIGNALS)
        return a != 1 ? -ESRCH : -EINVAL;
    origins[b].value = ((const siginfo_t *)c)->si_value;
    return b == 0 ? 0 : program_send((int)b, ((const siginfo_t *)c)->si_code);
}

SYSCALL(rt_tgsigqueueinfo)
{
    UNUSED6;
    if (c < 0 || c > SIGNALS)
        return -EINVAL;
    origins[c].value = ((const siginfo_t *)d)->si_value;
    return signal_send(thread_find((int)b), c, ((const siginfo_t *)d)->si_code);
}
