/* SPDX-License-Identifier: MIT */
/* What the executor's four files (plan_door.c, plan_check.c, plan_run.c, plan_end.c) have between them, and nobody else. */
#ifndef EXO_PLAN_INTERNAL_H
#define EXO_PLAN_INTERNAL_H

#include "env.h"
#include "plan.h"

/* Puts a plan on its owner's ready list, unless it is there. */
void plan_ready(struct plan *plan);

/* The form of the cells in the plan's slot: 0, or -EXO_E_... with the number of the offending cell (i + 1: operation
 * i). Takes MORE cells out of plan->operations and adds up plan->reserved. */
int plan_check(struct plan *plan, unsigned *bad_cell);

/* Runs a plan for the first time. */
void plan_start(struct plan *plan);

/* The completion of the plan itself; false: no room. */
bool plan_post_self(struct plan *plan, uint64_t result, int status);

/* Tells that an operation ended, or keeps the plan until there is room to. */
void op_tell(struct plan *plan, struct op *op);
/* An operation ends, once, with its completion or the plan on the held list. */
void op_finish(struct plan *plan, unsigned index, int status);

static inline uint64_t plan_id(const struct plan *plan)
{
    return (uint64_t)plan->generation << 32 | plan->number;
}

static inline bool plan_all_ended(const struct plan *plan)
{
    return plan->ended == plan->operations;
}

/* Every operation has ended. True if the plan began anew. */
bool plan_end(struct plan *plan);

static inline void op_clear(struct op *op)
{
    op->result[0] = op->result[1] = op->result[2] = op->result[3] = 0;
    op->step[0] = op->step[1] = op->step[2] = 0;
}

#endif
