/* SPDX-License-Identifier: MIT */
/*
 * Memory that is there from the beginning: physically consecutive runs for devices, and
 * what the libos itself lives in.
 */
#include <errno.h>
#include <libos/plan.h>
#include <libos/thread.h>

#include "../plan/ring.h"
#include "mem_internal.h"

static uint64_t chunk_rest(uint64_t address, uint64_t end)
{
    uint64_t chunk_end = (address & ~(CHUNK_BYTES - 1)) + CHUNK_BYTES;
    return (chunk_end < end ? chunk_end : end) - address;
}

static int tables_ensure_range(uint64_t start, uint64_t end)
{
    int error = 0;
    for (uint64_t at = start; at < end && error == 0; at += chunk_rest(at, end))
        error = tables_ensure(at);
    return error;
}

static int run_map(uint64_t address, uint32_t count, uint64_t *frame)
{
    struct plan *plan = plan_begin(&mem_plan);
    struct frame_ref first = plan_alloc(plan, count, 0);
    plan_map(plan, env_self(), address, first, count, EXO_READ | EXO_WRITE);
    int error = plan_run(plan);
    *frame = plan_value(plan, first);
    return error;
}

void *mem_map_run(uint32_t count, uint64_t *frame)
{
    uint64_t length = (uint64_t)count * EXO_PAGE_SIZE;
    if (count == 0 || count > EXO_COUNT_MAX)
        return NULL;
    libos_enter();
    uint64_t address = space_reserve(length);
    if (address != 0 && (tables_ensure_range(address, address + length) < 0 ||
                         run_map(address, count, frame) < 0)) {
        space_release(address, length);
        address = 0;
    }
    if (address != 0)
        mem_count.frames += count;
    libos_leave();
    return (void *)address;
}

void mem_unmap_run(void *address, uint32_t count)
{
    uint64_t start = (uint64_t)address, length = (uint64_t)count * EXO_PAGE_SIZE;
    libos_enter();
    pages_drop(start, start + length);
    space_release(start, length);
    libos_leave();
}

void *mem_map_eager(size_t bytes)
{
    uint64_t length = (bytes + PAGE_MASK) & ~PAGE_MASK;
    if (length == 0 || length > MEM_SPACE)
        return NULL;
    libos_enter();
    uint64_t address = space_reserve(length), end = address + length;
    int error = address == 0 ? -ENOMEM : 0;
    for (uint64_t at = address; at < end && error == 0;) {
        uint64_t rest = chunk_rest(at, end);
        uint32_t count = (uint32_t)(rest >> EXO_PAGE_SHIFT);
        count = count > 16 ? 16 : count;
        error = pages_populate(at, count, EXO_READ | EXO_WRITE, false, NULL);
        at += (uint64_t)count * EXO_PAGE_SIZE;
    }
    if (error < 0 && address != 0) {
        pages_drop(address, end);
        space_release(address, length);
        address = 0;
    }
    libos_leave();
    return (void *)address;
}

uint64_t mem_frame_at(const void *address)
{
    uint64_t at = (uint64_t)address;
    if (at < MEM_LOW || at >= MEM_LOW + MEM_SPACE)
        return 0;
    if (large_is_whole(at))
        return PTE_FRAME(chunk_entry(at)) + ((at & (CHUNK_BYTES - 1)) >> EXO_PAGE_SHIFT);
    if (!tables_present(at))
        return 0;
    uint64_t entry = *table_entry(at);
    return (entry & PTE_PRESENT) != 0 ? PTE_FRAME(entry) : 0;
}

int mem_touch(const void *address, size_t bytes, bool write)
{
    uint64_t at = (uint64_t)address & ~PAGE_MASK, end = (uint64_t)address + bytes;
    for (; at < end; at += EXO_PAGE_SIZE) {
        const struct region *region = regions_find(&mem_regions, at);
        if (region == NULL && at >= MEM_LOW && at < MEM_LOW + MEM_SPACE)
            return -EFAULT;
        if (region == NULL)
            continue; /* the program's own segments and stack are there from the beginning */
        if ((region->perm & (write ? EXO_WRITE : EXO_READ)) == 0)
            return -EFAULT;
        if (region->kind != REGION_FIXED && mem_frame_at((void *)at) == 0 &&
            !mem_fault(at, write ? 2 : 0))
            return -ENOMEM;
    }
    return 0;
}
