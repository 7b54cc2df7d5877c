/* SPDX-License-Identifier: MIT */
/* What can happen: operations of the three programs with every small argument, steps of the kernel, the device, time. */
#ifndef BOUNDARY_MOVES_H
#define BOUNDARY_MOVES_H

#include "machine.h"

/* Beside operation codes: */
enum {
    MOVE_GO_ON = 100, /* the kernel goes on with `who`, for one step or (`a`) as far as it comes */
    MOVE_TAKE,        /* `who` takes all completions, and crosses */
    MOVE_BUILD,       /* stage `a` of making `target` anew */
    MOVE_RISE,        /* time goes on to the next deadline */
    MOVE_SENT,        /* the device is done with its oldest packet */
    MOVE_ARRIVED,     /* a packet arrives */
    MOVE_FORGOT,      /* core `a` has passed all flush epochs so far */
};

struct move {
    uint8_t who, code, target, a, b, c, flags, zero;
};

/* What a round of the search may do. */
struct round {
    const char *name;
    uint64_t codes;    /* bit: an operation code */
    bool builds;       /* what died is made anew */
    unsigned perms;    /* MAP and PROTECT: the first so many of R, RW, NONE, RX */
    bool large;        /* the page whose table is missing can be a large one */
    unsigned depth;    /* how deep it goes however long that takes */
    struct limits limits;
};

#define PERM_LARGE 4u /* the fifth and sixth: R, RW of a large page */
#define MOVES 1024u

/* How plans of a role stand: which of its operations have no completion yet. Part of the image. */
#define OPEN_FAILED 0x40 /* one of them failed */
#define OPEN_PLAN 0x80   /* the plan's own */
struct ledger {
    uint8_t open[SLOTS + 1]; /* bit i: operation i */
    uint8_t code[SLOTS + 1]; /* of operation 0 */
};
extern struct ledger ledgers[ROLES];

/* The first state of a round: all three environments run. */
void moves_start(const struct round *round);
/* All moves that make sense now. */
unsigned moves_list(const struct round *round, struct move *list);
/* Makes one; the state is brought into its normal form. */
void move_make(const struct round *round, const struct move *move);
void move_print(const struct move *move);

/* Handle of a child in its maker's table, the last one if it is gone. */
uint32_t child_handle(enum role child);
enum role role_maker(const struct round *round, enum role role);

/* The next stage of making a child; 5: it runs, or is not to be made now. */
unsigned build_stage(enum role maker, enum role child);

/* How often each operation ended how. */
extern uint64_t (*outcomes)[32]; /* [code][-status] */

#endif
