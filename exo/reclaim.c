/* SPDX-License-Identifier: MIT */
/*
 * Frames that a parent asks back from a child: announced, waited for, and past the deadline taken by a bounded
 * walk, while the child stands still. What must never happen: that the child learns too late what is gone, so
 * every page and frame is written down in its info page before its next instruction.
 */
#include "arch/arch.h"
#include "core.h"
#include "env.h"
#include "ops.h"
#include "space.h"

#define STEP_FRAMES 16u

/* Where the walk of a forced reclaim is: op->step[0]. step[1] is its place, result[1] counts what it took. */
enum phase { PHASE_BEGIN, PHASE_SPARE, PHASE_PAGES, PHASE_FRAMES, PHASE_END };

/* Frames that the child has to give up before it has `count` that are not used. */
static uint64_t missing(const struct env *child, uint64_t count)
{
    uint64_t wanted = (uint64_t)child->frames_used + child->frames_reserved + count;
    return wanted > child->frames_limit ? wanted - child->frames_limit : 0;
}

static void announce(struct env *child, uint64_t count, uint64_t deadline)
{
    child->info->reclaim = count;
    child->info->reclaim_deadline = deadline;
}

static void end(struct env *child)
{
    child->reclaim = NULL;
    child->reclaim_untold = child->seized = false;
    announce(child, 0, 0);
}

/* The frames of the limit change hands. */
static void transfer(struct env *child, struct op *op)
{
    uint32_t count = (uint32_t)op_constant(op, 0);
    child->frames_limit -= count;
    account_show(child);
    child->info->frames_used = child->frames_used;
    child->info->frames_limit = child->frames_limit;
    op_plan(op)->env->frames_limit += count;
    account_show(op_plan(op)->env);
    op->result[0] = count;
    end(child);
}

void reclaim_look(struct env *child)
{
    struct op *op;
    for (; (op = child->reclaim) && op->state == OP_PARKED && !missing(child, op_constant(op, 0)); child = child->parent) {
        timer_remove(child->parent, op);
        transfer(child, op); /* its parent's limit is more, and that one can be asked too */
        op_end(op, 0);
    }
}

void reclaim_abort(struct env *child)
{
    struct op *op = child->reclaim;
    if (!op)
        return;
    end(child);
    if (op->state != OP_PARKED)
        return; /* between two steps of force: it finds the child dying */
    timer_remove(op_plan(op)->env, op);
    op->result[0] = 0;
    op_end(op, -EXO_E_DEAD);
}

/* ---- force --------------------------------------------------------------------------- */

/* One more page (an address) or frame (number << 12 | EXO_TAKEN_FRAMES) that the child will find gone. */
static void write_down(struct env *child, struct op *op, uint64_t what)
{
    struct exo_info *info = child->info;
    struct exo_taken *last = &info->taken[(info->taken_tail - 1) % EXO_TAKEN];
    if (op->result[1]++ && what == last->first + (last->count << EXO_PAGE_SHIFT))
        last->count++;
    else
        info->taken[info->taken_tail++ % EXO_TAKEN] = (struct exo_taken){what, 1};
}

static void take_frame(struct env *child, frame_t frame)
{
    frame_disown(child, frame);
    frame_release(frame, 1);
    env_uncharge(child, 1);
}

static bool takeable(const struct env *child, frame_t frame, uint32_t mappings)
{
    const struct frame *entry = frame_entry(frame);
    return entry->state == FRAME_OWNED && entry->owner == child->index && entry->pins == 0 &&
           entry->rights == mappings;
}

/* Pages from step[1] on; true when it has come to the end. */
static bool take_pages(struct env *child, struct op *op)
{
    unsigned budget = STEP_FRAMES;
    frame_t frame;
    page_t page = {op->step[1]};
    while (missing(child, op_constant(op, 0)) && space_next(child, &page, &budget, &frame)) {
        bool owned = takeable(child, frame, 1);
        if ((owned || frame_entry(frame)->state == FRAME_FROZEN) && !space_unmap(child, page, UINT64_MAX, &frame)) {
            if (owned)
                take_frame(child, frame);
            write_down(child, op, page.address);
        }
        page = page_behind(page, 1);
        budget--;
    }
    op->step[1] = page.address;
    return page.address >= EXO_USER_END;
}

/* Frames that are not mapped, along the child's list; the walk begins anew when its place has left the list. */
static bool take_unmapped(struct env *child, struct op *op)
{
    uint32_t number = (uint32_t)op->step[1];
    if (frames[number].owner != child->index)
        number = child->owned;
    for (unsigned i = 0; i < STEP_FRAMES && number != FRAME_NONE; i++) {
        frame_t frame = {number};
        number = frames[number].next;
        if (!missing(child, op_constant(op, 0)) || !takeable(child, frame, 0))
            continue;
        take_frame(child, frame);
        write_down(child, op, (uint64_t)frame.number << EXO_PAGE_SHIFT | EXO_TAKEN_FRAMES);
    }
    op->step[1] = number;
    return number == FRAME_NONE;
}

static uint64_t spare(const struct env *child)
{
    uint64_t address = child->control ? *(volatile uint64_t *)&child->control->spare : 0;
    return address < EXO_USER_END ? address & ~(uint64_t)(EXO_PAGE_SIZE - 1) : 0;
}

/* One step; true when there is nothing more to take. */
static bool force(struct env *child, struct op *op)
{
    bool done = true;
    child->seized = true;
    switch (op->step[0]) {
    case PHASE_BEGIN: op->step[1] = spare(child); break;
    case PHASE_SPARE:
    case PHASE_PAGES: done = take_pages(child, op); break;
    case PHASE_FRAMES: done = take_unmapped(child, op); break;
    case PHASE_END: return true;
    }
    if (!done)
        return false;
    if (op->step[0]++ != PHASE_BEGIN)
        op->step[1] = op->step[0] == PHASE_FRAMES ? child->owned : 0;
    return false;
}

/* ---- the operations ---------------------------------------------------------------------- */

static void tell(struct env *child, struct op *waiting)
{
    waiting->result[0] = missing(child, child->info->reclaim);
    waiting->result[1] = child->info->reclaim_deadline;
    child->reclaim_untold = false;
}

static int begin(struct env *child, struct op *op)
{
    uint64_t count = op_constant(op, 0);
    if (child->reclaim)
        return -EXO_E_BUSY;
    if (count > child->frames_limit)
        return -EXO_E_QUOTA;
    child->reclaim = op;
    if (!missing(child, count))
        return 0;
    announce(child, count, number_any(op_arg(op, 1)));
    struct op *waiting = op_unpark(&child->reclaim_waiters);
    child->reclaim_untold = !waiting;
    if (waiting) {
        tell(child, waiting);
        op_end(waiting, 0);
    }
    return 0;
}

int op_reclaim(struct plan *plan, struct op *op)
{
    struct env *child = handle_env(plan->env, op_handle(op), false);
    uint64_t now = clock_now(), deadline = number_any(op_arg(op, 1));
    if (!child || child->state == ENV_DYING)
        return -EXO_E_HANDLE;
    int error = child->reclaim == op ? 0 : begin(child, op);
    if (error)
        return error;
    if (!missing(child, op_constant(op, 0))) {
        transfer(child, op);
        env_account_fell(plan->env);
        return 0;
    }
    if (now < deadline) {
        op->result[0] = deadline;
        timer_add(plan->env, op);
        return OP_PARK;
    }
    if (!force(child, op))
        return OP_AGAIN;
    env_stop(child, EXO_STOP_RECLAIM, missing(child, op_constant(op, 0)), op->result[1]);
    end(child);
    return -EXO_E_DEAD;
}

void op_reclaim_cancel(struct plan *plan, struct op *op)
{
    struct env *child = handle_env(plan->env, op_handle(op), false);
    if (child && child->reclaim == op)
        end(child);
}

int op_reclaim_wait(struct plan *plan, struct op *op)
{
    struct env *env = plan->env;
    if (env->reclaim_untold) {
        tell(env, op);
        return 0;
    }
    op_park(op, &env->reclaim_waiters);
    return OP_PARK;
}
