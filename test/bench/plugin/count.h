/* SPDX-License-Identifier: MIT */
/* Between the counting (count.c) and whoever asks (control.c). */
#ifndef COUNT_H
#define COUNT_H

#include <stdbool.h>
#include <stdint.h>

#include "decode.h"

#define INSN_BYTES 15u
#define MARK_BYTES 32u
#define MARKS_MAX 64u

struct counted { /* an instruction; its counter lies beside, so that those are dense */
    uint64_t vaddr;
    const void *ram; /* where QEMU keeps its first byte: tells programs at one address apart */
    uint32_t next;
    uint8_t kind, size;
    uint8_t bytes[INSN_BYTES];
};

struct totals { /* the order is that of the control protocol */
    uint64_t insns, rep, user, user_rep, cr3, port, mmio, syscall, hlt, iret;
};

struct mark {
    char name[64];
    uint64_t vaddr;
    uint8_t bytes[MARK_BYTES];
    unsigned length;
    bool reached;
    struct totals totals;
    uint64_t *kept; /* the counters themselves at that moment, when `keep` was asked for */
    uint32_t kept_end;
};

void count_totals(struct totals *totals);
uint64_t count_address(uint64_t vaddr);
uint64_t count_lost(void);
void count_records(void (*take)(const struct counted *, uint64_t count, void *data), void *data);
/* The same between two marks. */
void count_between(const struct mark *from, const struct mark *to,
                   void (*take)(const struct counted *, uint64_t count, void *data), void *data);
void count_keep(void);
bool count_mark(const char *name, uint64_t vaddr, const uint8_t *bytes, unsigned length);
const struct mark *count_marks(unsigned *count);

/* Obeys what comes from the socket until `go`, then from a thread of its own. Not 0: failed. */
int control_start(int fd);

#endif
