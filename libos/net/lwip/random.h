/* SPDX-License-Identifier: MIT */
/*
 * Numbers that others must not guess: ports, transaction ids, first sequence
 * numbers, the placement in hash tables.
 */
#ifndef LIBOS_LWIP_RANDOM_H
#define LIBOS_LWIP_RANDOM_H

#include <stdint.h>

/* Once, before anything else here: 16 secret bytes. */
void random_key(const uint64_t key[2]);

/* SipHash-2-4 of two words under the secret key. */
uint64_t random_hash(uint64_t first, uint64_t second);

/* A cheap hash for tables: nobody without the key can choose names that collide. */
extern uint64_t random_factor;
static inline uint64_t random_table(uint32_t remote_ip, uint16_t remote_port, uint16_t local_port)
{
    uint64_t name = (uint64_t)remote_ip << 32 | (uint32_t)remote_port << 16 | local_port;
    __extension__ unsigned __int128 product = (unsigned __int128)name * random_factor;
    return (uint64_t)(product >> 64) ^ (uint64_t)product >> 20;
}

uint32_t lwip_random(void);

/* The next tcp_isn() will lie behind this sequence number: the connection's former
 * incarnation used it (RFC 1122, 4.2.2.13). */
void tcp_isn_beyond(uint32_t sequence);

#endif
