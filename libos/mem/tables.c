/* SPDX-License-Identifier: MIT */
/*
 * Page tables of the mmap area: donates frames for them, and keeps the two lowest
 * levels mapped read-only in windows, so that what is mapped where is read from
 * the hardware's own tables and never kept twice. Tables are kept until memory is asked back, or a
 * large page wants the place of an empty one.
 */
#include <libos/plan.h>

#include "../plan/ring.h"
#include "mem_internal.h"

#define CHUNKS (MEM_SPACE / CHUNK_BYTES)

#define GIB_CHUNKS 512u

_Static_assert(MEM_SPACE >> 30 == 64 && (MEM_LOW & ((1ull << 30) - 1)) == 0, "a bit for each table of level 2");
_Static_assert(SECOND_WINDOW >= EXO_BOOT_CQ + EXO_BOOT_RING_FRAMES * EXO_PAGE_SIZE &&
                   SECOND_WINDOW + 64 * EXO_PAGE_SIZE <= EXO_BOOT_STACK - EXO_BOOT_STACK_PAGES * EXO_PAGE_SIZE,
               "the address layout");

uint64_t tables_shown;          /* bit i: the table of level 2 of gibibyte i is in its window */
static uint64_t window_present; /* bit i: there is a table for the part of the window that shows its lowest ones */

static void cell_set(struct exo_op *cell, uint8_t code, uint64_t after, uint16_t uses,
                     uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    *cell = (struct exo_op){ .code = code, .uses = uses, .after = after, .arg = { a, b, c, d } };
}

/* One new table of `level` for the address; mapped in the window too if `window` is not 0.
 * A frame whose table could not be used goes back. */
static int table_donate(uint64_t address, unsigned level, uint64_t window, struct exo_completion *failed)
{
    struct exo_op cells[5];
    cell_set(&cells[1], EXO_ALLOC, 0, 0, 1, 0, EXO_ANY, 0);
    cell_set(&cells[2], EXO_TABLE, 1, 1, EXO_REF(0, 0, 0), address, level, 0);
    unsigned count = 2;
    if (window != 0)
        cell_set(&cells[++count], EXO_MAP, 3, 2, window, EXO_REF(0, 0, 0), 1, EXO_READ);
    cell_set(&cells[++count], EXO_FREE, 3, 1, EXO_REF(0, 0, 0), 1, 0, 0);
    cells[count].flags = EXO_START_SOME;
    int error = ring_run_nested(cells, count, failed);
    if (error == 0)
        mem_count.tables++;
    return error == -EXO_E_EXISTS && failed->operation == 1 ? 0 : error;
}

/* Tables of the levels above the lowest; `second` shows that of level 2, unless it is 0. */
static int tables_above(uint64_t address, uint64_t second)
{
    struct exo_completion failed;
    for (unsigned level = 2; level <= 3;) {
        int error = table_donate(address, level, level == 2 ? second : 0, &failed);
        if (error == 0)
            return level == 2 ? 0 : tables_above(address, second);
        if (error != -EXO_E_NO_TABLE)
            return error;
        level++;
    }
    return -EXO_E_NO_TABLE;
}

/* The window's own tables are not mapped anywhere. */
static int window_ensure(uint64_t window)
{
    struct exo_completion failed;
    int error = table_donate(window, 1, 0, &failed);
    if (error != -EXO_E_NO_TABLE)
        return error;
    error = tables_above(window, 0);
    return error < 0 ? error : table_donate(window, 1, 0, &failed);
}

int tables_above_ensure(uint64_t address)
{
    uint64_t gib = (address - MEM_LOW) >> 30;
    int error = 0;
    if ((window_present >> gib & 1) == 0) { /* one table of the window shows 512 chunks */
        error = window_ensure((uint64_t)table_entry(MEM_LOW + (gib << 30)));
        if (error == 0)
            window_present |= 1ull << gib;
    }
    if (error == 0 && (tables_shown >> gib & 1) == 0) {
        error = tables_above(address, SECOND_WINDOW + gib * EXO_PAGE_SIZE);
        if (error == 0)
            tables_shown |= 1ull << gib;
    }
    return error;
}

int tables_ensure(uint64_t address)
{
    if (tables_present(address))
        return 0;
    address &= ~(CHUNK_BYTES - 1);
    struct exo_completion failed;
    int error = tables_above_ensure(address);
    return error < 0 ? error : table_donate(address, 1, (uint64_t)table_entry(address), &failed);
}

static bool table_is_empty(uint64_t chunk)
{
    for (uint64_t page = chunk; page < chunk + CHUNK_BYTES; page += EXO_PAGE_SIZE)
        if ((*table_entry(page) & PTE_PRESENT) != 0)
            return false;
    return true;
}

bool tables_clear(uint64_t address)
{
    uint64_t chunk = address & ~(CHUNK_BYTES - 1);
    struct exo_op cells[4];
    struct exo_completion failed;
    if (!tables_present(chunk))
        return !chunk_is_large(chunk);
    if (!table_is_empty(chunk))
        return false;
    cell_set(&cells[1], EXO_UNMAP, 0, 0, (uint64_t)table_entry(chunk), 1, 0, 0);
    cell_set(&cells[2], EXO_UNTABLE, 1, 0, chunk, 1, 0, 0);
    cell_set(&cells[3], EXO_FREE, 2, 1, EXO_REF(1, 0, 0), 1, 0, 0);
    if (ring_run_nested(cells, 3, &failed) < 0)
        return false;
    mem_count.tables--;
    return true;
}

void tables_give(void)
{
    for (uint64_t i = 0; i < CHUNKS && PLAN_INFO->reclaim > 0; i++) {
        if ((tables_shown >> i / GIB_CHUNKS & 1) == 0)
            i |= GIB_CHUNKS - 1;
        else if (tables_present(MEM_LOW + i * CHUNK_BYTES))
            tables_clear(MEM_LOW + i * CHUNK_BYTES);
    }
}
