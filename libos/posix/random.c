/* SPDX-License-Identifier: MIT */
/*
 * Randomness: ChaCha20 over a key that is fed from RDRAND (checked for one that is
 * stuck) and the time stamp counter. The key is replaced after every use, so
 * what was given out cannot be found from memory later. Without RDRAND it is the
 * jitter of the counter only, which is said once on the console.
 */
#include <libos/clock.h>
#include <libos/log.h>
#include <libos/plan.h>
#include <libos/random.h>
#include <libos/thread.h>
#include <string.h>

static uint32_t key[8];
static uint64_t counter;
static unsigned uses; /* since it was fed */

static uint32_t rotate(uint32_t x, unsigned n)
{
    return x << n | x >> (32 - n);
}

static void quarter(uint32_t *s, unsigned a, unsigned b, unsigned c, unsigned d)
{
    s[a] += s[b], s[d] = rotate(s[d] ^ s[a], 16);
    s[c] += s[d], s[b] = rotate(s[b] ^ s[c], 12);
    s[a] += s[b], s[d] = rotate(s[d] ^ s[a], 8);
    s[c] += s[d], s[b] = rotate(s[b] ^ s[c], 7);
}

/* RFC 8439, 2.3, with a 64-bit counter. */
static void block(uint32_t out[16])
{
    uint32_t start[16] = { 0x61707865, 0x3320646e, 0x79622d32, 0x6b206574 };
    memcpy(start + 4, key, sizeof(key));
    start[12] = (uint32_t)counter;
    start[13] = (uint32_t)(counter >> 32);
    counter++;
    memcpy(out, start, sizeof(start));
    for (unsigned i = 0; i < 10; i++) {
        quarter(out, 0, 4, 8, 12);
        quarter(out, 1, 5, 9, 13);
        quarter(out, 2, 6, 10, 14);
        quarter(out, 3, 7, 11, 15);
        quarter(out, 0, 5, 10, 15);
        quarter(out, 1, 6, 11, 12);
        quarter(out, 2, 7, 8, 13);
        quarter(out, 3, 4, 9, 14);
    }
    for (unsigned i = 0; i < 16; i++)
        out[i] += start[i];
}

/* Intel SDM vol. 1, 7.3.17: try ten times. All ones or all zeros is a known way of being broken. */
static bool hardware_word(uint64_t *word)
{
    if ((PLAN_INFO->cpu_features & EXO_CPU_RDRAND) == 0)
        return false;
    for (unsigned i = 0; i < 10; i++) {
        unsigned char good;
        __asm__ volatile("rdrand %0; setc %1" : "=r"(*word), "=qm"(good) : : "cc");
        if (good && *word != 0 && *word != UINT64_MAX)
            return true;
    }
    return false;
}

static void feed(void)
{
    static bool told;
    for (unsigned i = 0; i < 4; i++) {
        uint64_t word = 0;
        bool good = hardware_word(&word);
        for (unsigned n = 0; !good && n < 64; n++) {
            uint32_t out[16]; /* something to take an unpredictable time */
            block(out);
            word = (word << 3 | word >> 61) ^ clock_tick() ^ out[0];
        }
        if (!good && !told) {
            told = true;
            libos_log("no RDRAND: random numbers come from the clock's jitter");
        }
        key[2 * i] ^= (uint32_t)word;
        key[2 * i + 1] ^= (uint32_t)(word >> 32);
    }
    key[0] ^= (uint32_t)clock_tick();
}

void random_bytes(void *bytes, size_t size)
{
    unsigned char *to = bytes;
    uint32_t out[16];
    libos_enter();
    if (uses++ % 256 == 0)
        feed();
    while (size > 0) {
        size_t part = size < sizeof(out) ? size : sizeof(out);
        block(out);
        memcpy(to, out, part);
        to += part;
        size -= part;
    }
    block(out);
    memcpy(key, out, sizeof(key));
    libos_leave();
}

uint64_t random_word(void)
{
    uint64_t word;
    random_bytes(&word, sizeof(word));
    return word;
}
