/* SPDX-License-Identifier: MIT */
/* What children do whose parents only want to see that they live, or how they end. */
#ifndef TEST_GUEST_LIVES_H
#define TEST_GUEST_LIVES_H

#include "child.h"

static inline void life_answer(uint64_t n)
{
    child_exit(n);
}

static inline void life_spin(uint64_t n)
{
    (void)n;
    for (;;)
        __asm__ volatile("pause");
}

static inline void life_sleep(uint64_t n)
{
    (void)n;
    for (;;)
        exo_enter(PLAN_INFO->sq_head, PLAN_INFO->cq_tail + 1, EXO_NEVER);
}

/* Sleeps too, with an operation that waits. */
static inline void life_wait(uint64_t n)
{
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    (void)n;
    plan_timer(plan, tick_number(EXO_NEVER - 1));
    plan_run(plan);
}

/* The same, and its standing plan never waits. */
static inline void life_restless(uint64_t n)
{
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    plan_flags(plan, EXO_PLAN_STANDING | EXO_PLAN_QUIET, NULL);
    plan_quiet(plan, true);
    plan_timer(plan, tick_number(1));
    plan_submit(plan);
    life_sleep(n);
}

static inline void life_crash(uint64_t address)
{
    *(volatile uint64_t *)address = 1;
}

#endif
