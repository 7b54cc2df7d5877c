/* SPDX-License-Identifier: MIT */
/*
 * Parsers of what the boot loader left in memory. Free of hardware: they see
 * memory through a window, so the host's tests and fuzzer can give them any bytes.
 * Every parser returns NULL or a sentence saying what is wrong.
 */
#ifndef EXO_ARCH_BOOT_PARSE_H
#define EXO_ARCH_BOOT_PARSE_H

#include <stddef.h>
#include <stdint.h>

#include "arch.h"

#define BOOT_MAGIC_MULTIBOOT2 0x36d76289u
#define BOOT_MAGIC_PVH 0x336ec578u

/* Physical addresses [start, end) are readable at bytes[0 .. end - start). */
struct window {
    const uint8_t *bytes;
    uint64_t start, end;
};

/* Where `length` bytes at a physical address are, or NULL if they are not all in the window. */
static inline const uint8_t *window_at(const struct window *window, uint64_t address, uint64_t length)
{
    if (address < window->start || address > window->end || length > window->end - address)
        return NULL;
    return window->bytes + (address - window->start);
}

/* Fields may lie anywhere: nothing of this is trusted to be aligned. */
static inline uint16_t load16(const uint8_t *at)
{
    uint16_t value;
    __builtin_memcpy(&value, at, sizeof value);
    return value;
}

static inline uint32_t load32(const uint8_t *at)
{
    uint32_t value;
    __builtin_memcpy(&value, at, sizeof value);
    return value;
}

static inline uint64_t load64(const uint8_t *at)
{
    uint64_t value;
    __builtin_memcpy(&value, at, sizeof value);
    return value;
}

const char *multiboot2_parse(const struct window *memory, uint64_t info, struct boot_info *boot);
const char *pvh_parse(const struct window *memory, uint64_t info, struct boot_info *boot);

/* ranges.c: boot->ram, kept page-aligned, sorted, apart. What does not fit is left unused. */
void ranges_add(struct boot_info *boot, uint64_t start, uint64_t bytes);
void ranges_remove(struct boot_info *boot, uint64_t start, uint64_t bytes);
/* Leaves nothing at or above `end`. */
void ranges_clip(struct boot_info *boot, uint64_t end);
bool ranges_contain(const struct boot_info *boot, uint64_t start, uint64_t end);

/* What both protocols owe: some RAM, and an archive (or none) that lies in it, on a
 * page boundary, apart from the kernel. */
const char *boot_check(const struct boot_info *boot, struct boot_range kernel);

/* The few things wanted of ACPI (specification 6.4); 0 where absent. */
struct acpi_facts {
    uint64_t hpet;       /* physical address of its registers */
    uint64_t ecam;       /* PCI configuration space of segment 0 */
    uint8_t ecam_first_bus, ecam_last_bus;
    uint8_t century;     /* CMOS register with the century */
    uint8_t pm_timer_bits; /* 24 or 32 */
    uint16_t pm_timer;   /* I/O port */
};

/* Never fails: tables that are not sound are skipped. rsdp 0: looks where a BIOS has it. */
void acpi_parse(const struct window *memory, uint64_t rsdp, struct acpi_facts *facts);

#endif
