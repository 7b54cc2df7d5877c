/* SPDX-License-Identifier: MIT */
/*
 * Memory that the program's parent asks back. What costs nobody anything is given at once: pages
 * of zeros, which come again when they are touched, and page tables that map nothing; then the zeros in large pages, which
 * are split for that. The rest is for
 * the program to choose (mem_reclaim_wait). What was taken by force is remembered as lost, and never passes for
 * fresh memory before the program has said that it knows.
 */
#include <libos/plan.h>
#include <libos/thread.h>

#include "../plan/ring.h"
#include "../thread/thread_internal.h"
#include "mem_internal.h"

#define LOST_MAX 32u

static struct region lost_run[LOST_MAX];
static struct regions lost = { .region = lost_run, .capacity = LOST_MAX, .high = UINT64_MAX };
static uint64_t lost_seen; /* entries of info.taken that are in `lost` */

static struct wait_queue givers;

/* ---- what is gone -------------------------------------------------------------------------- */

/* With no room for one more, everything between the first and the last counts as lost. */
static void lost_add(uint64_t start, uint64_t end)
{
    if (lost.count + 4 < LOST_MAX) {
        regions_add(&lost, (struct region){ start, end, 0, REGION_DEMAND });
        return;
    }
    const struct region *last = &lost.region[lost.count - 1];
    start = start < lost.region[0].start ? start : lost.region[0].start;
    end = end > last->end ? end : last->end;
    lost.count = 0;
    regions_add(&lost, (struct region){ start, end, 0, REGION_DEMAND });
}

static void lost_update(void)
{
    uint64_t tail = PLAN_INFO->taken_tail;
    if (tail - lost_seen > EXO_TAKEN) { /* the list has not room for what happened */
        lost.count = 0;
        lost_add(MEM_LOW, MEM_LOW + MEM_SPACE);
        lost_seen = tail;
    }
    uint64_t large = mem_count.large;
    for (; lost_seen < tail; lost_seen++) {
        uint64_t start = PLAN_INFO->taken[lost_seen % EXO_TAKEN].first;
        uint64_t pages = PLAN_INFO->taken[lost_seen % EXO_TAKEN].count;
        if ((start & EXO_TAKEN_FRAMES) != 0)
            continue; /* this libos keeps no frame that is not mapped */
        mem_count.frames -= pages < mem_count.frames ? pages : mem_count.frames;
        regions_cut(&lost, start, start + pages * EXO_PAGE_SIZE); /* taken twice, with a fresh page between */
        lost_add(start, start + pages * EXO_PAGE_SIZE);
    }
    if (large > 0)
        large_recount();
}

bool lost_any(uint64_t start, uint64_t end)
{
    if (PLAN_INFO->taken_tail != lost_seen)
        lost_update();
    return lost.count > 0 && !regions_free(&lost, start, end);
}

void lost_forget(uint64_t start, uint64_t end)
{
    if (PLAN_INFO->taken_tail != lost_seen)
        lost_update(); /* later it would pass for the new memory's loss */
    if (lost.count > 0)
        regions_cut(&lost, start, end);
}

bool mem_lost(uint64_t *start, uint64_t *bytes)
{
    libos_enter();
    bool any = lost_any(0, UINT64_MAX);
    if (any) {
        *start = lost.region[0].start;
        *bytes = lost.region[0].end - *start;
        lost_forget(*start, lost.region[0].end);
    }
    libos_leave();
    return any;
}

/* ---- what can be given ------------------------------------------------------------------------ */

static bool page_is_zero(const volatile uint64_t *word)
{
    for (unsigned i = 0; i < EXO_PAGE_SIZE / sizeof(*word); i++)
        if (word[i] != 0)
            return false;
    return true;
}

/* Back to the kernel, unless a device is at one of them: then they stay where they are. At most 16: FREE looks at so many before
 * it takes one. */
#define GIVE_MOST 16u

static void pages_give_back(uint64_t page, uint32_t count, unsigned perm)
{
    struct exo_op cells[4];
    struct exo_completion failed;
    uint64_t frame = PTE_FRAME(*table_entry(page));
    cells[1] = (struct exo_op){ .code = EXO_UNMAP, .arg = { page, count } };
    cells[2] = (struct exo_op){ .code = EXO_FREE, .after = 1, .arg = { frame, count } };
    cells[3] = (struct exo_op){ .code = EXO_MAP, .flags = EXO_START_SOME, .after = 2,
                                .arg = { page, frame, count, PAGE_PERM(perm) } };
    if (ring_run_nested(cells, 3, &failed) == 0)
        mem_count.frames -= count;
}

/* How many pages of zeros begin there, in frames that follow each other. */
static uint32_t zeros_count(uint64_t page, uint64_t end)
{
    uint64_t frame = PTE_FRAME(*table_entry(page)), wanted = PLAN_INFO->reclaim;
    uint32_t count = 0;
    while (page < end && count < GIVE_MOST && count < wanted && (*table_entry(page) & PTE_PRESENT) != 0 &&
           PTE_FRAME(*table_entry(page)) == frame + count && page_is_zero((const volatile uint64_t *)page)) {
        page += EXO_PAGE_SIZE;
        count++;
    }
    return count;
}

/* More of its pages are zeros than a split costs: then it is split. */
static void large_spoil(uint64_t chunk)
{
    unsigned zeros = 0;
    for (uint64_t page = chunk; page < chunk + CHUNK_BYTES && zeros < 2; page += EXO_PAGE_SIZE)
        zeros += page_is_zero((const volatile uint64_t *)page);
    if (zeros == 2)
        large_split(chunk, true);
}

static void zeros_give(const struct region *region, bool split)
{
    for (uint64_t page = region->start; page < region->end && PLAN_INFO->reclaim > 0;) {
        uint64_t chunk_end = (page | (CHUNK_BYTES - 1)) + 1, end = chunk_end < region->end ? chunk_end : region->end;
        if (split && large_is_whole(page))
            large_spoil(page);
        if (!tables_present(page)) {
            page = chunk_end;
            continue;
        }
        uint32_t count = zeros_count(page, end);
        if (count > 0)
            pages_give_back(page, count, region->perm);
        page += (count > 0 ? count : 1) * (uint64_t)EXO_PAGE_SIZE;
    }
}

static void give(void)
{
    for (unsigned split = 0; split < 2 && PLAN_INFO->reclaim > 0; split++) {
        for (size_t i = 0; i < mem_regions.count && PLAN_INFO->reclaim > 0; i++) {
            const struct region *region = &mem_regions.region[i];
            if (region->kind != REGION_FIXED && (region->perm & EXO_READ) != 0)
                zeros_give(region, split != 0);
        }
        tables_give();
        if (mem_count.large == 0)
            break;
    }
    if (reserve_unfit)
        reserve_fit();
}

/* ---- being told ---------------------------------------------------------------------------------- */

static bool asked;

static void told(struct completion_target *self, const struct exo_completion *completion);
static struct completion_target target = { told };

static void wait_begin(void)
{
    static struct exo_op cell[2];
    static struct plan plan = { .cell = cell, .last = -1 };
    cell[0] = (struct exo_op){ .code = EXO_PLAN };
    cell[1] = (struct exo_op){ .code = EXO_RECLAIM_WAIT, .tag = (uint64_t)&target };
    plan.count = 1;
    plan_flags(&plan, EXO_PLAN_QUIET, NULL);
    plan_submit(&plan);
}

static void poll(struct poller *self)
{
    (void)self;
    if (!asked)
        return;
    asked = false;
    give();
    wait_begin();
    if (PLAN_INFO->reclaim > 0)
        thread_wake(&givers, UINT32_MAX);
}

static uint64_t deadline(struct poller *self)
{
    (void)self;
    return EXO_NEVER;
}

/* Pages are given when no thread is in the middle of anything: by the scheduler. */
static void told(struct completion_target *self, const struct exo_completion *completion)
{
    static struct poller poller = { poll, deadline, NULL };
    static bool polled;
    (void)self;
    if (completion->status < 0)
        return;
    asked = true;
    if (!polled) /* a program that is never asked pays nothing for it */
        poller_add(&poller);
    polled = true;
    poller_kick();
}

void reclaim_init(void)
{
    PLAN_CONTROL->spare = MEM_DEMAND;
    wait_begin();
}

void mem_spare(const void *address)
{
    PLAN_CONTROL->spare = (uint64_t)address;
}

uint64_t mem_reclaim_wait(uint64_t *by)
{
    libos_enter();
    while (PLAN_INFO->reclaim == 0 || asked)
        thread_wait(&givers, EXO_NEVER);
    uint64_t used = PLAN_INFO->frames_used + PLAN_INFO->reclaim, limit = PLAN_INFO->frames_limit;
    *by = PLAN_INFO->reclaim_deadline;
    libos_leave();
    return used > limit ? used - limit : 1;
}
