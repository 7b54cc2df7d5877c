/* SPDX-License-Identifier: MIT */
/*
 * A shared NIC: the queues bound to it and the driver under it. Knows no
 * protocol; packets are bytes that fit a match or don't.
 */
#ifndef EXO_NIC_H
#define EXO_NIC_H

#include <exo/abi.h>
#include <stdbool.h>

#include "../env.h"

/* A received packet in the driver's own memory. */
struct nic_packet {
    const uint8_t *bytes;
    uint32_t length;
    uint32_t flags; /* EXO_RX_CSUM_... */
};

/* One buffer of a packet to send: physical bytes. */
struct nic_piece {
    uint64_t address;
    uint32_t length;
};

#define NIC_PIECES 8u

struct nic_driver {
    const char *name;
    /* Takes the device, or returns false if there is none. Says why on the console when it is broken. */
    bool (*start)(uint64_t (*take_frames)(unsigned count));
    /* The next received packet, or false. It stays valid until rx_done(). */
    bool (*rx_next)(struct nic_packet *packet);
    void (*rx_done)(void);
    /* Queues head[0..head_length) (copied by the driver) followed by pieces; `owner` comes back from
     * tx_reaped. Returns 0, or -EXO_E_FULL. `checksum` is an EXO_TX_CSUM word or 0. */
    int (*tx)(const uint8_t *head, uint32_t head_length, const struct nic_piece *pieces,
              unsigned count, uint64_t checksum, void *owner);
    /* One sent packet's owner (NULL when it had none), false when there is no more. */
    bool (*tx_reap)(void **owner);
    /* Rings the doorbell if something was queued since the last. */
    void (*tx_kick)(void);
    /* Interrupts: off while polling. Returns true if work came meanwhile (then poll again). */
    void (*irq_off)(void);
    bool (*irq_on)(bool tx_too);
    uint8_t mac[6];
    uint64_t features; /* EXO_NIC_... */
};

/* True if there is a NIC; its root queue (matches everything) is what EXO_BOOT_NIC names. */
bool nic_init(uint64_t (*take_frames)(unsigned count));

/* Bounded work for what the device has done: delivers up to a budget of packets, ends sent
 * operations. Called when nic_fired and at the end of crossings that touched a queue.
 * Time spent for an environment is charged to it. Returns true if the budget ran out. */
bool nic_poll(void);
/* The doorbell for everything queued in this crossing. */
void nic_flush(void);
/* Before the core idles: interrupts on; false if something came (poll again). */
bool nic_idle(void);

#endif
