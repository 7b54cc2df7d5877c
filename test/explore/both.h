/* SPDX-License-Identifier: MIT */
/*
 * The real executor and the reference, side by side: every call moves both and compares all that can be seen:
 * completions in their order, the state and results of every operation, slots, quota, lists, the crossing. A
 * difference is printed, with what both_story() says about how it came to it, and ends the program.
 */
#ifndef EXPLORE_BOTH_H
#define EXPLORE_BOTH_H

#include "reference.h"
#include "world.h"

extern struct ref both_ref;
extern void (*both_story)(void); /* says what led here */

struct both_limits {
    uint32_t ring, slots[4], frames;
};
void both_init(const struct both_limits *limits);

void both_enter(uint64_t submit, uint64_t wait_for);
/* The kernel goes on, and is wanted elsewhere at its n-th look (0: never); false if it was not. */
bool both_continue(unsigned wanted_at);

void both_event(uint32_t number, unsigned index, int status);
void both_wake(uint32_t number, unsigned index, bool room);
/* Time goes on; all timers that are due end. */
void both_time(uint64_t now);
void both_take(uint64_t completions);
/* The program dies: nothing stays on any list, once the device has given back what it holds. Nothing but
 * copying an older state over this one makes sense afterwards. */
void both_die(void);

/* What is to come depends on this number and nothing else. */
uint64_t both_hash(void);

#endif
