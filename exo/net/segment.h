/* SPDX-License-Identifier: MIT */
/*
 * Packets that the device cuts into TCP segments (virtio 1.1, 5.1.6.2, VIRTIO_NET_HDR_GSO_TCPV4). The one
 * place where the kernel knows a protocol, because the device does: it writes headers anew for each
 * segment, and these bytes must not be among those that a match checks.
 */
#ifndef EXO_SEGMENT_H
#define EXO_SEGMENT_H

#include "match.h"

/* The parts of NET_TX's checksum word: EXO_TX_CSUM(start, offset) | EXO_TX_SEGMENT(bytes). */
static inline uint32_t tx_start(uint64_t word) { return (uint32_t)word >> 16; }
static inline uint32_t tx_field(uint64_t word) { return tx_start(word) + (uint16_t)word; }
static inline uint16_t tx_segment(uint64_t word) { return (uint16_t)(word >> 48); }

/* Bytes of headers in front of the payload of such a packet. */
uint32_t segment_headers(const uint8_t *head, uint64_t word);

/* `head` holds the first EXO_TX_HEAD bytes of a packet of `length`: IPv4 without options and TCP, whose
 * headers say the whole length and lie in the head, to be cut into segments of 536 bytes (RFC 9293,
 * 3.7.1) at least and as many as fit a frame at most. */
bool segment_possible(const uint8_t *head, uint32_t length, uint64_t word);

/* A bit that the device writes for each segment is among those that the match checks. */
bool segment_rewrites_checked(const struct exo_match *match, uint64_t word);

#endif
