/* SPDX-License-Identifier: MIT */
/* The reference: how operations start, what they do, and in what order they move. */
#include <string.h>

#include "reference_internal.h"

/* ---- how operations start ----------------------------------------------------------------- */

enum verdict { NOT_YET, START, CAUSE, NOT_NEEDED };

/* The truth table of docs/plans.md. */
static enum verdict verdict(const struct ref_plan *plan, const struct exo_op *cell)
{
    unsigned needed = 0, ended = 0, failed = 0;
    for (unsigned i = 0; i < plan->cells; i++) {
        if (!(cell->after >> i & 1))
            continue;
        needed++;
        if (plan->op[i].state == VIEW_ENDED) {
            ended++;
            if (plan->op[i].status)
                failed++;
        }
    }
    if (needed == 0)
        return START;
    switch (cell->flags & EXO_START_MASK) {
    case EXO_START_ALL: return failed ? CAUSE : ended == needed ? START : NOT_YET;
    case EXO_START_SOME: return ended < needed ? NOT_YET : failed ? START : NOT_NEEDED;
    case EXO_START_ENDED: return ended == needed ? START : NOT_YET;
    default: return ended ? START : NOT_YET; /* ANY */
    }
}

static uint64_t argument(const struct ref_plan *plan, const struct ref_op *op, unsigned k)
{
    uint64_t word = op->cell.arg[k];
    if (!(op->cell.uses >> k & 1))
        return word;
    int32_t addend = (int32_t)(word >> 16);
    return plan->op[word & 0xff].result[word >> 8 & 0xff] + (uint64_t)(int64_t)addend;
}

/* ---- what operations do: as world.c pretends ------------------------------------------------- */

static int cancel(struct ref *ref, struct ref_plan *plan, struct ref_op *op)
{
    uint64_t id = argument(plan, op, 0), which = argument(plan, op, 1), count = 0;
    struct ref_plan *target = id ? NULL : plan;
    for (unsigned i = 0; i < PLANS && id; i++)
        if (ref->plan[i].number && ref->plan[i].id == id)
            target = &ref->plan[i];
    if (!target)
        return -EXO_E_ABSENT;
    if (which == UINT64_MAX)
        target->cancelled = true;
    for (unsigned i = 0; i < target->cells; i++)
        if (which >> i & 1 && &target->op[i] != op)
            ref_cancel_one(ref, target, i, &count);
    if (count)
        ref_make_ready(ref, target);
    op->result[0] = count;
    return 0;
}

enum outcome { DONE, PARKED, AGAIN };

static enum outcome park(struct ref *ref, struct ref_op *op, enum ref_wait what)
{
    op->parked = ref->parked++;
    op->state = VIEW_PARKED;
    op->waits = (uint8_t)what;
    return PARKED;
}

static enum outcome timer(struct ref *ref, struct ref_plan *plan, struct ref_op *op)
{
    uint64_t tick = argument(plan, op, 0), period = argument(plan, op, 1);
    if (period && !(op->cell.uses & 1)) {
        if (op->ticked)
            for (tick = op->tick + period; tick <= ref->now; tick += period) {
            }
        op->tick = tick;
        op->ticked = true;
    }
    op->result[0] = tick;
    if (tick > ref->now)
        return park(ref, op, REF_TIME);
    op->result[0] = ref->now;
    return DONE;
}

static enum outcome reclaim(struct ref *ref, struct ref_plan *plan, struct ref_op *op)
{
    uint64_t deadline = argument(plan, op, 1);
    op->result[0] = deadline;
    if (deadline > ref->now)
        return park(ref, op, REF_TIME);
    op->result[0] = op->cell.arg[0];
    return DONE;
}

/* Ends what parked first, or wakes it if it waits for room. */
static void kill(struct ref *ref)
{
    struct ref_op *first = NULL;
    uint32_t number = 0, index = 0;
    for (unsigned p = 0; p < PLANS; p++)
        for (unsigned i = 0; ref->plan[p].number && i < ref->plan[p].cells; i++) {
            struct ref_op *op = &ref->plan[p].op[i];
            if ((op->waits != REF_EVENT && op->waits != REF_ROOM) || (first && first->parked < op->parked))
                continue;
            first = op;
            number = ref->plan[p].number;
            index = i;
        }
    if (first && first->waits == REF_EVENT)
        ref_event(ref, number, index, 0);
    else if (first)
        ref_wake(ref, number, index);
}

static enum outcome alloc(struct ref *ref, struct ref_plan *plan, struct ref_op *op, int *status)
{
    if (argument(plan, op, 1) > 10) {
        *status = -EXO_E_RANGE;
        return DONE;
    }
    uint32_t left = (uint32_t)op->cell.arg[0] - op->done, step = left < 16 ? left : 16;
    op->result[0] = 100;
    op->done += step;
    plan->reserved -= step;
    ref->frames_reserved -= step;
    ref->frames_used += step;
    return op->done == op->cell.arg[0] ? DONE : AGAIN;
}

static enum outcome behave(struct ref *ref, struct ref_plan *plan, struct ref_op *op, int *status)
{
    *status = 0;
    switch (op->cell.code) {
    case EXO_NOP: op->result[0] = argument(plan, op, 0); return DONE;
    case EXO_FREE: *status = argument(plan, op, 0) & 1 ? -EXO_E_FRAME : 0; return DONE;
    case EXO_ALLOC: return alloc(ref, plan, op, status);
    case EXO_TIMER: return timer(ref, plan, op);
    case EXO_ENV_KILL: kill(ref); return DONE;
    case EXO_CANCEL: *status = cancel(ref, plan, op); return DONE;
    case EXO_RECLAIM: return reclaim(ref, plan, op);
    case EXO_ENV_WAIT:
    case EXO_RECLAIM_WAIT:
    case EXO_CONSOLE_READ:
    case EXO_SEND:
    case EXO_RECV:
    case EXO_NET_RX: return park(ref, op, REF_EVENT);
    case EXO_NET_TX:
        if (argument(plan, op, 2) & 1 && !ref->room)
            return park(ref, op, REF_ROOM);
        if (argument(plan, op, 2) & 1)
            ref->room--;
        return park(ref, op, REF_DEVICE);
    default: /* ends well; its number and the word's are its results */
        for (unsigned i = 0; i < 4; i++)
            op->result[i] = op->cell.code * 16u + i * 2;
        return DONE;
    }
}

/* ---- running --------------------------------------------------------------------------------- */

/* Calls an operation until it ends or parks; false if the core was wanted between two steps. */
static bool call(struct ref *ref, struct ref_plan *plan, unsigned index)
{
    struct ref_op *op = &plan->op[index];
    for (;;) {
        int status;
        if (plan->work == 0) {
            if (op->called)
                ref_undo(ref, op);
            ref_end(ref, plan, index, -EXO_E_WORK);
            return true;
        }
        plan->work--;
        op->called = true;
        enum outcome outcome = behave(ref, plan, op, &status);
        if (outcome == DONE)
            ref_end(ref, plan, index, status);
        if (outcome != AGAIN)
            return true;
        if (ref_wanted(ref))
            return false;
    }
}

static bool start(struct ref *ref, struct ref_plan *plan, unsigned index)
{
    struct ref_op *op = &plan->op[index];
    ref_clear_results(op);
    op->done = 0;
    op->called = op->withdrawn = false;
    op->state = VIEW_STARTED;
    return call(ref, plan, index);
}

/* Moves one operation if it can be moved. */
static bool move(struct ref *ref, struct ref_plan *plan, unsigned index, bool *moved)
{
    struct ref_op *op = &plan->op[index];
    enum verdict now = NOT_YET;
    if (op->state == VIEW_WAITING)
        now = verdict(plan, &op->cell);
    else if (op->state != VIEW_STARTED)
        return true;
    if (op->state == VIEW_WAITING && now == NOT_YET)
        return true;
    *moved = true;
    if (op->state == VIEW_STARTED)
        return call(ref, plan, index);
    if (now == START)
        return start(ref, plan, index);
    ref_clear_results(op);
    ref_end(ref, plan, index, now == CAUSE ? -EXO_E_CAUSE : 0);
    return true;
}

/* Moves whatever can be moved, lowest number first, until nothing can. False: the core is wanted. */
bool ref_run(struct ref *ref, struct ref_plan *plan)
{
    bool moved = true;
    ref_queue_drop(ref->ready, &ref->ready_count, plan->number);
    ref->running = plan->number;
    while (moved) {
        moved = false;
        if (ref_wanted(ref))
            goto stop;
        for (unsigned i = 0; i < plan->cells; i++) {
            bool this = false;
            if (!move(ref, plan, i, &this) || (this && ref_wanted(ref)))
                goto stop;
            moved |= this;
        }
    }
    ref->running = 0;
    if (ref_all_ended(plan))
        ref_plan_over(ref, plan);
    return true;
stop:
    ref->running = 0;
    ref_make_ready(ref, plan);
    return false;
}
