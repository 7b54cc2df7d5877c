/* SPDX-License-Identifier: MIT */
/*
 * Multiboot2 information (specification 2.0, 3.6): a total size and a list of
 * tags, each {type, size}, 8-aligned. Wanted: the memory map, the first module,
 * a copy of the ACPI root pointer.
 */
#include "boot_parse.h"

#define INFO_MAX (1u << 20) /* no loader makes more; a larger size is garbage */

enum tag {
    TAG_END = 0,
    TAG_MODULE = 3,
    TAG_MEMORY_MAP = 6,
    TAG_RSDP_OLD = 14,
    TAG_RSDP_NEW = 15,
};

#define MEMORY_AVAILABLE 1u

static const char *parse_map(const uint8_t *tag, uint32_t size, struct boot_info *boot)
{
    if (size < 16)
        return "multiboot2: the memory map is cut short";
    uint32_t entry_size = load32(tag + 8);
    if (entry_size < 24)
        return "multiboot2: the memory map's entries are too small";
    /* Usable entries first, then what is not usable out of them. */
    for (int usable = 1; usable >= 0; usable--) {
        for (uint64_t at = 16; at + entry_size <= size; at += entry_size) {
            uint64_t start = load64(tag + at), bytes = load64(tag + at + 8);
            bool available = load32(tag + at + 16) == MEMORY_AVAILABLE;
            if (available && usable)
                ranges_add(boot, start, bytes);
            else if (!available && !usable)
                ranges_remove(boot, start, bytes);
        }
    }
    return NULL;
}

static const char *parse_module(const uint8_t *tag, uint32_t size, struct boot_info *boot)
{
    if (size < 16)
        return "multiboot2: a module tag is cut short";
    uint32_t start = load32(tag + 8), end = load32(tag + 12);
    if (end < start)
        return "multiboot2: a module ends before it starts";
    if (boot->archive.start == boot->archive.end)
        boot->archive = (struct boot_range){start, end};
    return NULL;
}

static const char *parse_tag(const uint8_t *tag, uint32_t size, uint64_t address,
                             struct boot_info *boot)
{
    switch (load32(tag)) {
    case TAG_MODULE:
        return parse_module(tag, size, boot);
    case TAG_MEMORY_MAP:
        return parse_map(tag, size, boot);
    case TAG_RSDP_OLD:
        if (boot->acpi_rsdp == 0)
            boot->acpi_rsdp = address + 8;
        return NULL;
    case TAG_RSDP_NEW:
        boot->acpi_rsdp = address + 8;
        return NULL;
    default:
        return NULL;
    }
}

const char *multiboot2_parse(const struct window *memory, uint64_t info, struct boot_info *boot)
{
    *boot = (struct boot_info){.protocol = "multiboot2"};
    const uint8_t *head = window_at(memory, info, 8);
    if (head == NULL || info % 8)
        return "multiboot2: no information at the address given";
    uint32_t total = load32(head);
    const uint8_t *bytes = window_at(memory, info, total);
    if (total < 16 || total > INFO_MAX || bytes == NULL)
        return "multiboot2: the information's size is not believable";
    for (uint32_t at = 8; total - at >= 8;) {
        uint32_t type = load32(bytes + at), size = load32(bytes + at + 4);
        if (size < 8 || size > total - at)
            return "multiboot2: a tag reaches beyond the information";
        if (type == TAG_END)
            return NULL;
        const char *error = parse_tag(bytes + at, size, info + at, boot);
        if (error)
            return error;
        uint32_t step = (size + 7) & ~7u;
        if (step > total - at)
            break;
        at += step;
    }
    return "multiboot2: the information has no end tag";
}
