/* SPDX-License-Identifier: MIT */
/*
 * Life and death of queues, and the tree of them: see queue.h. What travels
 * through a queue is in ops_net.c and nic.c.
 */
#include "queue.h"

#include <stddef.h>

#include "../flush.h"
#include "nic.h"
#include "ops_net.h"

#define REAP_AT_ONCE 16u /* steps that the end of a queue takes in its caller's time */

struct list queues_broadcast = {{&queues_broadcast.head, &queues_broadcast.head}};
static struct list live = {{&live.head, &live.head}};
static struct list drained = {{&drained.head, &drained.head}}; /* live, seen by queue_fail() */
static struct list ended = {{&ended.head, &ended.head}}; /* a stack: children above parents */

struct queue *queue_at(frame_t frame)
{
    return frame_memory(frame);
}

static struct queue *queue_clear(frame_t frame)
{
    struct queue *queue = queue_at(frame);
    __builtin_memset(queue, 0, sizeof *queue);
    queue->frame = frame;
    match_table_init(&queue->table);
    list_init(&queue->children);
    list_init(&queue->parked);
    list_push(&live, &queue->link);
    return queue;
}

struct queue *queue_root_init(frame_t frame)
{
    struct queue *queue = queue_clear(frame);
    frame_entry(frame)->kind = KIND_QUEUE; /* the kernel's own: KERNEL already */
    queue->rx_count = queue->tx_count = 1; /* the empty mask: everything */
    queue->broadcast = true;               /* may be carved out; it is not on the list itself */
    queue->handles = 1;                    /* the kernel's own */
    return queue;
}

/* ---- carving --------------------------------------------------------------- */

static bool stricter_than_one(const struct exo_match *match, const struct exo_match *of,
                              unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (match_stricter(match, &of[i]))
            return true;
    return false;
}

static int check_matches(const struct exo_match *matches, unsigned count,
                         const struct exo_match *of, unsigned of_count)
{
    for (unsigned i = 0; i < count; i++) {
        if (!match_valid(&matches[i]))
            return -EXO_E_RANGE;
        if (!stricter_than_one(&matches[i], of, of_count))
            return -EXO_E_RIGHT;
    }
    return 0;
}

int queue_check(const struct queue *parent, const struct exo_queue_spec *spec)
{
    if (spec->rx_count > EXO_MATCHES || spec->tx_count > EXO_MATCHES || spec->zero
        || (spec->flags & ~EXO_QUEUE_BROADCAST))
        return -EXO_E_RANGE;
    int error = check_matches(spec->rx, spec->rx_count, parent->rx, parent->rx_count);
    if (!error)
        error = check_matches(spec->tx, spec->tx_count, parent->tx, parent->tx_count);
    if (error)
        return error;
    if (parent->depth == QUEUE_DEPTH || parent->child_count == QUEUE_CHILDREN)
        return -EXO_E_FULL;
    if (spec->flags & EXO_QUEUE_BROADCAST) {
        if (!parent->broadcast)
            return -EXO_E_RIGHT;
        if (parent->top && parent->top->broadcasts == QUEUE_BROADCASTS)
            return -EXO_E_FULL;
    }
    for (unsigned i = 0; i < spec->rx_count; i++)
        if (match_table_overlaps(&parent->table, &spec->rx[i]))
            return -EXO_E_OVERLAP;
    return match_table_room(&parent->table, spec->rx, spec->rx_count) ? 0 : -EXO_E_STATE;
}

struct queue *queue_build(struct queue *parent, const struct exo_queue_spec *spec, frame_t frame)
{
    struct queue *queue = queue_clear(frame);
    __builtin_memcpy(queue->rx, spec->rx, sizeof queue->rx);
    __builtin_memcpy(queue->tx, spec->tx, sizeof queue->tx);
    queue->rx_count = (uint8_t)spec->rx_count;
    queue->tx_count = (uint8_t)spec->tx_count;
    for (unsigned i = 0; i < spec->tx_count; i++)
        queue->tx_words[i] = match_words(&queue->tx[i]);
    queue->parent = parent;
    queue->top = parent->top ? parent->top : queue;
    queue->depth = (uint8_t)(parent->depth + 1);
    for (unsigned i = 0; i < spec->rx_count; i++) {
        queue->node[i].match = &queue->rx[i];
        queue->node[i].owner = queue;
        match_table_add(&parent->table, &queue->node[i]);
    }
    list_push(&parent->children, &queue->sibling);
    parent->child_count++;
    if (spec->flags & EXO_QUEUE_BROADCAST) {
        queue->broadcast = true;
        queue->top->broadcasts++;
        list_push(&queues_broadcast, &queue->broadcast_link);
    }
    return queue;
}

struct queue *queue_classify(struct queue *top, const uint8_t *packet, uint32_t length)
{
    struct queue *queue = top, *inner = top;
    while ((inner = match_table_find(&queue->table, packet, length)) != NULL)
        queue = inner; /* at most QUEUE_DEPTH times */
    return queue;
}

/* ---- handles --------------------------------------------------------------- */

void queue_hold(frame_t frame, uint64_t generation)
{
    if (frame_entry(frame)->generation == generation)
        queue_at(frame)->handles++;
}

void queue_drop(frame_t frame, uint64_t generation)
{
    if (frame_entry(frame)->generation != generation)
        return; /* it has ended before */
    queue_at(frame)->receiver = 0; /* its index may soon be another's */
    if (--queue_at(frame)->handles == 0) {
        queue_end(queue_at(frame));
        if (!queue_reap(REAP_AT_ONCE))
            nic_attend();
    }
}

/* ---- the end --------------------------------------------------------------- */

void queue_end(struct queue *queue)
{
    if (queue->ended)
        return;
    queue->ended = true;
    frame_entry(queue->frame)->generation = ++flush_epoch; /* no handle finds it any more */
    for (unsigned i = 0; i < queue->rx_count; i++)
        match_table_remove(&queue->parent->table, &queue->node[i]);
    if (queue->broadcast) {
        list_remove(&queue->broadcast_link);
        queue->top->broadcasts--;
    }
    list_remove(&queue->link);
    list_push(&ended, &queue->link);
}

static void queue_free(struct queue *queue)
{
    frame_t frame = queue->frame;
    list_remove(&queue->link);
    list_remove(&queue->sibling);
    queue->parent->child_count--;
    struct env *payer = envs[frame_entry(frame)->owner];
    frame_disown(payer, frame);
    env_uncharge(payer, 1);
    frame_release(frame, 1);
}

/* One step: a waiter, a child moved on top of the stack, or the queue itself. A parent stays
 * until all its children are gone, so their pointers to it hold. */
static void reap_step(struct queue *queue)
{
    struct list_node *waiter = list_pop(&queue->parked);
    struct list_node *first = list_first(&queue->children);
    if (waiter) {
        net_rx_abort(LIST_ENTRY(waiter, struct op, wait), -EXO_E_DEAD);
    } else if (first) {
        struct queue *child = LIST_ENTRY(first, struct queue, sibling);
        queue_end(child);
        list_remove(&child->link);
        list_push(&ended, &child->link);
    } else {
        queue_free(queue);
    }
}

bool queue_reap(unsigned budget)
{
    for (; budget && !list_empty(&ended); budget--)
        reap_step(LIST_ENTRY(ended.head.prev, struct queue, link));
    return list_empty(&ended);
}

bool queue_kill(frame_t frame, unsigned budget)
{
    queue_end(queue_at(frame));
    for (; budget; budget--) {
        queue_reap(1);
        if (frame_entry(frame)->state != FRAME_KERNEL)
            return true;
    }
    return false;
}

bool queue_fail(unsigned budget)
{
    struct list_node *at;
    for (; budget && (at = list_first(&live)) != NULL; budget--) {
        struct queue *queue = LIST_ENTRY(at, struct queue, link);
        struct list_node *waiter = list_pop(&queue->parked);
        if (waiter) {
            net_rx_abort(LIST_ENTRY(waiter, struct op, wait), -EXO_E_DEVICE);
        } else {
            list_remove(at);
            list_push(&drained, at);
        }
    }
    return list_empty(&live);
}
