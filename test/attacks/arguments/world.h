/* SPDX-License-Identifier: MIT */
/*
 * What an attack on an argument finds around it: memory in every state, three children, a queue, a channel.
 * Made before an attack that changed something, taken down behind it; what is left over then is a leak.
 */
#ifndef ATTACK_WORLD_H
#define ATTACK_WORLD_H

#include <libos/plan.h>
#include <stdbool.h>

#define PAGE ((uint64_t)EXO_PAGE_SIZE)
#define SPARE 0x10000000000ull /* an address where the program has nothing but what the world puts there */
#define AT_MAPPED SPARE              /* an owned frame, writable */
#define AT_FROZEN (SPARE + PAGE)     /* a frozen one; this is the only right to it */
#define AT_SHARED (SPARE + 2 * PAGE) /* a frozen one, also at the page behind it */
#define AT_FREE (SPARE + 16 * PAGE)  /* nothing from here on, but tables */
#define AT_TABLE (SPARE + (1ull << 21)) /* a table of level 1 with nothing in it */
#define AT_NO_TABLE (SPARE + (1ull << 22)) /* nothing, not even tables */

/* The frames of world.run, in this order. */
enum {
    RUN_IDLE, /* owned, neither mapped nor pinned */
    RUN_IDLE_COUNT = 8,
    RUN_MAPPED = RUN_IDLE + RUN_IDLE_COUNT,
    RUN_FROZEN, RUN_SHARED,
    RUN_TABLES, /* of SPARE, three levels, and the empty one */
    RUN_FRESH = RUN_TABLES + 4, /* a child's environment */
    RUN_READY = RUN_FRESH + EXO_ENV_FRAMES,
    RUN_STOPPED = RUN_READY + EXO_ENV_FRAMES,
    RUN_GIVEN = RUN_STOPPED + EXO_ENV_FRAMES, /* the fresh child's, idle */
    RUN_GIVEN_COUNT = 4,
    RUN_READY_RINGS = RUN_GIVEN + RUN_GIVEN_COUNT, /* control, submission, completions */
    RUN_STOPPED_RINGS = RUN_READY_RINGS + 3,
    RUN_QUEUE = RUN_STOPPED_RINGS + 3,
    RUN_CHANNEL, RUN_MESSAGE, /* a channel, and a frame that lies in it */
    RUN_COUNT,
};

struct world {
    uint64_t run; /* the first of RUN_COUNT consecutive frames */
    uint32_t fresh, ready, stopped; /* children: without rings; could be started; has run and stopped */
    uint32_t carved, sender, receiver; /* a queue of one's own; the ends of a channel to oneself */
    /* There from first to last: */
    uint32_t console, queue;
    uint64_t buffer; /* a frame, mapped at buffer_memory: a packet, then an exo_queue_spec in the frame behind */
    uint8_t *buffer_memory;
    uint64_t pinned; /* a frame that a NET_RX waits to fill */
    uint64_t slots, control, info, sq, cq, top; /* frames of the program itself */
    uint64_t slot_number; /* a CPU slot of its own */
    uint64_t victim; /* the first of the victim's frames */
    uint64_t nobodys; /* a free frame */
};
extern struct world world;

/* Once. */
void world_open(void);
void world_make(void);
/* Takes all of it down, and what `op`, the operation that was run meanwhile with those results, made. False if the
 * account is not what it was before world_make(). */
bool world_unmake(const struct exo_op *op, int status, uint64_t result, uint64_t second);
/* Nothing was charged, given back or moved since world_make(), and the memory that nobody was to touch is as it was. */
bool world_untouched(void);

#endif
