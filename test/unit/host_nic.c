/* SPDX-License-Identifier: MIT */
/* The pretended network device: it takes packets and is done with them when the test says so. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../exo/net/nic.h"
#include "host_kernel.h"

#define RING 64u /* descriptors */

static struct sent {
    uintptr_t owner;
    unsigned count;
    struct nic_piece piece[NIC_PIECES];
} ring[RING];
static unsigned first, count, room = RING;
static uint8_t arrived[EXO_PACKET_MAX];
static uint32_t arrived_length;

unsigned host_nic_done;

static bool start(uint64_t (*take_frames)(unsigned count)) { return take_frames != NULL; }
static bool failed(void) { return false; }
static unsigned tx_room(void) { return room; }
static void kick(void) {}
static bool irq_on(bool tx_too) { return (void)tx_too, false; }

static bool rx_next(struct nic_packet *packet)
{
    if (!arrived_length)
        return false;
    *packet = (struct nic_packet){.bytes = arrived, .length = arrived_length};
    return true;
}

static void rx_done(void) { arrived_length = 0; }

static void tx(const uint8_t *head, uint32_t length, const struct nic_piece *pieces, unsigned parts,
               uint64_t checksum, uintptr_t owner)
{
    (void)head, (void)length, (void)checksum;
    struct sent *sent = &ring[(first + count++) % RING];
    sent->owner = owner;
    sent->count = parts;
    memcpy(sent->piece, pieces, parts * sizeof *pieces);
    room -= parts + 1;
}

/* What the device reads late must still be pinned and somebody's. */
static bool tx_reap(uintptr_t *owner, unsigned *descriptors)
{
    if (!count || !host_nic_done)
        return false;
    struct sent *sent = &ring[first++ % RING];
    for (unsigned i = 0; i < sent->count; i++) {
        const struct frame *frame = &frames[sent->piece[i].address >> EXO_PAGE_SHIFT];
        if (!frame->pins || (frame->state != FRAME_OWNED && frame->state != FRAME_FROZEN)) {
            fprintf(stderr, "the device reads a frame that is not pinned\n");
            abort();
        }
    }
    host_nic_done--;
    count--;
    room += sent->count + 1;
    *owner = sent->owner;
    *descriptors = sent->count + 1;
    return true;
}

bool host_nic_empty(void) { return count == 0 && room == RING; }

void host_nic_receive(const void *packet, uint32_t length)
{
    memcpy(arrived, packet, length);
    arrived_length = length;
    nic_attend();
}

struct nic_driver virtio_net_driver = {
    .name = "pretended", .start = start, .rx_next = rx_next, .rx_done = rx_done,
    .tx_room = tx_room, .tx = tx, .tx_reap = tx_reap, .tx_kick = kick, .irq_on = irq_on,
    .failed = failed, .mac = {2, 0, 0, 0, 0, 1}, .features = EXO_NIC_TX_CSUM,
};
