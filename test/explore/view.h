/* SPDX-License-Identifier: MIT */
/*
 * What can be seen of plans between two moves of the core, in the same words for the real executor (world.c
 * reads it out of the kernel's structures) and for the reference (reference.c): the two must
 * be equal byte for byte. Plans are named by the number that the test put into their tag.
 */
#ifndef EXPLORE_VIEW_H
#define EXPLORE_VIEW_H

#include <exo/abi.h>
#include <stdbool.h>
#include <stdint.h>

#ifndef PLAN_OPS
#define PLAN_OPS 4u /* cells in the largest plan that this program looks at */
#endif
#ifndef PLANS
#define PLANS 4u /* at once */
#endif
#define POSTS 192u /* completions that one entry can post */

enum view_state { VIEW_NONE, VIEW_WAITING, VIEW_STARTED, VIEW_PARKED, VIEW_ENDED, VIEW_CELL };

struct view_op {
    uint8_t state; /* enum view_state */
    uint8_t held;  /* it ended and its completion waits for room */
    uint8_t zero[2];
    int32_t status;     /* once it ended */
    uint64_t result[4]; /* once it ended */
};

struct view_plan {
    uint32_t number, cells; /* number 0: none */
    uint32_t work, reserved;
    uint64_t cancelled;
    struct view_op op[PLAN_OPS];
};

struct view {
    uint32_t ready[PLANS], held[PLANS]; /* numbers, in order, 0 at the end */
    uint32_t frames_used, frames_reserved;
    uint32_t free_slots[4], timers;
    uint64_t taken, posted;       /* cells, completions */
    uint64_t entering, waiting, result; /* the crossing; its result once it is over */
    uint64_t undone; /* calls of cancel hooks so far */
    uint64_t passes; /* of standing plans, since the program could last go on */
    struct view_plan plan[PLANS]; /* by number, ascending */
};

#endif
