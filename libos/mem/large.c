/* SPDX-License-Identifier: MIT */
/*
 * Large pages: 2 MiB behind one entry of a table of level 2, made by the pager where a region allows it, and split
 * where a part of one is to change. What is large is read from that table, as everything else.
 *
 * To split one takes a frame for the table, and the account may be full just when a part is to be given back. So a few frames are
 * kept for that, as pages of the libos's own memory that nobody writes. The first of them is only for splits that free something: each of these
 * makes room for the next one's, and so no part is ever kept for want of a frame.
 */
#include <libos/plan.h>

#include "../plan/ring.h"
#include "mem_internal.h"

#define LARGE EXO_LARGE_PAGES
#define LARGE_ALIGN 9u
#define RESERVE_MOST 4u /* more than a forced reclaim leaves in pieces, where no device holds a frame */

#define LOW(entry) ((uint32_t)((entry) >> 44) & 511u) /* of one that is not whole: abi.h, "Large pages" */
#define HIGH(entry) ((uint32_t)((entry) >> 53) & 1023u)

static uint64_t chunk_of(uint64_t address)
{
    return address & ~(CHUNK_BYTES - 1);
}

uint32_t large_pages(uint64_t address, uint64_t *start, uint64_t *frame)
{
    uint64_t entry = chunk_entry(address);
    uint32_t low = (entry & PTE_PRESENT) != 0 ? 0 : LOW(entry);
    uint32_t high = (entry & PTE_PRESENT) != 0 ? LARGE : HIGH(entry);
    *start = chunk_of(address) + low * (uint64_t)EXO_PAGE_SIZE;
    *frame = PTE_FRAME(entry) + low;
    return high - low;
}

/* ---- the reserve ------------------------------------------------------------------------------ */

static uint64_t reserve; /* RESERVE_MOST pages; 0: address space for them was never needed */
bool reserve_unfit;

static uint64_t reserve_page(unsigned i)
{
    return reserve + i * (uint64_t)EXO_PAGE_SIZE;
}

bool large_prepare(void)
{
    if (reserve == 0)
        reserve = space_reserve(RESERVE_MOST * (uint64_t)EXO_PAGE_SIZE);
    return reserve != 0;
}

/* One more than there are large pages, as far as there is room for them. False if one is missing. */
static bool reserve_fill(uint64_t large)
{
    for (unsigned i = 0; i < RESERVE_MOST && i <= large; i++)
        if (mem_frame_at((void *)reserve_page(i)) == 0 &&
            pages_populate(reserve_page(i), 1, EXO_READ, true, NULL) < 0)
            return false;
    return true;
}

void reserve_fit(void)
{
    reserve_unfit = mem_count.large > 0 && !reserve_fill(mem_count.large);
    for (uint64_t i = mem_count.large > 0 ? mem_count.large + 1 : 0; i < RESERVE_MOST; i++)
        if (mem_frame_at((void *)reserve_page((unsigned)i)) != 0)
            pages_drop(reserve_page((unsigned)i), reserve_page((unsigned)i + 1));
}

/* ---- making ------------------------------------------------------------------------------------- */

/* The run is taken, and mapped with the next operation; neither without the other. */
static bool run_make(uint64_t chunk, unsigned perm)
{
    struct exo_op cells[4];
    struct exo_completion failed;
    cells[1] = (struct exo_op){ .code = EXO_ALLOC, .arg = { LARGE, LARGE_ALIGN, EXO_ANY } };
    cells[2] = (struct exo_op){ .code = EXO_MAP, .uses = 2, .after = 1,
                                .arg = { chunk, EXO_REF(0, 0, 0), LARGE, perm | EXO_LARGE } };
    cells[3] = (struct exo_op){ .code = EXO_FREE, .flags = EXO_START_SOME, .uses = 1, .after = 3,
                                .arg = { EXO_REF(0, 0, 0), LARGE } };
    return ring_run_nested(cells, 3, &failed) == 0;
}

bool large_make(const struct region *region, uint64_t address)
{
    uint64_t chunk = chunk_of(address), frames_left = PLAN_INFO->frames_limit - PLAN_INFO->frames_used;
    if (chunk < region->start || region->end - chunk < CHUNK_BYTES ||
        frames_left < LARGE || lost_any(chunk, chunk + CHUNK_BYTES))
        return false;
    reserve_unfit = true;
    if (tables_above_ensure(chunk) < 0 || !tables_clear(chunk) || !reserve_fill(mem_count.large + 1) ||
        !run_make(chunk, region->perm))
        return false;
    mem_count.frames += LARGE;
    mem_count.large++;
    return true;
}

/* ---- splitting ------------------------------------------------------------------------------------ */

/* With the frame of one page of the reserve. What a forced reclaim left has no rights any more: it gets its region's. */
static int split_with(uint64_t page, uint64_t chunk)
{
    struct exo_op cells[6];
    struct exo_completion failed;
    uint64_t frame = mem_frame_at((void *)page), start, first;
    uint32_t count = large_pages(chunk, &start, &first);
    const struct region *region = regions_find(&mem_regions, start);
    unsigned operations = 3;
    cells[1] = (struct exo_op){ .code = EXO_UNMAP, .arg = { page, 1 } };
    cells[2] = (struct exo_op){ .code = EXO_TABLE, .after = 1, .arg = { frame, chunk, 1 } };
    cells[3] = (struct exo_op){ .code = EXO_MAP, .after = 2, .arg = { (uint64_t)table_entry(chunk), frame, 1, EXO_READ } };
    if (!large_is_whole(chunk))
        cells[++operations] = (struct exo_op){ .code = EXO_PROTECT, .after = 4,
                                               .arg = { start, count, region == NULL ? EXO_NONE : PAGE_PERM(region->perm) } };
    cells[++operations] = (struct exo_op){ .code = EXO_MAP, .flags = EXO_START_SOME, .after = 3,
                                           .arg = { page, frame, 1, EXO_READ } };
    int error = ring_run_nested(cells, operations, &failed);
    if (error < 0)
        return error;
    mem_count.frames--;
    mem_count.tables++;
    large_gone();
    return 0;
}

int large_split(uint64_t address, bool frees)
{
    int error = -EXO_E_QUOTA;
    for (unsigned i = frees ? 0 : 1; i < RESERVE_MOST && chunk_is_large(address); i++)
        if (mem_frame_at((void *)reserve_page(i)) != 0 || pages_populate(reserve_page(i), 1, EXO_READ, true, NULL) == 0)
            error = split_with(reserve_page(i), chunk_of(address));
    return chunk_is_large(address) ? error : 0;
}

int large_borders(uint64_t start, uint64_t end, bool frees)
{
    int error = 0;
    if (start != chunk_of(start))
        error = large_split(start, frees);
    if (error == 0 && end != chunk_of(end))
        error = large_split(end, frees);
    return error;
}

/* ---- changing one ------------------------------------------------------------------------------------ */

/* There is no PROTECT of one, but nothing keeps it from being mapped anew. */
static int remap(uint64_t from, uint64_t to, unsigned perm)
{
    struct exo_op cells[3];
    struct exo_completion failed;
    uint64_t start, frame;
    uint32_t count = large_pages(from, &start, &frame);
    cells[1] = (struct exo_op){ .code = EXO_UNMAP, .arg = { start, count } };
    cells[2] = (struct exo_op){ .code = EXO_MAP, .after = 1, .arg = { to, frame, count, perm | EXO_LARGE } };
    return ring_run_nested(cells, 2, &failed);
}

/* A guard can't be large, and what is not whole is of no use as such. */
int large_protect(uint64_t address, unsigned perm)
{
    struct exo_op cells[2];
    struct exo_completion failed;
    uint64_t start, frame;
    if (perm != 0 && large_is_whole(address))
        return remap(address, address, perm);
    uint32_t count = large_pages(address, &start, &frame);
    int error = large_split(address, false);
    cells[1] = (struct exo_op){ .code = EXO_PROTECT, .arg = { start, count, PAGE_PERM(perm) } };
    return error < 0 ? error : ring_run_nested(cells, 1, &failed);
}

int large_move(uint64_t from, uint64_t to, unsigned perm)
{
    int error = tables_above_ensure(to);
    if (error < 0)
        return error;
    return tables_clear(to) ? remap(from, to, perm) : -EXO_E_EXISTS;
}

void large_gone(void)
{
    mem_count.large--;
    reserve_unfit = true;
}

void large_recount(void)
{
    mem_count.large = 0;
    reserve_unfit = true;
    for (uint64_t chunk = MEM_LOW; chunk < MEM_LOW + MEM_SPACE; chunk += CHUNK_BYTES)
        mem_count.large += chunk_is_large(chunk);
}
