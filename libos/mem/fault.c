/* SPDX-License-Identifier: MIT */
/*
 * The pager: gives a page to whoever touches a demand-paged region. Runs inside
 * upcalls, on top of any code of the program, the rest of the libos included.
 */
#include <libos/log.h>
#include <libos/plan.h>

#include "mem_internal.h"

#define ERROR_PRESENT 1u
#define ERROR_WRITE 2u
#define ERROR_FETCH 16u

/*
 * Neighbours come along, as far as they are empty: one crossing for what would be several
 * faults. Few at first, since a thread's stack or a small heap needs no more; twice as many
 * each time that a fault continues where the last one stopped, up or down.
 */
#define AROUND_LEAST (4ull * EXO_PAGE_SIZE)
#define AROUND_MOST (16ull * EXO_PAGE_SIZE)

static uint64_t last_start, last_end; /* what the last fault was given */

static uint64_t around_bytes(uint64_t page)
{
    static uint64_t bytes;
    if (page != last_end && page + EXO_PAGE_SIZE != last_start)
        bytes = AROUND_LEAST;
    else if (bytes < AROUND_MOST)
        bytes *= 2;
    return bytes;
}

/* Nothing is there, and nothing was. */
static bool page_empty(uint64_t page)
{
    return (*table_entry(page) & PTE_PRESENT) == 0 && !lost_any(page, page + EXO_PAGE_SIZE);
}

/* The longest empty piece around `page` in its aligned block and its region. */
static void around(const struct region *region, uint64_t page, uint64_t *start, uint64_t *end)
{
    uint64_t bytes = around_bytes(page);
    uint64_t low = page & ~(bytes - 1), high = low + bytes;
    low = low < region->start ? region->start : low;
    high = high > region->end ? region->end : high;
    *start = page;
    *end = page + EXO_PAGE_SIZE;
    while (*start > low && page_empty(*start - EXO_PAGE_SIZE))
        *start -= EXO_PAGE_SIZE;
    while (*end < high && page_empty(*end))
        *end += EXO_PAGE_SIZE;
    last_start = *start;
    last_end = *end;
}

static bool page_give(const struct region *region, uint64_t page)
{
    if (large_is_whole(page))
        return true; /* a fault on the way here gave it */
    int error = chunk_is_large(page) ? large_split(page, true) : 0; /* what a forced reclaim left of it */
    if (error == 0 && region->kind >= REGION_LARGE && large_make(region, page))
        return true;
    if (error == 0)
        error = tables_ensure(page);
    if (error == 0 && !page_empty(page))
        return true; /* a fault on the way here gave it */
    if (error == 0) {
        uint64_t start, end;
        around(region, page, &start, &end);
        uint32_t count = (uint32_t)((end - start) >> EXO_PAGE_SHIFT);
        error = pages_populate(start, count, region->perm, true, NULL);
        if (error < 0 && count > 1)
            error = pages_populate(page, 1, region->perm, true, NULL);
    }
    if (error < 0)
        libos_log("out of memory at %lx: %s", page, exo_error_text(error));
    return error == 0;
}

bool mem_fault(uint64_t address, uint64_t error)
{
    const struct region *region = regions_find(&mem_regions, address);
    if (region == NULL || region->kind == REGION_FIXED || (error & ERROR_PRESENT) != 0)
        return false;
    unsigned needed = (error & ERROR_WRITE) != 0 ? EXO_WRITE : EXO_READ;
    if ((error & ERROR_FETCH) != 0)
        needed = EXO_EXEC;
    if ((region->perm & needed) == 0)
        return false;
    address &= ~PAGE_MASK;
    if (lost_any(address, address + EXO_PAGE_SIZE))
        return false;
    mem_count.faults++;
    return page_give(region, address);
}

void mem_explain(uint64_t address)
{
    const struct region *region = regions_find(&mem_regions, address);
    if (lost_any(address, address + 1))
        libos_log("the memory at %lx was taken away: the parent wanted it back", address);
    if (region != NULL && region->perm == 0)
        libos_log("guard page touched at %lx: a stack overflow?", address);
}
