/* SPDX-License-Identifier: MIT */
/* Opens a raw queue: its plan slots, its receive arena, its first posts. */
#include <libos/mem.h>
#include <string.h>

#include "netqueue_internal.h"

#define SLOT_BYTES(cells) (((cells) + 1) * 128u) /* abi.h, plan slots */
#define SLOT_FRAMES_MAX 16u                      /* of one donation */

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
        buffer->target.done = netqueue_buffer_done;
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
        queue->send[i] = (struct netqueue_send){ .target.done = netqueue_send_done, .queue = queue,
                                                 .next = queue->send_free };
        queue->send_free = &queue->send[i];
    }
    for (unsigned i = 0; i < NETQUEUE_PLANS; i++) {
        queue->plan[i] = (struct netqueue_plan){ .target.done = netqueue_plan_told, .queue = queue,
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
