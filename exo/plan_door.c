/* SPDX-License-Identifier: MIT */
/*
 * The door: a plan comes out of the ring once, gets a slot, is checked whole and priced, and is
 * admitted or refused with the number of the cell. From there on only the kernel's copy counts.
 */
#include <string.h>

#include "plan_internal.h"

static uint64_t plan_id(const struct plan *plan)
{
    return (uint64_t)plan->generation << 32 | plan_slot_number(plan);
}

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
                 struct plan **admitted, unsigned *bad_cell, uint32_t *missing)
{
    struct plan *plan = slot_take(env, header->cells);
    if (!plan) {
        *missing = header->cells;
        return -EXO_E_NO_SLOT;
    }
    for (unsigned i = 0; i < header->cells; i++)
        cell_copy(env, index + 1 + i, &plan->op[i].cell);
    int error = plan_check(env, header, plan, bad_cell);
    if (!error && !env_reserve(env, plan->reserved)) {
        error = -EXO_E_QUOTA;
        *missing = plan->reserved;
        *bad_cell = 0; /* the plan as a whole */
    }
    if (error) {
        list_push(&env->pool.free[plan->slot_class], &plan->link);
        return error;
    }
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
    struct plan *plan = NULL;
    unsigned bad_cell = 0;
    uint32_t missing = 0;
    int error = admit(env, &header, index, &plan, &bad_cell, &missing);
    if (error)
        return refuse(env, &header, bad_cell, error, missing) ? header.cells + 1u : 0;
    if (plan->flags & EXO_PLAN_ANNOUNCE)
        (void)plan_post_self(plan, plan_id(plan), 0);
    plan_run(plan);
    return header.cells + 1u;
}
