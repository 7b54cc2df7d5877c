/* SPDX-License-Identifier: MIT */
/*
 * The submission and completion rings: writing cells, entering the kernel, taking
 * completions. Knows no operation. Built without vector registers: the pager runs it.
 */
#include "ring.h"

#define CQ ((const struct exo_completion *)EXO_BOOT_CQ)
#define STASH_MAX 128u /* a power of two */

uint32_t libos_nesting = 1; /* the start code is inside the libos */
bool libos_slice_ended;
uint64_t ring_tail;

/*
 * Completions that were moved out of a full ring by somebody who must not call their
 * targets. Oldest first; taken before the ring's.
 */
static struct exo_completion stash[STASH_MAX];
static uint32_t stash_head, stash_tail;

void ring_init(void)
{
    ring_tail = PLAN_INFO->sq_head;
    PLAN_CONTROL->cq_head = PLAN_INFO->cq_tail;
}

static void completion_copy(struct exo_completion *to, uint64_t index)
{
    *to = CQ[index & (PLAN_INFO->cq_size - 1)];
    LIBOS_BARRIER(); /* entries below the tail stay as they are until they are taken */
}

static void stash_fill(void)
{
    uint64_t head = PLAN_CONTROL->cq_head, tail = PLAN_INFO->cq_tail;
    while (head != tail && stash_tail - stash_head < STASH_MAX) {
        completion_copy(&stash[stash_tail++ & (STASH_MAX - 1)], head++);
        PLAN_CONTROL->cq_head = head;
    }
}

unsigned completion_dispatch(void)
{
    struct exo_completion completion;
    /* What is there now; what comes meanwhile is for the next call, so that this one ends. */
    uint64_t tail = PLAN_INFO->cq_tail, mask = PLAN_INFO->cq_size - 1;
    unsigned count = 0;
    for (;; count++) {
        uint64_t head = PLAN_CONTROL->cq_head; /* done() may have taken some */
        if (stash_head != stash_tail) {
            completion = stash[stash_head & (STASH_MAX - 1)];
            stash_head++;
        } else if (head < tail) {
            completion = CQ[head & mask];
            LIBOS_BARRIER(); /* it stays as it is until it is taken */
            PLAN_CONTROL->cq_head = head + 1;
        } else {
            return count;
        }
        struct completion_target *target = (struct completion_target *)completion.tag;
        if (target != NULL)
            target->done(target, &completion);
    }
}

/* ---- submitting ---------------------------------------------------------------- */

long plan_flush(void)
{
    for (;;) {
        long result = exo_enter(ring_tail, 0, 0);
        if (result != -EXO_E_FULL)
            return result;
        stash_fill();
        if (stash_tail - stash_head == STASH_MAX) {
            /* Nobody took completions for hundreds of failures: their targets must be heard now. */
            ring_guard();
            completion_dispatch();
            ring_unguard();
        }
    }
}

long ring_wait(uint64_t deadline)
{
    if (stash_head != stash_tail)
        return plan_flush();
    long result = exo_enter(ring_tail, PLAN_CONTROL->cq_head + 1, deadline);
    return result == -EXO_E_FULL ? plan_flush() : result;
}

void ring_room(unsigned count)
{
    while (ring_tail + count - PLAN_INFO->sq_head > PLAN_INFO->sq_size)
        plan_flush();
}

static void ring_copy(const struct exo_op *cells, unsigned count)
{
    uint64_t mask = PLAN_INFO->sq_size - 1;
    ring_room(count);
    for (unsigned i = 0; i < count; i++)
        RING_CELLS[(ring_tail + i) & mask] = cells[i];
    LIBOS_BARRIER();
    ring_tail += count;
}

void plan_push(struct plan *plan)
{
    if (plan->count == 0)
        plan_misuse(plan, "no operation");
    struct exo_plan *header = (struct exo_plan *)(void *)plan->cell;
    header->cells = plan->count;
    if (header->tag == 0)
        header->flags |= EXO_PLAN_QUIET;
    ring_guard();
    ring_copy(plan->cell, plan->count + 1u);
    ring_unguard();
}

long plan_submit(struct plan *plan)
{
    plan_push(plan);
    return plan_flush();
}

/* ---- from the pager --------------------------------------------------------------- */

static void nested_done(struct completion_target *self, const struct exo_completion *completion)
{
    (void)self, (void)completion; /* seen already, by ring_run_nested() */
}

int ring_run_nested(struct exo_op *cells, unsigned operations, struct exo_completion *failed)
{
    static struct completion_target target = { nested_done };
    struct exo_plan *header = (struct exo_plan *)(void *)cells;
    *header = (struct exo_plan){ .code = EXO_PLAN, .flags = EXO_PLAN_QUIET,
                                 .cells = (uint16_t)operations, .tag = (uint64_t)&target };
    for (unsigned i = 1; i <= operations; i++) {
        cells[i].tag = (uint64_t)&target;
        cells[i].flags |= EXO_QUIET;
    }
    ring_guard();
    ring_copy(cells, operations + 1);
    ring_unguard();
    uint64_t seen = PLAN_INFO->cq_tail;
    long result;
    while ((result = exo_enter(ring_tail, 0, 0)) == -EXO_E_FULL)
        stash_fill(); /* if that is full too this does not end: 640 failures unheard, from one fault */
    if (result == 0)
        return 0;
    for (; seen != PLAN_INFO->cq_tail; seen++) {
        completion_copy(failed, seen);
        if (failed->tag == (uint64_t)&target && failed->status < 0)
            return failed->status;
    }
    return 0;
}
