/* SPDX-License-Identifier: MIT */
/* What a program says of its memory: what it does not need any more, and where large pages are worth it. */
#include <errno.h>
#include <sys/mman.h>

#include "mem_internal.h"

static bool any_fixed(uint64_t start, uint64_t end)
{
    for (size_t i = regions_above(&mem_regions, start); i < mem_regions.count && mem_regions.region[i].start < end; i++)
        if (mem_regions.region[i].kind == REGION_FIXED)
            return true;
    return false;
}

/* Of huge pages (MAP_HUGETLB) whole ones go, and what is said of a part of the last one is not heard: as on Linux. */
static int dont_need(uint64_t start, uint64_t end, bool lazily)
{
    const struct region *last = regions_find(&mem_regions, end - 1);
    if (any_fixed(start, end) || space_inside_huge(start))
        return -EINVAL;
    if (last != NULL && last->kind == REGION_HUGE && lazily)
        return -EINVAL;
    if (space_inside_huge(end))
        end &= ~(CHUNK_BYTES - 1);
    if (mem_count.large > 0 && large_borders(start, end, true) < 0)
        return -ENOMEM;
    pages_drop(start, end);
    lost_forget(start, end);
    if (reserve_unfit)
        reserve_fit();
    return 0;
}

static int advise_large(uint64_t start, uint64_t end, uint8_t kind)
{
    if (kind == REGION_LARGE && !large_prepare())
        return -ENOMEM;
    return space_room() && regions_advise(&mem_regions, start, end, kind) ? 0 : -ENOMEM;
}

int mem_madvise(uint64_t address, uint64_t length, int advice)
{
    if (space_in_archive(address))
        return 0;
    int error = space_range(address, &length);
    if (error < 0 || length == 0)
        return error;
    switch (advice) {
    case MADV_DONTNEED:
    case MADV_FREE:
        return mem_has_hole(address, length) ? -ENOMEM : dont_need(address, address + length, advice == MADV_FREE);
    case MADV_HUGEPAGE:
        return advise_large(address, address + length, REGION_LARGE);
    case MADV_NOHUGEPAGE:
        return advise_large(address, address + length, REGION_DEMAND);
    default:
        return 0;
    }
}
