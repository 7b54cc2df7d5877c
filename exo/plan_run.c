/* SPDX-License-Identifier: MIT */
/*
 * The executor: starts what can start, steps it, takes note of events. Works on the
 * kernel's copy only. An operation that waits costs nothing; an event costs O(1)
 * until the plan's owner has the CPU.
 */
#include "core.h"
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

/* What an operation's function returned, but OP_AGAIN. */
static void op_settle(struct plan *plan, unsigned index, int outcome)
{
    if (outcome == OP_PARK)
        plan->runnable &= ~(1ull << index);
    else
        op_finish(plan, index, outcome);
}

/* Steps an operation; `fresh` if its function was not called yet. False if the core is wanted
 * before it ended or parked. */
static bool op_step(struct plan *plan, unsigned index, bool fresh)
{
    struct op *op = &plan->op[index];
    const struct op_info *info = &op_infos[op->cell.code];
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
        if (outcome != OP_AGAIN) {
            op_settle(plan, index, outcome);
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

/* The operations before `op` ended well, in a step each. */
static void straight_note(struct plan *plan, const struct op *op)
{
    unsigned count = (unsigned)(op - plan->op);
    plan->waiting = count == plan->cells ? 0 : plan->operations & ~0ull << count;
    plan->ended = plan->operations & ~plan->waiting;
    plan->work -= count;
}

/* Goes on where an operation was called once and did not end well. False if the core is wanted. */
static bool straight_leave(struct plan *plan, struct op *op, int outcome)
{
    unsigned index = op->index;
    straight_note(plan, op);
    plan->work--;
    plan->waiting &= ~(1ull << index);
    plan->runnable |= 1ull << index;
    if (outcome != OP_AGAIN) {
        op_settle(plan, index, outcome);
    } else {
        op->state = OP_READY;
        if (core_attention() || !op_step(plan, index, false))
            return false;
    }
    return !wanted_between(plan);
}

/* The first run of a plan whose operations need nothing but that all before them ended well: no condition is
 * looked at while they do. False if the core is wanted. */
static bool run_straight(struct plan *plan)
{
    uint32_t work = plan->work, count = plan->cells < work ? plan->cells : work;
    struct op *op = plan->op, *end = op + count, *look = op + (work - 1) % LOOK_STEPS + 1;
    while (op != end) {
        for (struct op *stop = look < end ? look : end; op != stop; op++) {
            op_clear(op);
            int outcome = op_infos[op->cell.code].run(plan, op);
            if (outcome)
                return straight_leave(plan, op, outcome);
            op->fate = OP_FATE(OP_ENDED);
            if (!(op->cell.flags & EXO_QUIET))
                op_tell(plan, op);
        }
        if (op == look && core_attention()) {
            straight_note(plan, op);
            return false;
        }
        look += LOOK_STEPS;
    }
    straight_note(plan, op);
    return true;
}

static bool run_passes(struct plan *plan)
{
    uint64_t before;
    do {
        before = plan->ended;
        if (!run_pass(plan))
            return false;
    } while (plan->runnable || (plan->waiting && plan->ended != before));
    return true;
}

static void run(struct plan *plan, bool straight)
{
    plan->busy = true;
    bool free = (!straight || run_straight(plan)) && (plan_all_ended(plan) || run_passes(plan));
    plan->busy = false;
    /* The next pass of a standing plan begins in its owner's time. */
    if (!free || (plan_all_ended(plan) && plan_end(plan)))
        plan_ready(plan);
}

void plan_start(struct plan *plan) { run(plan, plan->straight); }

void plan_run(struct plan *plan)
{
    plan->on_ready = false;
    list_remove(&plan->link);
    run(plan, false);
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
