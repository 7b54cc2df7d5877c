/* SPDX-License-Identifier: MIT */
/* Page tables and memory of a child. */
#include "build.h"

#include <libos/plan.h>
#include <libos/start.h>
#include <string.h>

#define CHUNK 16u /* pages that are copied at once */
#define WINDOW LIBOS_MMAP_END /* where init sees a child's frame before it gives it away */

static uint64_t level_span(unsigned level)
{
    return 1ull << (EXO_PAGE_SHIFT + 9 * level); /* what one table of that level covers */
}

/* Calls for each missing table of a level; counts only when `plan` is NULL. */
static uint64_t level_tables(struct build *build, unsigned level, uint64_t address, uint64_t pages,
                             int *error)
{
    uint64_t span = level_span(level), count = 0;
    uint64_t end = address + (pages << EXO_PAGE_SHIFT);
    uint64_t at = address & ~(span - 1);
    if (at < build->table_end[level])
        at = build->table_end[level];
    for (; at < end && !(error && *error); at += span, count++) {
        build->table_end[level] = at + span;
        if (!error)
            continue;
        struct plan_buffer buffer;
        struct plan *plan = plan_begin(&buffer);
        struct frame_ref frame = plan_alloc(plan, 1, 0);
        plan_table(plan, handle_number(build->env), frame, at < address ? address & ~0xfffull : at, level);
        *error = plan_run(plan);
    }
    return count;
}

uint64_t build_count_tables(struct build *build, uint64_t address, uint64_t pages)
{
    uint64_t count = 0;
    for (unsigned level = 3; level >= 1; level--)
        count += level_tables(build, level, address, pages, NULL);
    return count;
}

int build_tables(struct build *build, uint64_t address, uint64_t pages)
{
    int error = 0;
    for (unsigned level = 3; level >= 1 && !error; level--)
        level_tables(build, level, address, pages, &error);
    return error;
}

/* Init's own tables under the window, once. */
static int window_make(void)
{
    static bool made;
    static struct build self;
    if (made)
        return 0;
    int error = build_tables(&self, WINDOW, CHUNK);
    made = !error;
    return error;
}

/* Frames that hold content: seen through the window before they are given away. */
static int chunk_fill(struct build *build, uint64_t address, uint32_t pages, unsigned perm,
                      const void *content, size_t skip, size_t bytes)
{
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    struct frame_ref frame = plan_alloc(plan, pages, 0);
    if (bytes)
        plan_map(plan, env_self(), WINDOW, frame, pages, EXO_READ | EXO_WRITE);
    int error = plan_run(plan);
    if (error)
        return error;
    frame = frame_number(plan_value(plan, frame));
    if (bytes)
        memcpy((char *)WINDOW + skip, content, bytes);
    plan = plan_begin(&buffer);
    if (bytes)
        plan_unmap(plan, env_self(), WINDOW, pages);
    plan_give(plan, handle_number(build->env), frame, pages);
    plan_map(plan, handle_number(build->env), address, frame, pages, perm);
    return plan_run(plan);
}

int build_fresh(struct build *build, uint64_t address, uint64_t pages, unsigned perm,
                const void *content, size_t skip, size_t bytes)
{
    int error = window_make();
    const char *from = content;
    while (pages && !error) {
        uint32_t count = pages < CHUNK ? (uint32_t)pages : CHUNK;
        size_t room = (size_t)count * EXO_PAGE_SIZE - skip;
        size_t part = bytes < room ? bytes : room;
        error = chunk_fill(build, address, count, perm, from, skip, part);
        if (part)
            from += part;
        bytes -= part;
        skip = 0; /* content begins in the first page */
        address += (uint64_t)count * EXO_PAGE_SIZE;
        pages -= count;
    }
    return error;
}

int build_share(struct build *build, uint64_t address, const void *from, uint64_t pages, unsigned perm)
{
    struct plan_buffer buffer;
    uint64_t at = (uint64_t)from;
    int error = 0;
    while (pages && !error) {
        uint32_t count = pages < EXO_COUNT_MAX ? (uint32_t)pages : EXO_COUNT_MAX;
        struct plan *plan = plan_begin(&buffer);
        plan_share(plan, handle_number(build->env), address, at, count, perm);
        error = plan_run(plan);
        address += (uint64_t)count * EXO_PAGE_SIZE;
        at += (uint64_t)count * EXO_PAGE_SIZE;
        pages -= count;
    }
    return error;
}

int build_give(struct build *build, uint32_t count, uint64_t *frame)
{
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    struct frame_ref first = plan_alloc(plan, count, 0);
    plan_give(plan, handle_number(build->env), first, count);
    int error = plan_run(plan);
    *frame = plan_value(plan, first);
    return error;
}
