/* SPDX-License-Identifier: MIT */
/*
 * Which parts of the address space are in use for what: a sorted array of
 * regions. Free of hardware and of the kernel interface; never allocates.
 */
#ifndef LIBOS_MEM_REGIONS_H
#define LIBOS_MEM_REGIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum region_kind {
    REGION_FIXED,  /* mapped from the beginning to the end: DMA, the libos's own memory */
    REGION_DEMAND, /* pages come when they are touched */
    REGION_LARGE,  /* the same, and large pages where they fit (MADV_HUGEPAGE) */
    REGION_HUGE,   /* it begins and ends with large pages, and so does each part that is given back (MAP_HUGETLB) */
};

struct region {
    uint64_t start, end;
    uint8_t perm; /* EXO_READ | EXO_WRITE | EXO_EXEC; 0: a guard */
    uint8_t kind;
};

struct regions {
    struct region *region; /* sorted, disjoint */
    size_t count, capacity;
    uint64_t low, high; /* bounds of what they may cover */
    uint64_t hint;      /* where the search for a gap begins */
    uint64_t floor;     /* and where it begins at the lowest, as long as there is room above */
};

/* The region that holds the address, or NULL. */
struct region *regions_find(const struct regions *regions, uint64_t address);
/* The first region that ends above the address: an index, `count` if there is none. */
size_t regions_above(const struct regions *regions, uint64_t address);
/* A free place of that length, at a multiple of `align` (a power of two); 0 if there is none. */
uint64_t regions_gap(struct regions *regions, uint64_t length, uint64_t align);
/* The lowest one, above the floor or not. */
uint64_t regions_gap_low(const struct regions *regions, uint64_t length);
bool regions_free(const struct regions *regions, uint64_t start, uint64_t end);
/* Adds one in a free place; joins it with neighbours of the same sort. Needs room for 1. */
bool regions_add(struct regions *regions, struct region added);
/* Cuts [start, end) out of whatever is there. Needs room for 1. */
bool regions_cut(struct regions *regions, uint64_t start, uint64_t end);
/* Sets the rights of everything in [start, end); false if there is a hole, or no room for 2
 * more. */
bool regions_protect(struct regions *regions, uint64_t start, uint64_t end, uint8_t perm);
/* Makes what is REGION_DEMAND or REGION_LARGE there the one or the other; the rest stays what it is. False as above. */
bool regions_advise(struct regions *regions, uint64_t start, uint64_t end, uint8_t kind);

#endif
