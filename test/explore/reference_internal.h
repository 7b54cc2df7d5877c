/* SPDX-License-Identifier: MIT */
/* What the reference's three files have between them. */
#ifndef EXPLORE_REFERENCE_INTERNAL_H
#define EXPLORE_REFERENCE_INTERNAL_H

#include "reference.h"

/* The core is asked for: true if it is wanted. */
bool ref_wanted(struct ref *ref);
struct ref_plan *ref_plan_numbered(struct ref *ref, uint32_t number);

/* Queues of plans. */
bool ref_queue_has(const uint32_t *queue, uint32_t count, uint32_t number);
void ref_queue_drop(uint32_t *queue, uint32_t *count, uint32_t number);
void ref_make_ready(struct ref *ref, struct ref_plan *plan);

/* Completions; false: no room. */
bool ref_has_room(const struct ref *ref);
bool ref_put(struct ref *ref, struct ref_post post);
bool ref_post_operation(struct ref *ref, struct ref_plan *plan, unsigned index);

/* The account. */
bool ref_reserve(struct ref *ref, struct ref_plan *plan, uint32_t frames);

/* How operations and plans end. */
void ref_end(struct ref *ref, struct ref_plan *plan, unsigned index, int status);
bool ref_all_ended(const struct ref_plan *plan);
void ref_plan_over(struct ref *ref, struct ref_plan *plan);
void ref_clear_results(struct ref_op *op);
/* Gives back what it holds. */
void ref_undo(struct ref *ref, struct ref_op *op);
void ref_cancel_one(struct ref *ref, struct ref_plan *plan, unsigned index, uint64_t *count);

/* Moves whatever can be moved, lowest number first, until nothing can. False: the core is wanted. */
bool ref_run(struct ref *ref, struct ref_plan *plan);

#endif
