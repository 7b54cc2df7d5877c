/* SPDX-License-Identifier: MIT */
/*
 * Page tables of the mmap area: donates frames for them, and keeps the lowest
 * level mapped read-only in a window, so that what is mapped where is read from
 * the hardware's own tables and never kept twice. Tables are kept until the
 * program ends.
 */
#include <libos/plan.h>

#include "../plan/ring.h"
#include "mem_internal.h"

#define CHUNKS (MEM_SPACE / CHUNK_BYTES)

static uint8_t chunk_present[CHUNKS / 8];

bool tables_present(uint64_t address)
{
    uint64_t chunk = (address - MEM_LOW) / CHUNK_BYTES;
    return (chunk_present[chunk / 8] >> chunk % 8 & 1) != 0;
}

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

/* Tables of the levels above the lowest. */
static int tables_above(uint64_t address)
{
    struct exo_completion failed;
    for (unsigned level = 2; level <= 3;) {
        int error = table_donate(address, level, 0, &failed);
        if (error == 0)
            return level == 2 ? 0 : tables_above(address);
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
    error = tables_above(window);
    return error < 0 ? error : table_donate(window, 1, 0, &failed);
}

int tables_ensure(uint64_t address)
{
    static uint8_t window_present[MEM_SPACE >> 30]; /* one table of the window shows 512 chunks */
    if (tables_present(address))
        return 0;
    address &= ~(CHUNK_BYTES - 1);
    uint64_t window = (uint64_t)table_entry(address);
    uint8_t *has_window = &window_present[(address - MEM_LOW) >> 30];
    if (!*has_window) {
        int error = window_ensure(window);
        if (error < 0)
            return error;
        *has_window = 1;
    }
    struct exo_completion failed;
    int error = table_donate(address, 1, window, &failed);
    if (error == -EXO_E_NO_TABLE && failed.operation == 1) {
        error = tables_above(address);
        if (error == 0)
            error = table_donate(address, 1, window, &failed);
    }
    if (error < 0)
        return error;
    uint64_t chunk = (address - MEM_LOW) / CHUNK_BYTES;
    chunk_present[chunk / 8] |= (uint8_t)(1u << chunk % 8);
    return 0;
}

static bool table_is_empty(uint64_t chunk)
{
    for (uint64_t page = chunk; page < chunk + CHUNK_BYTES; page += EXO_PAGE_SIZE)
        if ((*table_entry(page) & PTE_PRESENT) != 0)
            return false;
    return true;
}

void tables_give(void)
{
    for (uint64_t i = 0; i < CHUNKS && PLAN_INFO->reclaim > 0; i++) {
        uint64_t chunk = MEM_LOW + i * CHUNK_BYTES;
        if (!tables_present(chunk) || !table_is_empty(chunk))
            continue;
        struct exo_op cells[4];
        struct exo_completion failed;
        cell_set(&cells[1], EXO_UNMAP, 0, 0, (uint64_t)table_entry(chunk), 1, 0, 0);
        cell_set(&cells[2], EXO_UNTABLE, 1, 0, chunk, 1, 0, 0);
        cell_set(&cells[3], EXO_FREE, 2, 1, EXO_REF(1, 0, 0), 1, 0, 0);
        chunk_present[i / 8] &= (uint8_t)~(1u << i % 8);
        if (ring_run_nested(cells, 3, &failed) == 0)
            mem_count.tables--;
    }
}
