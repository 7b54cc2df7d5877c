/* SPDX-License-Identifier: MIT */
/*
 * A core: everything the kernel keeps per CPU, and the scheduler over it. The
 * kernel runs to completion with interrupts off on one stack a core: every way in
 * (arch/trap.S) saves the program's registers in its struct env and calls
 * one of the functions below; all of them leave through core_leave(), but for the crossing that goes straight back.
 */
#ifndef EXO_CORE_H
#define EXO_CORE_H

#include <stdint.h>
#include <stdnoreturn.h>

#include "arch/arch.h"
#include "env.h"

struct core {
    /* First, at fixed offsets: what the entry code touches through GS. */
    struct env *current;  /*  0: whose registers to save; NULL while idle */
    uint64_t stack_top;   /*  8: kernel stack */
    uint32_t number;
    volatile uint32_t attention; /* an interrupt came: leave the executor soon */
    volatile uint32_t timer_fired, device_fired;
    struct env *vector_owner; /* whose vector state is in the registers */
    struct env *space;        /* whose page tables are loaded */
    struct list woken;        /* environments with credit, by run_link */
    uint64_t slot_end;        /* tick at which the current CPU slot ends */
    uint32_t slot;            /* its number in the cycle */
    uint16_t slot_owner[EXO_CPU_SLOTS]; /* env index */
    uint32_t offered;         /* who was offered an unused slot last */
    uint64_t charged_at;      /* tick up to which time was charged */
    uint64_t armed;           /* tick the timer is set to, EXO_NEVER if off */
    uint64_t slot_ticks;      /* length of a slot */
    uint64_t due;             /* no timer and no deadline is earlier */
    struct env *yielded;      /* runs last this time */
    struct env *yielded_to;   /* runs first this time */
    bool user;                /* current was in user mode when the core was entered */
};

/* What there is once in the whole machine. */
struct machine {
    uint64_t boot_tick, boot_wall; /* a tick, and the seconds since 1970 at it */
    uint64_t frames_total;         /* usable frames when the first program started */
    struct list readers;           /* CONSOLE_READ operations */
    volatile bool typed;           /* the serial port's interrupt came */
};

extern struct machine machine;
extern struct core cores[1]; /* one is enough today; nothing else is global per CPU */
static inline struct core *core_this(void) { return &cores[0]; }

/* An interrupt wants the core: leave the executor. */
static inline bool core_attention(void)
{
    if (!core_this()->attention)
        arch_interrupt_window();
    return core_this()->attention;
}

/* Ways in, called by arch/trap.S on the core's stack, interrupts off. */
/* exo_enter. True: it goes straight back to the program, with context.rax, rip, rflags and rsp, and with its other
 * registers as they are. False: with its context completed, core_leave() is next. */
bool core_syscall(uint64_t submit, uint64_t wait_for, uint64_t deadline, struct core *core);
noreturn void core_fault(struct core *core);   /* context.vector, error, address are set */
noreturn void core_interrupt(struct core *core); /* from user mode; the handler has run already */

/* Picks who runs next, sets the timer, goes there. Idles when nobody can run. */
noreturn void core_leave(struct core *core);
/* Cycle of CPU slots starts, all of them `owner`'s. */
void core_start(struct core *core, struct env *owner);
/* Brings an environment's credit of CPU time up to date. */
int64_t env_credit(struct env *env, uint64_t now);
/* It will not run again: off every list, its slots back to its parent. */
void core_forget(struct env *env);
/* The caller gives up the rest of its slice, to `to` if that is not NULL. */
void core_yield(struct env *env, struct env *to);

#endif
