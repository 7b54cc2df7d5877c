/* SPDX-License-Identifier: MIT */
/*
 * How operations and plans end: completions and what holds them back, the plan's own end or new
 * pass, CANCEL, and the end of a program's plans with it.
 */
#include "plan_internal.h"

/* ---- completions ------------------------------------------------------------ */

/* The program says how far it has read; what it says can only make its own ring look full. */
bool env_room(const struct env *env)
{
    uint64_t head = *(volatile uint64_t *)&env->control->cq_head;
    return env->cq_tail - head < env->cq_size;
}

static inline bool post(struct env *env, struct exo_completion completion)
{
    if (!env_room(env))
        return false;
    env->cq[env->cq_tail & (env->cq_size - 1)] = completion;
    env->cq_tail++;
    __atomic_store_n(&env->info->cq_tail, env->cq_tail, __ATOMIC_RELEASE);
    env->completion_event = true;
    return true;
}

bool env_post(struct env *env, const struct exo_completion *completion) { return post(env, *completion); }

static inline bool post_op(struct plan *plan, const struct op *op)
{
    return post(plan->env, (struct exo_completion){
        .tag = op->cell.tag,
        .result = op->result[0],
        .status = op->status,
        .operation = op->index,
        .generation = plan->generation,
        .plan = plan->number,
        .more = (uint32_t)op->result[1],
    });
}

bool plan_post_self(struct plan *plan, uint64_t result, int status)
{
    return post(plan->env, (struct exo_completion){
        .tag = plan->tag,
        .result = result,
        .status = status,
        .operation = EXO_PLAN_SELF,
        .generation = plan->generation,
        .plan = plan->number,
    });
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
    env_account_fell(env);
    plan->admitted = 0;
    plan->generation++;
    list_push(&env->pool.free[plan->slot_class], &plan->link);
}

/* A standing plan that ended well is priced again and starts over. False: it can't pay. */
static bool plan_restart(struct plan *plan)
{
    struct env *env = plan->env;
    uint32_t price = 0;
    for (uint64_t all = plan->operations; all; all &= all - 1) {
        const struct exo_op *cell = &plan->op[__builtin_ctzll(all)].cell;
        int8_t argument = op_infos[cell->code].price;
        if (argument >= 0)
            price += (uint32_t)cell->arg[argument];
    }
    env->frames_reserved -= plan->reserved;
    plan->reserved = 0;
    if (!env_reserve(env, price))
        return false;
    plan->reserved = price;
    for (uint64_t all = plan->operations; all; all &= all - 1)
        plan->op[__builtin_ctzll(all)].state = OP_WAITING;
    plan->waiting = plan->operations;
    plan->ended = 0;
    plan->work = plan->work_cap;
    env->passes++;
    return true;
}

bool plan_end(struct plan *plan)
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
    if ((plan->flags & EXO_PLAN_QUIET && !status) || plan_post_self(plan, 0, status))
        plan_free(plan);
    else
        hold(plan);
    return false;
}

void op_tell(struct plan *plan, struct op *op)
{
    if (!plan->unposted && post_op(plan, op))
        return;
    plan->unposted |= 1ull << op->index;
    hold(plan);
}

void op_finish(struct plan *plan, unsigned index, int status)
{
    struct op *op = &plan->op[index];
    uint64_t bit = 1ull << index;
    op->state = OP_ENDED;
    op->where = WHERE_NONE;
    op->status = (int16_t)status;
    plan->ended |= bit;
    plan->waiting &= ~bit;
    plan->runnable &= ~bit;
    if (status < 0) {
        plan->failed |= bit;
        plan->env->ended_badly++;
    } else if (op->cell.flags & EXO_QUIET) {
        return;
    }
    op_tell(plan, op);
}

/* ---- ending early ------------------------------------------------------------------ */

/* Takes a started operation off whatever it waits on; false while a device holds it. */
static bool op_withdraw(struct plan *plan, struct op *op)
{
    const struct op_info *info = &op_infos[op->cell.code];
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

unsigned plan_cancel(struct plan *plan, uint64_t operations, const struct op *by)
{
    unsigned count = 0;
    if (operations == ~0ull)
        plan->cancelled = 1;
    uint64_t todo = operations & ~plan->ended & plan->operations;
    for (; todo; todo &= todo - 1) {
        unsigned index = (unsigned)__builtin_ctzll(todo);
        struct op *op = &plan->op[index];
        if (op == by)
            continue;
        if (op->state == OP_WAITING)
            op_clear(op);
        else if (!op_withdraw(plan, op))
            continue; /* it ends when the device is done with it */
        op_finish(plan, index, -EXO_E_CANCELLED);
        count++;
    }
    if (count && !plan->busy)
        plan_ready(plan);
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
            if (!post_op(plan, &plan->op[index]))
                return;
            plan->unposted &= plan->unposted - 1;
        }
        unhold(plan);
        if (plan_all_ended(plan) && !plan->on_ready) { /* else it ends when it runs */
            if (plan_end(plan))
                plan_ready(plan);
            else if (plan->held.next)
                return; /* no room for its last one */
        }
    }
}
