/* SPDX-License-Identifier: MIT */
/*
 * The real executor, checker and crossing in a world as small as it can be: one program, its rings, a few plan
 * slots, and operations that are pretended (the table is the real one). All that changes lies in one
 * structure at a fixed address, so that a state can be put aside and taken back by copying it.
 *
 * What the pretended operations do: NOP gives its argument; FREE fails if the number is odd; ALLOC takes 16
 * frames a step; TIMER and CANCEL are as they are; ENV_WAIT, RECLAIM_WAIT, CONSOLE_READ, NET_RX, SEND and RECV park until world_event(), RECLAIM does until then or its deadline; NET_TX
 * goes to a device, which keeps it when it is cancelled, and waits for room there before if bit 0 of arg[2] is set;
 * ENV_KILL ends whatever parked first of all that wait for an event, or wakes it if it waits for room;
 * all others end well at once.
 */
#ifndef EXPLORE_WORLD_H
#define EXPLORE_WORLD_H

#include "../../exo/core.h"
#include "../../exo/env.h"
#include "view.h"

#ifndef WORLD_CELLS
#define WORLD_CELLS 16u   /* of submission ring */
#define WORLD_SLOTS 2048u /* bytes of plan slots */
#define WORLD_RING 8u     /* completions at most */
#endif

struct world {
    struct env env;
    struct exo_control control;
    struct exo_info info;
    struct exo_completion cq[WORLD_RING];
    struct list parked; /* all that wait for an event, and NET_TX without room */
    uint64_t now, room, undone;
    uint32_t slots; /* bytes of them in use */
    _Alignas(128) char slot[WORLD_SLOTS];
};

extern struct world *world;
extern struct exo_op world_cells[]; /* all that was ever submitted, kept by the caller */
extern bool world_scribbles;        /* cells that the kernel took are overwritten at every opportunity */
extern unsigned world_most_calls;   /* of operations between two looks, so far */

void world_init(uint32_t ring, const uint32_t slots[4], uint32_t limit);

/* As exo_enter; then the kernel goes on until it is done, or wanted at the n-th look (0: never).
 * True if it was wanted. */
void world_enter(uint64_t submit, uint64_t wait_for);
bool world_continue(unsigned wanted_at);

struct op *world_op(uint32_t number, unsigned index);
uint64_t world_id(uint32_t number); /* of the plan with that number, 0 if there is none */
void world_event(struct op *op, int status);
void world_wake(struct op *op);
/* Ends one timer that is due; false if none is. */
bool world_timer(uint32_t *number, unsigned *index);
/* As when the program dies: false while a device holds something. */
bool world_abandon(void);

void world_view(struct view *view);
/* What the view does not show and the future depends on, where symmetric states are equal. */
uint64_t world_hash(uint64_t hash);
/* Lists and heaps are whole, and agree with what plans say about themselves. */
void world_check(void);

/* Supplied by whoever uses this: something that must hold does not. */
_Noreturn void world_failed(const char *text);

/* The handles that the program has: 1 MACHINE, 2 CONSOLE, 3 QUEUE, 4 (generation 7) ENV, 5 SENDER, 6 RECEIVER. */
uint32_t world_handle(uint8_t kind); /* 0 if there is none of the kind */
bool world_known(uint32_t handle, const char *kind);

#endif
