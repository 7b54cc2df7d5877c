/* SPDX-License-Identifier: MIT */
/*
 * The raw network queue: see netqueue.h. Owns the receive arena, the bookkeeping
 * of plans in flight and the gathering of operations into plans. Never
 * looks at a packet's bytes.
 *
 * Every plan written here has a plan slot that netqueue_open() donated: the counts
 * of free slots below are exact, so a plan is refused only if somebody else
 * took them, and then nothing is lost but counted.
 */
#include <libos/netqueue.h>

#include "../plan/ring.h"
#include "netqueue_internal.h"


#define TARGET_OF(pointer, type) ((type *)(void *)(pointer)) /* the target is the first member */

/* ---- plans ------------------------------------------------------------------ */

static void plan_member_ended(struct netqueue *queue, struct netqueue_plan *plan)
{
    if (--plan->left != 0)
        return;
    if (plan->large)
        queue->slots_large++;
    else
        queue->slots_small++;
    plan->next = queue->plan_free;
    queue->plan_free = plan;
}

/* What a plan itself has to tell: a reply was not sent (its buffer is posted all the same), the plan
 * ended with such a failure (old news: its members have told), or it was refused, which
 * alone carries no slot. Then each member hears so, as if it had failed by itself. */
void netqueue_plan_told(struct completion_target *self, const struct exo_completion *completion)
{
    struct netqueue_plan *plan = TARGET_OF(self, struct netqueue_plan);
    if (completion->operation != EXO_PLAN_SELF)
        plan->queue->send_failed++;
    if (completion->operation != EXO_PLAN_SELF || completion->plan != 0)
        return;
    plan->queue->plans_refused++;
    for (unsigned i = 0, count = plan->count; i < count; i++)
        plan->member[i]->done(plan->member[i], completion);
}

/* Writes the gathered cells as one plan into the ring. */
static void plan_write(struct netqueue *queue)
{
    struct netqueue_plan *plan = queue->building;
    struct plan out = { .cell = queue->pending, .count = (uint16_t)queue->cells, .last = -1 };
    queue->pending[0] = (struct exo_op){ .code = EXO_PLAN, .flags = EXO_PLAN_QUIET };
    struct exo_plan *header = (struct exo_plan *)(void *)&queue->pending[0];
    header->cells = (uint16_t)queue->cells;
    header->tag = (uint64_t)&plan->target;
    plan->large = queue->cells > CELLS_SMALL || queue->slots_small == 0;
    if (plan->large)
        queue->slots_large--;
    else
        queue->slots_small--;
    plan->count = plan->left;
    queue->building = NULL;
    queue->cells = 0;
    plan_push(&out);
}

/* Makes sure that `cells` more fit the plan that is being gathered. */
static bool plan_room(struct netqueue *queue, unsigned cells)
{
    if (queue->building && queue->cells + cells > NETQUEUE_PLAN_CELLS)
        plan_write(queue);
    if (queue->building)
        return true;
    if (queue->slots_large == 0 || !queue->plan_free)
        return false;
    queue->building = queue->plan_free;
    queue->plan_free = queue->building->next;
    queue->building->left = 0;
    return true;
}

static struct exo_op *plan_cell_next(struct netqueue *queue)
{
    return &queue->pending[++queue->cells];
}

static void plan_member(struct netqueue_plan *plan, struct completion_target *target)
{
    plan->member[plan->left++] = target;
}

/* ---- receiving --------------------------------------------------------------- */

static void post_cell(struct netqueue *queue, struct netqueue_buffer *buffer, uint64_t after,
                      uint8_t flags)
{
    buffer->plan = queue->building;
    plan_member(queue->building, &buffer->target);
    *plan_cell_next(queue) = (struct exo_op){
        .code = EXO_NET_RX,
        .flags = flags,
        .handle = queue->config.handle,
        .after = after,
        .arg = { buffer->word },
        .tag = (uint64_t)&buffer->target,
    };
    queue->posted++;
}

void netqueue_buffer_done(struct completion_target *self, const struct exo_completion *completion)
{
    struct netqueue_buffer *buffer = TARGET_OF(self, struct netqueue_buffer);
    struct netqueue *queue = buffer->queue;
    queue->posted--;
    plan_member_ended(queue, buffer->plan);
    if (completion->status != 0) {
        queue->receive_failed++;
        /* A dead queue or device would fail again at once, for ever. */
        if (completion->status != -EXO_E_DEAD && completion->status != -EXO_E_DEVICE)
            netqueue_release(buffer);
        return;
    }
    queue->received++;
    buffer->flags = completion->more;
    buffer->length = completion->result < NETQUEUE_BUFFER_BYTES ? (uint32_t)completion->result
                                                                : NETQUEUE_BUFFER_BYTES;
    queue->config.receive(queue, buffer);
}

void netqueue_release(struct netqueue_buffer *buffer)
{
    struct netqueue *queue = buffer->queue;
    buffer->next = NULL;
    *queue->release_last = buffer;
    queue->release_last = &buffer->next;
    queue->released++;
}

static void post_released(struct netqueue *queue)
{
    while (queue->release_first && plan_room(queue, 1)) {
        struct netqueue_buffer *buffer = queue->release_first;
        queue->release_first = buffer->next;
        if (!queue->release_first)
            queue->release_last = &queue->release_first;
        queue->released--;
        post_cell(queue, buffer, 0, 0);
    }
}

/* ---- sending ------------------------------------------------------------------ */

int netqueue_reply(struct netqueue_buffer *buffer, uint32_t offset, uint32_t length, uint64_t checksum)
{
    struct netqueue *queue = buffer->queue;
    if (!plan_room(queue, 2)) {
        queue->send_full++;
        return -EXO_E_FULL;
    }
    *plan_cell_next(queue) = (struct exo_op){
        .code = EXO_NET_TX,
        .flags = EXO_QUIET,
        .handle = queue->config.handle,
        .arg = { (buffer->word & 0xffffffffffffull) + ((uint64_t)offset << 36) +
                     ((uint64_t)(length - 1) << 48), 0, checksum },
        .tag = (uint64_t)&queue->building->target,
    };
    post_cell(queue, buffer, 1ull << (queue->cells - 1), EXO_START_ENDED);
    queue->replied++;
    return 0;
}

void netqueue_send_done(struct completion_target *self, const struct exo_completion *completion)
{
    struct netqueue_send *send = TARGET_OF(self, struct netqueue_send);
    struct netqueue *queue = send->queue;
    plan_member_ended(queue, send->plan);
    send->next = queue->send_free;
    queue->send_free = send;
    queue->sends_free++;
    if (completion->status != 0)
        queue->send_failed++;
    if (queue->config.sent)
        queue->config.sent(queue, send->cookie, completion->status);
    if (queue->starved && queue->config.room) {
        queue->starved = false;
        queue->config.room(queue);
    }
}

static void send_cells(struct netqueue *queue, struct netqueue_send *send, const uint64_t *words,
                       unsigned count, uint64_t checksum, uint8_t flags)
{
    struct exo_op *op = plan_cell_next(queue);
    *op = (struct exo_op){
        .code = EXO_NET_TX,
        .flags = flags,
        .handle = queue->config.handle,
        .arg = { words[0], count - 1, checksum, count > 1 ? words[1] : 0, count > 2 ? words[2] : 0 },
        .tag = (uint64_t)&send->target,
    };
    if (count <= 3)
        return;
    struct exo_more *more = (struct exo_more *)(void *)plan_cell_next(queue);
    *more = (struct exo_more){ .code = EXO_MORE };
    for (unsigned i = 3; i < count; i++)
        more->word[i - 3] = words[i];
}

int netqueue_send(struct netqueue *queue, const uint64_t *words, unsigned count, uint64_t checksum,
                  uint8_t flags, void *cookie)
{
    struct netqueue_send *send = queue->send_free;
    if (!send || !plan_room(queue, count > 3 ? 2 : 1)) {
        queue->send_full++;
        queue->starved = true;
        return -EXO_E_FULL;
    }
    queue->send_free = send->next;
    queue->sends_free--;
    send->cookie = cookie;
    send->plan = queue->building;
    plan_member(queue->building, &send->target);
    send_cells(queue, send, words, count, checksum, flags);
    queue->sent++;
    return 0;
}

void netqueue_flush(struct netqueue *queue)
{
    if (queue->released >= POST_BATCH || queue->posted < queue->config.buffers / 2)
        post_released(queue);
    if (queue->building)
        plan_write(queue);
}

void netqueue_wait(struct netqueue *queue, uint64_t deadline)
{
    netqueue_flush(queue);
    ring_wait(deadline);
    completion_dispatch();
}
