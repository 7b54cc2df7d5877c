/* SPDX-License-Identifier: MIT */
/*
 * Small pieces of eager memory for the libos's own structures: free lists by power of
 * two over large pieces. Not malloc, which may itself be calling us.
 */
#include <libos/file.h>
#include <libos/thread.h>
#include <string.h>

#include "mem_internal.h"

#define SMALLEST_SHIFT 5u /* 32 bytes */
#define LARGEST_SHIFT 13u
#define REFILL_BYTES (16u * EXO_PAGE_SIZE)

struct piece {
    struct piece *next;
};

static struct piece *lists[LARGEST_SHIFT + 1];
static unsigned char *fresh;
static size_t fresh_bytes;

static unsigned shift_of(size_t size)
{
    unsigned shift = SMALLEST_SHIFT;
    while (((size_t)1 << shift) < size)
        shift++;
    return shift;
}

static void *piece_take(unsigned shift)
{
    size_t bytes = (size_t)1 << shift;
    struct piece *piece = lists[shift];
    if (piece != NULL) {
        lists[shift] = piece->next;
        return piece;
    }
    if (fresh_bytes < bytes) {
        /* The rest of the old one is lost to larger requests; give it to the smaller lists. */
        for (unsigned s = shift; s-- > SMALLEST_SHIFT;) {
            if ((fresh_bytes & (size_t)1 << s) == 0)
                continue;
            struct piece *rest = (struct piece *)(void *)fresh;
            rest->next = lists[s];
            lists[s] = rest;
            fresh += (size_t)1 << s;
        }
        fresh = mem_map_eager(REFILL_BYTES);
        fresh_bytes = fresh == NULL ? 0 : REFILL_BYTES;
        if (fresh == NULL)
            return NULL;
    }
    void *memory = fresh;
    fresh += bytes;
    fresh_bytes -= bytes;
    return memory;
}

void *libos_alloc(size_t size)
{
    libos_enter();
    void *memory;
    if (size > (size_t)1 << LARGEST_SHIFT) {
        memory = mem_map_eager(size);
    } else {
        unsigned shift = shift_of(size);
        memory = piece_take(shift);
        if (memory != NULL)
            memset(memory, 0, (size_t)1 << shift);
    }
    libos_leave();
    return memory;
}

void libos_free(void *memory, size_t size)
{
    if (memory == NULL)
        return;
    libos_enter();
    if (size > (size_t)1 << LARGEST_SHIFT) {
        mem_unmap_run(memory, (uint32_t)((size + PAGE_MASK) >> EXO_PAGE_SHIFT));
    } else {
        struct piece *piece = memory;
        unsigned shift = shift_of(size);
        piece->next = lists[shift];
        lists[shift] = piece;
    }
    libos_leave();
}
