/* SPDX-License-Identifier: MIT */
/* From the boot loader's word to the first program: memory, the core, the NIC, then never again. */
#include <string.h>

#include "arch/arch.h"
#include "core.h"
#include "first.h"
#include "flush.h"
#include "frame.h"
#include "image.h"
#include "net/nic.h"
#include "space.h"

#define LOW_MEMORY 0x100000ull /* below it lie firmware tables: left alone */
#define HOLES 3u

static noreturn void refuse(const char *why)
{
    console_printf("exo: can't start: %s\n", why);
    machine_exit(EXO_POWER_BOOT);
}

static uint64_t page_down(uint64_t address) { return address & ~(uint64_t)(EXO_PAGE_SIZE - 1); }
static uint64_t page_up(uint64_t address) { return page_down(address + EXO_PAGE_SIZE - 1); }

static uint64_t ram_end(const struct boot_info *boot)
{
    uint64_t end = 0;
    for (unsigned i = 0; i < boot->ram_count; i++)
        if (boot->ram[i].end > end)
            end = boot->ram[i].end;
    return end;
}

/* Where a hole overlaps [start, end), the range's usable part before it; *next is where to go on. */
static uint64_t before_hole(uint64_t start, uint64_t end, const struct boot_range *hole,
                            unsigned holes, uint64_t *next)
{
    uint64_t stop = end;
    *next = end;
    for (unsigned i = 0; i < holes; i++) {
        if (hole[i].end <= start || hole[i].start >= end || hole[i].start >= stop)
            continue;
        stop = hole[i].start > start ? hole[i].start : start;
        *next = hole[i].end;
    }
    return stop;
}

/* Calls use() for every part of RAM that no hole covers; stops when it returns true. */
static void for_each_gap(const struct boot_info *boot, const struct boot_range *hole, unsigned holes,
                         bool (*use)(uint64_t start, uint64_t end, void *argument), void *argument)
{
    for (unsigned i = 0; i < boot->ram_count; i++) {
        uint64_t start = boot->ram[i].start < LOW_MEMORY ? LOW_MEMORY : boot->ram[i].start;
        while (start < boot->ram[i].end) {
            uint64_t next, stop = before_hole(start, boot->ram[i].end, hole, holes, &next);
            if (stop > start && use(start, stop, argument))
                return;
            start = next;
        }
    }
}

struct placing {
    uint64_t bytes, at;
};

static bool place(uint64_t start, uint64_t end, void *argument)
{
    struct placing *placing = argument;
    if (end - start < placing->bytes)
        return false;
    placing->at = start;
    return true;
}

static bool add_free(uint64_t start, uint64_t end, void *argument)
{
    (void)argument;
    frame_add_free((uint32_t)(start >> EXO_PAGE_SHIFT), (uint32_t)((end - start) >> EXO_PAGE_SHIFT));
    return false;
}

static void reserve(const struct boot_range *range)
{
    frame_reserve((uint32_t)(range->start >> EXO_PAGE_SHIFT),
                  (uint32_t)((range->end - range->start) >> EXO_PAGE_SHIFT));
}

static void frames_start(const struct boot_info *boot)
{
    struct boot_range hole[HOLES] = {
        arch_kernel_image(),
        {page_down(boot->archive.start), page_up(boot->archive.end)},
    };
    uint64_t end = ram_end(boot);
    struct placing table = {.bytes = page_up((end >> EXO_PAGE_SHIFT) * sizeof(struct frame))};
    for_each_gap(boot, hole, 2, place, &table);
    if (!table.at)
        refuse("no room for the frame table; give the machine more memory (-m)");
    hole[2] = (struct boot_range){table.at, table.at + table.bytes};
    uint64_t top = page_up(boot->archive.end) > end ? page_up(boot->archive.end) : end;
    if (top > end) /* an archive outside usable RAM still needs entries */
        refuse("the boot archive lies outside usable memory");
    frame_table_init(physical_memory(table.at), (uint32_t)(end >> EXO_PAGE_SHIFT));
    flush_init();
    for_each_gap(boot, hole, HOLES, add_free, NULL);
    for (unsigned i = 0; i < HOLES; i++)
        reserve(&hole[i]);
}

/* For drivers and the kernel's own tables: physical address, zeroed, never given back. */
static uint64_t take_frames(unsigned count)
{
    frame_t first;
    if (frame_take(count, 0, number_of(EXO_ANY), &first))
        refuse("not enough memory; give the machine more (-m)");
    memset(frame_memory(first), 0, (size_t)count * EXO_PAGE_SIZE);
    frame_reserve(first.number, count);
    return (uint64_t)first.number << EXO_PAGE_SHIFT;
}

static uint64_t take_frame(void) { return take_frames(1); }

void *frame_memory(frame_t frame)
{
    return physical_memory((uint64_t)frame.number << EXO_PAGE_SHIFT);
}

/* There is one core, which does it at once: what lies behind flush.h never waits. */
uint64_t flush_slowest(void) { return flush_epoch; }

void space_flush(struct env *env, page_t page)
{
    if (core_this()->space == env)
        arch_flush_page(page.address);
}

noreturn void kernel_main(const struct boot_info *boot)
{
    struct core *core = core_this();
    if (boot->archive.end == boot->archive.start)
        refuse("there is no boot archive (multiboot2 module or PVH initrd)");
    frames_start(boot);
    arch_init(core, boot, take_frame);
    machine.boot_tick = clock_now();
    machine.boot_wall = clock_wall();
    machine.frames_total = frames_free;
    bool nic = nic_init(take_frames);
    console_printf("exo: %s boot, %u MiB free, %lu kHz ticks, %s\n", boot->protocol,
                   frames_free >> 8, clock_hz() / 1000, nic ? "NIC found" : "no NIC");
    struct image image;
    const char *wrong = image_find(physical_memory(boot->archive.start),
                                   boot->archive.end - boot->archive.start, &image);
    if (wrong)
        refuse(wrong);
    struct env *first = first_create(&boot->archive, &image, nic);
    core_start(core, first);
    core_leave(core);
}
