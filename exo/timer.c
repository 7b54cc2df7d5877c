/* SPDX-License-Identifier: MIT */
/*
 * Timers of an environment: a leftist heap over its parked TIMER operations and those with a deadline, so
 * adding, removing and taking the earliest cost O(log n) at worst and need no
 * memory beyond the operations themselves. The deadline is kept in result[0].
 */
#include "env.h"
#include "plan.h"

static unsigned rank(const struct op *op) { return op ? op->rank : 0; }

static bool earlier(const struct op *a, const struct op *b) { return a->result[0] < b->result[0]; }

/* Joins two heaps along their right spines, whose length is logarithmic. */
static struct op *merge(struct op *a, struct op *b)
{
    struct op *root = NULL, *above = NULL;
    while (a && b) {
        if (earlier(b, a)) {
            struct op *swap = a;
            a = b;
            b = swap;
        }
        a->heap.parent = above;
        if (above)
            above->heap.right = a;
        else
            root = a;
        above = a;
        a = a->heap.right;
    }
    struct op *rest = a ? a : b;
    if (rest)
        rest->heap.parent = above;
    if (!above)
        return rest;
    above->heap.right = rest;
    return root;
}

/* Restores "left is not shorter" at one node; true if its rank changed. */
static bool mend(struct op *op)
{
    unsigned before = op->rank;
    if (rank(op->heap.left) < rank(op->heap.right)) {
        struct op *swap = op->heap.left;
        op->heap.left = op->heap.right;
        op->heap.right = swap;
    }
    op->rank = (uint8_t)(rank(op->heap.right) + 1);
    return op->rank != before;
}

/* One heap of two whose roots have no parent. Every node on the new right spine may need mending. */
static struct op *join(struct op *a, struct op *b)
{
    struct op *root = merge(a, b), *last = root;
    while (last && last->heap.right)
        last = last->heap.right;
    for (; last; last = last->heap.parent)
        mend(last);
    return root;
}

void timer_add(struct env *env, struct op *op)
{
    op->state = OP_PARKED;
    op->where = WHERE_TIMERS;
    op->heap.left = op->heap.right = op->heap.parent = NULL;
    op->rank = 1;
    env->timers = join(env->timers, op);
}

void timer_remove(struct env *env, struct op *op)
{
    struct op *parent = op->heap.parent;
    if (op->heap.left)
        op->heap.left->heap.parent = NULL;
    if (op->heap.right)
        op->heap.right->heap.parent = NULL;
    struct op *rest = join(op->heap.left, op->heap.right);
    if (rest)
        rest->heap.parent = parent;
    if (!parent)
        env->timers = rest;
    else if (parent->heap.left == op)
        parent->heap.left = rest;
    else
        parent->heap.right = rest;
    while (parent && mend(parent))
        parent = parent->heap.parent;
    op->where = WHERE_NONE;
}

bool timer_expire(struct env *env, uint64_t now, unsigned budget)
{
    while (env->timers && env->timers->result[0] <= now) {
        if (budget-- == 0)
            return true;
        struct op *op = env->timers;
        timer_remove(env, op);
        op->result[0] = now;
        if (op->cell.code == EXO_TIMER)
            op_end(op, 0);
        else
            op_wake(op); /* a deadline: the operation goes on */
    }
    return false;
}
