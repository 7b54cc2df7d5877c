/* SPDX-License-Identifier: MIT */
/* The real executor, looked at: in the words of view.h, whether it is whole, and as a number. */
#include <string.h>

#include "world_internal.h"

static const uint8_t view_states[] = {
    [OP_WAITING] = VIEW_WAITING, [OP_READY] = VIEW_STARTED, [OP_PARKED] = VIEW_PARKED,
    [OP_ENDED] = VIEW_ENDED,     [OP_CELL] = VIEW_CELL,
};

static void view_plan(const struct plan *plan, struct view_plan *seen)
{
    seen->number = (uint32_t)plan->tag;
    seen->cells = plan->cells;
    seen->work = plan->work;
    seen->reserved = plan->reserved;
    seen->cancelled = plan->cancelled;
    for (unsigned i = 0; i < plan->cells; i++) {
        const struct op *op = &plan->op[i];
        seen->op[i].state = view_states[op->state];
        seen->op[i].held = plan->unposted >> i & 1;
        if (op->state != OP_ENDED)
            continue;
        seen->op[i].status = op->status;
        memcpy(seen->op[i].result, op->result, sizeof op->result);
    }
}

static unsigned heap_size(const struct op *op)
{
    if (!op)
        return 0;
    const struct op *left = op->heap.left, *right = op->heap.right;
    EXPECT(!left || (left->heap.parent == op && left->result[0] >= op->result[0]));
    EXPECT(!right || (right->heap.parent == op && right->result[0] >= op->result[0]));
    EXPECT((left ? left->rank : 0) >= (right ? right->rank : 0));
    EXPECT(op->rank == (right ? right->rank : 0) + 1 && op->state == OP_PARKED);
    return 1 + heap_size(left) + heap_size(right);
}

static void view_lists(struct view *view)
{
    struct env *env = &world->env;
    unsigned count = 0;
    for (struct list_node *at = env->ready.head.next; at != &env->ready.head; at = at->next)
        view->ready[count++] = (uint32_t)LIST_ENTRY(at, struct plan, link)->tag;
    count = 0;
    for (struct list_node *at = env->held.head.next; at != &env->held.head; at = at->next)
        view->held[count++] = (uint32_t)LIST_ENTRY(at, struct plan, held)->tag;
    for (unsigned i = 0; i < PLAN_CLASSES; i++) {
        struct list *list = &env->pool.free[i];
        for (struct list_node *at = list->head.next; at != &list->head; at = at->next)
            view->free_slots[i]++;
    }
}

void world_view(struct view *view)
{
    const struct env *env = &world->env;
    struct plan *plan;
    unsigned count = 0;
    memset(view, 0, sizeof *view);
    view_lists(view);
    view->frames_used = env->frames_used;
    view->frames_reserved = env->frames_reserved;
    view->timers = heap_size(env->timers);
    view->taken = env->sq_head;
    view->posted = env->cq_tail;
    view->entering = env->entering;
    view->waiting = env->state == ENV_WAITING;
    view->result = env->entering ? 0 : env->context.rax;
    view->undone = world->undone;
    view->passes = world->env.passes;
    FOR_SLOTS(plan) {
        unsigned place = count++;
        EXPECT(count <= PLANS);
        for (; place && view->plan[place - 1].number > plan->tag; place--)
            view->plan[place] = view->plan[place - 1];
        memset(&view->plan[place], 0, sizeof view->plan[place]);
        view_plan(plan, &view->plan[place]);
    }
}

static void check_plan(struct plan *plan)
{
    uint64_t waiting = 0, runnable = 0, ended = 0, failed = 0, all = 0;
    for (unsigned i = 0; i < plan->cells; i++) {
        const struct op *op = &plan->op[i];
        uint64_t bit = 1ull << i;
        all |= op->state == OP_CELL ? 0 : bit;
        waiting |= op->state == OP_WAITING ? bit : 0;
        runnable |= op->state == OP_READY ? bit : 0;
        ended |= op->state == OP_ENDED ? bit : 0;
        failed |= op->state == OP_ENDED && op->status ? bit : 0;
        EXPECT(op->index == i);
        EXPECT((op->state == OP_PARKED) == (op->where != WHERE_NONE) || op->state == OP_CELL);
    }
    EXPECT(plan->operations == all && plan->waiting == waiting && plan->runnable == runnable);
    EXPECT(plan->ended == ended && plan->failed == failed && (plan->unposted & ~ended) == 0);
    EXPECT(!plan->busy && plan->env == &world->env);
    EXPECT(!plan->runnable || plan->on_ready); /* nothing that can run is forgotten */
    EXPECT(plan->on_ready == (plan->link.next != NULL));
    EXPECT(!plan->unposted || plan->held.next);
    EXPECT(plan->held.next || plan->on_ready || ended != all); /* it ends some day */
}

void world_check(void)
{
    struct plan *plan;
    unsigned used = 0, free = 0, reserved = 0;
    struct env *env = &world->env;
    FOR_SLOTS(plan) {
        check_plan(plan);
        used++;
        reserved += plan->reserved;
    }
    for (unsigned i = 0; i < PLAN_CLASSES; i++)
        for (struct list_node *at = env->pool.free[i].head.next; at != &env->pool.free[i].head; at = at->next)
            free++;
    EXPECT(used + free == env->pool.slots);
    EXPECT(reserved == env->frames_reserved);
    EXPECT(env->state == ENV_RUNNING || env->cq_tail < env->wait_for || env_runnable(env));
}

static uint64_t mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * 0x9e3779b97f4a7c15ull;
    return hash ^ hash >> 29;
}

static unsigned depth_of(const struct op *op)
{
    unsigned depth = 0;
    for (; op; op = op->heap.parent)
        depth++;
    return depth;
}

/* Places on the wait list matter to ENV_KILL only: other events name their operation. */
static uint64_t mix_parked(uint64_t hash)
{
    struct list *list = &world->parked;
    for (struct list_node *at = list->head.next; at != &list->head; at = at->next) {
        struct op *op = LIST_ENTRY(at, struct op, wait);
        hash = mix(hash, op_plan(op)->tag << 8 | op->index);
    }
    return hash;
}

uint64_t world_hash(uint64_t hash)
{
    struct plan *plan;
    bool kills = false;
    FOR_SLOTS(plan)
        for (unsigned i = 0; i < plan->cells; i++)
            kills |= plan->op[i].cell.code == EXO_ENV_KILL;
    if (kills)
        hash = mix_parked(hash);
    FOR_SLOTS(plan) {
        hash = mix(hash, plan->tag << 8 | plan->flags);
        for (unsigned i = 0; i < plan->cells; i++) {
            const struct op *op = &plan->op[i];
            hash = mix(hash, (uint64_t)op->state << 8 | op->where);
            if (op->where == WHERE_TIMERS)
                hash = mix(hash, (op->result[0] - world->now) << 16 | (unsigned)(op->rank << 8) | depth_of(op));
            if (op->where == WHERE_DEVICE)
                hash = mix(hash, op->result[3]);
            if (op->state == OP_READY)
                hash = mix(hash, op->step[0]);
        }
    }
    return mix(hash, world->room);
}
