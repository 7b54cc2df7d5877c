/* SPDX-License-Identifier: MIT */
/*
 * The sorted array of regions. Programs have few of them (neighbours of the same
 * sort are joined), so moving the tail of an array is cheaper than a tree.
 */
#include "regions.h"

#include <string.h>

size_t regions_above(const struct regions *regions, uint64_t address)
{
    size_t low = 0, high = regions->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (regions->region[middle].end > address)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

struct region *regions_find(const struct regions *regions, uint64_t address)
{
    size_t i = regions_above(regions, address);
    if (i == regions->count || regions->region[i].start > address)
        return NULL;
    return &regions->region[i];
}

bool regions_free(const struct regions *regions, uint64_t start, uint64_t end)
{
    size_t i = regions_above(regions, start);
    return start >= regions->low && end <= regions->high &&
           (i == regions->count || regions->region[i].start >= end);
}

static uint64_t gap_from(const struct regions *regions, uint64_t from, uint64_t length, uint64_t align)
{
    size_t i = regions_above(regions, from);
    from = (from + align - 1) & -align;
    for (; i < regions->count; i++) {
        const struct region *next = &regions->region[i];
        if (next->start > from && next->start - from >= length)
            return from;
        from = next->end > from ? (next->end + align - 1) & -align : from;
    }
    return regions->high >= from && regions->high - from >= length ? from : 0;
}

uint64_t regions_gap(struct regions *regions, uint64_t length, uint64_t align)
{
    if (length == 0 || length > regions->high - regions->low)
        return 0;
    if (regions->hint < regions->low || regions->hint > regions->high)
        regions->hint = regions->low;
    uint64_t place = gap_from(regions, regions->hint, length, align);
    if (place == 0)
        place = gap_from(regions, regions->low, length, align);
    if (place != 0)
        regions->hint = place + length;
    return place;
}

uint64_t regions_gap_low(const struct regions *regions, uint64_t length)
{
    return gap_from(regions, regions->low, length, 1);
}

static void insert_at(struct regions *regions, size_t i, struct region added)
{
    struct region *at = &regions->region[i];
    memmove(at + 1, at, (regions->count - i) * sizeof(*at));
    *at = added;
    regions->count++;
}

static void remove_at(struct regions *regions, size_t i, size_t count)
{
    struct region *at = &regions->region[i];
    memmove(at, at + count, (regions->count - i - count) * sizeof(*at));
    regions->count -= count;
}

static bool can_join(const struct region *a, const struct region *b)
{
    return a->end == b->start && a->perm == b->perm && a->kind == b->kind && a->kind != REGION_FIXED;
}

static void join_at(struct regions *regions, size_t i)
{
    if (i + 1 < regions->count && can_join(&regions->region[i], &regions->region[i + 1])) {
        regions->region[i].end = regions->region[i + 1].end;
        remove_at(regions, i + 1, 1);
    }
}

bool regions_add(struct regions *regions, struct region added)
{
    if (regions->count == regions->capacity)
        return false;
    size_t i = regions_above(regions, added.start);
    insert_at(regions, i, added);
    join_at(regions, i);
    if (i > 0)
        join_at(regions, i - 1);
    return true;
}

/* Makes `address` a border between regions if it lies inside one. */
static void split_at(struct regions *regions, uint64_t address)
{
    size_t i = regions_above(regions, address);
    if (i == regions->count || regions->region[i].start >= address)
        return;
    struct region behind = regions->region[i];
    behind.start = address;
    regions->region[i].end = address;
    insert_at(regions, i + 1, behind);
}

bool regions_cut(struct regions *regions, uint64_t start, uint64_t end)
{
    if (regions->count + 2 > regions->capacity)
        return false;
    split_at(regions, start);
    split_at(regions, end);
    size_t first = regions_above(regions, start), last = first;
    while (last < regions->count && regions->region[last].start < end)
        last++;
    remove_at(regions, first, last - first);
    if (start < regions->hint && end <= regions->hint && start >= regions->floor)
        regions->hint = start; /* small programs stay in few page tables */
    return true;
}

static bool is_covered(const struct regions *regions, uint64_t start, uint64_t end)
{
    for (size_t i = regions_above(regions, start); i < regions->count && start < end; i++) {
        if (regions->region[i].start > start)
            return false;
        start = regions->region[i].end;
    }
    return start >= end;
}

bool regions_protect(struct regions *regions, uint64_t start, uint64_t end, uint8_t perm)
{
    if (regions->count + 2 > regions->capacity || !is_covered(regions, start, end))
        return false;
    split_at(regions, start);
    split_at(regions, end);
    size_t first = regions_above(regions, start), i = first;
    for (; i < regions->count && regions->region[i].start < end; i++)
        regions->region[i].perm = perm;
    while (i-- > first)
        join_at(regions, i);
    if (first > 0)
        join_at(regions, first - 1);
    return true;
}

bool regions_advise(struct regions *regions, uint64_t start, uint64_t end, uint8_t kind)
{
    if (regions->count + 2 > regions->capacity || !is_covered(regions, start, end))
        return false;
    split_at(regions, start);
    split_at(regions, end);
    for (size_t i = regions_above(regions, start); i < regions->count && regions->region[i].start < end; i++)
        if (regions->region[i].kind == REGION_DEMAND || regions->region[i].kind == REGION_LARGE)
            regions->region[i].kind = kind;
    for (size_t i = regions->count; i-- > 0;)
        join_at(regions, i);
    return true;
}
