/* SPDX-License-Identifier: MIT */
/* Hostile values, by the kind that an argument has in the operation table. */
#ifndef ATTACK_VALUES_H
#define ATTACK_VALUES_H

#include <stdint.h>

/* The names of abi.h's table. */
enum kind {
    ZERO, NONE = ZERO, WORD, FRAME, COUNT, ADDR, PERM, BUF, TICK, SMALL, HANDLE, ENV, QUEUE, CONSOLE, MACHINE, SENDER,
    RECEIVER,
};

/* What is wrong with a value. */
enum blame {
    BAD,     /* everything: no operation may take it */
    OTHERS,  /* memory of the victim, of the kernel, of nobody: no operation may take it */
    FREE,    /* a frame that is nobody's: only ALLOC may take it */
    KERNELS, /* the program's own, and the kernel's to write: MAP may show it, read-only */
    BUSY,    /* the program's own, in use: may be mapped again, or be part of a buffer; not given away */
    CHILDS,  /* a child's: only for operations on that child */
    ODD,     /* nothing, for some: whoever takes it must know what he does */
};

struct value {
    uint64_t word;
    enum blame blame;
    const char *what;
};

#define VALUES_MAX 192u

/* Those of a kind, as the world is now; how many. By page: buffers of an operation with EXO_VPAGE. */
unsigned values_of(enum kind kind, struct value values[VALUES_MAX]);
unsigned values_by_page(struct value values[VALUES_MAX]);

#endif
