/* SPDX-License-Identifier: MIT */
/*
 * A whole network stack for one static address: ARP, IPv4, ICMP echo and UDP echo. Answers are
 * made in the memory of the question. Hardware-free.
 */
#ifndef ECHO_STACK_H
#define ECHO_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stack {
    uint8_t mac[6];
    uint8_t address[4];
    uint16_t port;        /* UDP */
    bool device_sums;     /* the device can fill in checksums */
    /* What became of frames: */
    uint64_t arp, ping, udp, dropped;
};

/* A received frame, and where its answer lies in it. */
struct packet {
    uint8_t *bytes;
    uint32_t length;
    bool sum_known;    /* somebody vouches for the transport checksum */
    bool sum_partial;  /* it holds only the pseudo-header's sum yet */
    uint32_t answer_at, answer_length;
    uint32_t sum_start, sum_offset; /* for the device to fill, sum_start 0: none (relative to the answer) */
};

#define ARP_FRAME 42u
#define UDP_LENGTH 8u

/* True if there is an answer. */
bool stack_answer(struct stack *stack, struct packet *packet);

/* The parts, for stack.c. */
bool ipv4_answer(struct stack *stack, struct packet *packet);
bool arp_answer(struct stack *stack, struct packet *packet);

/* Tells everybody who has our address: ARP_FRAME bytes. */
void arp_announce(const struct stack *stack, uint8_t *frame);

/* The Internet checksum's sum (RFC 1071), not complemented, of bytes; `sum` is what came before (even length). */
uint16_t sum_bytes(const uint8_t *bytes, size_t length, uint16_t sum);

static inline uint16_t load16(const uint8_t *at) { return (uint16_t)(at[0] << 8 | at[1]); }

static inline void store16(uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

#endif
