/* SPDX-License-Identifier: MIT */
/*
 * A virtio split ring (virtio 1.1, 2.6) as the driver's side sees it. Free of
 * hardware. Believes nothing that the device writes: chains are remembered in the
 * driver's own memory, and whatever does not fit them breaks the ring for good.
 */
#ifndef EXO_VIRTQ_H
#define EXO_VIRTQ_H

#include <stdbool.h>
#include <stdint.h>

#define VIRTQ_MAX 256u   /* descriptors: 1 << n */
#define VIRTQ_BYTES 8192u /* two frames: descriptors; both rings */
#define VIRTQ_NONE 0xffffu

struct virtq_piece {
    uint64_t address;
    uint32_t length;
    bool device_writes;
};

struct virtq_descriptor { /* 2.6.5 */
    uint64_t address;
    uint32_t length;
    uint16_t flags, next;
};

struct virtq_avail { /* 2.6.6; used_event follows the ring (2.6.7) */
    uint16_t flags, index, ring[];
};

struct virtq_used { /* 2.6.8; avail_event follows the ring (2.6.10) */
    uint16_t flags, index;
    struct {
        uint32_t id, length;
    } ring[];
};

enum virtq_state { VIRTQ_FREE, VIRTQ_DEVICE, VIRTQ_HELD };

struct virtq {
    struct virtq_descriptor *descriptors;
    struct virtq_avail *avail;
    struct virtq_used *used;
    const char *broken; /* what the device did wrong */
    uint16_t size, free_count, free_head;
    uint16_t avail_index; /* published */
    uint16_t kicked;      /* avail_index at the last look whether to notify */
    uint16_t used_index;  /* taken up to here */
    uint16_t in_device;   /* chains */
    bool event_index;     /* VIRTIO_F_EVENT_IDX */
    uint16_t next[VIRTQ_MAX];  /* of a chain or of the free ones; the device has no say in these */
    uint8_t count[VIRTQ_MAX];  /* of a head: descriptors in its chain */
    uint8_t state[VIRTQ_MAX];  /* of a head: enum virtq_state */
};

/* Over VIRTQ_BYTES of zeroed, page-aligned memory. */
void virtq_init(struct virtq *queue, void *memory, uint16_t size, bool event_index);

/* Gives a chain to the device. Its head's number, which is what virtq_head() said before; the caller
 * saw that queue->free_count is enough. */
uint16_t virtq_add(struct virtq *queue, const struct virtq_piece *pieces, unsigned count);
static inline uint16_t virtq_head(const struct virtq *queue) { return queue->free_head; }
/* The device needs to be notified of what was added since the last time (2.6.10.1). */
bool virtq_needs_kick(struct virtq *queue);

/* A chain that the device is done with: its head and the bytes it wrote; or VIRTQ_NONE. The
 * chain is held until one of the two below. */
uint16_t virtq_take(struct virtq *queue, uint32_t *written);
void virtq_free(struct virtq *queue, uint16_t head);
void virtq_again(struct virtq *queue, uint16_t head); /* the same chain, to the device */
/* Some chain that the device had, once it is reset; or VIRTQ_NONE. Held then. */
uint16_t virtq_salvage(struct virtq *queue);

/* One interrupt after `chains` more were used (0: none). True if so many were already. */
bool virtq_interrupt_after(struct virtq *queue, uint16_t chains);

#endif
