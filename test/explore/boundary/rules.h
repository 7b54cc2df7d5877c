/* SPDX-License-Identifier: MIT */
/*
 * What must hold in every state, said from docs/tour.md and DESIGN's kernel rules without using the kernel's
 * own code for it: who can reach which frame is read out of the page tables themselves.
 */
#ifndef BOUNDARY_RULES_H
#define BOUNDARY_RULES_H

#include "moves.h"

/* Whatever ends is told, as completions say it (move_make() calls it for each). */
void rule_completion(enum role role, const struct exo_completion *completion);
/* Closes the books of plans that ended well without a completion of their own. */
void rules_settle(enum role role);
/* After a move. `before`: play frames as they were. */
struct play_before {
    uint8_t state[PLAYS], kind[PLAYS], owner[PLAYS], to[PLAYS]; /* to: in a message, to whom */
    uint32_t rights[PLAYS];
    bool known[PLAYS]; /* a core may remember a mapping that it had */
};
void rules_before(struct play_before *before);
/* Contents: who gets a frame gets zeros; nobody else's change. Fills frames anew. */
void rules_contents(const struct play_before *before, const struct move *move);
void rules_check(void);
/* Nothing is in a table where no page of ours lies; now and then, since it is no part of the image, and stays. */
void rules_tails(void);

/* Operations that give frames another owner or other rights, and wait until all cores forgot. */
static inline bool may_flush(unsigned code)
{
    return (code >= EXO_ALLOC && code <= EXO_MAP) || code == EXO_CHANNEL_CREATE || code == EXO_SEND;
}

/* One number for all states that differ only in the names of frames and of equal children. */
uint64_t state_hash(const struct round *round);

#endif
