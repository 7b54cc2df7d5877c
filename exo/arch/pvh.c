/* SPDX-License-Identifier: MIT */
/*
 * PVH start information (Xen's hvm_start_info, version 1 or later; QEMU and
 * cloud hypervisors make the same): memory map, modules, ACPI root pointer, each
 * at a physical address of its own.
 */
#include "boot_parse.h"

#define ENTRIES_MAX 1024u /* bounds the walk over a map that somebody made up */
#define MEMORY_RAM 1u

static const char *parse_map(const struct window *memory, uint64_t address, uint32_t count,
                             struct boot_info *boot)
{
    if (count > ENTRIES_MAX)
        return "pvh: the memory map's size is not believable";
    const uint8_t *map = window_at(memory, address, count * 24ull);
    if (count == 0 || map == NULL)
        return "pvh: the memory map cannot be read";
    for (int usable = 1; usable >= 0; usable--) {
        for (uint32_t i = 0; i < count; i++) {
            const uint8_t *entry = map + i * 24ull;
            uint64_t start = load64(entry), bytes = load64(entry + 8);
            bool ram = load32(entry + 16) == MEMORY_RAM;
            if (ram && usable)
                ranges_add(boot, start, bytes);
            else if (!ram && !usable)
                ranges_remove(boot, start, bytes);
        }
    }
    return NULL;
}

const char *pvh_parse(const struct window *memory, uint64_t info, struct boot_info *boot)
{
    *boot = (struct boot_info){.protocol = "pvh"};
    const uint8_t *start = window_at(memory, info, 56);
    if (start == NULL)
        return "pvh: no start information at the address given";
    if (load32(start) != BOOT_MAGIC_PVH)
        return "pvh: the start information has the wrong magic number";
    if (load32(start + 4) < 1)
        return "pvh: the start information is too old to have a memory map";
    uint32_t modules = load32(start + 12);
    if (modules > 0) {
        const uint8_t *module = window_at(memory, load64(start + 16), 32);
        if (module == NULL)
            return "pvh: the module list cannot be read";
        uint64_t first = load64(module), bytes = load64(module + 8);
        if (bytes > UINT64_MAX - first)
            return "pvh: the module's size is not believable";
        boot->archive = (struct boot_range){first, first + bytes};
    }
    boot->acpi_rsdp = load64(start + 32);
    return parse_map(memory, load64(start + 40), load32(start + 48), boot);
}
