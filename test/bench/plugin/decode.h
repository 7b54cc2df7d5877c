/* SPDX-License-Identifier: MIT */
/*
 * What kind of thing an x86-64 instruction is, as far as counting cares. Looks at
 * prefixes and opcode only; it never needs an instruction's length.
 */
#ifndef DECODE_H
#define DECODE_H

#include <stddef.h>
#include <stdint.h>

enum kind {
    KIND_USER = 1,      /* in the lower half of the address space */
    KIND_REP = 2,       /* a repeated string operation; TCG executes each iteration as one */
    KIND_CR3 = 4,       /* loads CR3: an address-space switch */
    KIND_PORT = 8,      /* port input or output */
    KIND_SYSCALL = 16,
    KIND_HLT = 32,
    KIND_IRET = 64,     /* the return from an interrupt or a fault */
    KIND_MOVE = 128,    /* may touch a device's memory: a plain move, not to the stack */
};

/* The kind of the instruction of `size` bytes; KIND_USER is the caller's to add. */
unsigned decode_kind(const uint8_t *bytes, size_t size);

#endif
