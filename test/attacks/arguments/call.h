/* SPDX-License-Identifier: MIT */
/* One call, spoilt, run and judged. */
#ifndef ATTACK_CALL_H
#define ATTACK_CALL_H

#include "bases.h"
#include "world.h"

/* One call and what is in front of it in its plan. */
struct call {
    struct exo_op source; /* operation 0 */
    bool more;            /* operation 1 is a MORE cell of it */
    struct exo_op op;
    int status;           /* -EXO_E_CANCELLED: it waited */
    bool at_door;         /* its plan was refused whole */
    uint64_t result, second; /* CHANNEL_CREATE's second result too */
};

extern struct counts {
    unsigned refused, harmless, waited;
} counts;
extern unsigned breaches;

/* The valid call of an operation. */
struct call call_of(unsigned code);
void call_run(struct call *call);
/* Something that may not be was found: says so. */
void breach(const struct call *call, const char *field, const char *what);
/* Runs it, judges what became of it (if `must`, it has to be refused) and puts the world in order. */
void attack(struct call *call, const char *field, const char *what, bool must);

/* Whether an argument of that value must be refused. */
bool refuse(const struct exo_op *op, unsigned k, enum kind kind, const struct value *value);
/* ALLOC's `wanted` is a frame's number, whatever the table says. */
enum kind kind_of(unsigned code, unsigned k);
/* Whether the operation writes into its buffer. */
bool into_buffer(unsigned code);

#endif
