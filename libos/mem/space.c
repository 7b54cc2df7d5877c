/* SPDX-License-Identifier: MIT */
/*
 * The address space under mmap() and its relatives. Decides what a range is
 * for; pages come later, by the pager, and files are not mapped but lie in the
 * archive already. Never touches memory outside the mmap area.
 */
#include <errno.h>
#include <libos/log.h>
#include <libos/plan.h>
#include <libos/start.h>
#include <libos/thread.h>
#include <string.h>
#include <sys/mman.h>

#include "mem_internal.h"

_Static_assert(MEM_LOW == LIBOS_MMAP && TABLE_WINDOW >= LIBOS_MMAP_END, "the address layout");

#define REGIONS_FIRST 128u

static struct region first_regions[REGIONS_FIRST];
struct regions mem_regions = {
    .region = first_regions,
    .capacity = REGIONS_FIRST,
    .low = MEM_LOW,
    .high = MEM_LOW + MEM_SPACE,
    .hint = MEM_DEMAND,
    .floor = MEM_DEMAND,
};
struct mem_usage mem_count;

/* Room for an operation on the array. It grows into eager memory, which takes a region itself. */
static bool regions_room(void)
{
    struct regions *regions = &mem_regions;
    if (regions->count + 4 < regions->capacity)
        return true;
    static bool growing;
    if (growing)
        return regions->count + 2 <= regions->capacity;
    growing = true;
    size_t capacity = regions->capacity * 2;
    struct region *larger = mem_map_eager(capacity * sizeof(*larger));
    growing = false;
    if (larger == NULL)
        return regions->count + 2 <= regions->capacity;
    memcpy(larger, regions->region, regions->count * sizeof(*larger));
    regions->region = larger; /* the old array stays: it is small, and the pager may look at it */
    regions->capacity = capacity;
    return true;
}

bool space_room(void)
{
    return regions_room();
}

static uint8_t perm_of(int prot)
{
    unsigned perm = 0;
    if ((prot & PROT_READ) != 0)
        perm |= EXO_READ;
    if ((prot & PROT_WRITE) != 0)
        perm |= EXO_READ | EXO_WRITE;
    if ((prot & PROT_EXEC) != 0)
        perm |= EXO_READ | EXO_EXEC;
    return (uint8_t)perm;
}

/*
 * Whether that much memory can be promised now. Pages come by demand, and what was promised before
 * may not have been asked for yet, so this is no guarantee; but a program that keeps asking hears
 * ENOMEM here, where it can be handled, and not from the pager.
 */
static bool memory_there(uint64_t length, uint8_t perm, int flags)
{
    uint64_t used = PLAN_INFO->frames_used, limit = PLAN_INFO->frames_limit;
    if ((perm & EXO_WRITE) == 0 || (flags & MAP_NORESERVE) != 0)
        return true;
    if (PLAN_INFO->frames_total != 0 && limit > PLAN_INFO->frames_total)
        limit = PLAN_INFO->frames_total; /* the first program's limit is the machine */
    return limit > used && length >> EXO_PAGE_SHIFT <= limit - used;
}

uint64_t space_reserve(uint64_t length)
{
    if (!regions_room())
        return 0;
    uint64_t start = regions_gap_low(&mem_regions, length);
    if (start != 0)
        regions_add(&mem_regions, (struct region){ start, start + length, 0, REGION_FIXED });
    return start;
}

void space_release(uint64_t start, uint64_t length)
{
    if (regions_room())
        regions_cut(&mem_regions, start, start + length);
}

/* Where a mapping goes: a negative errno value if nowhere. */
static long place_choose(uint64_t address, uint64_t length, uint64_t align, int flags)
{
    if ((flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) == 0) {
        uint64_t start = address & -align;
        if (start == 0 || !regions_free(&mem_regions, start, start + length))
            start = regions_gap(&mem_regions, length, align);
        return start == 0 ? -ENOMEM : (long)start;
    }
    if ((address & (align - 1)) != 0)
        return -EINVAL;
    if (address < mem_regions.low || length > mem_regions.high - address)
        return -ENOMEM;
    if (!regions_free(&mem_regions, address, address + length)) {
        if ((flags & MAP_FIXED_NOREPLACE) != 0)
            return -EEXIST;
        int error = mem_munmap(address, length);
        if (error < 0)
            return error;
    }
    return (long)address;
}

static bool huge_ever; /* MAP_HUGETLB was asked for */

/* MAP_HUGETLB says of which size; 0 is the one that there is. */
static int huge_check(int flags, const void *file_bytes)
{
    int shift = flags >> MAP_HUGE_SHIFT & MAP_HUGE_MASK;
    if (file_bytes != NULL || (shift != 0 && 1ull << shift != CHUNK_BYTES))
        return -EINVAL;
    huge_ever = true;
    return large_prepare() ? 0 : -ENOMEM;
}

long mem_mmap(uint64_t address, uint64_t length, int prot, int flags, const void *file_bytes,
              uint64_t file_size)
{
    uint64_t align = (flags & MAP_HUGETLB) != 0 ? CHUNK_BYTES : EXO_PAGE_SIZE;
    int error = align == CHUNK_BYTES ? huge_check(flags, file_bytes) : 0;
    if (length == 0 || error < 0)
        return length == 0 ? -EINVAL : error;
    if (length > MEM_SPACE)
        return -ENOMEM;
    length = (length + align - 1) & -align;
    bool fixed = (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) != 0;
    if (file_bytes != NULL && (prot & PROT_WRITE) == 0 && !fixed &&
        (length <= (file_size & ~PAGE_MASK) || tail_zero(file_bytes, file_size) == 0))
        return (long)file_bytes; /* frozen, readable, and nobody else's */
    uint8_t perm = perm_of(prot);
    if (!regions_room() || !memory_there(length, perm, flags))
        return -ENOMEM;
    long place = place_choose(address, length, align, flags);
    if (place < 0)
        return place;
    uint64_t start = (uint64_t)place;
    regions_add(&mem_regions, (struct region){ start, start + length, perm, align == CHUNK_BYTES ? REGION_HUGE : REGION_DEMAND });
    if (file_bytes == NULL)
        return place;
    /* A private copy of a file: made now, writable for the time being. */
    if ((perm & EXO_WRITE) == 0)
        regions_protect(&mem_regions, start, start + length, EXO_READ | EXO_WRITE);
    if (mem_touch((void *)start, file_size < length ? file_size : length, true) < 0) {
        mem_munmap(start, length);
        return -ENOMEM;
    }
    memcpy((void *)start, file_bytes, file_size < length ? file_size : length);
    if ((perm & EXO_WRITE) == 0)
        mem_mprotect(start, length, prot);
    return place;
}

bool space_inside_huge(uint64_t address)
{
    const struct region *region = regions_find(&mem_regions, address);
    return (address & (CHUNK_BYTES - 1)) != 0 && region != NULL && region->kind == REGION_HUGE;
}

/* Before a part of large pages changes: a negative errno value if it can't. */
static int space_cut(uint64_t start, uint64_t end, bool frees)
{
    if (space_inside_huge(start) || space_inside_huge(end))
        return -EINVAL;
    return large_borders(start, end, frees) < 0 ? -ENOMEM : 0;
}

static bool cut_matters(void)
{
    return huge_ever || mem_count.large > 0;
}

int mem_munmap(uint64_t address, uint64_t length)
{
    if (space_in_archive(address))
        return 0; /* a file that was "mapped" where it lies */
    int error = space_range(address, &length);
    if (error < 0 || length == 0)
        return -EINVAL;
    uint64_t end = address + length;
    for (size_t i = regions_above(&mem_regions, address);
         i < mem_regions.count && mem_regions.region[i].start < end; i++)
        if (mem_regions.region[i].kind == REGION_FIXED)
            return -EINVAL;
    if (!regions_room())
        return -ENOMEM;
    error = cut_matters() ? space_cut(address, end, true) : 0;
    if (error < 0)
        return error;
    pages_drop(address, end);
    lost_forget(address, end);
    regions_cut(&mem_regions, address, end);
    if (reserve_unfit)
        reserve_fit();
    return 0;
}

int mem_mprotect(uint64_t address, uint64_t length, int prot)
{
    if (space_in_archive(address))
        return (prot & ~PROT_READ) == 0 ? 0 : -EACCES;
    int error = space_range(address, &length);
    if (error < 0 || length == 0)
        return error;
    if (!regions_room())
        return -ENOMEM;
    error = cut_matters() ? space_cut(address, address + length, false) : 0;
    if (error < 0)
        return error;
    uint8_t perm = perm_of(prot);
    const struct region *before = regions_find(&mem_regions, address);
    if (before != NULL && before->perm == 0 && !memory_there(length, perm, 0))
        return -ENOMEM;
    if (!regions_protect(&mem_regions, address, address + length, perm))
        return -ENOMEM;
    error = pages_protect(address, address + length, perm);
    if (reserve_unfit)
        reserve_fit();
    return error < 0 ? -EACCES : 0;
}

bool mem_has_hole(uint64_t address, uint64_t length)
{
    uint64_t end = address + length;
    if (end <= mem_regions.low || address >= mem_regions.high)
        return false; /* of its own segments and stack a program knows better */
    for (size_t i = regions_above(&mem_regions, address); address < end; i++) {
        if (i == mem_regions.count || mem_regions.region[i].start > address)
            return true;
        address = mem_regions.region[i].end;
    }
    return false;
}

void mem_usage(struct mem_usage *usage)
{
    (void)lost_any(0, 0); /* what was taken by force is counted when somebody asks */
    *usage = mem_count;
    usage->regions = mem_regions.count;
}
