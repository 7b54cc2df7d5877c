/* SPDX-License-Identifier: MIT */
/*
 * Large pages: made and taken apart page by page, while each of their frames counts its mapping as a small page's does.
 * Here they have LARGE_PAGES pages, a few steps' work; the table's entry is the machine's.
 */
#include <stdlib.h>
#include <string.h>

#include "suite.h"
#include "../../exo/flush.h"
#include "host_kernel.h"

#define BASE 0x200000000000ull
#define OTHER (BASE + 0x200000)
#define RW (EXO_READ | EXO_WRITE)
#define LARGE_RW (RW | EXO_LARGE)
#define PAGE(i) (BASE + (i) * 4096ull)

static struct env *env, *child;
static uint32_t handle;
static uint64_t run_first; /* LARGE_PAGES frames */

/* One operation in a plan of its own; its status and result. */
static int run(struct env *of, struct exo_op cell, uint64_t *result)
{
    host_plan(of, EXO_PLAN_QUIET);
    *host_op(of, cell.code) = cell;
    (void)host_enter(of);
    const struct exo_completion *completion = host_completion(of);
    ck_assert_ptr_nonnull(completion);
    int status = completion->status;
    if (result)
        *result = completion->result;
    while (host_completion(of)) {
    }
    host_check();
    return status;
}

static uint64_t alloc(struct env *of, uint64_t count, unsigned align)
{
    uint64_t first;
    ck_assert_int_eq(run(of, (struct exo_op){.code = EXO_ALLOC, .arg = {count, align, EXO_ANY}}, &first), 0);
    return first;
}

static int table(struct env *of, uint64_t frame, uint64_t address, unsigned level)
{
    return run(of, (struct exo_op){.code = EXO_TABLE, .arg = {frame, address, level}}, NULL);
}

static int untable(struct env *of, uint64_t address, unsigned level)
{
    return run(of, (struct exo_op){.code = EXO_UNTABLE, .arg = {address, level}}, NULL);
}

static int map(struct env *of, uint64_t address, uint64_t frame, uint64_t count, uint64_t perm)
{
    return run(of, (struct exo_op){.code = EXO_MAP, .arg = {address, frame, count, perm}}, NULL);
}

static int unmap(struct env *of, uint64_t address, uint64_t count, uint64_t *first)
{
    return run(of, (struct exo_op){.code = EXO_UNMAP, .arg = {address, count}}, first);
}

static int protect(struct env *of, uint64_t address, uint64_t count, uint64_t perm)
{
    return run(of, (struct exo_op){.code = EXO_PROTECT, .arg = {address, count, perm}}, NULL);
}

static int freeze(struct env *of, uint64_t address, uint64_t count)
{
    return run(of, (struct exo_op){.code = EXO_FREEZE, .arg = {address, count}}, NULL);
}

static int of_frame(struct env *of, unsigned code, uint64_t frame, uint64_t count)
{
    uint32_t to = code == EXO_GIVE ? handle : 0;
    return run(of, (struct exo_op){.code = (uint8_t)code, .handle = to, .arg = {frame, count}}, NULL);
}

static bool reaches(struct env *of, uint64_t address, uint64_t frame, unsigned perm)
{
    frame_t found;
    unsigned rights;
    return space_lookup(of, (page_t){address}, &found, &rights) == 0 && found.number == frame && rights == perm;
}

static unsigned counted(uint64_t first)
{
    unsigned count = 0;
    for (unsigned i = 0; i < LARGE_PAGES; i++)
        count += frames[first + i].rights;
    return count;
}

static uint64_t *entry_at(struct env *of, uint64_t address)
{
    uint64_t *words = frame_memory((frame_t){(uint32_t)(of->root >> 12)});
    for (unsigned shift = 39; shift > 21; shift -= 9)
        words = frame_memory((frame_t){(uint32_t)(words[address >> shift & 511] >> 12)});
    return &words[address >> 21 & 511];
}

static void upper_tables(struct env *of)
{
    for (unsigned level = 3; level > 1; level--)
        ck_assert_int_eq(table(of, alloc(of, 1, 0), BASE, level), 0);
}

static void slots_add(struct env *of)
{
    uint64_t frame = alloc(of, 2, 0);
    ck_assert_int_eq(run(of, (struct exo_op){.code = EXO_SLOTS, .arg = {frame, 2, 16}}, NULL), 0);
}

static void setup(void)
{
    env = host_start();
    slots_add(env);
    child = host_child(env, 300, 2, 16, &handle);
    upper_tables(env);
    upper_tables(child);
    run_first = alloc(env, LARGE_PAGES, 6);
}

static void map_whole(void) { ck_assert_int_eq(map(env, BASE, run_first, LARGE_PAGES, LARGE_RW), 0); }

/* What was unmapped can be given back: nothing counts it any more. */
static void all_free(void)
{
    ck_assert_uint_eq(counted(run_first), 0);
    ck_assert_int_eq(of_frame(env, EXO_FREE, run_first, LARGE_PAGES), 0);
}

START_TEST(one_entry_maps_them_all)
{
    map_whole();
    uint64_t first = 0;
    ck_assert_uint_eq(*entry_at(env, BASE), run_first << 12 | 1ull << 63 | 0x87);
    for (unsigned i = 0; i < LARGE_PAGES; i++) {
        ck_assert(reaches(env, PAGE(i), run_first + i, RW));
        ck_assert_uint_eq(frames[run_first + i].rights, 1);
        ck_assert_uint_eq(frames[run_first + i].writable, 1);
    }
    ck_assert_int_eq(untable(env, BASE, 2), -EXO_E_BUSY);
    ck_assert_int_eq(unmap(env, BASE, LARGE_PAGES, &first), 0);
    ck_assert_uint_eq(first, run_first);
    ck_assert_uint_eq(*entry_at(env, BASE), 0);
    all_free();
    ck_assert_int_eq(untable(env, BASE, 2), 0);
}
END_TEST

START_TEST(rights_are_the_entrys)
{
    static const struct {
        unsigned perm;
        uint64_t bits;
    } each[] = {{EXO_READ, 1ull << 63 | 0x85}, {EXO_READ | EXO_EXEC, 0x85}, {7, 0x87}, {EXO_NONE, 1ull << 63 | 0x81}};
    for (unsigned i = 0; i < 4; i++) {
        ck_assert_int_eq(map(env, BASE, run_first, LARGE_PAGES, each[i].perm | EXO_LARGE), 0);
        ck_assert_uint_eq(*entry_at(env, BASE), run_first << 12 | each[i].bits);
        ck_assert(reaches(env, PAGE(5), run_first + 5, each[i].perm));
        ck_assert_int_eq(unmap(env, BASE, LARGE_PAGES, NULL), 0);
    }
    ck_assert_int_eq(map(env, BASE, run_first, LARGE_PAGES, EXO_LARGE), -EXO_E_RANGE);
    ck_assert_int_eq(map(env, BASE, run_first, LARGE_PAGES, EXO_LARGE | EXO_NONE | EXO_READ), -EXO_E_RANGE);
    ck_assert_int_eq(map(env, BASE, run_first, LARGE_PAGES, 2 * EXO_LARGE | EXO_READ), -EXO_E_RANGE);
}
END_TEST

START_TEST(what_is_not_aligned_is_refused)
{
    ck_assert_int_eq(map(env, BASE, run_first + 1, LARGE_PAGES - 1, LARGE_RW), -EXO_E_RANGE);
    ck_assert_int_eq(map(env, PAGE(1), run_first, LARGE_PAGES - 1, LARGE_RW), -EXO_E_RANGE);
    ck_assert_int_eq(map(env, PAGE(LARGE_PAGES), run_first, 1, LARGE_RW), -EXO_E_RANGE);
    ck_assert_int_eq(map(env, PAGE(1), run_first + 1, LARGE_PAGES - 1, LARGE_RW), -EXO_E_ABSENT);
    ck_assert_int_eq(map(env, EXO_USER_END, run_first, LARGE_PAGES, LARGE_RW), -EXO_E_RANGE);
    ck_assert_int_eq(map(env, 0xffff800000000000ull, run_first, LARGE_PAGES, LARGE_RW), -EXO_E_RANGE);
    ck_assert_int_eq(map(env, BASE, EXO_INFO_FRAME, LARGE_PAGES, EXO_READ | EXO_LARGE),
                     env->frame.number % LARGE_PAGES == LARGE_PAGES - 3 ? -EXO_E_FRAME : -EXO_E_RANGE);
    uint64_t level;
    struct exo_op cell = {.code = EXO_MAP, .arg = {BASE + (1ull << 30), run_first, LARGE_PAGES, LARGE_RW}};
    ck_assert_int_eq(run(env, cell, &level), -EXO_E_NO_TABLE);
    ck_assert_uint_eq(level, 2);
    cell.arg[0] = BASE + (1ull << 39);
    ck_assert_int_eq(run(env, cell, &level), -EXO_E_NO_TABLE);
    ck_assert_uint_eq(level, 3);
    all_free();
}
END_TEST

START_TEST(what_is_there_stays)
{
    uint64_t more = alloc(env, LARGE_PAGES, 6), frame = alloc(env, 1, 0), level = 0;
    ck_assert_int_eq(table(env, alloc(env, 1, 0), OTHER, 1), 0);
    ck_assert_int_eq(map(env, OTHER, more, LARGE_PAGES, LARGE_RW), -EXO_E_EXISTS); /* a table, if empty */
    map_whole();
    ck_assert_int_eq(map(env, BASE, more, LARGE_PAGES, LARGE_RW), -EXO_E_EXISTS);
    ck_assert_int_eq(map(env, PAGE(3), more + 3, 1, LARGE_RW), -EXO_E_EXISTS);
    struct exo_op cell = {.code = EXO_MAP, .arg = {PAGE(3), frame, 1, RW}};
    ck_assert_int_eq(run(env, cell, &level), -EXO_E_EXISTS);
    ck_assert_int_eq(untable(env, BASE, 1), -EXO_E_ABSENT);
    ck_assert_int_eq(unmap(env, BASE, LARGE_PAGES - 1, NULL), -EXO_E_STATE);
    ck_assert_int_eq(unmap(env, PAGE(1), LARGE_PAGES - 1, NULL), -EXO_E_STATE);
    ck_assert_int_eq(unmap(env, PAGE(20), 1, NULL), -EXO_E_STATE);
    ck_assert_int_eq(protect(env, PAGE(20), 1, EXO_READ), -EXO_E_STATE);
    ck_assert_int_eq(protect(env, BASE, LARGE_PAGES, EXO_READ), -EXO_E_STATE);
    ck_assert_int_eq(protect(env, BASE, LARGE_PAGES, EXO_READ | EXO_LARGE), -EXO_E_RANGE);
    for (unsigned i = 0; i < LARGE_PAGES; i++)
        ck_assert(reaches(env, PAGE(i), run_first + i, RW));
    ck_assert_uint_eq(counted(more), 0);
}
END_TEST

/* A frame of it is mapped, whatever asks; also while the page is not whole yet. */
static void busy(unsigned i)
{
    uint64_t frame = run_first + i, other = alloc(env, 1, 0);
    ck_assert_int_eq(of_frame(env, EXO_FREE, frame, 1), -EXO_E_BUSY);
    ck_assert_int_eq(of_frame(env, EXO_GIVE, frame, 1), -EXO_E_BUSY);
    ck_assert_int_eq(table(env, frame, OTHER, 1), -EXO_E_BUSY);
    ck_assert_int_eq(run(env, (struct exo_op){.code = EXO_SLOTS, .arg = {frame, 1, 4}}, NULL), -EXO_E_BUSY);
    ck_assert_int_eq(run(env, (struct exo_op){.code = EXO_CHANNEL_CREATE, .arg = {frame, 1, 1}}, NULL), -EXO_E_BUSY);
    uint64_t sender;
    ck_assert_int_eq(run(env, (struct exo_op){.code = EXO_CHANNEL_CREATE, .arg = {other, 1, 1}}, &sender), 0);
    struct exo_op send = {.code = EXO_SEND, .handle = (uint32_t)sender, .arg = {EXO_BUF(frame, 0, 1)}};
    ck_assert_int_eq(run(env, send, NULL), -EXO_E_BUSY);
}

START_TEST(each_frame_is_busy)
{
    ck_assert_int_eq(map(env, BASE, run_first, 20, LARGE_RW), 0);
    busy(0), busy(19);
    ck_assert_int_eq(of_frame(env, EXO_FREE, run_first + 21, 1), 0); /* not mapped yet */
    ck_assert_int_eq(unmap(env, BASE, LARGE_PAGES, NULL), 0);
    ck_assert_int_eq(of_frame(env, EXO_FREE, run_first, 21), 0);
    ck_assert_int_eq(of_frame(env, EXO_FREE, run_first + 22, LARGE_PAGES - 22), 0);
    run_first = alloc(env, LARGE_PAGES, 6);
    map_whole();
    busy(0), busy(33), busy(LARGE_PAGES - 1);
    ck_assert_int_eq(of_frame(env, EXO_FREE, run_first, LARGE_PAGES), -EXO_E_BUSY);
}
END_TEST

START_TEST(a_foreign_frame_is_not_mapped)
{
    ck_assert_int_eq(of_frame(env, EXO_GIVE, run_first + 40, 1), 0);
    uint64_t done;
    struct exo_op cell = {.code = EXO_MAP, .arg = {BASE, run_first, LARGE_PAGES, LARGE_RW}};
    ck_assert_int_eq(run(env, cell, &done), -EXO_E_FRAME);
    ck_assert_uint_eq(done, 40);
    for (unsigned i = 0; i < LARGE_PAGES; i++)
        ck_assert(!reaches(env, PAGE(i), run_first + i, RW)); /* not one of them */
    ck_assert_uint_eq(*entry_at(env, BASE) & 1, 0);
    ck_assert_uint_eq(counted(run_first), 40);
    ck_assert_int_eq(untable(env, BASE, 2), -EXO_E_BUSY);
    ck_assert_int_eq(unmap(env, BASE, 39, NULL), -EXO_E_STATE);
    ck_assert_int_eq(unmap(env, BASE, 40, NULL), 0);
    ck_assert_uint_eq(counted(run_first), 0);
    ck_assert_uint_eq(*entry_at(env, BASE), 0);
    ck_assert_int_eq(map(env, BASE, 960, LARGE_PAGES, LARGE_RW), -EXO_E_FRAME); /* its last is the kernel's */
}
END_TEST

START_TEST(what_was_begun_goes_on)
{
    ck_assert_int_eq(map(env, BASE, run_first, 10, LARGE_RW), 0);
    ck_assert(!reaches(env, BASE, run_first, RW));
    ck_assert_int_eq(map(env, PAGE(11), run_first + 11, 1, LARGE_RW), -EXO_E_EXISTS);  /* a hole */
    ck_assert_int_eq(map(env, PAGE(9), run_first + 9, 1, LARGE_RW), -EXO_E_EXISTS);    /* twice */
    ck_assert_int_eq(map(env, PAGE(10), run_first + 10, 1, EXO_READ | EXO_LARGE), -EXO_E_EXISTS); /* other rights */
    ck_assert_int_eq(map(env, PAGE(10), run_first + 10, 1, RW), -EXO_E_EXISTS);        /* a small one */
    ck_assert_int_eq(freeze(env, BASE, 1), -EXO_E_ABSENT);
    ck_assert_int_eq(protect(env, BASE, 1, EXO_READ), -EXO_E_STATE);
    ck_assert_int_eq(map(env, PAGE(10), run_first + 10, LARGE_PAGES - 10, LARGE_RW), 0);
    ck_assert(reaches(env, BASE, run_first, RW));
    ck_assert_int_eq(unmap(env, BASE, LARGE_PAGES, NULL), 0);
    all_free();
}
END_TEST

/* A plan that may not work as long as that leaves it begun, and a second one ends it. */
START_TEST(stopped_in_the_middle)
{
    for (unsigned code = EXO_MAP; code <= EXO_UNMAP; code += EXO_UNMAP - EXO_MAP) {
        host_plan(env, EXO_PLAN_QUIET);
        ((struct exo_plan *)(uintptr_t)&env->sq[(host_built(env) - 1) & (env->sq_size - 1)])->work = 2;
        *host_op(env, code) = code == EXO_MAP
            ? (struct exo_op){.code = EXO_MAP, .arg = {BASE, run_first, LARGE_PAGES, LARGE_RW}}
            : (struct exo_op){.code = EXO_UNMAP, .arg = {BASE, LARGE_PAGES}};
        (void)host_enter(env);
        ck_assert_int_eq(host_completion(env)->status, -EXO_E_WORK);
        while (host_completion(env)) {
        }
        host_check();
        ck_assert_uint_eq(*entry_at(env, BASE) & 1, 0);
        if (code == EXO_UNMAP)
            break;
        ck_assert_uint_eq(counted(run_first), 32);
        ck_assert_int_eq(map(env, PAGE(32), run_first + 32, LARGE_PAGES - 32, LARGE_RW), 0);
        ck_assert(reaches(env, BASE, run_first, RW));
    }
    ck_assert_uint_eq(counted(run_first), LARGE_PAGES - 32);
    ck_assert_int_eq(map(env, BASE, run_first, 1, LARGE_RW), -EXO_E_EXISTS);
    ck_assert_int_eq(unmap(env, BASE, LARGE_PAGES, NULL), 0);
    all_free();
}
END_TEST

START_TEST(split_keeps_what_was_there)
{
    uint64_t small = alloc(env, 1, 0);
    map_whole();
    *entry_at(env, BASE) |= 0x60; /* accessed, dirty */
    ck_assert_int_eq(table(env, small, BASE, 1), 0);
    ck_assert_uint_eq(*entry_at(env, BASE), small << 12 | 7);
    const uint64_t *words = frame_memory((frame_t){(uint32_t)small});
    for (unsigned i = 0; i < LARGE_PAGES; i++) {
        ck_assert_uint_eq(words[i], (run_first + i) << 12 | 1ull << 63 | 0x67);
        ck_assert(reaches(env, PAGE(i), run_first + i, RW));
    }
    ck_assert_uint_eq(counted(run_first), LARGE_PAGES);
    ck_assert_int_eq(untable(env, BASE, 1), -EXO_E_BUSY);
    ck_assert_int_eq(table(env, alloc(env, 1, 0), BASE, 1), -EXO_E_EXISTS);
    ck_assert_int_eq(unmap(env, PAGE(7), 1, NULL), 0);
    ck_assert_int_eq(of_frame(env, EXO_FREE, run_first + 7, 1), 0);
    ck_assert_int_eq(protect(env, PAGE(8), 4, EXO_READ), 0);
    ck_assert_uint_eq(frames[run_first + 8].writable, 0);
    ck_assert_int_eq(unmap(env, BASE, LARGE_PAGES, NULL), 0);
    ck_assert_int_eq(untable(env, BASE, 1), 0);
    ck_assert_uint_eq(*entry_at(env, BASE), 0);
    ck_assert_uint_eq(counted(run_first), 0);
}
END_TEST

START_TEST(split_needs_a_frame_of_ones_own)
{
    uint64_t given = alloc(env, 1, 0), used = alloc(env, 1, 0);
    map_whole();
    ck_assert_int_eq(of_frame(env, EXO_GIVE, given, 1), 0);
    ck_assert_int_eq(table(env, given, BASE, 1), -EXO_E_FRAME);
    ck_assert_int_eq(table(env, run_first + 3, BASE, 1), -EXO_E_BUSY); /* one that it maps */
    ck_assert_int_eq(table(env, HOST_FRAMES, BASE, 1), -EXO_E_FRAME);
    ck_assert_int_eq(table(env, env->cq_frame, BASE, 1), -EXO_E_FRAME);
    ck_assert_int_eq(table(env, used, OTHER, 1), 0);
    ck_assert_int_eq(table(env, used, BASE, 1), -EXO_E_FRAME); /* a table already */
    ck_assert_int_eq(table(env, alloc(env, 1, 0), BASE, 2), -EXO_E_EXISTS);
    for (unsigned i = 0; i < LARGE_PAGES; i++)
        ck_assert(reaches(env, PAGE(i), run_first + i, RW));
}
END_TEST

/* No access went through: the small pages have none either, and the program gives them rights. */
START_TEST(split_of_what_is_not_whole)
{
    ck_assert_int_eq(map(env, BASE, run_first, 20, LARGE_RW), 0);
    ck_assert_int_eq(table(env, alloc(env, 1, 0), BASE, 1), 0);
    for (unsigned i = 0; i < 20; i++)
        ck_assert(reaches(env, PAGE(i), run_first + i, EXO_NONE));
    ck_assert(!reaches(env, PAGE(20), run_first + 20, EXO_NONE));
    ck_assert_int_eq(freeze(env, BASE, 1), -EXO_E_BUSY); /* it still counts as writable */
    ck_assert_int_eq(protect(env, BASE, 20, EXO_READ), 0);
    ck_assert_int_eq(freeze(env, BASE, 1), 0);
    ck_assert_int_eq(unmap(env, BASE, 20, NULL), 0);
    ck_assert_uint_eq(counted(run_first), 0);
}
END_TEST

START_TEST(frozen_page_by_page)
{
    struct exo_op share = {.code = EXO_SHARE, .handle = handle, .arg = {BASE, BASE, LARGE_PAGES, EXO_READ | EXO_LARGE}};
    map_whole();
    ck_assert_int_eq(freeze(env, BASE, 1), -EXO_E_BUSY);
    ck_assert_int_eq(unmap(env, BASE, LARGE_PAGES, NULL), 0);
    ck_assert_int_eq(map(env, BASE, run_first, LARGE_PAGES, EXO_READ | EXO_LARGE), 0);
    ck_assert_int_eq(freeze(env, BASE, LARGE_PAGES / 2), 0);
    ck_assert_int_eq(run(env, share, NULL), -EXO_E_STATE); /* the other half is not frozen */
    ck_assert(!reaches(child, BASE, run_first, EXO_READ));
    ck_assert_int_eq(run(env, (struct exo_op){.code = EXO_UNMAP, .handle = handle, .arg = {BASE, LARGE_PAGES}}, NULL), 0);
    ck_assert_int_eq(freeze(env, PAGE(LARGE_PAGES / 2), LARGE_PAGES / 2), 0);
    uint32_t used = child->frames_used, free = frames_free;
    ck_assert_int_eq(run(env, share, NULL), 0);
    ck_assert_uint_eq(child->frames_used, used + LARGE_PAGES);
    ck_assert(reaches(child, PAGE(9), run_first + 9, EXO_READ));
    share.arg[3] = LARGE_RW;
    ck_assert_int_eq(run(env, share, NULL), -EXO_E_RIGHT);
    ck_assert_int_eq(run(env, (struct exo_op){.code = EXO_THAW, .arg = {PAGE(9)}}, NULL), -EXO_E_BUSY);
    ck_assert_int_eq(table(child, alloc(child, 1, 0), BASE, 1), 0);
    ck_assert_int_eq(protect(child, PAGE(9), 1, RW), -EXO_E_RIGHT);
    ck_assert_int_eq(unmap(child, PAGE(9), 1, NULL), 0);
    ck_assert_int_eq(run(env, (struct exo_op){.code = EXO_THAW, .arg = {PAGE(9)}}, NULL), 0);
    ck_assert_uint_eq(frames[run_first + 9].state, FRAME_OWNED);
    ck_assert(reaches(env, PAGE(9), run_first + 9, EXO_READ));
    ck_assert_int_eq(unmap(env, BASE, LARGE_PAGES, NULL), 0);
    ck_assert_uint_eq(frames_free, free - 1);
    ck_assert_int_eq(unmap(child, BASE, LARGE_PAGES, NULL), 0); /* the last rights */
    ck_assert_uint_eq(frames_free, free - 1 + LARGE_PAGES - 1);
    ck_assert_int_eq(of_frame(env, EXO_FREE, run_first + 9, 1), 0);
}
END_TEST

/* The child's, whole, and all that it has. */
static void childs(void)
{
    ck_assert_int_eq(map(child, BASE, run_first, LARGE_PAGES, LARGE_RW), 0);
    env->frames_limit += child->frames_limit - child->frames_used;
    child->frames_limit = child->frames_used;
}

START_TEST(force_takes_it_from_the_front)
{
    run_first = alloc(child, LARGE_PAGES, 6);
    childs();
    memset(frame_memory((frame_t){(uint32_t)run_first + 15}), 0x77, 4096);
    child->control->spare = BASE;
    ck_assert_int_eq(run(env, (struct exo_op){.code = EXO_RECLAIM, .handle = handle, .arg = {10, 0}}, NULL), 0);
    ck_assert_uint_eq(child->info->taken_tail, 1);
    ck_assert_uint_eq(child->info->taken[0].first, BASE);
    ck_assert_uint_eq(child->info->taken[0].count, 10);
    ck_assert_int_eq(run(env, (struct exo_op){.code = EXO_RECLAIM, .handle = handle, .arg = {5, 0}}, NULL), 0);
    ck_assert_uint_eq(child->info->taken[1].first, PAGE(10)); /* goes on where it was */
    ck_assert_uint_eq(child->info->taken[1].count, 5);
    ck_assert(!reaches(child, PAGE(15), run_first + 15, RW)); /* not whole */
    env->frames_limit -= 1, child->frames_limit += 1;
    ck_assert_int_eq(table(child, alloc(child, 1, 0), BASE, 1), 0);
    ck_assert_int_eq(protect(child, BASE, LARGE_PAGES, RW), 0);
    ck_assert(!reaches(child, PAGE(14), run_first + 14, RW));
    ck_assert(reaches(child, PAGE(15), run_first + 15, RW));
    ck_assert_uint_eq(*(uint8_t *)frame_memory((frame_t){(uint32_t)run_first + 15}), 0x77);
}
END_TEST

/* What was said to be spare lies in its middle, and a frame behind that has to stay. */
START_TEST(force_stops_at_what_stays)
{
    run_first = alloc(child, LARGE_PAGES, 6);
    ck_assert_int_eq(table(child, alloc(child, 1, 0), OTHER, 1), 0);
    ck_assert_int_eq(map(child, OTHER, run_first + 40, 1, EXO_READ), 0); /* mapped twice */
    childs();
    child->control->spare = PAGE(30);
    ck_assert_int_eq(run(env, (struct exo_op){.code = EXO_RECLAIM, .handle = handle, .arg = {40, 0}}, NULL), 0);
    ck_assert_uint_eq(child->info->taken[0].first, BASE);
    ck_assert_uint_eq(child->info->taken[0].count, 40);
    ck_assert_uint_eq(counted(run_first), LARGE_PAGES - 40 + 1);
    ck_assert_int_eq(run(env, (struct exo_op){.code = EXO_RECLAIM, .handle = handle, .arg = {1, 0}}, NULL), -EXO_E_DEAD);
    ck_assert_uint_eq(counted(run_first), LARGE_PAGES - 40 + 1);
}
END_TEST

/* Whole, begun, half gone: nothing of any is left. */
START_TEST(death_drops_every_right)
{
    uint64_t second = alloc(child, LARGE_PAGES, 6);
    uint32_t free = frames_free, used = env->frames_used, has = child->frames_used;
    (void)used;
    run_first = alloc(child, LARGE_PAGES, 6);
    childs();
    ck_assert_int_eq(map(child, OTHER, second, 20, LARGE_RW), 0);
    ck_assert_int_eq(map(child, OTHER + 0x400000, second, LARGE_PAGES, LARGE_RW), 0);
    host_plan(child, EXO_PLAN_QUIET);
    ((struct exo_plan *)(uintptr_t)&child->sq[(host_built(child) - 1) & (child->sq_size - 1)])->work = 1;
    *host_op(child, EXO_UNMAP) = (struct exo_op){.code = EXO_UNMAP, .arg = {OTHER + 0x400000, LARGE_PAGES}};
    (void)host_enter(child);
    host_check();
    ck_assert_uint_eq(counted(second), 20 + LARGE_PAGES - 16);
    ck_assert_int_eq(map(env, BASE, alloc(env, LARGE_PAGES, 6), LARGE_PAGES, EXO_READ | EXO_LARGE), 0);
    ck_assert_int_eq(freeze(env, BASE, LARGE_PAGES), 0);
    child->frames_limit += LARGE_PAGES, env->frames_limit -= LARGE_PAGES;
    struct exo_op share = {.code = EXO_SHARE, .handle = handle,
                           .arg = {OTHER + 0x200000, BASE, 30, EXO_READ | EXO_LARGE}};
    ck_assert_int_eq(run(env, share, NULL), 0);
    ck_assert_int_eq(run(env, (struct exo_op){.code = EXO_ENV_KILL, .handle = handle}, NULL), 0);
    ck_assert_int_eq(unmap(env, BASE, LARGE_PAGES, NULL), 0);
    ck_assert_uint_eq(frames_free, free + has);
}
END_TEST

/* With a second core that is late: a frame that only the large page's entry mapped. */
START_TEST(late_cores_remember_all_of_it)
{
    map_whole();
    host_flushed = flush_epoch;
    ck_assert_int_eq(unmap(env, BASE, LARGE_PAGES, NULL), 0);
    for (unsigned i = 0; i < LARGE_PAGES; i += LARGE_PAGES - 1) {
        host_plan(env, EXO_PLAN_QUIET);
        *host_op(env, EXO_FREE) = (struct exo_op){.code = EXO_FREE, .arg = {run_first + i, 1}};
        ck_assert_int_eq(host_enter(env), 0);
        ck_assert_uint_eq(frames[run_first + i].state, FRAME_OWNED);
    }
    host_flushed = flush_epoch;
    for (unsigned i = 0; i < 4; i++) {
        (void)flush_look();
        host_continue(env);
    }
    ck_assert_uint_eq(frames[run_first].state, FRAME_FREE);
    ck_assert_uint_eq(frames[run_first + LARGE_PAGES - 1].state, FRAME_FREE);
    host_check();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("large");
    TCase *tests = tcase_create("large");
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, setup, NULL);
    tcase_add_test(tests, one_entry_maps_them_all);
    tcase_add_test(tests, rights_are_the_entrys);
    tcase_add_test(tests, what_is_not_aligned_is_refused);
    tcase_add_test(tests, what_is_there_stays);
    tcase_add_test(tests, each_frame_is_busy);
    tcase_add_test(tests, a_foreign_frame_is_not_mapped);
    tcase_add_test(tests, what_was_begun_goes_on);
    tcase_add_test(tests, stopped_in_the_middle);
    tcase_add_test(tests, split_keeps_what_was_there);
    tcase_add_test(tests, split_needs_a_frame_of_ones_own);
    tcase_add_test(tests, split_of_what_is_not_whole);
    tcase_add_test(tests, frozen_page_by_page);
    tcase_add_test(tests, force_takes_it_from_the_front);
    tcase_add_test(tests, force_stops_at_what_stays);
    tcase_add_test(tests, death_drops_every_right);
    tcase_add_test(tests, late_cores_remember_all_of_it);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
