/* SPDX-License-Identifier: MIT */
/* Random plans, by the kinds that the operation table names, and what they left: see chaos.c. */
#ifndef ATTACK_CHAOS_H
#define ATTACK_CHAOS_H

#include <libos/plan.h>
#include <stdbool.h>

#include "../arguments/values.h"

#define PAGE ((uint64_t)EXO_PAGE_SIZE)
#define PLAY 0x10000000000ull           /* addresses that random plans may do anything to */
#define PLAY_LEAVES 16u                 /* of 2 MiB */
#define CHILD_CODE 0x400000ull          /* where a child's code is; behind it its completions, and room */
#define CHILD_RUN 23u                   /* frames that a child begins with */
#define WINDOW (PLAY + (1ull << 39))    /* where a child's frames are filled before they are given away */

/* ---- noise ---------------------------------------------------------------------------------------- */

extern uint64_t noise_state;
uint64_t noise(void);
static inline uint64_t below(uint64_t n) { return noise() % n; }

/* ---- what is known of the world ------------------------------------------------------------------- */

#define LIST_MAX 128u

struct list { /* the last LIST_MAX of them; those that count are swept before they are so many */
    uint64_t entry[LIST_MAX];
    unsigned count;
};

void list_add(struct list *list, uint64_t entry);
uint64_t list_take(struct list *list); /* one that is there, and no longer */
uint64_t list_any(const struct list *list); /* 0 if there is none */
bool list_remove(struct list *list, uint64_t entry); /* whether it was there */

extern struct known {
    struct list frames, children, queues, senders, receivers;
    struct list plans; /* all that are under way: announced, and not ended */
    uint32_t console, queue;
    uint64_t packet; /* a frame that NET_TX may send; behind it one that says what a queue is, and one to read into */
    uint8_t *memory; /* where they are mapped */
} known;

/* ---- cells ------------------------------------------------------------------------------------------- */

struct shape {
    const char *name; /* NULL: no such operation */
    uint8_t handle, arg[5], result[4]; /* enum kind */
};
extern const struct shape shapes[EXO_CODE_END];

/* Fills in a whole plan, its header with it, of at most `most` operations; how many cells it has. `wild`: it
 * may do anything to whoever submits it, whose frames are those from `own` on; else what ends or spoils the submitter is
 * left out. Each operation's tag is its code. */
unsigned plan_make(struct exo_op *cells, unsigned most, bool wild, uint64_t own);

/* ---- judging -------------------------------------------------------------------------------------------- */

/* Said if it does not hold; then the program ends, and badly. */
void must(const char *what, bool good);

/* ---- counts -------------------------------------------------------------------------------------------- */

struct tally {
    uint64_t well, failed, cancelled, idle; /* idle: not started */
};
extern struct tally tallies[EXO_CODE_END];
void tally_add(unsigned code, int status);
extern uint64_t plans, refusals, children, exits;

/* One child with an own ring full of wild plans: built, started, asked for memory, killed. */
void child_round(void);

/* Takes back all that random plans left, and looks whether the account is as it was. */
void sweep(void);
void plans_cancel(void);
/* Frames that are the program's to play with now. */
void frames_note(uint64_t first, uint64_t count);
/* Once: memory for the rest, the first playground, the window. */
void world_open(void);

#endif
