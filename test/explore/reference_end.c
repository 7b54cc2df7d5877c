/* SPDX-License-Identifier: MIT */
/* The reference: completions, how operations and plans end, and ending early. */
#include <stdlib.h>
#include <string.h>

#include "reference_internal.h"

struct ref_plan *ref_plan_numbered(struct ref *ref, uint32_t number)
{
    for (unsigned i = 0; i < PLANS; i++)
        if (number && ref->plan[i].number == number)
            return &ref->plan[i];
    return NULL;
}

/* ---- queues of plans ------------------------------------------------------------------- */

bool ref_queue_has(const uint32_t *queue, uint32_t count, uint32_t number)
{
    for (uint32_t i = 0; i < count; i++)
        if (queue[i] == number)
            return true;
    return false;
}

static void queue_put(uint32_t *queue, uint32_t *count, uint32_t number)
{
    if (!ref_queue_has(queue, *count, number))
        queue[(*count)++] = number;
}

void ref_queue_drop(uint32_t *queue, uint32_t *count, uint32_t number)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < *count; i++)
        if (queue[i] != number)
            queue[kept++] = queue[i];
    *count = kept;
}

void ref_make_ready(struct ref *ref, struct ref_plan *plan)
{
    if (plan->number == ref->running)
        return; /* it looks by itself */
    queue_put(ref->ready, &ref->ready_count, plan->number);
}

static void make_held(struct ref *ref, struct ref_plan *plan)
{
    queue_put(ref->held, &ref->held_count, plan->number);
}

/* ---- completions ------------------------------------------------------------------------- */

bool ref_has_room(const struct ref *ref) { return ref->posted - ref->read < ref->ring; }

bool ref_put(struct ref *ref, struct ref_post post)
{
    if (!ref_has_room(ref))
        return false;
    if (ref->posts == POSTS)
        abort();
    ref->post[ref->posts++] = post;
    ref->posted++;
    return true;
}

bool ref_post_operation(struct ref *ref, struct ref_plan *plan, unsigned index)
{
    const struct ref_op *op = &plan->op[index];
    return ref_put(ref, (struct ref_post){.tag = op->cell.tag, .result = op->result[0], .status = op->status,
                                      .operation = index, .more = (uint32_t)op->result[1]});
}

static bool post_plan(struct ref *ref, struct ref_plan *plan, int status)
{
    return ref_put(ref, (struct ref_post){.tag = plan->number, .status = status, .operation = EXO_PLAN_SELF});
}

static bool owes(const struct ref_plan *plan)
{
    for (unsigned i = 0; i < plan->cells; i++)
        if (plan->op[i].owed)
            return true;
    return false;
}

/* ---- how operations and plans end ---------------------------------------------------------- */

void ref_end(struct ref *ref, struct ref_plan *plan, unsigned index, int status)
{
    struct ref_op *op = &plan->op[index];
    op->state = VIEW_ENDED;
    op->waits = REF_NOTHING;
    op->status = status;
    if (status)
        ref->bad++;
    if (!status && op->cell.flags & EXO_QUIET)
        return;
    if (owes(plan) || !ref_post_operation(ref, plan, index)) {
        op->owed = true; /* and what ends later does not overtake it */
        make_held(ref, plan);
    }
}

bool ref_all_ended(const struct ref_plan *plan)
{
    for (unsigned i = 0; i < plan->cells; i++)
        if (plan->op[i].state != VIEW_ENDED && plan->op[i].state != VIEW_CELL)
            return false;
    return true;
}

static int first_failure(const struct ref_plan *plan)
{
    for (unsigned i = 0; i < plan->cells; i++)
        if (plan->op[i].state == VIEW_ENDED && plan->op[i].status)
            return plan->op[i].status;
    return 0;
}

static uint32_t price(const struct ref_plan *plan)
{
    uint32_t sum = 0;
    for (unsigned i = 0; i < plan->cells; i++)
        if (plan->op[i].cell.code == EXO_ALLOC)
            sum += (uint32_t)plan->op[i].cell.arg[0];
    return sum;
}

bool ref_reserve(struct ref *ref, struct ref_plan *plan, uint32_t frames)
{
    if ((uint64_t)ref->frames_used + ref->frames_reserved + frames > ref->frames_limit)
        return false;
    ref->frames_reserved += frames;
    plan->reserved = frames;
    return true;
}

static void release(struct ref *ref, struct ref_plan *plan)
{
    ref->frames_reserved -= plan->reserved;
    plan->reserved = 0;
}

static void start_over(struct ref *ref, struct ref_plan *plan)
{
    ref->passes++;
    plan->work = plan->cap;
    for (unsigned i = 0; i < plan->cells; i++)
        if (plan->op[i].state != VIEW_CELL)
            plan->op[i].state = VIEW_WAITING;
}

/* Every operation has ended: once all is posted the plan starts over, or gives its slot back. */
void ref_plan_over(struct ref *ref, struct ref_plan *plan)
{
    int status = first_failure(plan);
    if (owes(plan))
        return;
    if (plan->standing && !status && !plan->cancelled) {
        release(ref, plan);
        if (ref_reserve(ref, plan, price(plan))) {
            start_over(ref, plan);
            ref_make_ready(ref, plan);
            return;
        }
        status = -EXO_E_QUOTA;
    }
    if ((status || !plan->quiet) && !post_plan(ref, plan, status)) {
        make_held(ref, plan);
        return;
    }
    release(ref, plan);
    ref->free_slots[plan->slot_class]++;
    memset(plan, 0, sizeof *plan);
}

/* ---- ending early -------------------------------------------------------------------------- */

static bool has_hook(const struct ref_op *op)
{
    switch (op->cell.code) {
    case EXO_ALLOC:
    case EXO_RECLAIM:
    case EXO_NET_RX:
    case EXO_NET_TX:
    case EXO_SEND:
    case EXO_RECV: return true;
    default: return false;
    }
}

/* Gives back what it holds. */
void ref_undo(struct ref *ref, struct ref_op *op)
{
    if (!has_hook(op))
        return;
    ref->undone++;
    if (op->cell.code == EXO_ALLOC)
        ref->frames_used -= op->done;
    op->done = 0;
}

void ref_cancel_one(struct ref *ref, struct ref_plan *plan, unsigned index, uint64_t *count)
{
    struct ref_op *op = &plan->op[index];
    switch (op->state) {
    case VIEW_WAITING: ref_clear_results(op); break;
    case VIEW_STARTED: ref_undo(ref, op); break;
    case VIEW_PARKED:
        ref_undo(ref, op);
        if (op->waits == REF_DEVICE) { /* ends when the device is done with it */
            op->withdrawn = true;
            return;
        }
        break;
    default: return; /* it has ended, or is about to */
    }
    ref_end(ref, plan, index, -EXO_E_CANCELLED);
    ++*count;
}

void ref_clear_results(struct ref_op *op)
{
    memset(op->result, 0, sizeof op->result);
}
