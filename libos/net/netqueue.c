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

#include <libos/mem.h>
#include <string.h>

#include "../plan/ring.h"

#define CELLS_SMALL 4u
#define SLOT_BYTES(cells) (((cells) + 1) * 128u) /* abi.h, plan slots */
#define SLOT_FRAMES_MAX 16u /* of one donation */
#define POST_BATCH 8u /* reposts that are worth a plan of their own */

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
static void plan_told(struct completion_target *self, const struct exo_completion *completion)
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

static void buffer_done(struct completion_target *self, const struct exo_completion *completion)
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

static void send_done(struct completion_target *self, const struct exo_completion *completion)
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

/* ---- life ---------------------------------------------------------------------- */

static struct word_ref plan_slots_fresh(struct plan *plan, uint32_t slots, uint32_t cells)
{
    uint32_t frames = (slots * SLOT_BYTES(cells) + EXO_PAGE_SIZE - 1) / EXO_PAGE_SIZE;
    if (frames > SLOT_FRAMES_MAX)
        frames = SLOT_FRAMES_MAX;
    return plan_slots(plan, env_self(), plan_alloc(plan, frames, 0), frames, cells);
}

static int slots_donate(struct netqueue *queue)
{
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    /* A reply's plan lives until the packet after next comes: one for each buffer. The rest is for
     * sends, and for posts in plans at least half full. */
    uint32_t small = 16 + (queue->config.no_replies ? 0 : queue->config.buffers);
    uint32_t large = 8 + queue->config.buffers / POST_BATCH;
    struct word_ref small_slots = plan_slots_fresh(plan, small, CELLS_SMALL);
    struct word_ref large_slots = plan_slots_fresh(plan, large, NETQUEUE_PLAN_CELLS);
    int error = plan_run(plan);
    if (error)
        return error;
    queue->slots_small = (unsigned)plan_value(plan, small_slots);
    queue->slots_large = (unsigned)plan_value(plan, large_slots);
    return 0;
}

static int identity_read(struct netqueue *queue)
{
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    struct queue_info_refs info = plan_queue_info(plan, handle_number(queue->config.handle));
    struct word_ref word = plan_nop(plan, info.mac_and_features);
    int error = plan_run(plan);
    if (error)
        return error;
    uint64_t value = plan_value(plan, word);
    for (unsigned i = 0; i < 6; i++)
        queue->mac[i] = (uint8_t)(value >> 8 * i);
    queue->features = (uint16_t)(value >> 48);
    return 0;
}

static int arena_open(struct netqueue *queue)
{
    uint32_t frames = queue->config.buffers * NETQUEUE_BUFFER_BYTES / EXO_PAGE_SIZE;
    queue->arena = mem_map_run(frames, &queue->arena_frame);
    if (!queue->arena)
        return -EXO_E_NO_FRAMES;
    for (unsigned i = 0; i < queue->config.buffers; i++) {
        struct netqueue_buffer *buffer = &queue->buffer[i];
        uint64_t at = (uint64_t)i * NETQUEUE_BUFFER_BYTES;
        buffer->target.done = buffer_done;
        buffer->bytes = queue->arena + at;
        buffer->word = EXO_BUF(queue->arena_frame + (at >> EXO_PAGE_SHIFT), at % EXO_PAGE_SIZE,
                               NETQUEUE_BUFFER_BYTES);
        buffer->queue = queue;
        netqueue_release(buffer);
    }
    return 0;
}

int netqueue_open(struct netqueue *queue, const struct netqueue_config *config)
{
    memset(queue, 0, sizeof *queue); /* also: none of it faults later */
    queue->config = *config;
    queue->release_last = &queue->release_first;
    if (queue->config.buffers == 0)
        queue->config.buffers = 64;
    if (queue->config.buffers < 16)
        queue->config.buffers = 16;
    if (queue->config.buffers > NETQUEUE_BUFFERS)
        queue->config.buffers = NETQUEUE_BUFFERS;
    int error = identity_read(queue);
    if (!error)
        error = slots_donate(queue);
    if (!error)
        error = arena_open(queue);
    if (error)
        return error;
    for (unsigned i = 0; i < NETQUEUE_SENDS; i++) {
        queue->send[i] = (struct netqueue_send){ .target.done = send_done, .queue = queue,
                                                 .next = queue->send_free };
        queue->send_free = &queue->send[i];
    }
    for (unsigned i = 0; i < NETQUEUE_PLANS; i++) {
        queue->plan[i] = (struct netqueue_plan){ .target.done = plan_told, .queue = queue,
                                                 .next = queue->plan_free };
        queue->plan_free = &queue->plan[i];
    }
    queue->sends_free = NETQUEUE_SENDS;
    netqueue_flush(queue);
    return 0;
}

uint64_t netqueue_drops(struct netqueue *queue)
{
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    struct queue_info_refs info = plan_queue_info(plan, handle_number(queue->config.handle));
    struct word_ref word = plan_nop(plan, info.dropped);
    return plan_run(plan) == 0 ? plan_value(plan, word) : 0;
}
