/* SPDX-License-Identifier: MIT */
/* Split rings: see virtq.h. Numbers in comments are sections of virtio 1.1. */
#include "virtq.h"

#include <stddef.h>

#define F_NEXT 1u  /* VIRTQ_DESC_F_NEXT */
#define F_WRITE 2u /* VIRTQ_DESC_F_WRITE */
#define AVAIL_NO_INTERRUPT 1u
#define USED_NO_NOTIFY 1u
#define USED_OFFSET 1024u /* of the used ring behind the available one: 4-byte aligned (2.6) */

/* The device reads and writes the rings at the same time. */
static uint16_t load(const uint16_t *at) { return __atomic_load_n(at, __ATOMIC_ACQUIRE); }
static void store(uint16_t *at, uint16_t value) { __atomic_store_n(at, value, __ATOMIC_RELEASE); }
static void barrier(void) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }

static uint16_t *used_event(struct virtq *queue) { return &queue->avail->ring[queue->size]; }

static uint16_t *avail_event(struct virtq *queue)
{
    return (uint16_t *)(void *)&queue->used->ring[queue->size];
}

void virtq_init(struct virtq *queue, void *memory, uint16_t size, bool event_index)
{
    *queue = (struct virtq){.size = size, .free_count = size, .event_index = event_index};
    uint8_t *rings = (uint8_t *)memory + VIRTQ_MAX * sizeof(struct virtq_descriptor);
    queue->descriptors = memory;
    queue->avail = (void *)rings;
    queue->used = (void *)(rings + USED_OFFSET);
    for (uint16_t i = 0; i < size; i++)
        queue->next[i] = (uint16_t)(i + 1);
    virtq_interrupt_after(queue, 0);
}

/* ---- to the device --------------------------------------------------------- */

static void publish(struct virtq *queue, uint16_t head)
{
    queue->state[head] = VIRTQ_DEVICE;
    queue->in_device++;
    queue->avail->ring[queue->avail_index & (queue->size - 1)] = head;
    queue->avail_index++;
    store(&queue->avail->index, queue->avail_index); /* behind what it makes visible (2.6.13.3) */
}

uint16_t virtq_add(struct virtq *queue, const struct virtq_piece *pieces, unsigned count)
{
    uint16_t head = queue->free_head, at = head;
    for (unsigned i = 0; i < count; i++) {
        struct virtq_descriptor *descriptor = &queue->descriptors[at];
        descriptor->address = pieces[i].address;
        descriptor->length = pieces[i].length;
        descriptor->flags = (uint16_t)((pieces[i].device_writes ? F_WRITE : 0u) |
                                       (i + 1 < count ? F_NEXT : 0u));
        descriptor->next = queue->next[at];
        at = queue->next[at];
    }
    queue->free_head = at;
    queue->free_count = (uint16_t)(queue->free_count - count);
    queue->count[head] = (uint8_t)count;
    publish(queue, head);
    return head;
}

void virtq_again(struct virtq *queue, uint16_t head)
{
    publish(queue, head);
}

bool virtq_needs_kick(struct virtq *queue)
{
    uint16_t old = queue->kicked, new = queue->avail_index;
    if (old == new)
        return false;
    queue->kicked = new;
    barrier(); /* our index is out before we look at its wish (2.6.13.4) */
    if (!queue->event_index)
        return !(load(&queue->used->flags) & USED_NO_NOTIFY);
    return (uint16_t)(new - load(avail_event(queue)) - 1) < (uint16_t)(new - old);
}

/* ---- from the device ------------------------------------------------------- */

uint16_t virtq_take(struct virtq *queue, uint32_t *written)
{
    uint16_t index = load(&queue->used->index);
    if (queue->broken || index == queue->used_index)
        return VIRTQ_NONE;
    if ((uint16_t)(index - queue->used_index) > queue->in_device) {
        queue->broken = "used more than it was given";
        return VIRTQ_NONE;
    }
    unsigned at = queue->used_index & (queue->size - 1u);
    uint32_t id = queue->used->ring[at].id;
    *written = queue->used->ring[at].length;
    if (id >= queue->size || queue->state[id] != VIRTQ_DEVICE) {
        queue->broken = "used a descriptor that it did not have";
        return VIRTQ_NONE;
    }
    queue->used_index++;
    queue->in_device--;
    queue->state[id] = VIRTQ_HELD;
    return (uint16_t)id;
}

uint16_t virtq_salvage(struct virtq *queue)
{
    for (uint16_t i = 0; i < queue->size; i++)
        if (queue->state[i] == VIRTQ_DEVICE) {
            queue->state[i] = VIRTQ_HELD;
            queue->in_device--;
            return i;
        }
    return VIRTQ_NONE;
}

void virtq_free(struct virtq *queue, uint16_t head)
{
    uint16_t last = head;
    for (unsigned i = 1; i < queue->count[head]; i++)
        last = queue->next[last];
    queue->next[last] = queue->free_head;
    queue->free_head = head;
    queue->free_count = (uint16_t)(queue->free_count + queue->count[head]);
    queue->state[head] = VIRTQ_FREE;
}

bool virtq_interrupt_after(struct virtq *queue, uint16_t chains)
{
    if (!queue->event_index) {
        store(&queue->avail->flags, (uint16_t)(chains ? 0 : AVAIL_NO_INTERRUPT));
        chains = chains ? 1 : 0;
    } else {
        /* It interrupts when its index passes the event (2.6.7.2); one behind is passed last. */
        store(used_event(queue), (uint16_t)(queue->used_index + chains - 1));
    }
    if (!chains)
        return false;
    barrier(); /* our wish is out before we look at its index */
    return (uint16_t)(load(&queue->used->index) - queue->used_index) >= chains;
}
