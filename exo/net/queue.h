/* SPDX-License-Identifier: MIT */
/*
 * A queue: the right to receive the packets that fit its rx matches and to send
 * those that fit its tx matches. An object in one KERNEL frame that its creator
 * gave for it.
 *
 * Queues are a tree. A queue is carved out of its parent: each of its matches is
 * stricter than one of the parent's, and its rx matches are disjoint from
 * its siblings'. A packet belongs to the deepest queue it fits, found by descending
 * from the root through one match table a level. So carving costs only those inside
 * whose own grant it happens: a program cannot slow a neighbour's packets or use up
 * his table.
 *
 *            bound                 ended                      gone
 *   create ───────► packets, ops ───────► nobody finds it, ───────► frame is free
 *                                         waiters and children
 *                                         are ended in steps
 *
 * A queue ends when its last handle goes, with the environment that paid for it,
 * and with the queue it was carved from.
 */
#ifndef EXO_QUEUE_H
#define EXO_QUEUE_H

#include <exo/abi.h>
#include <stdbool.h>

#include "../env.h"
#include "match.h"

#define QUEUE_DEPTH 4u       /* levels below the root */
#define QUEUE_CHILDREN 64u   /* of one queue */
#define QUEUE_BROADCASTS 4u  /* queues with the flag, in what was carved from one child of the root */

struct queue {
    struct exo_match rx[EXO_MATCHES], tx[EXO_MATCHES];
    uint16_t tx_words[EXO_MATCHES];      /* match_words() of tx[i] */
    struct match_node node[EXO_MATCHES]; /* of rx[i], in the parent's table */
    struct match_table table;            /* of the children */
    struct queue *parent;                /* NULL: the root */
    struct queue *top;                   /* its ancestor below the root, or itself */
    struct list children;
    struct list_node sibling;            /* in parent->children */
    struct list_node broadcast_link;     /* in queues_broadcast, if it has the flag */
    struct list_node link;               /* in the list of live queues, or of ended ones */
    struct list parked;                  /* NET_RX operations */
    uint64_t received, dropped, sent;
    frame_t frame; /* of this object */
    uint32_t handles;
    uint16_t child_count, broadcasts;
    uint16_t receiver; /* index of the environment that received last; 0 if unknown */
    uint8_t rx_count, tx_count, depth;
    bool broadcast, ended;
};

_Static_assert(sizeof(struct queue) <= EXO_PAGE_SIZE, "one frame");

extern struct list queues_broadcast; /* those with the flag, by broadcast_link */

struct queue *queue_at(frame_t frame);

/* The root: fits everything, sends everything, never ends. `frame` is the kernel's. */
struct queue *queue_root_init(frame_t frame);

/* Whether `spec` (the kernel's copy) can be carved from `parent`: 0 or the error. Changes nothing. */
int queue_check(const struct queue *parent, const struct exo_queue_spec *spec);
/* Builds the checked queue in `frame`, which is KERNEL already, and binds it; no handles yet. */
struct queue *queue_build(struct queue *parent, const struct exo_queue_spec *spec, frame_t frame);

/* A handle to it was made, or went. `generation` is the handle's: one to an ended queue counts for nothing. */
void queue_hold(frame_t frame, uint64_t generation);
void queue_drop(frame_t frame, uint64_t generation);

/* Who gets the packet: the deepest queue it fits. */
struct queue *queue_classify(struct queue *top, const uint8_t *packet, uint32_t length);

/* Ends a queue: O(1); its waiters and children follow in queue_reap(). */
void queue_end(struct queue *queue);
/* Ends up to `budget` waiters and queues of what has ended. True when nothing is left to do. */
bool queue_reap(unsigned budget);
/* The same for the walker of a dead environment's frames: true once `frame` is free. */
bool queue_kill(frame_t frame, unsigned budget);
/* The device failed: up to `budget` waiters end with DEVICE. True when none is left. */
bool queue_fail(unsigned budget);

#endif
