/* SPDX-License-Identifier: MIT */
/*
 * The executor: takes plans from the ring, starts what can start, ends what
 * events have ended, posts completions. Works on the kernel's copy only. An operation that waits costs
 * nothing; an event costs O(1) until the plan's owner has the CPU.
 */
#include <string.h>

#include "env.h"
#include "plan.h"

#define LOOK_STEPS 8u /* operations that end at once keep an interrupt waiting for at most so many steps */

/* ---- completions ------------------------------------------------------------ */

static bool post(struct plan *plan, unsigned index)
{
    const struct op *op = &plan->op[index];
    struct exo_completion completion = {
        .tag = op->cell.tag,
        .result = op->result[0],
        .status = op->status,
        .operation = (uint16_t)index,
        .generation = plan->generation,
        .plan = plan_slot_number(plan),
        .more = (uint32_t)op->result[1],
    };
    return env_post(plan->env, &completion);
}

static bool post_self(struct plan *plan, uint64_t result, int status)
{
    struct exo_completion completion = {
        .tag = plan->tag,
        .result = result,
        .status = status,
        .operation = EXO_PLAN_SELF,
        .generation = plan->generation,
        .plan = plan_slot_number(plan),
    };
    return env_post(plan->env, &completion);
}

static uint64_t plan_id(const struct plan *plan)
{
    return (uint64_t)plan->generation << 32 | plan_slot_number(plan);
}

static void hold(struct plan *plan)
{
    if (!plan->held.next)
        list_push(&plan->env->held, &plan->held);
}

static void unhold(struct plan *plan)
{
    if (plan->held.next)
        list_remove(&plan->held);
}

/* ---- the life of a slot ------------------------------------------------------ */

static void plan_free(struct plan *plan)
{
    struct env *env = plan->env;
    unhold(plan);
    env->frames_reserved -= plan->reserved;
    plan->reserved = 0;
    plan->admitted = 0;
    plan->generation++;
    list_push(&env->pool.free[plan->slot_class], &plan->link);
}

static bool all_ended(const struct plan *plan) { return plan->ended == plan->operations; }

/* A standing plan that ended well is priced again and starts over. False: it can't pay. */
static bool plan_restart(struct plan *plan)
{
    struct env *env = plan->env;
    uint32_t price = 0;
    for (unsigned i = 0; i < plan->cells; i++) {
        struct op *op = &plan->op[i];
        if (op->state == OP_CELL)
            continue;
        op->state = OP_WAITING;
        int8_t argument = op_infos[op->cell.code].price;
        if (argument >= 0)
            price += (uint32_t)op->cell.arg[argument];
    }
    env->frames_reserved -= plan->reserved;
    plan->reserved = 0;
    if (env->frames_used + env->frames_reserved + price > env->frames_limit)
        return false;
    env->frames_reserved += price;
    plan->reserved = price;
    plan->waiting = plan->operations;
    plan->ended = 0;
    plan->work = plan->work_cap;
    return true;
}

/* Every operation has ended. True if the plan began anew. */
static bool plan_end(struct plan *plan)
{
    int status = plan->failed ? plan->op[__builtin_ctzll(plan->failed)].status : 0;
    if (plan->unposted) { /* it keeps its slot until they are */
        hold(plan);
        return false;
    }
    if (plan->flags & EXO_PLAN_STANDING && !status && !plan->cancelled) {
        if (plan_restart(plan))
            return true;
        status = -EXO_E_QUOTA;
    }
    if ((plan->flags & EXO_PLAN_QUIET && !status) || post_self(plan, 0, status))
        plan_free(plan);
    else
        hold(plan);
    return false;
}

static void op_finish(struct plan *plan, unsigned index, int status)
{
    struct op *op = &plan->op[index];
    uint64_t bit = 1ull << index;
    op->state = OP_ENDED;
    op->where = WHERE_NONE;
    op->status = status;
    plan->ended |= bit;
    plan->waiting &= ~bit;
    plan->runnable &= ~bit;
    if (status < 0) {
        plan->failed |= bit;
        plan->env->ended_badly++;
    } else if (op->cell.flags & EXO_QUIET) {
        return;
    }
    if (plan->unposted || !post(plan, index)) {
        plan->unposted |= bit;
        hold(plan);
    }
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

static void clear_results(struct op *op)
{
    op->result[0] = op->result[1] = op->result[2] = op->result[3] = 0;
    op->step[0] = op->step[1] = op->step[2] = 0;
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

static bool op_continue(struct plan *plan, unsigned index)
{
    struct op *op = &plan->op[index];
    if (op->state == OP_DONE) {
        op_finish(plan, index, op->status);
        return true;
    }
    return op_step(plan, index, false);
}

static bool op_start(struct plan *plan, unsigned index)
{
    struct op *op = &plan->op[index];
    uint64_t bit = 1ull << index;
    switch (start_condition(plan, &op->cell)) {
    case START_NOT_YET: return true;
    case START_NEVER:
        clear_results(op);
        op_finish(plan, index, -EXO_E_CAUSE);
        return true;
    case START_NOT_NEEDED:
        clear_results(op);
        op_finish(plan, index, 0);
        return true;
    case START_NOW: break;
    }
    clear_results(op);
    op->state = OP_READY;
    plan->waiting &= ~bit;
    plan->runnable |= bit;
    return op_step(plan, index, true);
}

static void make_ready(struct plan *plan)
{
    if (plan->on_ready)
        return;
    plan->on_ready = true;
    list_push(&plan->env->ready, &plan->link);
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
            free = op_continue(plan, index);
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
            make_ready(plan);
            return;
        }
    } while (plan->runnable || (plan->waiting && plan->ended != before));
    plan->busy = false;
    if (all_ended(plan) && plan_end(plan))
        make_ready(plan); /* the next pass of a standing plan begins in its owner's time */
}

/* ---- events ---------------------------------------------------------------------- */

static void event(struct op *op, uint8_t state)
{
    struct plan *plan = op_plan(op);
    op->state = state;
    op->where = WHERE_NONE;
    op->step[0] = op->step[1] = op->step[2] = 0;
    plan->runnable |= 1ull << op->index;
    if (!plan->busy) {
        make_ready(plan);
        env_woken(plan->env);
    }
}

void op_end(struct op *op, int status)
{
    op->status = status;
    event(op, OP_DONE);
}

void op_wake(struct op *op) { event(op, OP_READY); }

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

/* ---- ending early ------------------------------------------------------------------ */

/* Takes a started operation off whatever it waits on; false while a device holds it. */
static bool op_withdraw(struct plan *plan, struct op *op)
{
    const struct op_info *info = &op_infos[op->cell.code];
    if (op->state == OP_DONE)
        return true;
    if (info->cancel)
        info->cancel(plan, op);
    switch (op->where) {
    case WHERE_LIST: list_remove(&op->wait); break;
    case WHERE_TIMERS: timer_remove(plan->env, op); break;
    case WHERE_DEVICE: return false;
    }
    op->where = WHERE_NONE;
    return true;
}

unsigned plan_cancel(struct plan *plan, uint64_t operations)
{
    unsigned count = 0;
    if (operations == ~0ull)
        plan->cancelled = 1;
    uint64_t todo = operations & ~plan->ended & plan->operations;
    for (; todo; todo &= todo - 1) {
        unsigned index = (unsigned)__builtin_ctzll(todo);
        struct op *op = &plan->op[index];
        if (op->state == OP_WAITING)
            clear_results(op);
        else if (op->state != OP_PARKED || !op_withdraw(plan, op))
            continue; /* running, done or with a device: it ends by itself */
        op_finish(plan, index, -EXO_E_CANCELLED);
        count++;
    }
    if (count && !plan->busy)
        make_ready(plan);
    return count;
}

bool plan_abandon(struct plan *plan)
{
    if (!plan->admitted)
        return true;
    bool gone = true;
    for (unsigned i = 0; i < plan->cells; i++) {
        struct op *op = &plan->op[i];
        if (op->state == OP_PARKED || op->state == OP_READY) {
            if (!op_withdraw(plan, op)) {
                gone = false;
                continue;
            }
        }
        if (op->state != OP_CELL)
            op->state = OP_ENDED;
    }
    plan->runnable = plan->waiting = 0;
    if (plan->on_ready) {
        plan->on_ready = false;
        list_remove(&plan->link);
    }
    if (gone) {
        unhold(plan);
        plan->admitted = 0;
    }
    return gone;
}

void plan_post_held(struct env *env)
{
    struct list_node *node;
    while ((node = list_first(&env->held))) {
        struct plan *plan = LIST_ENTRY(node, struct plan, held);
        while (plan->unposted) {
            unsigned index = (unsigned)__builtin_ctzll(plan->unposted);
            if (!post(plan, index))
                return;
            plan->unposted &= plan->unposted - 1;
        }
        unhold(plan);
        if (all_ended(plan) && !plan->on_ready) { /* else it ends when it runs */
            if (plan_end(plan))
                make_ready(plan);
            else if (plan->held.next)
                return; /* no room for its last one */
        }
    }
}

/* ---- the door ------------------------------------------------------------------------ */

static bool refuse(struct env *env, const struct exo_plan *header, unsigned cell, int error,
                   uint32_t missing)
{
    struct exo_completion completion = {
        .tag = header->tag,
        .result = cell,
        .status = error,
        .operation = EXO_PLAN_SELF,
        .more = missing,
    };
    env->ended_badly++;
    return env_post(env, &completion);
}

static struct plan *slot_take(struct env *env, unsigned cells)
{
    for (unsigned i = 0; i < PLAN_CLASSES; i++) {
        if (plan_class_cells[i] < cells || list_empty(&env->pool.free[i]))
            continue;
        return LIST_ENTRY(list_pop(&env->pool.free[i]), struct plan, link);
    }
    return NULL;
}

/* A cell out of the ring, read once: the program may be writing it at this moment. */
static inline void cell_copy(const struct env *env, uint64_t index, void *to)
{
    memcpy(to, &env->sq[index & (env->sq_size - 1)], sizeof(struct exo_op));
    __asm__ volatile("" ::: "memory"); /* and the compiler may not look there again */
}

static void plan_begin(struct env *env, struct plan *plan, const struct exo_plan *header)
{
    plan->env = env;
    plan->tag = header->tag;
    plan->cells = (uint8_t)header->cells;
    plan->flags = header->flags;
    plan->work = plan->work_cap = header->work ? header->work : EXO_WORK_DEFAULT;
    plan->waiting = plan->operations;
    plan->runnable = plan->ended = plan->failed = plan->unposted = 0;
    plan->on_ready = plan->busy = false;
    plan->cancelled = 0;
    plan->admitted = 1;
}

static int admit(struct env *env, const struct exo_plan *header, uint64_t index,
                 struct plan **admitted, unsigned *bad_cell)
{
    struct plan *plan = slot_take(env, header->cells);
    if (!plan)
        return -EXO_E_NO_SLOT;
    for (unsigned i = 0; i < header->cells; i++)
        cell_copy(env, index + 1 + i, &plan->op[i].cell);
    int error = plan_check(env, header, plan, bad_cell);
    uint64_t claimed = (uint64_t)env->frames_used + env->frames_reserved + plan->reserved;
    if (!error && claimed > env->frames_limit)
        error = -EXO_E_QUOTA;
    if (error) {
        list_push(&env->pool.free[plan->slot_class], &plan->link);
        return error;
    }
    env->frames_reserved += plan->reserved;
    plan_begin(env, plan, header);
    *admitted = plan;
    return 0;
}

uint64_t plan_submit(struct env *env, uint64_t index, uint64_t available)
{
    struct exo_plan header;
    cell_copy(env, index, &header);
    if (header.code != EXO_PLAN || header.cells == 0 || header.cells > EXO_PLAN_MAX ||
        header.cells >= available) /* nothing behind it can be trusted to be a header */
        return refuse(env, &header, 0, -EXO_E_FORM, 0) ? available : 0;
    if (header.flags & EXO_PLAN_ANNOUNCE && !env_room(env))
        return 0;
    struct plan *plan;
    unsigned bad_cell = 0;
    int error = admit(env, &header, index, &plan, &bad_cell);
    if (error)
        return refuse(env, &header, bad_cell, error, header.cells) ? header.cells + 1u : 0;
    if (plan->flags & EXO_PLAN_ANNOUNCE)
        (void)post_self(plan, plan_id(plan), 0);
    plan_run(plan);
    return header.cells + 1u;
}
