/* SPDX-License-Identifier: MIT */
/*
 * lwIP and its port on the host: a clock that tests move, an interface whose other end
 * is the test, and a TCP client small enough to be driven segment by segment.
 */
#ifndef HOST_LWIP_H
#define HOST_LWIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "endpoint.h"

#define SERVER_IP 0x0209000au /* 10.9.0.2, network byte order: 0a 00 09 02 read as little-endian */
#define CLIENT_IP 0x0109000au

/* Like ck_assert(), which tells the test runner each time: too dear for what runs a million times. */
#define EXPECT(condition)                                    \
    do {                                                     \
        if (!(condition))                                    \
            ck_abort_msg("%s:%d: %s", __FILE__, __LINE__, #condition); \
    } while (0)

/* Flags of a segment. */
enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16 };

struct segment {
    uint32_t address; /* the other side's */
    uint16_t from, to;
    uint32_t sequence, acknowledged;
    uint8_t flags;
    uint16_t window, length;
    uint8_t bytes[1600];
};

/* Starts lwIP once for the process; later calls only forget what was sent. */
void host_start(void);

/* Puts a segment from the client to lwIP, and lets the port do its round. */
void host_segment(const struct segment *segment);
/* The oldest segment that lwIP sent and the test has not taken; false: none. */
bool host_take(struct segment *segment);
unsigned host_waiting(void);
/* The port's round without a packet: gathered output, timers. */
void host_round(void);
/* Moves the clock in steps of 50 ms, with a round after each. */
void host_pass(uint64_t milliseconds);
/* Moves only the clock. */
void host_clock_skip(uint64_t milliseconds);

/* Blocks of lwIP's heap in use; control blocks on lwIP's lists. */
uint64_t host_blocks(void);
unsigned host_pcbs(void);

/* How often an endpoint with this cookie was notified, and with what last. */
struct host_cookie {
    unsigned notified, ready;
};

/* A listening endpoint at a port. */
struct endpoint *host_listen(uint16_t port, struct host_cookie *cookie);

/* A client's side of one connection. */
struct client {
    uint16_t port, server_port;
    uint32_t sequence, acknowledged;
};

/* Three-way handshake from that first sequence number; false if the SYN was not answered by
 * SYN+ACK (the answer is then in *answer). */
bool client_open(struct client *client, uint16_t port, uint16_t server_port, uint32_t first,
                 struct segment *answer);
void client_send(struct client *client, uint8_t flags, const void *bytes, uint16_t length);
/* Takes the next segment, checks that it is in order and counts it; its payload length, or -1. */
int client_take(struct client *client, struct segment *segment);

#endif
