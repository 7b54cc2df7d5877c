/* SPDX-License-Identifier: MIT */
/*
 * Flush epochs. Taking a mapping away begins an epoch and stamps the frame with it (frame.generation); until every core
 * has passed that epoch, one of them may still reach the frame through what its TLB remembers. What would give such a frame
 * another owner, or other rights, parks until then: no core ever spins for another. On one core an epoch is passed as
 * it begins, and nothing here ever waits.
 */
#ifndef EXO_FLUSH_H
#define EXO_FLUSH_H

#include "frame.h"

struct op;

extern uint64_t flush_epoch; /* the latest */

/* Supplied by the machine layer, or a test: the epoch that every core has passed. */
uint64_t flush_slowest(void);

static inline bool flush_passed(const struct frame *frame) { return frame->generation <= flush_slowest(); }

/* No mapping and no pin on any of them, and no core that remembers one: 0; -EXO_E_BUSY; or OP_PARK, and `op` is parked
 * and will run again. */
int flush_idle(struct op *op, frame_t first, uint64_t count);
/* Parks an operation until a core has passed an epoch. Its steps go on where they are; result words 2 and 3 are used. */
int flush_park(struct op *op);
/* Where a parked operation's steps are, and those of one that is not parked. */
const uint64_t *flush_steps(const struct op *op);
/* A core has passed an epoch: some of those who wait look again. True if there are more. */
bool flush_look(void);
/* Nobody waits. */
void flush_init(void);

#endif
