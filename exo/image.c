/* SPDX-License-Identifier: MIT */
/* Finding and checking the first program (POSIX.1-2017 pax, "ustar Interchange Format"; System V ABI, ELF-64). */
#include "image.h"

#include <exo/abi.h>
#include <stdbool.h>
#include <string.h>

#define BLOCK 512u
#define ENTRIES_MAX 16u /* the first program comes first; padding may come before */

/* ---- the archive's sum ---------------------------------------------------------------- */

typedef uint64_t word __attribute__((may_alias, aligned(1)));

struct sum {
    uint8_t magic[8]; /* "exosum01" */
    uint64_t bytes, sum, sums;
};

/* The words added up, and what that came to after each word added up (as J. Fletcher's checksum, 1982), the
 * two stored sums taken as 0. An archive without the magic was not made by our packer: it has no sum. */
static const char *sum_check(const uint8_t *archive, uint64_t bytes)
{
    struct sum stored;
    uint64_t sum = 0, sums = 0, at = BLOCK + offsetof(struct sum, sum);
    if (bytes < 2 * BLOCK || bytes % sizeof(word))
        return NULL;
    memcpy(&stored, archive + BLOCK, sizeof stored);
    if (memcmp(stored.magic, "exosum01", 8) != 0)
        return NULL;
    if (stored.bytes != bytes)
        return "the boot archive is truncated";
    const word *from = (const word *)archive, *field = (const word *)(archive + at);
    for (uint64_t i = 0; i < bytes / sizeof(word); i++) {
        sum += from[i];
        sums += sum;
    }
    uint64_t after = (bytes - at) / sizeof(word); /* prefixes that hold the first field */
    sum -= field[0] + field[1];
    sums -= field[0] * after + field[1] * (after - 1);
    return sum == stored.sum && sums == stored.sums ? NULL : "the boot archive is corrupt: its sum is wrong";
}

/* ---- ustar ------------------------------------------------------------------------- */

static bool octal(const uint8_t *field, unsigned length, uint64_t *value)
{
    *value = 0;
    unsigned i = 0;
    for (; i < length && field[i] >= '0' && field[i] <= '7'; i++)
        *value = *value << 3 | (uint64_t)(field[i] - '0');
    return i > 0 && (i == length || field[i] == 0 || field[i] == ' ');
}

static bool header_valid(const uint8_t *header)
{
    uint64_t stated, sum = 0;
    for (unsigned i = 0; i < BLOCK; i++)
        sum += i >= 148 && i < 156 ? ' ' : header[i];
    return memcmp(header + 257, "ustar", 5) == 0 && octal(header + 148, 8, &stated) && stated == sum;
}

const char *image_find(const uint8_t *archive, uint64_t bytes, struct image *image)
{
    uint64_t at = 0;
    const char *damage = sum_check(archive, bytes);
    if (damage)
        return damage;
    for (unsigned i = 0; i < ENTRIES_MAX; i++) {
        uint64_t size;
        if (bytes - at < BLOCK)
            return "the boot archive ends in the middle";
        const uint8_t *header = archive + at;
        if (!header_valid(header) || !octal(header + 124, 12, &size))
            return "the boot archive is not a ustar archive, or is corrupt";
        at += BLOCK;
        if (size > bytes - at)
            return "the boot archive is truncated";
        if (memcmp(header, ".pad", 5) != 0) {
            image->elf = archive + at;
            image->elf_bytes = size;
            return image_parse(image);
        }
        at += (size + BLOCK - 1) / BLOCK * BLOCK;
        if (at > bytes)
            return "the boot archive is truncated";
    }
    return "the boot archive does not begin with a program";
}

/* ---- ELF --------------------------------------------------------------------------- */

struct elf_header {
    uint8_t ident[16];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry, phoff, shoff;
    uint32_t flags;
    uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};

struct elf_program {
    uint32_t type, flags;
    uint64_t offset, vaddr, paddr, filesz, memsz, align;
};

static const char *segment_add(struct image *image, const struct elf_program *program)
{
    if (program->memsz == 0)
        return NULL;
    if (image->count == IMAGE_SEGMENTS)
        return "the first program has too many segments";
    if (program->filesz > program->memsz || program->offset > image->elf_bytes ||
        program->filesz > image->elf_bytes - program->offset)
        return "a segment of the first program lies outside its file";
    if (program->vaddr < EXO_PAGE_SIZE || program->vaddr >= EXO_BOOT_ARCHIVE ||
        program->memsz > EXO_BOOT_ARCHIVE - program->vaddr)
        return "a segment of the first program lies outside its address range";
    uint64_t within = program->vaddr & (EXO_PAGE_SIZE - 1);
    struct image_segment *segment = &image->segment[image->count];
    segment->start = program->vaddr;
    segment->address = program->vaddr - within;
    segment->bytes = within + program->memsz;
    segment->offset = program->offset;
    segment->file_bytes = program->filesz;
    segment->perm = EXO_READ | (program->flags & 2 ? EXO_WRITE : 0) |
                    (program->flags & 1 ? EXO_EXEC : 0);
    for (unsigned i = 0; i < image->count; i++) {
        const struct image_segment *other = &image->segment[i];
        uint64_t end = (other->address + other->bytes + EXO_PAGE_SIZE - 1) & ~0xfffull;
        if (segment->address < end)
            return "segments of the first program share a page or are not in order";
    }
    image->count++;
    return NULL;
}

const char *image_parse(struct image *image)
{
    struct elf_header header;
    image->count = 0;
    if (image->elf_bytes < sizeof header)
        return "the first program is too short";
    memcpy(&header, image->elf, sizeof header);
    if (memcmp(header.ident, "\177ELF\2\1\1", 7) != 0 || header.type != 2 || header.machine != 62)
        return "the first program is not a static x86-64 ELF executable";
    if (header.phentsize != sizeof(struct elf_program) || header.phoff > image->elf_bytes ||
        header.phnum > (image->elf_bytes - header.phoff) / sizeof(struct elf_program))
        return "the first program's headers lie outside its file";
    image->entry = header.entry;
    for (unsigned i = 0; i < header.phnum; i++) {
        struct elf_program program;
        memcpy(&program, image->elf + header.phoff + i * sizeof program, sizeof program);
        const char *wrong = program.type == 1 ? segment_add(image, &program) : NULL;
        if (wrong)
            return wrong;
    }
    if (image->count == 0 || image->entry >= EXO_USER_END)
        return "the first program has nothing to run";
    return NULL;
}
