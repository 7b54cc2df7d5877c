/* SPDX-License-Identifier: MIT */
/*
 * What a boot loader left in memory, of any bytes: multiboot2 and PVH information, memory maps, ACPI tables. The
 * first byte says which, the second where in memory it begins.
 */
#include "../../exo/arch/boot_parse.h"

#include "fuzz.h"

#define BASE 0x10000ull

static const struct boot_range kernel = {0x100000, 0x140000};

static void check_ram(const struct boot_info *boot)
{
    HOLDS(boot->ram_count <= BOOT_RANGES);
    for (unsigned i = 0; i < boot->ram_count; i++) {
        HOLDS(boot->ram[i].start < boot->ram[i].end);
        HOLDS((boot->ram[i].start | boot->ram[i].end) % 4096 == 0);
        HOLDS(boot->ram[i].start >= 0x100000);
        HOLDS(i == 0 || boot->ram[i].start > boot->ram[i - 1].end);
    }
}

static void check_archive(const struct boot_info *boot)
{
    if (boot->archive.start == boot->archive.end)
        return;
    HOLDS(boot->archive.start < boot->archive.end && boot->archive.start % 4096 == 0);
    HOLDS(boot->archive.end <= kernel.start || boot->archive.start >= kernel.end);
    HOLDS(ranges_contain(boot, boot->archive.start, boot->archive.end));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    if (count < 2)
        return 0;
    uint8_t *copy = copy_of(bytes + 2, count - 2);
    struct window window = {copy, BASE, BASE + count - 2};
    uint64_t info = BASE + (bytes[1] == 255 ? -1ull : bytes[1]);
    struct boot_info boot;
    struct acpi_facts facts;
    memset(&boot, 0xee, sizeof boot);
    if (bytes[0] % 3 == 2) {
        acpi_parse(&window, bytes[1] ? info : 0, &facts);
    } else if (!(bytes[0] % 3 ? pvh_parse : multiboot2_parse)(&window, info, &boot)) {
        check_ram(&boot);
        if (!boot_check(&boot, kernel))
            check_archive(&boot);
        acpi_parse(&window, boot.acpi_rsdp, &facts);
    }
    free(copy);
    return 0;
}
