/* SPDX-License-Identifier: MIT */
/*
 * Faults and events. Runs on the upcall stacks, possibly nested, on top of code
 * that may have been anywhere; so it touches only eagerly mapped memory, calls
 * nothing but the pager, and uses no vector registers.
 */
#include "core.h"

#include <libos/plan.h>

#include "../mem/mem_internal.h"
#include "../plan/ring.h"
#include "../posix/signal_internal.h"
#include "../thread/thread_internal.h"

#define UPCALL_STACK_BYTES 4096u
#define VECTOR_PAGE_FAULT 14u

static _Alignas(16) unsigned char upcall_stacks[EXO_DEPTH][UPCALL_STACK_BYTES];

void upcall_init(void)
{
    struct exo_control *control = PLAN_CONTROL;
    for (unsigned i = 0; i < EXO_DEPTH; i++)
        control->stack[i] = (uint64_t)(upcall_stacks[i] + UPCALL_STACK_BYTES);
    control->depth = 0;
    control->pending = 0;
    control->want = 1u << (EXO_UPCALL_SLICE - 256);
    LIBOS_BARRIER();
    control->entry = (uint64_t)upcall_entry;
}

struct resume *upcall_handle(unsigned depth)
{
    struct exo_context *context = &PLAN_CONTROL->context[depth];
    if (context->vector >= EXO_UPCALL_SLICE) {
        /* Events are looked at where all of them are: after the depth was lowered. */
        PLAN_CONTROL->pending |= 1u << (context->vector - EXO_UPCALL_SLICE);
        return resume_place(context);
    }
    if (context->vector == VECTOR_PAGE_FAULT && mem_fault(context->address, context->error))
        return resume_place(context);
    if (depth == 0 && signal_fault(context))
        return resume_place(context);
    if (context->vector == VECTOR_PAGE_FAULT)
        mem_explain(context->address);
    crash(context->vector, context);
}

/* At depth 0, on the interrupted stack, below everything that is in use there. */
void upcall_event(struct resume *resume)
{
    uint32_t events = PLAN_CONTROL->pending & PLAN_CONTROL->want;
    __atomic_fetch_and(&PLAN_CONTROL->pending, ~events, __ATOMIC_RELAXED);
    bool slice = (events & 1u << (EXO_UPCALL_SLICE - 256)) != 0;
    if (libos_nesting != 0)
        libos_slice_ended = libos_slice_ended || slice; /* libos_leave() yields, and takes completions */
    else if (slice)
        thread_preempt(resume);
    else
        thread_notice(resume);
}
