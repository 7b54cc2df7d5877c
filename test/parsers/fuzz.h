/* SPDX-License-Identifier: MIT */
/* What the fuzzers of parsers share. Each input lies in memory of exactly its size, so the sanitizer sees a read beyond it. */
#ifndef TEST_PARSERS_FUZZ_H
#define TEST_PARSERS_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

/* Something that a parser promises about what it let through. */
#define HOLDS(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition);         \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* Reads all of it, as whoever believes the parser would. */
static inline void read_all(const void *bytes, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        (void)((const volatile uint8_t *)bytes)[i];
}

/* Puts the checksum right in each block that says it is a header: no fuzzer guesses those. */
static inline void ustar_seal(uint8_t *bytes, size_t count)
{
    for (size_t at = 0; at + 512 <= count; at += 512) {
        char digits[8];
        unsigned sum = 8 * ' ';
        if (memcmp(bytes + at + 257, "ustar", 5) != 0)
            continue;
        for (unsigned i = 0; i < 512; i++)
            sum += i >= 148 && i < 156 ? 0 : bytes[at + i];
        snprintf(digits, sizeof digits, "%06o", sum);
        memcpy(bytes + at + 148, digits, 7);
        bytes[at + 155] = ' ';
    }
}

/* A copy of exactly that many bytes. */
static inline uint8_t *copy_of(const uint8_t *bytes, size_t count)
{
    uint8_t *copy = malloc(count ? count : 1);
    if (!copy)
        abort();
    memcpy(copy, bytes, count);
    return copy;
}

#endif
