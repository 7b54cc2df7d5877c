/* SPDX-License-Identifier: MIT */
/* Page tables: walking, mapping and counting. Intel SDM vol. 3, 4.5. No hardware is touched
 * but through space_flush(). */
#include "space.h"

#include "arch/arch.h"
#include "flush.h"

#define PTE_PRESENT 0x1ull
#define PTE_WRITE 0x2ull
#define PTE_USER 0x4ull
#define PTE_LARGE 0x80ull /* at level 2: maps its pages itself */
#define PTE_NX (1ull << 63)
#define PTE_FRAME(pte) ((uint32_t)((pte) >> 12))
#define PTE_ADDRESS 0xffffffff000ull

#define TOP_LEVEL 4u

#ifndef LARGE_PAGES /* a test on the host has fewer */
#define LARGE_PAGES EXO_LARGE_PAGES
#endif

/*
 * Every frame of a large page counts its mapping, so it comes and goes page by page, in steps. Unless it is whole, it is
 * not present; the counted ones, [low, high) of its pages, are in bits that the processor then ignores:
 *
 *    63   62..53   52..44   43..12          7     2      1         0
 *    NX   high     low      first frame     1     user   writable  0
 */
#define LOW_SHIFT 44
#define HIGH_SHIFT 53
#define PTE_PART (0x7ffffull << LOW_SHIFT)

static unsigned entry_index(page_t page, unsigned level)
{
    return (unsigned)(page.address >> (12 + 9 * (level - 1))) & 511u;
}

static uint64_t pte_make(uint32_t first, unsigned perm)
{
    return (uint64_t)first << 12 | PTE_PRESENT | (perm & EXO_NONE ? 0 : PTE_USER) | (perm & EXO_WRITE ? PTE_WRITE : 0) |
           (perm & EXO_EXEC ? 0 : PTE_NX) | (perm & EXO_LARGE ? PTE_LARGE : 0);
}

/* What an entry becomes when [low, high) of its pages are counted, and that is not all. */
static uint64_t pte_part(uint64_t pte, unsigned low, unsigned high)
{
    return (pte & ~(PTE_PART | PTE_PRESENT)) | (uint64_t)low << LOW_SHIFT | (uint64_t)high << HIGH_SHIFT;
}

/* The entry for a page at level `wanted`; or at one above, where the walk ends since nothing is there or a large page. At
 * `*level`, in the table `*holder`. */
static inline uint64_t *entry_find(const struct env *env, page_t page, unsigned wanted, unsigned *level, frame_t *holder)
{
    uint64_t table = env->root, *found = NULL;
#pragma GCC unroll 4
    for (unsigned at = TOP_LEVEL; at > 0; at--) {
        found = (uint64_t *)physical_memory(table & PTE_ADDRESS) + entry_index(page, at);
        *level = at;
        if (at == wanted || !(*found & PTE_PRESENT) || *found & PTE_LARGE)
            break;
        table = *found;
    }
    holder->number = PTE_FRAME(table);
    return found;
}

/* What maps a page, or would. */
struct leaf {
    uint64_t *entry;
    frame_t holder, frame;
    unsigned level, within, low, high; /* [low, high) of its pages are counted, this one is number `within` */
};

static bool large_find(page_t page, struct leaf *leaf)
{
    uint64_t entry = *leaf->entry;
    bool whole = entry & PTE_PRESENT;
    leaf->within = entry_index(page, 1);
    leaf->low = whole ? 0 : entry >> LOW_SHIFT & 511u;
    leaf->high = whole ? LARGE_PAGES : entry >> HIGH_SHIFT & 1023u;
    leaf->frame.number += leaf->within;
    return leaf->within >= leaf->low && leaf->within < leaf->high;
}

static inline bool leaf_find(struct env *env, page_t page, struct leaf *leaf)
{
    leaf->entry = entry_find(env, page, 1, &leaf->level, &leaf->holder);
    leaf->frame.number = PTE_FRAME(*leaf->entry);
    leaf->within = leaf->low = 0;
    leaf->high = 1;
    return leaf->level == 1 ? *leaf->entry & PTE_PRESENT : large_find(page, leaf);
}

int space_lookup(struct env *env, page_t page, frame_t *frame, unsigned *perm)
{
    struct leaf leaf;
    if (!leaf_find(env, page, &leaf) || !(*leaf.entry & PTE_PRESENT))
        return -EXO_E_ABSENT;
    uint64_t entry = *leaf.entry;
    *frame = leaf.frame;
    *perm = !(entry & PTE_USER) ? EXO_NONE : EXO_READ | (entry & PTE_WRITE ? EXO_WRITE : 0) | (entry & PTE_NX ? 0 : EXO_EXEC);
    return 0;
}

int space_map(struct env *env, page_t page, frame_t frame, unsigned perm, unsigned *level)
{
    bool large = perm & EXO_LARGE;
    unsigned wanted = large ? 2 : 1, within = large ? entry_index(page, 1) : 0;
    frame_t holder;
    uint64_t *entry = entry_find(env, page, wanted, level, &holder);
    if (*level > wanted && !*entry)
        return --*level, -EXO_E_NO_TABLE;
    if (large && frame.number % LARGE_PAGES != within)
        return -EXO_E_RANGE;
    uint64_t made = pte_make(frame.number - within, perm);
    if (*entry != (within ? pte_part(made, 0, within) : 0)) /* a large page goes on behind its last */
        return *entry ? -EXO_E_EXISTS : -EXO_E_ABSENT;
    if (perm & EXO_WRITE) {
        if (frame_entry(frame)->writable == UINT16_MAX)
            return -EXO_E_BUSY;
        frame_entry(frame)->writable++;
    }
    *entry = large && within + 1 < LARGE_PAGES ? pte_part(made, 0, within + 1) : made;
    if (!within)
        frame_entry(holder)->writable++;
    frame_entry(frame)->rights++;
    return 0;
}

/* A mapping is gone: no core shall remember it. */
static void forget(struct env *env, page_t page, frame_t frame)
{
    frame_entry(frame)->generation = ++flush_epoch;
    space_flush(env, page);
}

/* One right to a frame goes. */
static void right_drop(struct env *env, frame_t frame, bool was_writable)
{
    struct frame *entry = frame_entry(frame);
    entry->rights--;
    if (was_writable)
        entry->writable--;
    if (entry->state == FRAME_FROZEN) {
        env_uncharge(env, 1);
        if (entry->rights == 0)
            frame_release(frame, 1);
    }
}

int space_unmap(struct env *env, page_t page, uint64_t pages, frame_t *frame)
{
    struct leaf leaf;
    if (!leaf_find(env, page, &leaf))
        return -EXO_E_ABSENT;
    if (leaf.within > leaf.low || leaf.high - leaf.low > pages)
        return -EXO_E_STATE;
    bool writable = *leaf.entry & PTE_WRITE;
    *frame = leaf.frame;
    *leaf.entry = ++leaf.low < leaf.high ? pte_part(*leaf.entry, leaf.low, leaf.high) : 0;
    if (!*leaf.entry)
        frame_entry(leaf.holder)->writable--;
    forget(env, page, *frame);
    right_drop(env, *frame, writable);
    return 0;
}

int space_protect(struct env *env, page_t page, unsigned perm)
{
    struct leaf leaf;
    if (!leaf_find(env, page, &leaf))
        return -EXO_E_ABSENT;
    if (leaf.level > 1)
        return -EXO_E_STATE;
    struct frame *target = frame_entry(leaf.frame);
    if (perm & EXO_WRITE && (target->state != FRAME_OWNED || target->owner != env->index))
        return -EXO_E_RIGHT;
    if (perm & EXO_WRITE && target->writable == UINT16_MAX && !(*leaf.entry & PTE_WRITE))
        return -EXO_E_BUSY;
    if (*leaf.entry & PTE_WRITE)
        target->writable--;
    if (perm & EXO_WRITE)
        target->writable++;
    *leaf.entry = pte_make(leaf.frame.number, perm);
    forget(env, page, leaf.frame);
    return 0;
}

/* What a large page maps, into a table of its own: with the same rights, accessed and dirty; or, since no
 * access went through while it was not whole, with none. */
static void large_split(struct env *env, page_t page, frame_t table)
{
    struct leaf leaf;
    (void)leaf_find(env, page, &leaf);
    uint64_t *small = frame_memory(table), entry = *leaf.entry & ~(PTE_LARGE | PTE_PART);
    if (!(entry & PTE_PRESENT))
        entry = (entry & ~PTE_USER) | PTE_PRESENT;
    for (uint64_t i = leaf.low; i < leaf.high; i++)
        small[i] = entry + (i << EXO_PAGE_SHIFT);
    frame_entry(table)->writable = (uint16_t)(leaf.high - leaf.low);
    frame_entry(leaf.holder)->writable--;
    *leaf.entry = 0; /* never two translations at once */
    space_flush(env, page);
}

int space_table_add(struct env *env, page_t page, unsigned level, frame_t table,
                    unsigned *missing)
{
    frame_t holder;
    uint64_t *entry = entry_find(env, page, level + 1, missing, &holder);
    if (*missing > level + 1)
        return --*missing, -EXO_E_NO_TABLE;
    if (*entry & PTE_PRESENT && !(*entry & PTE_LARGE))
        return -EXO_E_EXISTS;
    __builtin_memset(frame_memory(table), 0, EXO_PAGE_SIZE);
    if (*entry)
        large_split(env, page, table);
    *entry = (uint64_t)table.number << 12 | PTE_PRESENT | PTE_WRITE | PTE_USER;
    if (level + 1 < TOP_LEVEL)
        frame_entry(holder)->writable++;
    return 0;
}

int space_table_remove(struct env *env, page_t page, unsigned level, frame_t *table)
{
    frame_t holder;
    unsigned at;
    uint64_t *entry = entry_find(env, page, level + 1, &at, &holder);
    if (at > level + 1 || !(*entry & PTE_PRESENT) || *entry & PTE_LARGE)
        return -EXO_E_ABSENT;
    table->number = PTE_FRAME(*entry);
    if (frame_entry(*table)->writable > 0 || frame_entry(*table)->rights > 0)
        return -EXO_E_BUSY;
    *entry = 0;
    if (level + 1 < TOP_LEVEL)
        frame_entry(holder)->writable--;
    forget(env, page, *table);
    return 0;
}

/* Skips to the first address that the next entry of `level` covers. */
static page_t entry_skip(page_t page, unsigned level)
{
    uint64_t size = 1ull << (12 + 9 * (level - 1));
    return (page_t){(page.address & ~(size - 1)) + size};
}

#define EMPTY_MAX 64u /* entries: little work, and one look all the same */

/* Skips an entry of a table of `level`, in which the page is, and empty ones behind it. */
static page_t empty_skip(page_t page, const uint64_t *entry, unsigned level)
{
    unsigned left = 512 - entry_index(page, level);
    const uint64_t *end = entry + (left < EMPTY_MAX ? left : EMPTY_MAX), *at = entry + 1;
    while (at + 4 <= end && !(at[0] | at[1] | at[2] | at[3]))
        at += 4;
    while (at < end && !*at)
        at++;
    page = entry_skip(page, level);
    page.address += (uint64_t)(at - entry - 1) << (12 + 9 * (level - 1));
    return page;
}

/* Finds the next page that is mapped. */
static bool leaf_next(struct env *env, page_t *cursor, unsigned *budget, struct leaf *leaf)
{
    for (; cursor->address < EXO_USER_END && *budget > 0; --*budget) {
        if (leaf_find(env, *cursor, leaf))
            return true;
        *cursor = leaf->within < leaf->low ? entry_skip(*cursor, 1) : empty_skip(*cursor, leaf->entry, leaf->level);
    }
    return false;
}

bool space_next(struct env *env, page_t *cursor, unsigned *budget, frame_t *frame)
{
    struct leaf leaf;
    if (!leaf_next(env, cursor, budget, &leaf))
        return false;
    *frame = leaf.frame;
    return true;
}

bool space_drop_rights(struct env *env, uint64_t *cursor, unsigned budget)
{
    page_t page = {*cursor};
    struct leaf leaf;
    while (leaf_next(env, &page, &budget, &leaf)) {
        right_drop(env, leaf.frame, *leaf.entry & PTE_WRITE);
        page = page_behind(page, 1);
        budget--;
    }
    *cursor = page.address;
    return page.address >= EXO_USER_END;
}
