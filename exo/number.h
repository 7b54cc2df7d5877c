/* SPDX-License-Identifier: MIT */
/*
 * Numbers that a program chose: arguments, handles, and results that it passed on. None of them can be used
 * as an index, an address or a size before a function here or in frame.h, handle.c or buffer.h has
 * checked it and made something else of it: a frame_t, a page_t, an object. The compiler finds
 * where that was forgotten.
 */
#ifndef EXO_NUMBER_H
#define EXO_NUMBER_H

#include <exo/abi.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct {
    uint64_t unchecked;
} number_t;

/* The address of a user's page: aligned, below EXO_USER_END. */
typedef struct {
    uint64_t address;
} page_t;

static inline number_t number_of(uint64_t word) { return (number_t){word}; }
/* The one so many behind it, as unchecked as it is. */
static inline number_t number_behind(number_t first, uint64_t count)
{
    return (number_t){first.unchecked + count};
}

/* Where each value is as good as another: it is told back, compared or waited for. */
static inline uint64_t number_any(number_t number) { return number.unchecked; }

static inline bool number_is(number_t number, uint64_t value) { return number.unchecked == value; }

/* Below `limit`, which is at most 2^32: then *value is it. */
static inline bool number_below(number_t number, uint64_t limit, uint32_t *value)
{
    *value = (uint32_t)number.unchecked;
    return number.unchecked < limit;
}

/* The first of `count` pages that all lie in user space. */
static inline bool pages_checked(number_t address, uint64_t count, page_t *first)
{
    first->address = address.unchecked;
    return !(first->address & (EXO_PAGE_SIZE - 1)) && first->address < EXO_USER_END &&
           count <= (EXO_USER_END - first->address) >> EXO_PAGE_SHIFT;
}

/* The page so many behind it: within what pages_checked() was asked for. */
static inline page_t page_behind(page_t first, uint64_t count)
{
    return (page_t){first.address + (count << EXO_PAGE_SHIFT)};
}

#endif
