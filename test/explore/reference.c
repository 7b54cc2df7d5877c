/* SPDX-License-Identifier: MIT */
/* The meaning of plans, a second time: the door, the crossing, events, and looking at it. */
#include "reference_internal.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define FOR_EVER UINT32_MAX

bool (*ref_known)(uint32_t handle, const char *kind);

/* The core is asked for: true if it is wanted. */
bool ref_wanted(struct ref *ref)
{
    if (ref->fuse == FOR_EVER)
        return false;
    if (ref->fuse == 0)
        return ref->blown = true;
    ref->fuse--;
    return false;
}

/* ---- the door ------------------------------------------------------------------------------------ */

static const uint32_t class_cells[4] = {4, 16, 32, 64};

static int take_slot(struct ref *ref, uint32_t cells, struct ref_plan **plan)
{
    unsigned slot_class = 0, place = 0;
    while (slot_class < 4 && (class_cells[slot_class] < cells || !ref->free_slots[slot_class]))
        slot_class++;
    if (slot_class == 4)
        return EXO_E_NO_SLOT;
    while (ref->plan[place].number)
        place++;
    *plan = &ref->plan[place];
    (*plan)->slot_class = slot_class;
    return 0;
}

static bool refuse(struct ref *ref, const struct exo_plan *header, uint32_t cell, int error, uint32_t more)
{
    ref->bad++;
    return ref_put(ref, (struct ref_post){.tag = header->tag, .result = cell, .status = -error,
                                      .operation = EXO_PLAN_SELF, .more = more});
}

static void admit(struct ref *ref, struct ref_plan *plan, const struct exo_plan *header)
{
    plan->number = (uint32_t)header->tag;
    plan->cells = header->cells;
    plan->cap = plan->work = header->work ? header->work : EXO_WORK_DEFAULT;
    plan->standing = header->flags & EXO_PLAN_STANDING;
    plan->quiet = header->flags & EXO_PLAN_QUIET;
    plan->id = 0;
    plan->cancelled = false;
    ref->free_slots[plan->slot_class]--;
    for (unsigned i = 0; i < plan->cells; i++) {
        struct ref_op *op = &plan->op[i];
        memset(op, 0, sizeof *op);
        op->cell = ref->cells[ref->head + 1 + i];
        op->state = op->cell.code == EXO_MORE ? VIEW_CELL : VIEW_WAITING;
    }
}

/* One plan out of the ring: how many cells it took, 0 if its refusal finds no room. */
static uint64_t submit_one(struct ref *ref, bool *go_on)
{
    const struct exo_op *cells = &ref->cells[ref->head];
    struct exo_plan header;
    memcpy(&header, cells, sizeof header);
    uint64_t left = ref->submit - ref->head;
    struct ref_plan *plan = NULL;
    uint32_t bad_cell = 0, frames = 0, more = 0;
    *go_on = true;
    if (header.code != EXO_PLAN || header.cells < 1 || header.cells > EXO_PLAN_MAX ||
        header.cells >= left)
        return refuse(ref, &header, 0, EXO_E_FORM, 0) ? left : 0;
    if (header.flags & EXO_PLAN_ANNOUNCE && !ref_has_room(ref))
        return 0;
    int error = take_slot(ref, header.cells, &plan);
    if (error)
        more = header.cells;
    else
        error = ref_check(cells, &bad_cell, &frames, ref_known);
    if (!error && !ref_reserve(ref, plan, frames)) {
        error = EXO_E_QUOTA;
        more = frames;
    }
    if (error)
        return refuse(ref, &header, bad_cell, error, more) ? header.cells + 1u : 0;
    admit(ref, plan, &header);
    if (header.flags & EXO_PLAN_ANNOUNCE)
        (void)ref_put(ref, (struct ref_post){.tag = plan->number, .operation = EXO_PLAN_SELF, .announces = true});
    *go_on = ref_run(ref, plan);
    return header.cells + 1u;
}

/* ---- crossing ------------------------------------------------------------------------------------- */

void ref_enter(struct ref *ref, uint64_t submit, uint64_t wait_for)
{
    ref->submit = submit;
    ref->wait_for = wait_for;
    ref->bad = 0;
    ref->entering = true;
}

/* Posts what was held, oldest plan first, of each plan in the order of its operations. */
static void post_held(struct ref *ref)
{
    while (ref->held_count) {
        struct ref_plan *plan = ref_plan_numbered(ref, ref->held[0]);
        for (unsigned i = 0; i < plan->cells; i++) {
            if (!plan->op[i].owed)
                continue;
            if (!ref_post_operation(ref, plan, i))
                return;
            plan->op[i].owed = false;
        }
        uint32_t number = plan->number;
        ref_queue_drop(ref->held, &ref->held_count, number);
        if (ref_all_ended(plan) && !ref_queue_has(ref->ready, ref->ready_count, number)) {
            ref_plan_over(ref, plan);
            if (ref_queue_has(ref->held, ref->held_count, number))
                return; /* no room for the plan's own */
        }
    }
}

/* However fast its standing plans start over, after so many passes the program goes on. */
static bool run_ready(struct ref *ref)
{
    while (ref->ready_count && ref->passes < 64) {
        if (!ref_run(ref, ref_plan_numbered(ref, ref->ready[0])) || ref_wanted(ref))
            return false;
    }
    return true;
}

static void cross_over(struct ref *ref, uint64_t result)
{
    ref->entering = false;
    ref->result = result;
    ref->waiting = ref->posted < ref->wait_for;
}

static bool take_cells(struct ref *ref)
{
    bool go_on;
    post_held(ref);
    while (ref->head < ref->submit) {
        uint64_t taken = submit_one(ref, &go_on);
        if (taken == 0) {
            ref->wait_for = 0;
            cross_over(ref, (uint64_t)-EXO_E_FULL);
            return true;
        }
        ref->head += taken;
        if (!go_on || ref_wanted(ref))
            return false;
    }
    cross_over(ref, ref->bad);
    return true;
}

void ref_continue(struct ref *ref)
{
    if (!run_ready(ref))
        return;
    if (ref->entering && !take_cells(ref))
        return;
    ref->passes = 0;
    if (ref->waiting) {
        post_held(ref);
        if (ref->posted >= ref->wait_for) {
            ref->waiting = false;
            ref->result = ref->bad;
        }
    }
}

bool ref_runnable(const struct ref *ref)
{
    return !ref->waiting || ref->ready_count || ref->posted >= ref->wait_for;
}

/* ---- events ----------------------------------------------------------------------------------------- */

struct ref_op *ref_find(struct ref *ref, uint32_t number, unsigned index)
{
    struct ref_plan *plan = ref_plan_numbered(ref, number);
    return plan && index < plan->cells ? &plan->op[index] : NULL;
}

static bool something_waits(const struct ref_plan *plan)
{
    for (unsigned i = 0; i < plan->cells; i++)
        if (plan->op[i].state == VIEW_WAITING)
            return true;
    return false;
}

/* It ends at once; what waits for it moves when the plan runs. */
void ref_event(struct ref *ref, uint32_t number, unsigned index, int status)
{
    struct ref_plan *plan = ref_plan_numbered(ref, number);
    ref_end(ref, plan, index, plan->op[index].withdrawn ? -EXO_E_CANCELLED : status);
    if (something_waits(plan) || ref_all_ended(plan))
        ref_make_ready(ref, plan);
}

void ref_wake(struct ref *ref, uint32_t number, unsigned index)
{
    struct ref_plan *plan = ref_plan_numbered(ref, number);
    plan->op[index].state = VIEW_STARTED;
    plan->op[index].waits = REF_NOTHING;
    ref_make_ready(ref, plan);
}

static uint64_t earliest(const struct ref *ref)
{
    uint64_t first = UINT64_MAX;
    for (unsigned p = 0; p < PLANS; p++)
        for (unsigned i = 0; ref->plan[p].number && i < ref->plan[p].cells; i++) {
            const struct ref_op *op = &ref->plan[p].op[i];
            if (op->state == VIEW_PARKED && op->waits == REF_TIME && op->result[0] < first)
                first = op->result[0];
        }
    return first;
}

bool ref_timer_due(const struct ref *ref, uint64_t now) { return earliest(ref) <= now; }

void ref_timer_end(struct ref *ref, uint32_t number, unsigned index)
{
    struct ref_op *op = ref_find(ref, number, index);
    if (!op || op->waits != REF_TIME || op->result[0] != earliest(ref))
        abort(); /* another was due before it */
    op->result[0] = ref->now;
    if (op->cell.code == EXO_TIMER)
        ref_event(ref, number, index, 0);
    else
        ref_wake(ref, number, index); /* a deadline: it goes on */
}

/* ---- looking at it -------------------------------------------------------------------------------------- */

void ref_init(struct ref *ref, uint32_t ring, const uint32_t slots[4], uint32_t frames,
              const struct exo_op *cells)
{
    memset(ref, 0, sizeof *ref);
    ref->ring = ring;
    ref->frames_limit = frames;
    ref->now = 1000;
    ref->cells = cells;
    memcpy(ref->free_slots, slots, sizeof ref->free_slots);
}

void ref_copy(struct ref *to, const struct ref *from)
{
    memcpy(to, from, offsetof(struct ref, plan));
    for (unsigned p = 0; p < PLANS; p++) {
        size_t cells = from->plan[p].number ? from->plan[p].cells : 0;
        memcpy(&to->plan[p], &from->plan[p],
               offsetof(struct ref_plan, op) + cells * sizeof(struct ref_op));
    }
    memcpy(to->post, from->post, from->posts * sizeof from->post[0]);
}

void ref_begin(struct ref *ref, uint32_t fuse)
{
    ref->fuse = fuse;
    ref->blown = false;
    ref->posts = 0;
}

static void view_plan(const struct ref_plan *plan, struct view_plan *seen)
{
    seen->number = plan->number;
    seen->cells = plan->cells;
    seen->work = plan->work;
    seen->reserved = plan->reserved;
    seen->cancelled = plan->cancelled;
    for (unsigned i = 0; i < plan->cells; i++) {
        const struct ref_op *op = &plan->op[i];
        seen->op[i].state = op->state;
        seen->op[i].held = op->owed;
        if (op->state != VIEW_ENDED)
            continue;
        seen->op[i].status = op->status;
        memcpy(seen->op[i].result, op->result, sizeof op->result);
    }
}

static unsigned timers(const struct ref_plan *plan)
{
    unsigned count = 0;
    for (unsigned i = 0; i < plan->cells; i++)
        count += plan->op[i].state == VIEW_PARKED && plan->op[i].waits == REF_TIME;
    return count;
}

void ref_view(const struct ref *ref, struct view *view)
{
    memset(view, 0, sizeof *view);
    memcpy(view->ready, ref->ready, ref->ready_count * sizeof ref->ready[0]);
    memcpy(view->held, ref->held, ref->held_count * sizeof ref->held[0]);
    memcpy(view->free_slots, ref->free_slots, sizeof view->free_slots);
    view->frames_used = ref->frames_used;
    view->frames_reserved = ref->frames_reserved;
    view->taken = ref->head;
    view->posted = ref->posted;
    view->entering = ref->entering;
    view->waiting = ref->waiting;
    view->result = ref->entering ? 0 : ref->result;
    view->undone = ref->undone;
    view->passes = ref->passes;
    uint32_t before = 0;
    for (unsigned count = 0; count < PLANS; count++) {
        const struct ref_plan *next = NULL;
        for (unsigned p = 0; p < PLANS; p++)
            if (ref->plan[p].number > before && (!next || ref->plan[p].number < next->number))
                next = &ref->plan[p];
        if (!next)
            break;
        view_plan(next, &view->plan[count]);
        view->timers += timers(next);
        before = next->number;
    }
}
