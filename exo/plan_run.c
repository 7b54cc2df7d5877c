/* SPDX-License-Identifier: MIT */
/*
 * The executor: starts what can start, steps it, takes note of events. Works on the
 * kernel's copy only. An operation that waits costs nothing; an event costs O(1)
 * until the plan's owner has the CPU.
 */
#include "plan_internal.h"

#define LOOK_STEPS 8u /* operations that end at once keep an interrupt waiting for at most so many steps */

void plan_ready(struct plan *plan)
{
    if (plan->on_ready)
        return;
    plan->on_ready = true;
    list_push(&plan->env->ready, &plan->link);
}

/* ---- running ------------------------------------------------------------------ */

enum verdict { START_NOT_YET, START_NOW, START_NEVER, START_NOT_NEEDED };

static enum verdict start_condition(const struct plan *plan, const struct exo_op *cell)
{
    uint64_t after = cell->after;
    if (!after)
        return START_NOW;
    bool all = (after & plan->ended) == after;
    switch (cell->flags & EXO_START_MASK) {
    case EXO_START_ALL:
        if (after & plan->failed)
            return START_NEVER;
        return all ? START_NOW : START_NOT_YET;
    case EXO_START_SOME:
        if (!all)
            return START_NOT_YET;
        return after & plan->failed ? START_NOW : START_NOT_NEEDED;
    case EXO_START_ENDED:
        return all ? START_NOW : START_NOT_YET;
    default: /* EXO_START_ANY */
        return after & plan->ended ? START_NOW : START_NOT_YET;
    }
}

/* Steps an operation; `fresh` if its function was not called yet. False if the core is wanted
 * before it ended or parked. */
static bool op_step(struct plan *plan, unsigned index, bool fresh)
{
    struct op *op = &plan->op[index];
    const struct op_info *info = &op_infos[op->cell.code];
    uint64_t bit = 1ull << index;
    for (;;) {
        if (plan->work == 0) {
            if (info->cancel && !fresh)
                info->cancel(plan, op);
            op_finish(plan, index, -EXO_E_WORK);
            return true;
        }
        plan->work--;
        fresh = false;
        int outcome = info->run(plan, op);
        if (outcome <= 0) {
            op_finish(plan, index, outcome);
            return true;
        }
        if (outcome == OP_PARK) {
            plan->runnable &= ~bit;
            return true;
        }
        if (core_attention())
            return false;
    }
}

static bool op_start(struct plan *plan, unsigned index)
{
    struct op *op = &plan->op[index];
    uint64_t bit = 1ull << index;
    switch (start_condition(plan, &op->cell)) {
    case START_NOT_YET: return true;
    case START_NEVER:
        op_clear(op);
        op_finish(plan, index, -EXO_E_CAUSE);
        return true;
    case START_NOT_NEEDED:
        op_clear(op);
        op_finish(plan, index, 0);
        return true;
    case START_NOW: break;
    }
    op_clear(op);
    op->state = OP_READY;
    plan->waiting &= ~bit;
    plan->runnable |= bit;
    return op_step(plan, index, true);
}

/* Between operations the core is asked for every so many steps. */
static inline bool wanted_between(const struct plan *plan)
{
    return plan->work % LOOK_STEPS == 0 && core_attention();
}

/* One ascending pass over what could move. Edges point backward, so what an operation's end allows
 * lies ahead of it, unless CANCEL or an event ended something behind. */
static bool run_pass(struct plan *plan)
{
    uint64_t todo = plan->runnable | plan->waiting;
    while (todo) {
        unsigned index = (unsigned)__builtin_ctzll(todo);
        uint64_t bit = 1ull << index;
        todo &= todo - 1;
        bool free = true;
        if (plan->runnable & bit)
            free = op_step(plan, index, false);
        else if (plan->waiting & bit)
            free = op_start(plan, index);
        if (!free || wanted_between(plan))
            return false;
    }
    return true;
}

void plan_run(struct plan *plan)
{
    if (plan->on_ready) {
        plan->on_ready = false;
        list_remove(&plan->link);
    }
    plan->busy = true;
    uint64_t before;
    do {
        before = plan->ended;
        if (!run_pass(plan)) {
            plan->busy = false;
            plan_ready(plan);
            return;
        }
    } while (plan->runnable || (plan->waiting && plan->ended != before));
    plan->busy = false;
    if (plan_all_ended(plan) && plan_end(plan))
        plan_ready(plan); /* the next pass of a standing plan begins in its owner's time */
}

/* ---- events ---------------------------------------------------------------------- */

/* It ends here and now, so that completions come in the order of their events. What waits for it
 * runs in the owner's time. */
void op_end(struct op *op, int status)
{
    struct plan *plan = op_plan(op);
    op_finish(plan, op->index, status);
    if (plan->busy)
        return;
    if (plan->waiting || plan_all_ended(plan))
        plan_ready(plan);
    env_woken(plan->env);
}

void op_wake(struct op *op)
{
    struct plan *plan = op_plan(op);
    op->state = OP_READY;
    op->where = WHERE_NONE;
    op->step[0] = op->step[1] = op->step[2] = 0;
    plan->runnable |= 1ull << op->index;
    if (!plan->busy) {
        plan_ready(plan);
        env_woken(plan->env);
    }
}

void op_park(struct op *op, struct list *list)
{
    op->state = OP_PARKED;
    op->where = WHERE_LIST;
    list_push(list, &op->wait);
}

struct op *op_unpark(struct list *list)
{
    struct list_node *node = list_pop(list);
    return node ? LIST_ENTRY(node, struct op, wait) : NULL;
}
