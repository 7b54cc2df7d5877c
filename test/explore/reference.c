/* SPDX-License-Identifier: MIT */
/* The meaning of plans, a second time. */
#include "reference.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define FOR_EVER UINT32_MAX

bool (*ref_known)(uint32_t handle, const char *kind);

/* The core is asked for: true if it is wanted. */
static bool wanted(struct ref *ref)
{
    if (ref->fuse == FOR_EVER)
        return false;
    if (ref->fuse == 0)
        return ref->blown = true;
    ref->fuse--;
    return false;
}

static struct ref_plan *plan_numbered(struct ref *ref, uint32_t number)
{
    for (unsigned i = 0; i < PLANS; i++)
        if (number && ref->plan[i].number == number)
            return &ref->plan[i];
    return NULL;
}

/* ---- queues of plans ------------------------------------------------------------------- */

static bool queue_has(const uint32_t *queue, uint32_t count, uint32_t number)
{
    for (uint32_t i = 0; i < count; i++)
        if (queue[i] == number)
            return true;
    return false;
}

static void queue_put(uint32_t *queue, uint32_t *count, uint32_t number)
{
    if (!queue_has(queue, *count, number))
        queue[(*count)++] = number;
}

static void queue_drop(uint32_t *queue, uint32_t *count, uint32_t number)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < *count; i++)
        if (queue[i] != number)
            queue[kept++] = queue[i];
    *count = kept;
}

static void make_ready(struct ref *ref, struct ref_plan *plan)
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

static bool has_room(const struct ref *ref) { return ref->posted - ref->read < ref->ring; }

static bool put(struct ref *ref, struct ref_post post)
{
    if (!has_room(ref))
        return false;
    if (ref->posts == POSTS)
        abort();
    ref->post[ref->posts++] = post;
    ref->posted++;
    return true;
}

static bool post_operation(struct ref *ref, struct ref_plan *plan, unsigned index)
{
    const struct ref_op *op = &plan->op[index];
    return put(ref, (struct ref_post){.tag = op->cell.tag, .result = op->result[0], .status = op->status,
                                      .operation = index, .more = (uint32_t)op->result[1]});
}

static bool post_plan(struct ref *ref, struct ref_plan *plan, int status)
{
    return put(ref, (struct ref_post){.tag = plan->number, .status = status, .operation = EXO_PLAN_SELF});
}

static bool owes(const struct ref_plan *plan)
{
    for (unsigned i = 0; i < plan->cells; i++)
        if (plan->op[i].owed)
            return true;
    return false;
}

/* ---- how operations and plans end ---------------------------------------------------------- */

static void end(struct ref *ref, struct ref_plan *plan, unsigned index, int status)
{
    struct ref_op *op = &plan->op[index];
    op->state = VIEW_ENDED;
    op->waits = REF_NOTHING;
    op->status = status;
    if (status)
        ref->bad++;
    if (!status && op->cell.flags & EXO_QUIET)
        return;
    if (owes(plan) || !post_operation(ref, plan, index)) {
        op->owed = true; /* and what ends later does not overtake it */
        make_held(ref, plan);
    }
}

static bool all_ended(const struct ref_plan *plan)
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

static bool reserve(struct ref *ref, struct ref_plan *plan, uint32_t frames)
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

static void start_over(struct ref_plan *plan)
{
    plan->work = plan->cap;
    for (unsigned i = 0; i < plan->cells; i++)
        if (plan->op[i].state != VIEW_CELL)
            plan->op[i].state = VIEW_WAITING;
}

/* Every operation has ended: once all is posted the plan starts over, or gives its slot back. */
static void plan_over(struct ref *ref, struct ref_plan *plan)
{
    int status = first_failure(plan);
    if (owes(plan))
        return;
    if (plan->standing && !status && !plan->cancelled) {
        release(ref, plan);
        if (reserve(ref, plan, price(plan))) {
            start_over(plan);
            make_ready(ref, plan);
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

static void clear_results(struct ref_op *op)
{
    memset(op->result, 0, sizeof op->result);
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
static void undo(struct ref *ref, struct ref_op *op)
{
    if (!has_hook(op))
        return;
    ref->undone++;
    if (op->cell.code == EXO_ALLOC)
        ref->frames_used -= op->done;
    op->done = 0;
}

static void cancel_one(struct ref *ref, struct ref_plan *plan, unsigned index, uint64_t *count)
{
    struct ref_op *op = &plan->op[index];
    switch (op->state) {
    case VIEW_WAITING: clear_results(op); break;
    case VIEW_STARTED: undo(ref, op); break;
    case VIEW_PARKED:
        undo(ref, op);
        if (op->waits == REF_DEVICE) { /* ends when the device is done with it */
            op->withdrawn = true;
            return;
        }
        break;
    default: return; /* it has ended, or is about to */
    }
    end(ref, plan, index, -EXO_E_CANCELLED);
    ++*count;
}

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
            cancel_one(ref, target, i, &count);
    if (count)
        make_ready(ref, target);
    op->result[0] = count;
    return 0;
}

/* ---- what operations do: as world.c pretends ------------------------------------------------- */

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
                undo(ref, op);
            end(ref, plan, index, -EXO_E_WORK);
            return true;
        }
        plan->work--;
        op->called = true;
        enum outcome outcome = behave(ref, plan, op, &status);
        if (outcome == DONE)
            end(ref, plan, index, status);
        if (outcome != AGAIN)
            return true;
        if (wanted(ref))
            return false;
    }
}

static bool start(struct ref *ref, struct ref_plan *plan, unsigned index)
{
    struct ref_op *op = &plan->op[index];
    clear_results(op);
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
    clear_results(op);
    end(ref, plan, index, now == CAUSE ? -EXO_E_CAUSE : 0);
    return true;
}

/* Moves whatever can be moved, lowest number first, until nothing can. False: the core is wanted. */
static bool run(struct ref *ref, struct ref_plan *plan)
{
    bool moved = true;
    queue_drop(ref->ready, &ref->ready_count, plan->number);
    ref->running = plan->number;
    while (moved) {
        moved = false;
        if (wanted(ref))
            goto stop;
        for (unsigned i = 0; i < plan->cells; i++) {
            bool this = false;
            if (!move(ref, plan, i, &this) || (this && wanted(ref)))
                goto stop;
            moved |= this;
        }
    }
    ref->running = 0;
    if (all_ended(plan))
        plan_over(ref, plan);
    return true;
stop:
    ref->running = 0;
    make_ready(ref, plan);
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
    return put(ref, (struct ref_post){.tag = header->tag, .result = cell, .status = -error,
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
    if (header.flags & EXO_PLAN_ANNOUNCE && !has_room(ref))
        return 0;
    int error = take_slot(ref, header.cells, &plan);
    if (error)
        more = header.cells;
    else
        error = ref_check(cells, &bad_cell, &frames, ref_known);
    if (!error && !reserve(ref, plan, frames)) {
        error = EXO_E_QUOTA;
        more = frames;
    }
    if (error)
        return refuse(ref, &header, bad_cell, error, more) ? header.cells + 1u : 0;
    admit(ref, plan, &header);
    if (header.flags & EXO_PLAN_ANNOUNCE)
        (void)put(ref, (struct ref_post){.tag = plan->number, .operation = EXO_PLAN_SELF, .announces = true});
    *go_on = run(ref, plan);
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
        struct ref_plan *plan = plan_numbered(ref, ref->held[0]);
        for (unsigned i = 0; i < plan->cells; i++) {
            if (!plan->op[i].owed)
                continue;
            if (!post_operation(ref, plan, i))
                return;
            plan->op[i].owed = false;
        }
        uint32_t number = plan->number;
        queue_drop(ref->held, &ref->held_count, number);
        if (all_ended(plan) && !queue_has(ref->ready, ref->ready_count, number)) {
            plan_over(ref, plan);
            if (queue_has(ref->held, ref->held_count, number))
                return; /* no room for the plan's own */
        }
    }
}

static bool run_ready(struct ref *ref)
{
    while (ref->ready_count) {
        if (!run(ref, plan_numbered(ref, ref->ready[0])) || wanted(ref))
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
        if (!go_on || wanted(ref))
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
    struct ref_plan *plan = plan_numbered(ref, number);
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
    struct ref_plan *plan = plan_numbered(ref, number);
    end(ref, plan, index, plan->op[index].withdrawn ? -EXO_E_CANCELLED : status);
    if (something_waits(plan) || all_ended(plan))
        make_ready(ref, plan);
}

void ref_wake(struct ref *ref, uint32_t number, unsigned index)
{
    struct ref_plan *plan = plan_numbered(ref, number);
    plan->op[index].state = VIEW_STARTED;
    plan->op[index].waits = REF_NOTHING;
    make_ready(ref, plan);
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
