/* SPDX-License-Identifier: MIT */
/*
 * From entry.S to kernel_main(), and the order of the machine's set-up. Faults
 * are caught from the third call on; before frames can be handed out, everything
 * the loader left in memory is read and copied.
 */
#include "internal.h"
#include "x86.h"

#define GIB (1ull << 30)

struct acpi_facts acpi_facts;
static struct boot_info boot_info;

struct boot_range arch_kernel_image(void)
{
    return (struct boot_range){(uint64_t)kernel_start - KERNEL_IMAGE,
                               (uint64_t)kernel_end - KERNEL_IMAGE};
}

/* Extends the first map (entry.S: 4 GiB) over the RAM that lies higher, where that
 * takes no tables; elsewhere that RAM stays unused. */
static void boot_map_extend(struct boot_info *boot)
{
    uint64_t end = boot->ram[boot->ram_count - 1].end, limit = BOOT_MAP_END;
    if (end > BOOT_MAP_END && cpu_has_gib_pages()) {
        limit = 512 * GIB;
        for (uint64_t i = BOOT_MAP_END / GIB; i < 512 && i * GIB < end; i++)
            boot_low[i] = i * GIB | 0x83; /* present, writable, large */
    }
    if (end > limit) {
        console_printf("exo: memory above %lu GiB is not used\n", (unsigned long)(limit / GIB));
        ranges_clip(boot, limit);
    }
}

noreturn void arch_boot(uint32_t magic, uint64_t info)
{
    static const struct window memory = {(const uint8_t *)KERNEL_PHYSMAP, 0, BOOT_MAP_END};
    const char *error = "started by an unknown boot protocol";

    serial_init();
    cpu_check();
    segments_init(&cores[0]);
    cpu_enable();
    if (magic == BOOT_MAGIC_MULTIBOOT2)
        error = multiboot2_parse(&memory, info, &boot_info);
    else if (magic == BOOT_MAGIC_PVH)
        error = pvh_parse(&memory, info, &boot_info);
    if (error == NULL)
        error = boot_check(&boot_info, arch_kernel_image());
    if (error)
        boot_fail("%s", error);
    acpi_parse(&memory, boot_info.acpi_rsdp, &acpi_facts);
    boot_map_extend(&boot_info);
    kernel_main(&boot_info);
}

void arch_init(struct core *core, const struct boot_info *boot, uint64_t (*take_frame)(void))
{
    (void)core; /* segments_init() has set up the only one */
    paging_init(boot, take_frame);
    apic_init();
    clock_init();
    apic_timer_init();
}
