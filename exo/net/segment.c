/* SPDX-License-Identifier: MIT */
/* What the device may cut into TCP segments: see segment.h. */
#include "segment.h"

#define LINK 14u        /* an Ethernet header */
#define TRANSPORT 34u   /* behind an IPv4 header without options */
#define CHECKSUM 16u    /* the field's place in a TCP header (RFC 9293, 3.1) */
#define TCP_LEAST 20u
#define PAYLOAD_LEAST 536u
#define TCP 6u
#define PUSH_ACK 0x18u

static uint32_t half(const uint8_t *at) { return (uint32_t)at[0] << 8 | at[1]; }

uint32_t segment_headers(const uint8_t *head, uint64_t word)
{
    return tx_start(word) + (uint32_t)(head[tx_start(word) + 12] >> 4) * 4; /* data offset */
}

bool segment_possible(const uint8_t *head, uint32_t length, uint64_t word)
{
    if (tx_start(word) != TRANSPORT || tx_field(word) != TRANSPORT + CHECKSUM || length < EXO_TX_HEAD)
        return false;
    uint32_t headers = segment_headers(head, word);
    return headers >= TRANSPORT + TCP_LEAST && tx_segment(word) >= PAYLOAD_LEAST &&
           headers + tx_segment(word) <= EXO_PACKET_MAX &&
           half(head + 12) == 0x0800 && head[LINK] == 0x45 && head[LINK + 9] == TCP &&
           half(head + LINK + 2) == length - LINK &&
           (half(head + LINK + 6) & 0xbfff) == 0 && /* no fragment */
           (head[TRANSPORT + 13] & ~PUSH_ACK) == 0; /* flags that mean the same in each segment */
}

bool segment_rewrites_checked(const struct exo_match *match, uint64_t word)
{
    static const struct { uint8_t first, count; } rewritten[] = {
        {LINK + 2, 4},       /* length, identification */
        {LINK + 10, 2},      /* header checksum */
        {TRANSPORT + 4, 4},  /* sequence number */
        {TRANSPORT + 13, 1}, /* flags */
        {TRANSPORT + 16, 2}, /* checksum */
    };
    if (!tx_segment(word))
        return false;
    for (unsigned i = 0; i < sizeof rewritten / sizeof rewritten[0]; i++)
        if (match_checks(match, rewritten[i].first, rewritten[i].count))
            return true;
    return false;
}
