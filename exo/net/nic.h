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
#include "queue.h"

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

#define NIC_PIECES 13u /* behind the head */

struct nic_driver {
    const char *name;
    /* Takes the device, or returns false if there is none. Says why on the console when it is broken.
     * take_frames gives the physical address of zeroed consecutive frames, or 0. */
    bool (*start)(uint64_t (*take_frames)(unsigned count));
    /* The next received packet, or false. It stays valid until rx_done(). */
    bool (*rx_next)(struct nic_packet *packet);
    void (*rx_done)(void);
    /* Descriptors free now; a packet takes one for its head and one a piece. */
    unsigned (*tx_room)(void);
    /* Queues head[0..head_length) (copied by the driver) followed by pieces. The caller saw that there
     * is room. `checksum` is NET_TX's, checked; `owner` comes back from tx_reap(). */
    void (*tx)(const uint8_t *head, uint32_t head_length, const struct nic_piece *pieces,
               unsigned count, uint64_t checksum, uintptr_t owner);
    /* One packet that the device is done with: its owner and how many descriptors it had. Once the device
     * has failed, all that it held. False when there is no more. */
    bool (*tx_reap)(uintptr_t *owner, unsigned *descriptors);
    /* Rings the doorbell if something was queued since the last. */
    void (*tx_kick)(void);
    /* Interrupts on, for sent packets too if asked. Returns true if work came meanwhile (then poll again).
     * One interrupt a call: they are off again after it. */
    bool (*irq_on)(bool tx_too);
    /* It misbehaved and was reset; it touches no memory any more. */
    bool (*failed)(void);
    uint8_t mac[6];
    uint16_t features; /* EXO_NIC_... */
};

extern struct nic_driver virtio_net_driver;

/* ---- for the core ---------------------------------------------------------- */

/* True if there is a NIC; then nic_root() is its root queue (fits everything), which EXO_BOOT_NIC names. */
bool nic_init(uint64_t (*take_frames)(unsigned count));
frame_t nic_root(void);

/* Bounded work for what the device has done: delivers up to a budget of packets, ends sent
 * operations, ends what waits on queues that are gone. Called when device_fired and at the end of crossings
 * that touched a queue. Time spent for an environment is charged to it. Returns true if there is more
 * to do: call again soon. */
bool nic_poll(void);
/* The doorbell for everything queued in this crossing. */
void nic_flush(void);
/* Before the core idles: interrupts are on; false if something came (device_fired is set: poll again). */
bool nic_idle(void);
/* There is something to do for the next nic_poll(). */
void nic_attend(void);
/* The walker of a dead environment waits for this: no device reads its frames any more. Reaps first. */
bool nic_env_quiet(const struct env *env);

/* ---- for ops_net.c --------------------------------------------------------- */

bool nic_failed(void); /* for who has a queue, so there is one */
const struct nic_driver *nic_driver(void);
/* Room for a packet of that many descriptors, within the environment's share. */
bool nic_room(const struct env *env, unsigned descriptors);
/* Parks an operation until there may be room. */
void nic_park(struct env *env, struct op *op);
/* An operation that was woken for room ends without sending: the next one's turn. */
void nic_pass(struct env *env);
/* Sends; there is room. `op` (NULL: all bytes are in the head) goes to net_tx_done() when the
 * device has read the pieces. */
void nic_send(struct env *env, const uint8_t *head, uint32_t head_length,
              const struct nic_piece *pieces, unsigned count, uint64_t checksum, struct op *op);

#endif
