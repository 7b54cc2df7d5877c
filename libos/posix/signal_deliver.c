/* SPDX-License-Identifier: MIT */
/*
 * Calling the handlers of signals, on the thread's stack or on its alternate one, with what was interrupted in
 * their hands.
 */
#include <libos/log.h>
#include <libos/thread.h>
#include <string.h>

#include "../core/core.h"
#include "../plan/ring.h"
#include "../thread/thread_internal.h"
#include "posix_internal.h"
#include "signal_internal.h"

/* ---- alternate stacks ------------------------------------------------------------------ */

bool signal_on_altstack(uint64_t rsp)
{
    return rsp - thread_current->altstack - 1 < thread_current->altstack_bytes;
}

SYSCALL(sigaltstack)
{
    SYSCALL_UNUSED(a, b, c, d, e, f);
    struct thread *self = thread_current;
    bool inside = signal_on_altstack((uint64_t)__builtin_frame_address(0));
    stack_t old = { (void *)self->altstack, inside ? SS_ONSTACK : 0, self->altstack_bytes };
    if (self->altstack_bytes == 0)
        old.ss_flags = SS_DISABLE;
    if (a != 0) {
        const stack_t *stack = (const stack_t *)a;
        if (inside)
            return -EPERM;
        if ((stack->ss_flags & ~(SS_DISABLE | SS_ONSTACK)) != 0)
            return -EINVAL;
        bool off = (stack->ss_flags & SS_DISABLE) != 0;
        self->altstack = off ? 0 : (uint64_t)stack->ss_sp;
        self->altstack_bytes = off ? 0 : stack->ss_size;
    }
    if (b != 0)
        *(stack_t *)b = old;
    return 0;
}

/* ---- delivering ------------------------------------------------------------------------- */

void signal_stack_call(void (*handler)(int, siginfo_t *, void *), int signal, siginfo_t *info,
                       ucontext_t *context, uint64_t stack); /* switch.S */

bool signal_handler_call(int signal, siginfo_t *info, ucontext_t *context)
{
    struct action action = signal_actions[signal];
    struct thread *self = thread_current;
    uint64_t old = self->mask_swapped ? self->signals_kept : self->signals_blocked;
    self->mask_swapped = false;
    memcpy(&context->uc_sigmask, &old, sizeof(old));
    context->uc_stack = (stack_t){ (void *)self->altstack, 0, self->altstack_bytes };
    self->signals_blocked |= action.mask | ((action.flags & SA_NODEFER) != 0 ? 0 : signal_bit(signal));
    if ((action.flags & SA_RESETHAND) != 0)
        signal_actions[signal].handler = SIG_DFL;
    if ((action.flags & SA_ONSTACK) != 0 && self->altstack_bytes != 0 &&
        !signal_on_altstack((uint64_t)__builtin_frame_address(0)))
        signal_stack_call(action.action, signal, info, context,
                          (self->altstack + self->altstack_bytes) & ~15ull);
    else
        action.action(signal, info, context);
    if (signal != SIGCANCEL) /* whose handler blocks itself where it waits for its time */
        memcpy(&old, &context->uc_sigmask, sizeof(old));
    ring_guard();
    signal_mask_set(self, old);
    ring_unguard();
    return (action.flags & SA_RESTART) != 0;
}

static void context_fill(ucontext_t *to, const struct resume *resume, void *vector)
{
    memset(to, 0, sizeof(*to));
    if (resume == NULL)
        return;
    struct exo_context context = { .rip = resume->rip, .rflags = resume->rflags };
    memcpy(&context, &resume->general, sizeof(resume->general));
    context.rsp = resume_rsp(resume);
    signal_context_export(to, &context);
    to->uc_mcontext.fpregs = vector;
}

static void context_back(struct resume *resume, const ucontext_t *from)
{
    struct exo_context context;
    signal_context_import(&context, from);
    memcpy(&resume->general, &context, sizeof(resume->general));
    resume->rip = context.rip;
    resume->rflags = context.rflags;
}

static bool handle(int signal, struct resume *resume, void *vector)
{
    siginfo_t info;
    ucontext_t context;
    signal_info_fill(&info, signal);
    context_fill(&context, resume, vector);
    bool restart = signal_handler_call(signal, &info, &context);
    if (resume != NULL)
        context_back(resume, &context); /* but for the stack pointer: we are on that stack */
    return restart;
}

bool signal_deliver(struct resume *resume, void *vector)
{
    struct thread *self = thread_current;
    bool handled = false, restart = true;
    self->signalled = false;
    if (resume != NULL && self->cancelled && signal_is_handled(SIGCANCEL)) {
        /* The C library's handler looks at the place and whether cancellation is asynchronous. */
        self->cancelled = false; /* it sends it again if it is not time yet */
        handle(SIGCANCEL, resume, vector);
    }
    uint64_t pending;
    while ((pending = self->signals_pending & ~self->signals_blocked) != 0) {
        int signal = __builtin_ctzll(pending) + 1;
        self->signals_pending &= ~signal_bit(signal);
        if (signal_is_ignored(signal))
            continue;
        if (!signal_is_handled(signal)) {
            libos_log("ended by signal %d", signal);
            libos_nesting++;
            __builtin_trap(); /* a report, with the way here */
        }
        handled = true;
        restart = handle(signal, resume, vector) && restart;
    }
    signal_mask_back(0); /* nobody was there to be called */
    return handled && restart;
}
