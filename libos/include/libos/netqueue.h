/* SPDX-License-Identifier: MIT */
/*
 * The raw network queue: Ethernet frames in, Ethernet frames out, nothing else.
 * lwIP's driver and apps/echo stand on it; it needs the plan and memory layers
 * and neither threads, sockets nor libc.
 *
 * What is asked for between two flushes is gathered: netqueue_flush() writes the
 * sends, replies and reposts of a round as as few plans as possible, and
 * the crossing that waits for the next packet submits them too. So a round of an
 * echo server costs one crossing, however many packets it handled.
 *
 *   posted --packet--> receive() --+-- netqueue_release() --> posted
 *                                  +-- netqueue_reply() --> sent, then posted,
 *                                      in one plan and with no wake-up between
 *
 * All functions are called inside the libos (thread.h): otherwise the end of a CPU slot may
 * dispatch completions, and so call receive(), in the middle of one of them. A program that does
 * nothing else calls libos_enter() once at its start.
 */
#ifndef LIBOS_NETQUEUE_H
#define LIBOS_NETQUEUE_H

#include <libos/plan.h>
#include <stddef.h>

#define NETQUEUE_BUFFERS 128u /* receive buffers a queue can have */
#define NETQUEUE_BUFFER_BYTES 2048u
#define NETQUEUE_SENDS 128u   /* sends in flight */
#define NETQUEUE_PLAN_CELLS 16u
#define NETQUEUE_PLANS 192u   /* plans in flight */

struct netqueue;
struct netqueue_plan;

/* A receive buffer. The program has it from receive() until release or reply. */
struct netqueue_buffer {
    struct completion_target target;
    uint8_t *bytes;
    uint32_t length; /* received, at most NETQUEUE_BUFFER_BYTES */
    uint32_t flags;  /* EXO_RX_... */
    uint64_t word;   /* the whole buffer */
    struct netqueue *queue;
    struct netqueue_plan *plan;
    struct netqueue_buffer *next;
};

struct netqueue_send {
    struct completion_target target;
    void *cookie;
    struct netqueue *queue;
    struct netqueue_plan *plan;
    struct netqueue_send *next;
};

/* A plan in flight: its slot is free again when its last target was called. */
struct netqueue_plan {
    struct completion_target target; /* refused whole */
    struct netqueue *queue;
    struct netqueue_plan *next;
    uint16_t left, count;
    bool large;
    struct completion_target *member[NETQUEUE_PLAN_CELLS];
};

struct netqueue_config {
    uint32_t handle;  /* EXO_QUEUE_CREATE made it, or start_info()->queue */
    unsigned buffers; /* 16..NETQUEUE_BUFFERS; 0: 64 */
    bool no_replies;  /* netqueue_reply() is never called: less memory for plan slots */
    /* A packet has come; the buffer is the program's now. Must not wait. */
    void (*receive)(struct netqueue *queue, struct netqueue_buffer *buffer);
    /* The bytes of a netqueue_send() are the caller's again; status 0 or -EXO_E_... May be NULL. */
    void (*sent)(struct netqueue *queue, void *cookie, int status);
    /* A send was refused with -EXO_E_FULL and there is room again. May be NULL. */
    void (*room)(struct netqueue *queue);
    void *context;
};

/* All of it is to be read, none of it written, by others. Big: make it static. */
struct netqueue {
    struct netqueue_config config;
    uint8_t mac[6];
    uint16_t features; /* EXO_NIC_... */
    uint8_t *arena;    /* config.buffers * NETQUEUE_BUFFER_BYTES, physically contiguous */
    uint64_t arena_frame;

    /* Counted, never lost silently. */
    uint64_t received, replied, sent, send_full, send_failed, receive_failed, plans_refused;

    unsigned posted;   /* buffers the kernel has */
    unsigned released; /* buffers that wait to be posted */
    unsigned sends_free, slots_small, slots_large;
    bool starved; /* room() is owed */
    struct netqueue_buffer *release_first, **release_last;
    struct netqueue_send *send_free;
    struct netqueue_plan *plan_free;

    unsigned cells; /* gathered in pending[] */
    struct netqueue_plan *building;
    struct exo_op pending[NETQUEUE_PLAN_CELLS + 1]; /* the header first */

    struct netqueue_buffer buffer[NETQUEUE_BUFFERS];
    struct netqueue_send send[NETQUEUE_SENDS];
    struct netqueue_plan plan[NETQUEUE_PLANS];
};

/* Takes memory, donates plan slots, reads the MAC address and features and gathers the
 * first posts. 0, or -EXO_E_HANDLE (no such queue), -EXO_E_QUOTA, -EXO_E_NO_FRAMES. */
int netqueue_open(struct netqueue *queue, const struct netqueue_config *config);

/* Gives a buffer back to receive more. */
void netqueue_release(struct netqueue_buffer *buffer);

/* Sends `length` bytes from `offset` of a received buffer and then gives it back, with
 * no completion between: the cheapest answer there is. `checksum` is 0 or EXO_TX_CSUM(start,
 * offset). -EXO_E_FULL: nothing was done, the buffer is still the caller's. */
int netqueue_reply(struct netqueue_buffer *buffer, uint32_t offset, uint32_t length, uint64_t checksum);

/* Sends `count` (at most 10) buffer words as one frame, or as TCP segments (`checksum`: EXO_TX_SEGMENT). The bytes must stay until sent(cookie).
 * flags: 0, or EXO_VPAGE if the words name virtual pages. -EXO_E_FULL: later; room() tells when. */
int netqueue_send(struct netqueue *queue, const uint64_t *words, unsigned count, uint64_t checksum,
                  uint8_t flags, void *cookie);

/* Writes what was gathered to the submission ring, without a crossing: the next one takes
 * it. */
void netqueue_flush(struct netqueue *queue);

/* For programs without threads: flush, then one crossing that submits and waits until completions
 * come or the tick `deadline` has passed, then their callbacks. */
void netqueue_wait(struct netqueue *queue, uint64_t deadline);

/* Packets dropped by the kernel because no buffer was posted (one crossing). */
uint64_t netqueue_drops(struct netqueue *queue);

#endif
