/* SPDX-License-Identifier: MIT */
/*
 * Putting frames behind pages and taking them away, by plans. Looks only at page
 * tables; what a page is for is the regions' business.
 */
#include <libos/log.h>
#include <libos/plan.h>

#include "../plan/ring.h"
#include "mem_internal.h"

/* What the pager needs: one crossing, nothing waits, two cells. */
static int populate_run(uint64_t address, uint32_t count, unsigned perm)
{
    struct exo_op cells[3];
    struct exo_completion failed;
    cells[1] = (struct exo_op){ .code = EXO_ALLOC, .arg = { count, 0, EXO_ANY } };
    cells[2] = (struct exo_op){ .code = EXO_MAP, .uses = 2, .after = 1,
                                .arg = { address, EXO_REF(0, 0, 0), count, perm } };
    int error = ring_run_nested(cells, 2, &failed);
    if (error == 0)
        mem_count.frames += count;
    return error;
}

int pages_populate(uint64_t address, uint32_t count, unsigned perm, bool one_run, uint64_t *frame)
{
    int error = tables_ensure(address);
    if (error < 0)
        return error;
    error = populate_run(address, count, perm);
    if (error < 0 && !one_run && count > 1) {
        error = 0;
        for (uint32_t i = 0; i < count && error == 0; i++)
            error = populate_run(address + (uint64_t)i * EXO_PAGE_SIZE, 1, perm);
    }
    if (error == 0 && frame != NULL)
        *frame = PTE_FRAME(*table_entry(address));
    return error;
}

/*
 * Calls visit() for each longest run of pages in [start, end) with consecutive frames (if
 * `same_frames`) or just present ones; and for each large page, as far as it is there.
 */
static void runs_visit(uint64_t start, uint64_t end, bool same_frames,
                       void (*visit)(uint64_t address, uint64_t frame, uint32_t count, unsigned perm),
                       unsigned perm)
{
    while (start < end) {
        uint64_t chunk_end = (start & ~(CHUNK_BYTES - 1)) + CHUNK_BYTES;
        if (!tables_present(start)) {
            uint64_t first, frame;
            if (chunk_is_large(start)) {
                uint32_t pages = large_pages(start, &first, &frame);
                visit(first, frame, pages, perm);
            }
            start = chunk_end;
            continue;
        }
        uint64_t stop = chunk_end < end ? chunk_end : end;
        uint64_t entry = *table_entry(start), at = start;
        start += EXO_PAGE_SIZE;
        if ((entry & PTE_PRESENT) == 0)
            continue;
        uint32_t count = 1;
        for (; start < stop; start += EXO_PAGE_SIZE, count++) {
            uint64_t next = *table_entry(start);
            if ((next & PTE_PRESENT) == 0 ||
                (same_frames && PTE_FRAME(next) != PTE_FRAME(entry) + count))
                break;
        }
        visit(at, PTE_FRAME(entry), count, perm);
    }
}

/* ---- taking away: pairs of UNMAP and FREE, many to a plan ------------------------- */

#define DROP_PAIRS 8u

struct plan_buffer mem_plan;
static struct exo_op drop_cell[1 + 2 * DROP_PAIRS];
static unsigned drop_cells;

/* A pair that fails does not stop the next. Nobody hears of those that end well. */
static void drop_flush(void)
{
    struct exo_completion failed;
    int error = drop_cells > 0 ? ring_run_nested(drop_cell, drop_cells, &failed) : 0;
    if (error == -EXO_E_NO_SLOT && plan_slots_add(drop_cells, 1) == 0)
        error = ring_run_nested(drop_cell, drop_cells, &failed);
    if (error < 0) /* pinned by a device, say: the frames are out of reach, which must not pass in silence */
        libos_log("memory could not be given back: %s", exo_error_text(error));
    drop_cells = 0;
}

static void drop_run(uint64_t address, uint64_t frame, uint32_t count, unsigned perm)
{
    (void)perm;
    drop_cell[drop_cells + 1] = (struct exo_op){ .code = EXO_UNMAP, .arg = { address, count } };
    drop_cell[drop_cells + 2] = (struct exo_op){ .code = EXO_FREE, .after = 1ull << drop_cells,
                                                 .arg = { frame, count } };
    drop_cells += 2;
    mem_count.frames -= count;
    if (mem_count.large > 0 && chunk_is_large(address))
        large_gone();
    if (drop_cells == 2 * DROP_PAIRS)
        drop_flush();
}

void pages_drop(uint64_t start, uint64_t end)
{
    runs_visit(start, end, true, drop_run, 0);
    drop_flush();
}

/* ---- rights --------------------------------------------------------------------------- */

static int protect_error;

static void protect_run(uint64_t address, uint64_t frame, uint32_t count, unsigned perm)
{
    (void)frame;
    struct exo_op cells[2];
    struct exo_completion failed;
    cells[1] = (struct exo_op){ .code = EXO_PROTECT, .arg = { address, count, PAGE_PERM(perm) } };
    int error = mem_count.large > 0 && chunk_is_large(address) ? large_protect(address, perm) : ring_run_nested(cells, 1, &failed);
    if (error < 0)
        protect_error = error;
}

int pages_protect(uint64_t start, uint64_t end, unsigned perm)
{
    protect_error = 0;
    runs_visit(start, end, false, protect_run, perm);
    return protect_error;
}
