/* SPDX-License-Identifier: MIT */
/*
 * Waking others while a thread computes. Such a thread does not enter the libos by itself, so
 * completions are asked for as upcalls, and the earliest deadline, if it lies within this CPU slot,
 * is given to the kernel. When all threads wait, none of this costs anything.
 */
#include <libos/clock.h>
#include <libos/plan.h>

#include "../plan/ring.h"
#include "thread_internal.h"

#define ALARMS 4u /* plans in the kernel at a time */
#define COMPLETION_BIT (1u << (EXO_UPCALL_COMPLETION - 256))

struct alarm {
    struct completion_target target;
    uint64_t tick; /* 0: free */
};

static struct alarm alarms[ALARMS];

static void alarm_done(struct completion_target *self, const struct exo_completion *completion)
{
    (void)completion; /* whatever came of it: whoever computes next sets another */
    ((struct alarm *)self)->tick = 0;
}

static void alarm_set(struct alarm *alarm, uint64_t tick)
{
    static struct exo_op cell[2];
    static struct plan plan = { .cell = cell, .last = -1 };
    *alarm = (struct alarm){ { alarm_done }, tick };
    cell[0] = (struct exo_op){ .code = EXO_PLAN };
    cell[1] = (struct exo_op){ .code = EXO_TIMER, .flags = EXO_QUIET, .arg = { tick } };
    plan.count = 1;
    plan_flags(&plan, 0, &alarm->target);
    plan_submit(&plan);
}

void prompt_begin(uint64_t deadline)
{
    PLAN_CONTROL->want |= COMPLETION_BIT;
    if (deadline == EXO_NEVER ||
        deadline > clock_tick() + PLAN_INFO->tick_hz / 1000000 * EXO_CPU_SLOT_US)
        return; /* the slot's end comes first */
    struct alarm *unused = NULL;
    for (unsigned i = 0; i < ALARMS; i++) {
        if (alarms[i].tick == 0)
            unused = &alarms[i];
        else if (alarms[i].tick <= deadline)
            return;
    }
    if (unused != NULL)
        alarm_set(unused, deadline);
}

void prompt_end(void)
{
    PLAN_CONTROL->want &= ~COMPLETION_BIT;
}
