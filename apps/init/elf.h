/* SPDX-License-Identifier: MIT */
/*
 * Reads the headers of a static ELF64 program and checks everything that loading
 * it will rely on. Hardware-free; never reads outside the bytes it was given.
 */
#ifndef INIT_ELF_H
#define INIT_ELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ELF_SEGMENTS 16u
#define ELF_LOW 0x10000ull            /* programs lie above, so that null pointers fault */
#define ELF_HIGH 0x100000000000ull    /* and below the archive's place (libos/start.h) */
#define ELF_PAGES_MAX (1ull << 24)    /* 64 GiB; keeps sums far from overflow */

struct elf_segment {
    uint64_t address;     /* page-aligned */
    uint64_t pages;
    uint64_t offset;      /* in the file, of the page `address`; page-aligned */
    uint64_t data_start;  /* bytes into the first page at which file content begins */
    uint64_t file_bytes;  /* content of the file from there; the rest is zero */
    bool write, execute;
};

struct elf_program {
    uint64_t entry;
    uint64_t program_headers; /* their address in memory, 0 if no segment holds them */
    uint64_t program_header_count;
    unsigned count;
    struct elf_segment segment[ELF_SEGMENTS]; /* ascending, on disjoint pages */
};

/* NULL, or why it is not a program that can be loaded. */
const char *elf_read(const void *bytes, size_t size, struct elf_program *program);

#endif
