/* SPDX-License-Identifier: MIT */
/*
 * The door: a plan comes out of the ring once, gets a slot, is checked whole and priced, and is
 * admitted or refused with the number of the cell. From there on only the kernel's copy counts.
 */
#include "plan_internal.h"

#define PLAN_FLAGS_KNOWN (EXO_PLAN_STANDING | EXO_PLAN_QUIET | EXO_PLAN_ANNOUNCE)

/* A header as it was in the ring at one moment. */
struct header {
    uint64_t tag, rest; /* rest: its words that must be 0 */
    uint32_t work;
    uint16_t cells;
    uint8_t code, flags;
};

/* The ring's words, of which each is read once: the program may be writing it at this moment. */
static inline const volatile uint64_t *ring_cell(const struct env *env, uint64_t index)
{
    return (const volatile uint64_t *)&env->sq[index & (env->sq_size - 1)];
}

static inline struct header header_take(const volatile uint64_t *from)
{
    uint64_t first = from[0];
    return (struct header){
        .code = (uint8_t)first,
        .flags = (uint8_t)(first >> 8),
        .cells = (uint16_t)(first >> 16),
        .work = (uint32_t)(first >> 32),
        .tag = from[1],
        .rest = from[2] | from[3] | from[4] | from[5] | from[6] | from[7],
    };
}

/* Copies an operation out of the ring. 0 if it is well formed beyond doubt, given that it waits for no
 * operation in `unsure`; else it must be looked at exactly. */
static inline uint64_t cell_take(const volatile uint64_t *from, uint64_t *to, uint64_t unsure)
{
    const struct op_info *info = &op_infos[(to[0] = from[0]) & (OP_INFOS - 1)];
    uint64_t doubt = (to[0] | OP_LOOSE) ^ info->exact;
    doubt |= (to[1] = from[1]) & unsure;
    doubt |= (to[2] = from[2]) & info->forbidden[0];
    doubt |= (to[3] = from[3]) & info->forbidden[1];
    doubt |= to[4] = from[4];
    doubt |= to[5] = from[5];
    doubt |= to[6] = from[6];
    to[7] = from[7];
    return doubt;
}

/* Copies the cells behind the header. True if all of them are well formed beyond doubt. */
static bool cells_take(const struct env *env, uint64_t index, struct plan *plan)
{
    uint64_t unsure = ~0ull, doubt = 0, at = index & (env->sq_size - 1);
    struct op *op = plan->op, *end = op + plan->cells;
    for (; op != end; at = 0) { /* once more where the ring begins again */
        const volatile uint64_t *from = ring_cell(env, at);
        uint64_t straight = env->sq_size - at, left = (uint64_t)(end - op);
        for (struct op *stop = op + (left < straight ? left : straight); op != stop; op++, from += 8) {
            op->fate = OP_FATE(OP_WAITING);
            doubt |= cell_take(from, op->word, unsure);
            unsure <<= 1;
        }
    }
    return doubt == 0 && !(plan->flags & EXO_PLAN_STANDING);
}

static bool refuse(struct env *env, const struct header *header, unsigned cell, int error, uint32_t missing)
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

static void plan_begin(struct env *env, struct plan *plan, const struct header *header)
{
    plan->env = env;
    plan->tag = header->tag;
    plan->cells = (uint8_t)header->cells;
    plan->flags = header->flags;
    plan->work = plan->work_cap = header->work ? header->work : EXO_WORK_DEFAULT;
    plan->operations = plan->waiting = ~0ull >> (64 - header->cells);
    plan->runnable = plan->ended = plan->failed = plan->unposted = 0;
    plan->reserved = 0;
    plan->on_ready = plan->busy = false;
    plan->cancelled = plan->admitted = 0;
    plan->straight = true;
}

/* Form and price of the plan in the slot; the error's cell and what is missing go to the refusal. */
static int plan_judge(struct plan *plan, const struct header *header, bool simple, unsigned *cell, uint32_t *missing)
{
    if (header->flags & ~PLAN_FLAGS_KNOWN || header->rest)
        return -EXO_E_FORM;
    int error = simple ? 0 : plan_check(plan, cell);
    if (error || !plan->reserved || env_reserve(plan->env, plan->reserved))
        return error;
    *missing = plan->reserved;
    return -EXO_E_QUOTA;
}

uint64_t plan_submit(struct env *env, uint64_t index, uint64_t available)
{
    struct header header = header_take(ring_cell(env, index));
    unsigned cell = 0;
    uint32_t missing = 0;
    if (header.code != EXO_PLAN || header.cells == 0 || header.cells > EXO_PLAN_MAX ||
        header.cells >= available) /* nothing behind it can be trusted to be a header */
        return refuse(env, &header, 0, -EXO_E_FORM, 0) ? available : 0;
    if (header.flags & EXO_PLAN_ANNOUNCE && !env_room(env))
        return 0;
    struct plan *plan = slot_take(env, header.cells);
    if (!plan)
        return refuse(env, &header, 0, -EXO_E_NO_SLOT, header.cells) ? header.cells + 1u : 0;
    plan_begin(env, plan, &header);
    bool simple = cells_take(env, index + 1, plan);
    int error = plan_judge(plan, &header, simple, &cell, &missing);
    if (error) {
        list_push(&env->pool.free[plan->slot_class], &plan->link);
        return refuse(env, &header, cell, error, missing) ? header.cells + 1u : 0;
    }
    plan->admitted = 1;
    if (plan->flags & EXO_PLAN_ANNOUNCE)
        (void)plan_post_self(plan, plan_id(plan), 0);
    plan_start(plan);
    return header.cells + 1u;
}
