/* SPDX-License-Identifier: MIT */
/*
 * Everything that a program has in registers, set to given values, held for a while and read again. What
 * interrupts it in between must not change a bit of it. Offsets are known to hold.S.
 */
#ifndef TEST_GUEST_HOLD_H
#define TEST_GUEST_HOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct held {
    uint64_t general[16]; /* rax rbx rdx rsi rdi rbp r8-r15; rcx and rsp carry the test itself */
    uint64_t rflags;
    uint32_t mxcsr;
    uint16_t x87_control, zero;
    uint64_t red_zone[16];
    uint64_t avx; /* not 0: all of vector[], else its lower halves */
    uint64_t pad[5];
    uint64_t vector[16][4];
    uint64_t x87[2]; /* ST(0), as FSTP m80 stores it */
};

_Static_assert(offsetof(struct held, rflags) == 128 && offsetof(struct held, red_zone) == 144 &&
                   offsetof(struct held, avx) == 272 && offsetof(struct held, vector) == 320 &&
                   offsetof(struct held, x87) == 832,
               "hold.S has the numbers");

/* Holds `in` through `loops` rounds of counting and one write to *page, then stores what is there. */
void hold(const struct held *in, struct held *out, uint64_t loops, volatile uint64_t *page);

/* Holds what a crossing keeps through exo_enter(submit, wait_for, deadline); everything else is stored as it comes. */
void hold_enter(const struct held *in, struct held *out, const uint64_t arguments[3]);

/* Values that nobody else has, from a seed. */
void held_fill(struct held *held, uint64_t seed);
/* Prints what differs; how much does. */
unsigned held_compare(const struct held *in, const struct held *out, bool crossing);

#endif
