/* SPDX-License-Identifier: MIT */
/* Unguessable numbers: see random.h. Never the plain counters that lwIP would use. */
#include "random.h"

#include <libos/clock.h>
#include <stdbool.h>

#include "hooks.h"

static uint64_t secret[2];
uint64_t random_factor;
static uint64_t counter;
static uint32_t isn_floor;
static bool isn_floor_set;

static inline uint64_t rotate(uint64_t x, unsigned by)
{
    return x << by | x >> (64 - by);
}

static inline void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] = rotate(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] = rotate(v[2], 32);
}

static inline void sip_word(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    sip_round(v);
    sip_round(v);
    v[0] ^= word;
}

uint64_t random_hash(uint64_t first, uint64_t second)
{
    uint64_t v[4] = { secret[0] ^ 0x736f6d6570736575ull, secret[1] ^ 0x646f72616e646f6dull,
                      secret[0] ^ 0x6c7967656e657261ull, secret[1] ^ 0x7465646279746573ull };
    sip_word(v, first);
    sip_word(v, second);
    sip_word(v, 16ull << 56);
    v[2] ^= 0xff;
    for (int i = 0; i < 4; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void random_key(const uint64_t key[2])
{
    secret[0] = key[0];
    secret[1] = key[1];
    random_factor = random_hash(0, 0) | 1;
}

uint32_t lwip_random(void)
{
    return (uint32_t)random_hash(++counter, 1);
}

void tcp_isn_beyond(uint32_t sequence)
{
    isn_floor = sequence;
    isn_floor_set = true;
}

/* RFC 6528: a clock of 4 microseconds plus a secret function of the connection's name. */
uint32_t tcp_isn(const ip_addr_t *local_ip, uint16_t local_port, const ip_addr_t *remote_ip,
                 uint16_t remote_port)
{
    uint64_t ips = (uint64_t)ip4_addr_get_u32(local_ip) << 32 | ip4_addr_get_u32(remote_ip);
    uint64_t ports = (uint64_t)local_port << 16 | remote_port;
    uint32_t isn = (uint32_t)random_hash(ips, ports) + (uint32_t)(clock_monotonic_ns() / 4096);
    if (isn_floor_set && (int32_t)(isn - isn_floor) <= 0)
        isn = isn_floor + 64000;
    isn_floor_set = false;
    return isn;
}
