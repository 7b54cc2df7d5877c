/* SPDX-License-Identifier: MIT */
/*
 * The rings, for the libos's own lower layers: who may touch them when. All
 * writing to the submission ring happens in short sequences that touch only
 * eagerly mapped memory, so that a page fault never finds it half written and the
 * pager can use it from an upcall.
 */
#ifndef LIBOS_PLAN_RING_H
#define LIBOS_PLAN_RING_H

#include <libos/plan.h>

/*
 * How deep this thread is inside the libos: 0 means it can be preempted. The
 * thread layer keeps one value a thread; the upcall handler looks at it.
 */
extern uint32_t libos_nesting;
/* A CPU slot ended while it was not 0. */
extern bool libos_slice_ended;

#define LIBOS_BARRIER() __asm__ volatile("" ::: "memory")

static inline void ring_guard(void)
{
    libos_nesting++;
    LIBOS_BARRIER();
}

static inline void ring_unguard(void)
{
    LIBOS_BARRIER();
    libos_nesting--;
}

/* Index behind the last cell written. */
extern uint64_t ring_tail;

/* Makes room for `count` cells at the tail. The caller is guarded until it has moved the tail behind them; what it
 * touches meanwhile was touched before, so that no page fault comes between. */
void ring_room(unsigned count);

/* Cell `index` is at index mod sq_size. */
#define RING_CELLS ((struct exo_op *)EXO_BOOT_SQ)

void ring_init(void);

/* Enters the kernel and waits for a completion, or for the tick. */
long ring_wait(uint64_t deadline);

/*
 * Runs a plan of operations that end at once, from any depth, without dispatching anybody's
 * completions. cells[0] is the header's place; its tag and flags are filled in. 0, or the error of
 * the first operation that failed, with its completion in *failed.
 */
int ring_run_nested(struct exo_op *cells, unsigned operations, struct exo_completion *failed);

#endif
