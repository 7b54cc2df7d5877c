/* SPDX-License-Identifier: MIT */
/*
 * Every completion of a plan, in the order in which they came. One plan at a time, unless its tests set the
 * target themselves.
 */
#ifndef TEST_GUEST_TALLY_H
#define TEST_GUEST_TALLY_H

#include <libos/thread.h>

#include "../../../libos/plan/ring.h"
#include "op.h"

#define TALLY_MAX 1024u

struct tally {
    struct completion_target target;
    unsigned count;
    struct exo_completion seen[TALLY_MAX];
};
extern struct tally tally;

/* From here on no other code of the program takes completions. */
void tally_begin(void);
/* A plan to fill whose completions, its own with them, are counted from 0. */
struct plan *tally_plan(uint8_t flags);
/* Takes what is there. */
void tally_take(void);
/* Waits until so many have come since tally_plan(); false if they don't within `us`. */
bool tally_wait(unsigned count, uint64_t us);
/* The first one of an operation; NULL if it has not come. */
const struct exo_completion *tally_of(uint16_t operation);

#endif
