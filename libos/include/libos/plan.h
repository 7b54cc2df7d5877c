/* SPDX-License-Identifier: MIT */
/*
 * Writing plans. A plan is built in memory of the caller and submitted in one
 * crossing. Every operation is one inline function whose result is a typed value
 * that later operations take.
 *
 *   struct plan_buffer buffer;
 *   struct plan *plan = plan_begin(&buffer);
 *   frame_ref frame = plan_alloc(plan, 1, 0);
 *   plan_map(plan, address, frame, 1, EXO_READ | EXO_WRITE);
 *   int error = plan_run(plan);
 *
 * This is the lowest layer of the libos and depends on nothing but abi.h.
 */
#ifndef LIBOS_PLAN_H
#define LIBOS_PLAN_H

#include <exo/abi.h>
#include <stdbool.h>

/* ---- completions --------------------------------------------------------- */

/* A completion's tag is the address of one of these (or 0: nobody cares). done() is called
 * inside the libos when the completion is taken from the ring; it must not
 * wait and must not fault. */
struct completion_target {
    void (*done)(struct completion_target *self, const struct exo_completion *completion);
};

/* Takes every completion that is there and calls its target. Returns how many. */
unsigned completion_dispatch(void);

/* ---- entering the kernel --------------------------------------------------- */

long exo_enter(uint64_t submit, uint64_t wait_for, uint64_t deadline);

#endif
