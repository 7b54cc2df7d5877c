/* SPDX-License-Identifier: MIT */
/* Page tables: walking, mapping and counting. Intel SDM vol. 3, 4.5. No hardware is touched
 * but through space_flush(). */
#include "space.h"

#include "flush.h"

#define PTE_PRESENT 0x1ull
#define PTE_WRITE 0x2ull
#define PTE_USER 0x4ull
#define PTE_NX (1ull << 63)
#define PTE_FRAME(pte) ((uint32_t)((pte) >> 12 & 0xffffffffull))

#define TOP_LEVEL 4u

static unsigned entry_index(page_t page, unsigned level)
{
    return (unsigned)(page.address >> (12 + 9 * (level - 1))) & 511u;
}

static uint64_t pte_make(frame_t frame, unsigned perm)
{
    return (uint64_t)frame.number << 12 | PTE_PRESENT | (perm & EXO_NONE ? 0 : PTE_USER) |
           (perm & EXO_WRITE ? PTE_WRITE : 0) | (perm & EXO_EXEC ? 0 : PTE_NX);
}

static uint64_t *root_memory(struct env *env)
{
    return frame_memory((frame_t){(uint32_t)(env->root >> 12)});
}

/* The table of `level` that covers a page, NULL with the level that is missing. */
static uint64_t *table_find(struct env *env, page_t page, unsigned level, frame_t *frame,
                            unsigned *missing)
{
    uint64_t *table = root_memory(env);
    frame->number = (uint32_t)(env->root >> 12);
    *missing = 0;
    for (unsigned at = TOP_LEVEL; at > level; at--) {
        uint64_t entry = table[entry_index(page, at)];
        if (!(entry & PTE_PRESENT)) {
            *missing = at - 1;
            return NULL;
        }
        frame->number = PTE_FRAME(entry);
        table = frame_memory(*frame);
    }
    return table;
}

int space_lookup(struct env *env, page_t page, frame_t *frame, unsigned *perm)
{
    unsigned missing;
    uint64_t *table = table_find(env, page, 1, frame, &missing);
    uint64_t entry = table ? table[entry_index(page, 1)] : 0;
    if (!(entry & PTE_PRESENT))
        return -EXO_E_ABSENT;
    frame->number = PTE_FRAME(entry);
    *perm = !(entry & PTE_USER) ? EXO_NONE : EXO_READ | (entry & PTE_WRITE ? EXO_WRITE : 0) | (entry & PTE_NX ? 0 : EXO_EXEC);
    return 0;
}

int space_map(struct env *env, page_t page, frame_t frame, unsigned perm, unsigned *level)
{
    frame_t holder;
    uint64_t *table = table_find(env, page, 1, &holder, level);
    if (!table)
        return -EXO_E_NO_TABLE;
    uint64_t *entry = &table[entry_index(page, 1)];
    if (*entry & PTE_PRESENT)
        return -EXO_E_EXISTS;
    if (perm & EXO_WRITE) {
        if (frame_entry(frame)->writable == UINT16_MAX)
            return -EXO_E_BUSY;
        frame_entry(frame)->writable++;
    }
    *entry = pte_make(frame, perm);
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
            frame_release(frame);
    }
}

int space_unmap(struct env *env, page_t page, frame_t *frame)
{
    frame_t holder;
    unsigned missing;
    uint64_t *table = table_find(env, page, 1, &holder, &missing);
    uint64_t *entry = table ? &table[entry_index(page, 1)] : NULL;
    if (!entry || !(*entry & PTE_PRESENT))
        return -EXO_E_ABSENT;
    frame->number = PTE_FRAME(*entry);
    bool writable = *entry & PTE_WRITE;
    *entry = 0;
    frame_entry(holder)->writable--;
    forget(env, page, *frame);
    right_drop(env, *frame, writable);
    return 0;
}

int space_protect(struct env *env, page_t page, unsigned perm)
{
    frame_t frame;
    unsigned missing;
    uint64_t *table = table_find(env, page, 1, &frame, &missing);
    uint64_t *entry = table ? &table[entry_index(page, 1)] : NULL;
    if (!entry || !(*entry & PTE_PRESENT))
        return -EXO_E_ABSENT;
    frame.number = PTE_FRAME(*entry);
    struct frame *target = frame_entry(frame);
    if (perm & EXO_WRITE && (target->state != FRAME_OWNED || target->owner != env->index))
        return -EXO_E_RIGHT;
    if (perm & EXO_WRITE && target->writable == UINT16_MAX && !(*entry & PTE_WRITE))
        return -EXO_E_BUSY;
    if (*entry & PTE_WRITE)
        target->writable--;
    if (perm & EXO_WRITE)
        target->writable++;
    *entry = pte_make(frame, perm);
    forget(env, page, frame);
    return 0;
}

int space_table_add(struct env *env, page_t page, unsigned level, frame_t table,
                    unsigned *missing)
{
    frame_t holder;
    uint64_t *above = table_find(env, page, level + 1, &holder, missing);
    if (!above)
        return -EXO_E_NO_TABLE;
    uint64_t *entry = &above[entry_index(page, level + 1)];
    if (*entry & PTE_PRESENT)
        return -EXO_E_EXISTS;
    __builtin_memset(frame_memory(table), 0, EXO_PAGE_SIZE);
    *entry = (uint64_t)table.number << 12 | PTE_PRESENT | PTE_WRITE | PTE_USER;
    if (level + 1 < TOP_LEVEL)
        frame_entry(holder)->writable++;
    return 0;
}

int space_table_remove(struct env *env, page_t page, unsigned level, frame_t *table)
{
    frame_t holder;
    unsigned missing;
    uint64_t *above = table_find(env, page, level + 1, &holder, &missing);
    uint64_t *entry = above ? &above[entry_index(page, level + 1)] : NULL;
    if (!entry || !(*entry & PTE_PRESENT))
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

/* Skips the empty entries of a table of `level`, of which the page's is the first. */
static page_t empty_skip(page_t page, const uint64_t *entry, unsigned level)
{
    unsigned left = 512 - entry_index(page, level);
    const uint64_t *end = entry + (left < EMPTY_MAX ? left : EMPTY_MAX), *at = entry + 1;
    while (at < end && !(*at & PTE_PRESENT))
        at++;
    page = entry_skip(page, level);
    page.address += (uint64_t)(at - entry - 1) << (12 + 9 * (level - 1));
    return page;
}

/* The next entry of a lowest table that is present. */
static const uint64_t *entry_next(struct env *env, page_t *cursor, unsigned *budget)
{
    for (; cursor->address < EXO_USER_END && *budget > 0; --*budget) {
        frame_t holder;
        unsigned missing;
        const uint64_t *table = table_find(env, *cursor, 1, &holder, &missing);
        const uint64_t *entry = frame_memory(holder);
        entry += entry_index(*cursor, missing + 1);
        if (table && *entry & PTE_PRESENT)
            return entry;
        *cursor = empty_skip(*cursor, entry, missing + 1);
    }
    return NULL;
}

bool space_next(struct env *env, page_t *cursor, unsigned *budget, frame_t *frame)
{
    const uint64_t *entry = entry_next(env, cursor, budget);
    if (entry)
        frame->number = PTE_FRAME(*entry);
    return entry;
}

bool space_drop_rights(struct env *env, uint64_t *cursor, unsigned budget)
{
    page_t page = {*cursor};
    const uint64_t *entry;
    while ((entry = entry_next(env, &page, &budget))) {
        right_drop(env, (frame_t){PTE_FRAME(*entry)}, *entry & PTE_WRITE);
        page = page_behind(page, 1);
        budget--;
    }
    *cursor = page.address;
    return page.address >= EXO_USER_END;
}
