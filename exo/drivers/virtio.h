/* SPDX-License-Identifier: MIT */
/* A modern virtio device on PCI (virtio 1.1, 4.1): finding its registers, features, rings. */
#ifndef EXO_VIRTIO_H
#define EXO_VIRTIO_H

#include <stdbool.h>
#include <stdint.h>

#include "../arch/arch.h"
#include "virtq.h"

#define VIRTIO_VENDOR 0x1af4u
#define VIRTIO_F_EVENT_IDX (1ull << 29)
#define VIRTIO_F_VERSION_1 (1ull << 32)

struct virtio {
    struct pci_device pci;
    volatile uint8_t *common; /* struct virtio_pci_common_cfg, 4.1.4.3 */
    volatile uint8_t *notify;
    volatile uint8_t *config; /* the device type's own; NULL if it has none */
    uint32_t notify_bytes, notify_scale, config_bytes;
    uint64_t features; /* agreed on */
};

/* Each says on the console what was wrong when it returns false. */

/* Finds the registers of the device at device->pci, and resets it. */
bool virtio_open(struct virtio *device);
/* What it offers. */
uint64_t virtio_offers(struct virtio *device);
/* Agrees on VERSION_1 and what it offers of `wanted`. */
bool virtio_negotiate(struct virtio *device, uint64_t wanted);
/* Sets ring `index` up with at most `limit` descriptors over VIRTQ_BYTES at `memory` (physical), with
 * MSI-X entry `entry` (VIRTIO_NO_VECTOR: none). *bell is where to write the index to notify the device. */
#define VIRTIO_NO_VECTOR 0xffffu
bool virtio_ring(struct virtio *device, uint16_t index, uint16_t limit, uint16_t entry,
                 uint64_t memory, struct virtq *queue, volatile uint16_t **bell);
/* All is set up: it may work. */
void virtio_go(struct virtio *device);
/* Stops it for good; false if it does not confirm, and may go on touching memory. */
bool virtio_reset(struct virtio *device);

#endif
