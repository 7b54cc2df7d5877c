/* SPDX-License-Identifier: MIT */
/*
 * Signals, as far as they exist. A fault's handler is called on the faulting thread's
 * stack; a signal that threads of the program send to themselves or each other is
 * delivered when its thread leaves a system call. Nothing comes from outside.
 * SIGCANCEL only ends waiting: the C library does the rest.
 */
#include <libos/log.h>
#include <libos/plan.h>
#include <libos/thread.h>
#include <signal.h>
#include <string.h>
#include <ucontext.h>

#include "../core/core.h"
#include "../plan/ring.h"
#include "../thread/thread_internal.h"
#include "posix_internal.h"
#include "signal_internal.h"

#define UNUSED6 SYSCALL_UNUSED(a, b, c, d, e, f)
#define SIGNALS 64
#define SIGCANCEL 33
#define MASK_BYTES 8

/* As the C library passes it to rt_sigaction(). */
struct action {
    union {
        void (*handler)(int);
        void (*action)(int, siginfo_t *, void *);
    };
    unsigned long flags;
    void (*restorer)(void);
    uint64_t mask;
};

static struct action actions[SIGNALS + 1];

static uint64_t bit(int signal)
{
    return 1ull << (signal - 1);
}

static bool is_handled(int signal)
{
    return actions[signal].handler != SIG_DFL && actions[signal].handler != SIG_IGN;
}

static bool is_ignored(int signal)
{
    return actions[signal].handler == SIG_IGN ||
           (actions[signal].handler == SIG_DFL &&
            (signal == SIGCHLD || signal == SIGURG || signal == SIGWINCH || signal == SIGCONT));
}

SYSCALL(rt_sigaction)
{
    UNUSED6;
    if (a < 1 || a > SIGNALS || a == SIGKILL || a == SIGSTOP)
        return -EINVAL;
    if (c != 0)
        *(struct action *)c = actions[a];
    if (b != 0)
        actions[a] = *(const struct action *)b;
    return 0;
}

SYSCALL(rt_sigprocmask)
{
    UNUSED6;
    uint64_t *blocked = &thread_current->signals_blocked;
    uint64_t old = *blocked;
    if (b != 0) {
        uint64_t set = *(const uint64_t *)b;
        *blocked = a == SIG_BLOCK ? old | set : a == SIG_UNBLOCK ? old & ~set : set;
        *blocked &= ~(bit(SIGKILL) | bit(SIGSTOP));
    }
    if (c != 0)
        *(uint64_t *)c = old;
    return 0;
}

SYSCALL(rt_sigpending)
{
    UNUSED6;
    *(uint64_t *)a = thread_current->signals_pending & thread_current->signals_blocked;
    return 0;
}

SYSCALL(sigaltstack)
{
    UNUSED6;
    if (b != 0)
        *(stack_t *)b = (stack_t){ .ss_flags = SS_DISABLE };
    return 0; /* handlers run on the thread's own stack */
}

SYSCALL(pause)
{
    UNUSED6;
    struct wait_queue queue = { NULL, NULL };
    if ((thread_current->signals_pending & ~thread_current->signals_blocked) != 0)
        return -EINTR;
    return thread_wait(&queue, EXO_NEVER);
}

/* ---- sending ------------------------------------------------------------------------- */

static void interrupt(struct thread *thread)
{
    if (thread->state == THREAD_WAITING)
        thread_ready(thread, -EINTR);
    else
        thread->cancelled = true;
}

static long signal_send(struct thread *thread, long signal)
{
    if (signal < 0 || signal > SIGNALS)
        return -EINVAL;
    if (thread == NULL)
        return -ESRCH;
    if (signal == SIGCANCEL) {
        interrupt(thread);
        return 0;
    }
    if (signal == 0 || is_ignored((int)signal))
        return 0;
    thread->signals_pending |= bit((int)signal);
    if ((thread->signals_blocked & bit((int)signal)) == 0 && thread->state == THREAD_WAITING)
        thread_ready(thread, -EINTR);
    return 0;
}

SYSCALL(tkill)
{
    UNUSED6;
    return signal_send(thread_find((int)a), b);
}

SYSCALL(tgkill)
{
    UNUSED6;
    return signal_send(thread_find((int)b), c);
}

SYSCALL(kill)
{
    UNUSED6;
    if (a != 1 && a != 0 && a != -1)
        return -ESRCH;
    return signal_send(thread_current, b);
}

/* ---- delivering ------------------------------------------------------------------------- */

static void handler_call(int signal, siginfo_t *info, ucontext_t *context)
{
    struct action action = actions[signal];
    uint64_t *blocked = &thread_current->signals_blocked, old = *blocked;
    *blocked |= action.mask | ((action.flags & SA_NODEFER) != 0 ? 0 : bit(signal));
    if ((action.flags & SA_RESETHAND) != 0)
        actions[signal].handler = SIG_DFL;
    action.action(signal, info, context);
    *blocked = old;
}

/*
 * SIGCANCEL, where the thread was interrupted: the C library's handler looks at the place and
 * whether cancellation is asynchronous, and if so replaces it by that of a function that does not
 * return.
 */
static void cancel_deliver(struct thread *self, uint64_t rip)
{
    if (!is_handled(SIGCANCEL))
        return;
    siginfo_t info = { .si_signo = SIGCANCEL };
    ucontext_t context;
    memset(&context, 0, sizeof(context));
    context.uc_mcontext.gregs[REG_RIP] = (long long)rip;
    self->cancelled = false; /* the handler sends it again if it is not time yet */
    handler_call(SIGCANCEL, &info, &context);
    uint64_t to = (uint64_t)context.uc_mcontext.gregs[REG_RIP];
    if (to != rip)
        ((void (*)(void))to)();
}

void signal_deliver(uint64_t rip)
{
    struct thread *self = thread_current;
    if (rip != 0 && self->cancelled)
        cancel_deliver(self, rip);
    uint64_t pending;
    while ((pending = self->signals_pending & ~self->signals_blocked) != 0) {
        int signal = __builtin_ctzll(pending) + 1;
        self->signals_pending &= ~bit(signal);
        if (is_ignored(signal))
            continue;
        if (!is_handled(signal)) {
            libos_log("ended by signal %d", signal);
            __builtin_trap(); /* a report, with the way here */
        }
        siginfo_t info = { .si_signo = signal };
        ucontext_t context;
        memset(&context, 0, sizeof(context));
        handler_call(signal, &info, &context);
    }
}

/* ---- faults --------------------------------------------------------------------------------- */

static const uint8_t fault_signal[32] = {
    [0] = SIGFPE,   [1] = SIGTRAP,  [3] = SIGTRAP,  [4] = SIGFPE,   [5] = SIGSEGV, [6] = SIGILL,
    [12] = SIGBUS,  [13] = SIGSEGV, [14] = SIGSEGV, [16] = SIGFPE,  [17] = SIGBUS, [19] = SIGFPE,
};

static void context_export(ucontext_t *to, const struct exo_context *from)
{
    long long *r = to->uc_mcontext.gregs;
    memset(to, 0, sizeof(*to));
    r[REG_R8] = (long long)from->r8, r[REG_R9] = (long long)from->r9;
    r[REG_R10] = (long long)from->r10, r[REG_R11] = (long long)from->r11;
    r[REG_R12] = (long long)from->r12, r[REG_R13] = (long long)from->r13;
    r[REG_R14] = (long long)from->r14, r[REG_R15] = (long long)from->r15;
    r[REG_RDI] = (long long)from->rdi, r[REG_RSI] = (long long)from->rsi;
    r[REG_RBP] = (long long)from->rbp, r[REG_RBX] = (long long)from->rbx;
    r[REG_RDX] = (long long)from->rdx, r[REG_RAX] = (long long)from->rax;
    r[REG_RCX] = (long long)from->rcx, r[REG_RSP] = (long long)from->rsp;
    r[REG_RIP] = (long long)from->rip, r[REG_EFL] = (long long)from->rflags;
    r[REG_ERR] = (long long)from->error, r[REG_TRAPNO] = (long long)from->vector;
    r[REG_CR2] = (long long)from->address;
}

/* On the faulting thread's stack, as if the faulting instruction had called it. A handler that
 * returns has not made the fault go away in a way that we could resume from, so it ends the
 * program. */
static _Noreturn void fault_call(const struct exo_context *context)
{
    int signal = fault_signal[context->vector];
    siginfo_t info = { .si_signo = signal, .si_code = SEGV_MAPERR };
    info.si_addr = (void *)(context->vector == 14 ? context->address : context->rip);
    ucontext_t exported;
    context_export(&exported, context);
    handler_call(signal, &info, &exported);
    crash(context->vector, context);
}

bool signal_fault(struct exo_context *context)
{
    /* A fault inside the libos is a bug here or a bad pointer from the program: both are
     * reported, not handled. */
    if (context->vector >= 32 || libos_nesting != 0)
        return false;
    int signal = fault_signal[context->vector];
    if (signal == 0 || !is_handled(signal))
        return false;
    uint64_t saved = (context->rsp - 128 - sizeof(*context)) & ~15ull;
    struct exo_context *copy = (struct exo_context *)saved;
    for (unsigned i = 0; i < sizeof(*context) / 8; i++)
        ((volatile uint64_t *)copy)[i] = ((const uint64_t *)(const void *)context)[i];
    context->rip = (uint64_t)fault_call;
    context->rdi = saved;
    context->rsp = saved - 8; /* as after a call */
    return true;
}
