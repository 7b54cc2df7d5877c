/* SPDX-License-Identifier: MIT */
/*
 * The first program: the first real entry of the boot archive (ustar), an ELF64
 * executable. The only file format that the kernel reads, and only here. Free of
 * hardware; every offset and size is checked against the bytes that are there.
 */
#ifndef EXO_IMAGE_H
#define EXO_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#define IMAGE_SEGMENTS 8u

struct image_segment {
    uint64_t address, bytes; /* in memory, page-aligned address */
    uint64_t offset, file_bytes; /* in the ELF file, offset congruent with the true start */
    uint64_t start;          /* true first address of the file's bytes */
    unsigned perm;           /* EXO_READ | ... */
};

struct image {
    const uint8_t *elf;
    uint64_t elf_bytes, entry;
    unsigned count;
    struct image_segment segment[IMAGE_SEGMENTS];
};

/* NULL, or what is wrong. */
const char *image_find(const uint8_t *archive, uint64_t bytes, struct image *image);
const char *image_parse(struct image *image);

#endif
