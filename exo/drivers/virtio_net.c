/* SPDX-License-Identifier: MIT */
/*
 * The virtio network device (virtio 1.1, 5.1) under nic.c. Owns its rings, the
 * buffers that packets arrive in and the heads of packets that go out. A device that
 * does not keep to the rules is reset and out of use from then on.
 */
#include "../core.h"
#include "../net/nic.h"
#include "../net/segment.h"
#include "virtio.h"

#define NET_ID 0x1041u      /* modern */
#define NET_ID_BOTH 0x1000u /* transitional: has the modern registers too */

#define NET_F_CSUM (1ull << 0)       /* 5.1.3 */
#define NET_F_GUEST_CSUM (1ull << 1)
#define NET_F_MAC (1ull << 5)
#define NET_F_HOST_TSO4 (1ull << 11)
#define NET_F_CTRL_VQ (1ull << 17)
#define NET_F_CTRL_RX (1ull << 18)

enum { RING_RX, RING_TX, RING_CONTROL, RINGS }; /* 5.1.2, without multiqueue */

struct net_header { /* 5.1.6 */
    uint8_t flags, gso_type;
    uint16_t header_length, gso_size, csum_start, csum_offset, buffers;
};

#define HDR_NEEDS_CSUM 1u
#define HDR_DATA_VALID 2u
#define HDR_GSO_TCPV4 1u

/* Both kinds of buffer begin with padding, so that the packet behind the header is 16-byte aligned. */
#define PADDING 4u
#define HEAD_AT (PADDING + (uint32_t)sizeof(struct net_header))
#define RX_BUFFERS 128u
#define RX_BYTES 2048u
#define TX_BYTES 256u
#define PACKET_MIN 14u

_Static_assert(sizeof(struct net_header) == 12, "as the device has it");
_Static_assert(HEAD_AT + EXO_TX_HEAD <= TX_BYTES, "a head fits its place");

static struct virtio device;
static struct virtq ring[RINGS];
static volatile uint16_t *bell[RINGS];
static uint64_t rx_memory, tx_memory, control_memory; /* physical */
static uint16_t rx_head; /* of the packet that nic.c is looking at */
static uintptr_t tx_owner[VIRTQ_MAX]; /* by head */
static bool broken, reset_done;

/* ---- a broken device ------------------------------------------------------- */

static void give_up(const char *what)
{
    broken = true;
    reset_done = virtio_reset(&device);
    console_printf("virtio-net: %s: out of use%s\n", what,
                   reset_done ? "" : ", and it does not reset: what it held stays pinned");
}

static bool check_ring(unsigned which)
{
    if (ring[which].broken && !broken)
        give_up(ring[which].broken);
    return !broken;
}

static bool net_failed(void) { return broken; }

static void kick(unsigned which)
{
    if (!broken && virtq_needs_kick(&ring[which]))
        *bell[which] = (uint16_t)which; /* 4.1.5.2 */
}

/* ---- receiving ------------------------------------------------------------- */

static uint8_t *rx_buffer(uint16_t head)
{
    return physical_memory(rx_memory + (uint64_t)head * RX_BYTES);
}

static void rx_fill(void)
{
    for (uint16_t i = 0; i < ring[RING_RX].size; i++) { /* head i has buffer i from here on */
        struct virtq_piece piece = {rx_memory + (uint64_t)i * RX_BYTES + PADDING,
                                    RX_BYTES - PADDING, true};
        virtq_add(&ring[RING_RX], &piece, 1);
    }
    kick(RING_RX);
}

static void net_rx_done(void)
{
    virtq_again(&ring[RING_RX], rx_head);
}

static bool net_rx_next(struct nic_packet *packet)
{
    uint32_t written;
    for (unsigned i = 0; i < RX_BUFFERS && !broken; i++) {
        rx_head = virtq_take(&ring[RING_RX], &written);
        if (rx_head == VIRTQ_NONE)
            break;
        if (written > RX_BYTES - PADDING) {
            give_up("a packet longer than its buffer");
            return false;
        }
        if (written < sizeof(struct net_header) + PACKET_MIN) { /* no Ethernet header: nobody's */
            net_rx_done();
            continue;
        }
        const uint8_t *buffer = rx_buffer(rx_head);
        const struct net_header *header = (const void *)(buffer + PADDING);
        packet->bytes = buffer + HEAD_AT;
        packet->length = written - (uint32_t)sizeof *header;
        packet->flags = (header->flags & HDR_NEEDS_CSUM ? EXO_RX_CSUM_NEEDED : 0) |
                        (header->flags & HDR_DATA_VALID ? EXO_RX_CSUM_VALID : 0);
        return true;
    }
    check_ring(RING_RX);
    return false;
}

/* ---- sending --------------------------------------------------------------- */

static unsigned net_tx_room(void) { return ring[RING_TX].free_count; }

static void net_tx(const uint8_t *head, uint32_t head_length, const struct nic_piece *pieces,
                   unsigned count, uint64_t checksum, uintptr_t owner)
{
    struct virtq_piece chain[1 + NIC_PIECES];
    uint16_t id = virtq_head(&ring[RING_TX]);
    uint64_t place = tx_memory + (uint64_t)id * TX_BYTES;
    uint8_t *memory = physical_memory(place);
    struct net_header header = {.flags = 0};
    if (checksum) {
        header.flags = HDR_NEEDS_CSUM;
        header.csum_start = (uint16_t)tx_start(checksum);
        header.csum_offset = (uint16_t)checksum;
    }
    if (tx_segment(checksum)) {
        header.gso_type = HDR_GSO_TCPV4;
        header.gso_size = tx_segment(checksum);
        header.header_length = (uint16_t)segment_headers(head, checksum);
    }
    __builtin_memcpy(memory + PADDING, &header, sizeof header);
    __builtin_memcpy(memory + HEAD_AT, head, head_length);
    chain[0] = (struct virtq_piece){place + PADDING, (uint32_t)sizeof header + head_length, false};
    for (unsigned i = 0; i < count; i++)
        chain[1 + i] = (struct virtq_piece){pieces[i].address, pieces[i].length, false};
    tx_owner[id] = owner;
    virtq_add(&ring[RING_TX], chain, 1 + count);
}

static bool net_tx_reap(uintptr_t *owner, unsigned *descriptors)
{
    struct virtq *tx = &ring[RING_TX];
    uint32_t written;
    uint16_t head = VIRTQ_NONE;
    if (!broken)
        head = virtq_take(tx, &written);
    if (head == VIRTQ_NONE && !check_ring(RING_TX) && reset_done)
        head = virtq_salvage(tx);
    if (head == VIRTQ_NONE)
        return false;
    *owner = tx_owner[head];
    *descriptors = tx->count[head];
    virtq_free(tx, head);
    return true;
}

static void net_tx_kick(void) { kick(RING_TX); }

/* ---- interrupts ------------------------------------------------------------ */

static void on_interrupt(void *unused)
{
    (void)unused;
    core_this()->device_fired = 1;
    core_this()->attention = 1;
}

/* For receiving, after the next packet. For sending, after the last of what it has: whoever waits
 * for room or for his frames can wait for a batch. */
static bool net_irq_on(bool tx_too)
{
    if (broken)
        return false;
    kick(RING_RX); /* it may have run out of buffers before we gave some back */
    bool more = virtq_interrupt_after(&ring[RING_RX], 1);
    return virtq_interrupt_after(&ring[RING_TX], tx_too ? ring[RING_TX].in_device : 0) || more;
}

/* ---- start ------------------------------------------------------------------ */

/* The device is to pass every packet on: several MAC addresses live behind it. Best effort: most
 * are promiscuous from reset. (5.1.6.5.1: class 0, command 0, on; one byte of answer.) */
static void go_promiscuous(void)
{
    if (!(device.features & NET_F_CTRL_RX)) {
        console_printf("virtio-net: cannot be set promiscuous; it may filter addresses\n");
        return;
    }
    uint8_t *command = physical_memory(control_memory);
    command[0] = command[1] = 0;
    command[2] = 1;
    command[3] = 0xff;
    struct virtq_piece chain[3] = {
        {control_memory, 2, false}, {control_memory + 2, 1, false}, {control_memory + 3, 1, true}};
    virtq_add(&ring[RING_CONTROL], chain, 3);
    kick(RING_CONTROL);
    uint64_t limit = clock_now() + clock_hz() / 10;
    uint32_t written;
    while (virtq_take(&ring[RING_CONTROL], &written) == VIRTQ_NONE && clock_now() < limit)
        __builtin_ia32_pause();
    if (*(volatile uint8_t *)(command + 3) != 0)
        console_printf("virtio-net: refuses to be promiscuous; it may filter addresses\n");
}

static bool take_memory(uint64_t (*take_frames)(unsigned count), uint64_t *rings)
{
    *rings = take_frames(RINGS * VIRTQ_BYTES / EXO_PAGE_SIZE);
    rx_memory = take_frames(RX_BUFFERS * RX_BYTES / EXO_PAGE_SIZE);
    tx_memory = take_frames(VIRTQ_MAX * TX_BYTES / EXO_PAGE_SIZE);
    control_memory = take_frames(1);
    if (*rings && rx_memory && tx_memory && control_memory)
        return true;
    console_printf("virtio-net: not enough memory for its buffers\n");
    return false;
}

static bool start_rings(uint64_t memory)
{
    static const uint16_t limit[RINGS] = {RX_BUFFERS, VIRTQ_MAX, 4};
    static const uint16_t entry[RINGS] = {0, 0, VIRTIO_NO_VECTOR};
    uint16_t count = device.features & NET_F_CTRL_VQ ? RINGS : RING_CONTROL;
    for (uint16_t i = 0; i < count; i++)
        if (!virtio_ring(&device, i, limit[i], entry[i], memory + i * VIRTQ_BYTES, &ring[i],
                         &bell[i]))
            return false;
    return true;
}

static void read_config(void)
{
    for (unsigned i = 0; i < 6; i++)
        virtio_net_driver.mac[i] = device.config[i];
    if (device.features & NET_F_CSUM)
        virtio_net_driver.features |= EXO_NIC_TX_CSUM;
    if (device.features & NET_F_CSUM && device.features & NET_F_HOST_TSO4) /* 5.1.3.1 */
        virtio_net_driver.features |= EXO_NIC_TX_SEGMENT;
    if (device.features & NET_F_GUEST_CSUM)
        virtio_net_driver.features |= EXO_NIC_RX_CSUM;
}

static bool net_start(uint64_t (*take_frames)(unsigned count))
{
    uint64_t rings;
    if (!pci_find(VIRTIO_VENDOR, NET_ID, NET_ID_BOTH, &device.pci))
        return false;
    interrupt_register(VECTOR_NIC, on_interrupt, NULL);
    if (!pci_enable_msix(&device.pci, 0, VECTOR_NIC)) {
        console_printf("virtio-net: no MSI-X\n");
        return false;
    }
    if (!virtio_open(&device))
        return false;
    uint64_t wanted = NET_F_CSUM | NET_F_GUEST_CSUM | NET_F_MAC | VIRTIO_F_EVENT_IDX;
    if (virtio_offers(&device) & NET_F_CSUM)
        wanted |= NET_F_HOST_TSO4;
    if (virtio_offers(&device) & NET_F_CTRL_VQ) /* CTRL_RX counts only with it (5.1.3.1) */
        wanted |= NET_F_CTRL_VQ | NET_F_CTRL_RX;
    if (!virtio_negotiate(&device, wanted))
        return false;
    if (!(device.features & NET_F_MAC) || !device.config || device.config_bytes < 6) {
        console_printf("virtio-net: it has no address\n");
        return false;
    }
    if (!take_memory(take_frames, &rings) || !start_rings(rings))
        return false;
    read_config();
    virtio_go(&device);
    rx_fill();
    go_promiscuous();
    return true;
}

struct nic_driver virtio_net_driver = {
    .name = "virtio-net",
    .start = net_start,
    .rx_next = net_rx_next,
    .rx_done = net_rx_done,
    .tx_room = net_tx_room,
    .tx = net_tx,
    .tx_reap = net_tx_reap,
    .tx_kick = net_tx_kick,
    .irq_on = net_irq_on,
    .failed = net_failed,
};
