/* SPDX-License-Identifier: MIT */
/*
 * mremap(): a mapping that grows moves its frames to another place in the address
 * space, and no byte is copied. Only ordinary demand-paged memory.
 */
#include <errno.h>
#include <libos/plan.h>
#include <sys/mman.h>

#include "mem_internal.h"

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
    uint64_t frame = mem_frame_at((void *)from);
    *count = 1;
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

/* Everything that is mapped in [from, from + length), in runs of at most one chunk. */
static int pages_move(uint64_t from, uint64_t to, uint64_t length, unsigned perm)
{
    int error = 0;
    for (uint64_t done = 0; done < length && error == 0;) {
        uint64_t rest = (length - done) >> EXO_PAGE_SHIFT;
        uint32_t count, most = rest < 512 ? (uint32_t)rest : 512;
        error = page_move(from + done, to + done, &count, most, PAGE_PERM(perm));
        done += (uint64_t)count * EXO_PAGE_SIZE;
    }
    return error;
}

long mem_mremap(uint64_t address, uint64_t old_length, uint64_t new_length, int flags)
{
    if ((address & PAGE_MASK) != 0 || old_length == 0 || new_length == 0 || new_length > MEM_SPACE)
        return -EINVAL;
    old_length = (old_length + PAGE_MASK) & ~PAGE_MASK;
    new_length = (new_length + PAGE_MASK) & ~PAGE_MASK;
    const struct region *region = regions_find(&mem_regions, address);
    if (region == NULL || region->kind != REGION_DEMAND || region->end - address < old_length)
        return -EFAULT;
    if (lost_any(address, address + old_length))
        return -EFAULT;
    if (new_length <= old_length) {
        int error = new_length < old_length ? mem_munmap(address + new_length, old_length - new_length) : 0;
        return error < 0 ? error : (long)address;
    }
    if ((flags & ~MREMAP_MAYMOVE) != 0)
        return -EINVAL;
    uint8_t perm = region->perm;
    int prot = (int)(perm & (EXO_READ | EXO_WRITE | EXO_EXEC)); /* the same bits as PROT_ */
    int kind = MAP_PRIVATE | MAP_ANONYMOUS;
    uint64_t end = address + old_length, more = new_length - old_length;
    if (regions_free(&mem_regions, end, address + new_length)) {
        long got = mem_mmap(end, more, prot, kind | MAP_FIXED_NOREPLACE, NULL, 0);
        return got < 0 ? got : (long)address;
    }
    if ((flags & MREMAP_MAYMOVE) == 0)
        return -ENOMEM;
    long place = mem_mmap(0, new_length, prot, kind | MAP_NORESERVE, NULL, 0);
    if (place < 0)
        return place;
    int error = pages_move(address, (uint64_t)place, old_length, perm);
    if (error < 0) { /* the old place still holds what was not moved; what was goes back */
        pages_move((uint64_t)place, address, old_length, perm);
        mem_munmap((uint64_t)place, new_length);
        return -ENOMEM;
    }
    mem_munmap(address, old_length);
    return place;
}
