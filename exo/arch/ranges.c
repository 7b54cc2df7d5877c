/* SPDX-License-Identifier: MIT */
/*
 * The list of usable RAM in struct boot_info: add, take away, check. Entries
 * of firmware maps come in any order and overlap; what is reserved wins.
 */
#include "boot_parse.h"

#define PAGE 4096ull
#define RAM_LOWEST 0x100000ull /* the first MiB belongs to firmware and history */
#define RAM_HIGHEST (1ull << 44) /* frame numbers have 32 bits */

static void range_delete(struct boot_info *boot, unsigned at)
{
    for (unsigned i = at; i + 1 < boot->ram_count; i++)
        boot->ram[i] = boot->ram[i + 1];
    boot->ram_count--;
}

static bool range_insert(struct boot_info *boot, unsigned at, uint64_t start, uint64_t end)
{
    if (boot->ram_count == BOOT_RANGES)
        return false;
    for (unsigned i = boot->ram_count; i > at; i--)
        boot->ram[i] = boot->ram[i - 1];
    boot->ram[at] = (struct boot_range){start, end};
    boot->ram_count++;
    return true;
}

void ranges_add(struct boot_info *boot, uint64_t start, uint64_t bytes)
{
    if (start >= RAM_HIGHEST)
        return;
    uint64_t end = bytes > RAM_HIGHEST - start ? RAM_HIGHEST : start + bytes;
    if (start < RAM_LOWEST)
        start = RAM_LOWEST;
    start = (start + PAGE - 1) & ~(PAGE - 1);
    end &= ~(PAGE - 1);
    if (start >= end)
        return;
    unsigned at = 0;
    while (at < boot->ram_count && boot->ram[at].end < start)
        at++;
    /* Swallow all that it touches. */
    while (at < boot->ram_count && boot->ram[at].start <= end) {
        if (boot->ram[at].start < start)
            start = boot->ram[at].start;
        if (boot->ram[at].end > end)
            end = boot->ram[at].end;
        range_delete(boot, at);
    }
    (void)range_insert(boot, at, start, end);
}

void ranges_remove(struct boot_info *boot, uint64_t start, uint64_t bytes)
{
    if (bytes == 0)
        return;
    uint64_t end = bytes > UINT64_MAX - PAGE - start ? UINT64_MAX - PAGE + 1 : start + bytes;
    if (end < start)
        return;
    start &= ~(PAGE - 1);
    end = (end + PAGE - 1) & ~(PAGE - 1);
    for (unsigned i = 0; i < boot->ram_count;) {
        struct boot_range *range = &boot->ram[i];
        uint64_t range_end = range->end;
        if (range_end <= start || range->start >= end) {
            i++;
            continue;
        }
        if (range->start < start) {
            range->end = start;
            i++;
            if (range_end > end && range_insert(boot, i, end, range_end))
                i++;
        } else if (range_end > end) {
            range->start = end;
            i++;
        } else {
            range_delete(boot, i);
        }
    }
}

void ranges_clip(struct boot_info *boot, uint64_t end)
{
    ranges_remove(boot, end, UINT64_MAX - PAGE - end);
}

bool ranges_contain(const struct boot_info *boot, uint64_t start, uint64_t end)
{
    for (unsigned i = 0; i < boot->ram_count; i++)
        if (start >= boot->ram[i].start && end <= boot->ram[i].end)
            return true;
    return false;
}

const char *boot_check(const struct boot_info *boot, struct boot_range kernel)
{
    struct boot_range archive = boot->archive;

    if (boot->ram_count == 0)
        return "the memory map has no usable RAM above 1 MiB";
    if (!ranges_contain(boot, kernel.start, kernel.end))
        return "the kernel does not lie in usable RAM";
    if (archive.start == archive.end)
        return NULL;
    if (archive.start > archive.end)
        return "the boot archive ends before it starts";
    if (archive.start % PAGE)
        return "the boot archive is not on a page boundary";
    if (!ranges_contain(boot, archive.start, archive.end))
        return "the boot archive does not lie in usable RAM";
    if (archive.start < kernel.end && archive.end > kernel.start)
        return "the boot archive overlaps the kernel";
    return NULL;
}
