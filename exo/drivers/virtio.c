/* SPDX-License-Identifier: MIT */
/* Virtio over PCI: see virtio.h. Numbers in comments are sections of virtio 1.1. */
#include "virtio.h"

#include <stddef.h>

#define PCI_CAP_VENDOR 0x09u
#define CAPS_MAX 32u
#define REGION_MAX (1u << 20)

enum { CFG_COMMON = 1, CFG_NOTIFY = 2, CFG_DEVICE = 4 }; /* 4.1.4 */

/* Offsets in the common configuration (4.1.4.3). */
enum {
    DEVICE_FEATURE_SELECT = 0, DEVICE_FEATURE = 4, DRIVER_FEATURE_SELECT = 8, DRIVER_FEATURE = 12,
    CONFIG_VECTOR = 16, DEVICE_STATUS = 20, QUEUE_SELECT = 22, QUEUE_SIZE = 24, QUEUE_VECTOR = 26,
    QUEUE_ENABLE = 28, QUEUE_NOTIFY_OFF = 30, QUEUE_DESC = 32, QUEUE_DRIVER = 40, QUEUE_DEVICE = 48,
    COMMON_BYTES = 56,
};

enum { ACKNOWLEDGE = 1, DRIVER = 2, DRIVER_OK = 4, FEATURES_OK = 8 }; /* 2.1 */

static uint16_t read16(struct virtio *device, unsigned offset)
{
    return *(volatile uint16_t *)(device->common + offset);
}

static uint32_t read32(struct virtio *device, unsigned offset)
{
    return *(volatile uint32_t *)(device->common + offset);
}

static void write16(struct virtio *device, unsigned offset, uint16_t value)
{
    *(volatile uint16_t *)(device->common + offset) = value;
}

static void write32(struct virtio *device, unsigned offset, uint32_t value)
{
    *(volatile uint32_t *)(device->common + offset) = value;
}

/* 64-bit registers are written as two halves (4.1.3.1). */
static void write64(struct virtio *device, unsigned offset, uint64_t value)
{
    write32(device, offset, (uint32_t)value);
    write32(device, offset + 4, (uint32_t)(value >> 32));
}

static void status_add(struct virtio *device, unsigned bits)
{
    device->common[DEVICE_STATUS] = (uint8_t)(device->common[DEVICE_STATUS] | bits);
}

static bool complain(const char *what)
{
    console_printf("virtio: %s\n", what);
    return false;
}

/* ---- registers ------------------------------------------------------------- */

/* Maps what a capability describes, if all of it lies inside its BAR. */
static volatile uint8_t *map_region(struct virtio *device, unsigned cap, uint32_t least,
                                    uint32_t *bytes)
{
    uint32_t bar = pci_read(&device->pci, cap + 4, 1);
    uint32_t offset = pci_read(&device->pci, cap + 8, 4);
    uint32_t length = pci_read(&device->pci, cap + 12, 4);
    uint64_t size = 0;
    uint64_t base = bar < 6 ? pci_bar(&device->pci, bar, &size) : 0;
    if (!base || length < least || length > REGION_MAX || offset > size || length > size - offset
        || offset & 3)
        return NULL;
    *bytes = length;
    return device_map(base + offset, length);
}

/* The first usable capability of each type counts (4.1.4.1). */
static void use_capability(struct virtio *device, unsigned cap)
{
    uint32_t bytes = 0;
    switch (pci_read(&device->pci, cap + 3, 1)) {
    case CFG_COMMON:
        if (!device->common)
            device->common = map_region(device, cap, COMMON_BYTES, &bytes);
        break;
    case CFG_NOTIFY:
        if (!device->notify) {
            device->notify = map_region(device, cap, 2, &device->notify_bytes);
            device->notify_scale = pci_read(&device->pci, cap + 16, 4);
        }
        break;
    case CFG_DEVICE:
        if (!device->config)
            device->config = map_region(device, cap, 1, &device->config_bytes);
        break;
    default:
        break;
    }
}

bool virtio_open(struct virtio *device)
{
    unsigned cap = pci_capability(&device->pci, PCI_CAP_VENDOR, 0);
    for (unsigned i = 0; cap && i < CAPS_MAX; i++) {
        use_capability(device, cap);
        unsigned next = pci_read(&device->pci, cap + 1, 1) & 0xfcu;
        cap = next ? pci_capability(&device->pci, PCI_CAP_VENDOR, next) : 0;
    }
    if (!device->common || !device->notify)
        return complain("no modern registers (a legacy device?)");
    if (!virtio_reset(device))
        return complain("the device does not reset");
    status_add(device, ACKNOWLEDGE);
    status_add(device, DRIVER);
    return true;
}

bool virtio_reset(struct virtio *device)
{
    uint64_t limit = clock_now() + clock_hz() / 10;
    device->common[DEVICE_STATUS] = 0;
    while (device->common[DEVICE_STATUS] != 0) /* until it reads 0 (4.1.4.3.2) */
        if (clock_now() > limit)
            return false;
    return true;
}

/* ---- features, rings -------------------------------------------------------- */

uint64_t virtio_offers(struct virtio *device)
{
    write32(device, DEVICE_FEATURE_SELECT, 0);
    uint64_t offers = read32(device, DEVICE_FEATURE);
    write32(device, DEVICE_FEATURE_SELECT, 1);
    return offers | (uint64_t)read32(device, DEVICE_FEATURE) << 32;
}

bool virtio_negotiate(struct virtio *device, uint64_t wanted)
{
    device->features = virtio_offers(device) & (wanted | VIRTIO_F_VERSION_1);
    if (!(device->features & VIRTIO_F_VERSION_1))
        return complain("the device is older than virtio 1.0");
    write32(device, DRIVER_FEATURE_SELECT, 0);
    write32(device, DRIVER_FEATURE, (uint32_t)device->features);
    write32(device, DRIVER_FEATURE_SELECT, 1);
    write32(device, DRIVER_FEATURE, (uint32_t)(device->features >> 32));
    status_add(device, FEATURES_OK);
    if (!(device->common[DEVICE_STATUS] & FEATURES_OK)) /* 3.1.1, step 6 */
        return complain("the device refuses the features it offered");
    write16(device, CONFIG_VECTOR, VIRTIO_NO_VECTOR);
    return true;
}

bool virtio_ring(struct virtio *device, uint16_t index, uint16_t limit, uint16_t entry,
                 uint64_t memory, struct virtq *queue, volatile uint16_t **bell)
{
    write16(device, QUEUE_SELECT, index);
    uint16_t size = read16(device, QUEUE_SIZE);
    if (size == 0 || size & (size - 1))
        return complain("a ring is missing or of no power of two");
    if (size > limit)
        size = limit;
    uint64_t at = (uint64_t)read16(device, QUEUE_NOTIFY_OFF) * device->notify_scale;
    if (at + 2 > device->notify_bytes || at & 1)
        return complain("a doorbell lies outside its region");
    virtq_init(queue, physical_memory(memory), size, device->features & VIRTIO_F_EVENT_IDX);
    write16(device, QUEUE_SIZE, size);
    write64(device, QUEUE_DESC, memory);
    write64(device, QUEUE_DRIVER, memory + (uint64_t)((uint8_t *)queue->avail -
                                                      (uint8_t *)queue->descriptors));
    write64(device, QUEUE_DEVICE, memory + (uint64_t)((uint8_t *)queue->used -
                                                      (uint8_t *)queue->descriptors));
    write16(device, QUEUE_VECTOR, entry);
    if (read16(device, QUEUE_VECTOR) != entry) /* 4.1.5.1.2.2 */
        return complain("the device has no interrupt to give");
    write16(device, QUEUE_ENABLE, 1);
    *bell = (volatile uint16_t *)(device->notify + at);
    return true;
}

void virtio_go(struct virtio *device)
{
    status_add(device, DRIVER_OK);
}
