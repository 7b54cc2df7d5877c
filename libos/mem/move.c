/* SPDX-License-Identifier: MIT */
/*
 * mremap(): a mapping that grows moves its frames to another place in the address
 * space, and no byte is copied. Only ordinary demand-paged memory.
 */
#include <errno.h>
#include <libos/plan.h>
#include <sys/mman.h>

#include "mem_internal.h"

_Static_assert(EXO_READ == PROT_READ && EXO_WRITE == PROT_WRITE && EXO_EXEC == PROT_EXEC, "a region's rights are prot's");

/* One run of consecutive frames, to where no page is. */
static int run_move(uint64_t from, uint64_t to, uint64_t frame, uint32_t count, unsigned perm)
{
    struct plan *plan = plan_begin(&mem_plan);
    plan_unmap(plan, env_self(), from, count);
    plan_map(plan, env_self(), to, frame_number(frame), count, perm);
    return plan_run(plan);
}

static int page_move(uint64_t from, uint64_t to, uint32_t *count, uint32_t most, unsigned perm)
{
    int split = chunk_is_large(from) ? large_split(from, false) : 0;
    uint64_t frame = mem_frame_at((void *)from);
    *count = 1;
    if (split < 0)
        return split;
    if (frame == 0)
        return 0;
    while (*count < most &&
           mem_frame_at((void *)(from + (uint64_t)*count * EXO_PAGE_SIZE)) == frame + *count)
        ++*count;
    int error = tables_ensure(to);
    if (error == 0)
        error = tables_ensure(to + (uint64_t)(*count - 1) * EXO_PAGE_SIZE);
    return error == 0 ? run_move(from, to, frame, *count, perm) : error;
}

/* One that has a place of its own to go to. */
static bool can_move_large(uint64_t from, uint64_t to, uint64_t rest)
{
    return large_is_whole(from) && ((from | to) & (CHUNK_BYTES - 1)) == 0 && rest >= CHUNK_BYTES;
}

/* Everything that is mapped in [from, from + length), in runs within one chunk. */
static int pages_move(uint64_t from, uint64_t to, uint64_t length, unsigned perm)
{
    int error = 0;
    for (uint64_t done = 0; done < length && error == 0;) {
        uint64_t rest = length - done, in_chunk = CHUNK_BYTES - ((from + done) & (CHUNK_BYTES - 1));
        uint32_t count = CHUNK_BYTES >> EXO_PAGE_SHIFT;
        if (can_move_large(from + done, to + done, rest))
            error = large_move(from + done, to + done, perm);
        else
            error = page_move(from + done, to + done, &count,
                              (uint32_t)((rest < in_chunk ? rest : in_chunk) >> EXO_PAGE_SHIFT), PAGE_PERM(perm));
        done += (uint64_t)count * EXO_PAGE_SIZE;
    }
    return error;
}

/* The program may have large pages there as well, if that is what it said of the old place. */
static long grown(long place, uint64_t start, uint64_t end, uint8_t kind)
{
    if (place >= 0 && kind == REGION_LARGE)
        regions_advise(&mem_regions, start, end, kind);
    return place;
}

/* To a place with room for more; large pages find themselves as far from the beginning of one as they were. */
static long region_move(uint64_t address, uint64_t old_length, uint64_t new_length, const struct region *region)
{
    uint8_t perm = region->perm, kind = region->kind;
    uint64_t within = address & (CHUNK_BYTES - 1);
    uint64_t hint = kind == REGION_DEMAND ? 0 : regions_gap(&mem_regions, within + new_length, CHUNK_BYTES);
    long place = mem_mmap(hint == 0 ? 0 : hint + within, new_length, perm, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, NULL, 0);
    if (place < 0)
        return place;
    grown(place, (uint64_t)place, (uint64_t)place + new_length, kind);
    int error = pages_move(address, (uint64_t)place, old_length, perm);
    if (error < 0) { /* the old place still holds what was not moved; what was goes back */
        pages_move((uint64_t)place, address, old_length, perm);
        mem_munmap((uint64_t)place, new_length);
        return -ENOMEM;
    }
    mem_munmap(address, old_length);
    return place;
}

long mem_mremap(uint64_t address, uint64_t old_length, uint64_t new_length, int flags)
{
    if ((address & PAGE_MASK) != 0 || old_length == 0 || new_length == 0 || new_length > MEM_SPACE)
        return -EINVAL;
    const struct region *region = regions_find(&mem_regions, address);
    uint64_t mask = region != NULL && region->kind == REGION_HUGE ? CHUNK_BYTES - 1 : PAGE_MASK;
    old_length = (old_length + mask) & ~mask;
    new_length = (new_length + mask) & ~mask;
    if (region == NULL || region->kind == REGION_FIXED || region->end - address < old_length)
        return -EFAULT;
    if (lost_any(address, address + old_length))
        return -EFAULT;
    if ((address & mask) != 0)
        return -EINVAL;
    if (new_length <= old_length) {
        int error = new_length < old_length ? mem_munmap(address + new_length, old_length - new_length) : 0;
        return error < 0 ? error : (long)address;
    }
    if ((flags & ~MREMAP_MAYMOVE) != 0 || region->kind == REGION_HUGE) /* on Linux these don't grow either */
        return -EINVAL;
    uint64_t end = address + old_length, more = new_length - old_length;
    if (regions_free(&mem_regions, end, address + new_length)) {
        uint8_t kind = region->kind;
        long got = mem_mmap(end, more, region->perm, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, NULL, 0);
        return grown(got < 0 ? got : (long)address, end, address + new_length, kind);
    }
    return (flags & MREMAP_MAYMOVE) != 0 ? region_move(address, old_length, new_length, region) : -ENOMEM;
}
