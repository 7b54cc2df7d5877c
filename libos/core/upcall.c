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
#define RED_ZONE 128u
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

/* What upcall_entry pops: the 15 general registers as struct exo_context begins, flags, rip. It
 * ends where the red zone begins, so that `ret $128` leaves the stack pointer as it was. */
struct general {
    uint64_t word[15];
};

struct resume {
    struct general general;
    uint64_t rflags, rip;
};

/* The registers, copied to the interrupted stack. If that stack has no page there, the copy faults
 * and the pager is entered one level deeper. */
static struct resume *context_move(const struct exo_context *from)
{
    struct resume *to = (struct resume *)(from->rsp - RED_ZONE - sizeof(struct resume));
    to->general = *(const struct general *)(const void *)from;
    to->rflags = from->rflags;
    to->rip = from->rip;
    return to;
}

struct resume *upcall_handle(unsigned depth)
{
    struct exo_context *context = &PLAN_CONTROL->context[depth];
    if (context->vector >= EXO_UPCALL_SLICE) {
        /* Events are looked at where all of them are: after the depth was lowered. */
        PLAN_CONTROL->pending |= 1u << (context->vector - EXO_UPCALL_SLICE);
        return context_move(context);
    }
    if (context->vector == VECTOR_PAGE_FAULT && mem_fault(context->address, context->error))
        return context_move(context);
    if (depth == 0 && signal_fault(context))
        return context_move(context);
    if (context->vector == VECTOR_PAGE_FAULT)
        mem_explain(context->address);
    crash(context->vector, context);
}

/* At depth 0, on the interrupted stack, below everything that is in use there. */
void upcall_event(const struct resume *resume)
{
    __asm__ volatile("andl $~1, %0" : "+m"(PLAN_CONTROL->pending));
    if (libos_nesting != 0)
        libos_slice_ended = true; /* libos_leave() yields */
    else
        thread_preempt(resume->rip);
}
