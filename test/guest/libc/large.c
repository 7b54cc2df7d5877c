/* SPDX-License-Identifier: MIT */
/*
 * Large pages as a program sees them: they come with one fault where they fit, every part of them can be changed by
 * itself, and the account says at each point what it should (the kernel's, in the info page).
 */
#include "region.h"

/* ---- cases --------------------------------------------------------------------------------------------- */

static void one_fault(void)
{
    uint64_t start = used(), rest = other();
    char *m = region(4);
    for (unsigned i = 0; i < 4; i++) {
        uint64_t before = used(), seen = usage().faults;
        m[i * LARGE + i * 777777 % LARGE] = 0;
        CHECK(usage().faults == seen + 1 && usage().large == i + 1);
        CHECK(used() - before >= PAGES && used() - before <= PAGES + 6);
        CHECK(not_zero(m, i * PAGES, (i + 1) * PAGES) == 0);
        CHECK(mem_frame_at(m + i * LARGE) % PAGES == 0);
        CHECK(mem_frame_at(m + i * LARGE + 500 * PAGE) == mem_frame_at(m + i * LARGE) + 500);
    }
    uint64_t seen = usage().faults;
    fill(m, 0, 4 * PAGES);
    CHECK(spoiled(m, 0, 4 * PAGES) == 0);
    CHECK(usage().faults == seen && other() == rest);
    /* Zeroed each time, though it is the same memory. */
    for (unsigned i = 0; i < 3; i++) {
        CHECK(madvise(m, 4 * LARGE, MADV_DONTNEED) == 0 && usage().large == 0);
        CHECK(used() <= start + 6 && other() == rest);
        CHECK(not_zero(m, 0, 4 * PAGES) == 0 && usage().large == 4);
        fill(m, 0, 4 * PAGES);
    }
    CHECK(munmap(m, 4 * LARGE) == 0 && usage().large == 0);
    CHECK(faults(m, false) && faults(m + 4 * LARGE - 1, true));
    CHECK(used() <= start + 6 && other() == rest);
}

/* The pieces at both ends, which are not large, and what was not advised. */
static void ends(void)
{
    char *m = region(4), *low = m + LARGE - 3 * PAGE, *high = m + 3 * LARGE + 5 * PAGE;
    CHECK(munmap(m, (size_t)(low - m)) == 0 && munmap(high, (size_t)(m + 4 * LARGE - high)) == 0);
    fill(low, 0, (size_t)(high - low) / PAGE);
    CHECK(usage().large == 2);
    CHECK(spoiled(low, 0, (size_t)(high - low) / PAGE) == 0);
    CHECK(munmap(low, (size_t)(high - low)) == 0 && usage().large == 0);
    m = region(3);
    CHECK(madvise(m + LARGE + PAGE, PAGE, MADV_NOHUGEPAGE) == 0);
    fill(m, 0, 3 * PAGES);
    CHECK(usage().large == 2 && spoiled(m, 0, 3 * PAGES) == 0);
    CHECK(madvise(m, 3 * LARGE, MADV_DONTNEED) == 0);
    CHECK(madvise(m, 3 * LARGE, MADV_HUGEPAGE) == 0);
    fill(m, 0, 3 * PAGES); /* where an empty table of small pages was */
    CHECK(usage().large == 3 && spoiled(m, 0, 3 * PAGES) == 0);
    CHECK(munmap(m, 3 * LARGE) == 0);
    CHECK(madvise(m, LARGE, MADV_HUGEPAGE) == -1 && errno == ENOMEM);
    CHECK(madvise(m + 1, LARGE, MADV_HUGEPAGE) == -1 && errno == EINVAL);
}

/* One part given back at every border that there is. */
static void parts_go(void)
{
    uint64_t rest = other();
    char *m = region(1);
    for (unsigned i = 1; i < PAGES; i++) {
        unsigned first = i % 2 == 0 ? 0 : i, end = i % 2 == 0 ? i : PAGES;
        fill(m, 0, PAGES);
        CHECK(usage().large == 1);
        uint64_t before = used();
        CHECK(madvise(m + first * PAGE, (end - first) * PAGE, MADV_DONTNEED) == 0);
        /* Of the reserve's two frames one is the table now, and one went with the last large page. */
        CHECK(usage().large == 0 && before - used() == end - first + 1);
        CHECK(spoiled(m, 0, first) == 0 && spoiled(m, end, PAGES) == 0);
        CHECK(not_zero(m, first, end) == 0);
        CHECK(madvise(m, LARGE, MADV_DONTNEED) == 0);
    }
    CHECK(other() == rest);
    fill(m, 0, PAGES);
    CHECK(munmap(m + 100 * PAGE, 300 * PAGE) == 0);
    CHECK(faults(m + 100 * PAGE, false) && faults(m + 400 * PAGE - 1, true));
    CHECK(spoiled(m, 0, 100) == 0 && spoiled(m, 400, PAGES) == 0);
    CHECK(munmap(m, LARGE) == 0 && other() == rest);
    /* Over a border between two. */
    m = region(2);
    fill(m, 0, 2 * PAGES);
    CHECK(munmap(m + 511 * PAGE, 2 * PAGE) == 0 && usage().large == 0);
    CHECK(spoiled(m, 0, 511) == 0 && spoiled(m, 513, 2 * PAGES) == 0);
    CHECK(mmap(m + 511 * PAGE, 2 * PAGE, RW, ANONYMOUS | MAP_FIXED, -1, 0) == m + 511 * PAGE);
    CHECK(not_zero(m, 511, 513) == 0 && spoiled(m, 0, 511) == 0);
    CHECK(munmap(m, 2 * LARGE) == 0 && other() == rest);
}

static void rights(void)
{
    uint64_t rest = other();
    char *m = region(2);
    fill(m, 0, 2 * PAGES);
    CHECK(mprotect(m, 2 * LARGE, PROT_READ) == 0 && usage().large == 2); /* all of it: no reason to split */
    CHECK(faults(m, true) && faults(m + 2 * LARGE - 8, true) && spoiled(m, 0, 2 * PAGES) == 0);
    CHECK(mprotect(m, 2 * LARGE, RW) == 0 && usage().large == 2);
    fill(m, 0, 2 * PAGES);
    CHECK(mprotect(m + 7 * PAGE, PAGE, PROT_READ) == 0 && usage().large == 1);
    CHECK(faults(m + 7 * PAGE, true) && !faults(m + 7 * PAGE, false) && !faults(m + 6 * PAGE, true) && !faults(m + 8 * PAGE, true));
    CHECK(spoiled(m, 0, 2 * PAGES) == 0);
    CHECK(mprotect(m + LARGE, LARGE, PROT_NONE) == 0 && usage().large == 0); /* a guard is never large */
    CHECK(faults(m + LARGE, false) && faults(m + LARGE + 300 * PAGE, true));
    CHECK(mprotect(m, 2 * LARGE, RW) == 0);
    CHECK(spoiled(m, 0, 2 * PAGES) == 0);
    fill(m, 0, 2 * PAGES);
    CHECK(munmap(m, 2 * LARGE) == 0 && usage().large == 0 && other() == rest);
    /* What was read-only before it was there. */
    m = region(1);
    CHECK(mprotect(m, LARGE, PROT_READ) == 0);
    CHECK(not_zero(m, 0, PAGES) == 0 && usage().large == 1 && faults(m + 9 * PAGE, true));
    CHECK(munmap(m, LARGE) == 0);
}

static void moved(void)
{
    uint64_t rest = other();
    char *m = region(3);
    fill(m, 0, 3 * PAGES);
    uint64_t frame = mem_frame_at(m);
    CHECK(munmap(m + 2 * LARGE + 9 * PAGE, LARGE - 9 * PAGE) == 0 && usage().large == 2);
    char *wall = mmap(m + 2 * LARGE + 9 * PAGE, PAGE, PROT_NONE, ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    char *n = mremap(m, 2 * LARGE + 9 * PAGE, 4 * LARGE, MREMAP_MAYMOVE);
    CHECK(n != MAP_FAILED && n != m && usage().large == 2 && mem_frame_at(n) == frame);
    CHECK(spoiled(n, 0, 2 * PAGES + 9) == 0 && not_zero(n, 2 * PAGES + 9, 4 * PAGES) == 0);
    CHECK(usage().large == 3); /* the last one came with this */
    CHECK(faults(m, false));
    /* From and to a place that no large page fits. */
    munmap(wall, PAGE);
    wall = mmap(n + 4 * LARGE, PAGE, PROT_NONE, ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    char *o = mremap(n + PAGE, 4 * LARGE - PAGE, 4 * LARGE, MREMAP_MAYMOVE);
    CHECK(o != MAP_FAILED && spoiled(n, 0, 1) == 0);
    CHECK(spoiled(o - PAGE, 1, 2 * PAGES + 9) == 0 && usage().large >= 2);
    CHECK(mremap(o, 4 * LARGE, PAGE, 0) == o && usage().large == 0);
    CHECK(munmap(o, PAGE) == 0 && munmap(n, PAGE) == 0);
    munmap(wall, PAGE);
    CHECK(other() == rest);
}

static void huge(void)
{
    uint64_t rest = other();
    CHECK(mmap(NULL, LARGE, RW, HUGE | 30u << MAP_HUGE_SHIFT, -1, 0) == MAP_FAILED && errno == EINVAL);
    CHECK(mmap(NULL, LARGE, RW, HUGE | 16u << MAP_HUGE_SHIFT, -1, 0) == MAP_FAILED && errno == EINVAL);
    CHECK(mmap(NULL, PLAN_INFO->frames_limit * PAGE, RW, HUGE, -1, 0) == MAP_FAILED && errno == ENOMEM);
    char *m = map(2 * LARGE - PAGE, HUGE | MAP_HUGE_2MB); /* the length is made whole */
    CHECK((uintptr_t)m % LARGE == 0);
    CHECK(mmap(m + PAGE, LARGE, RW, HUGE | MAP_FIXED, -1, 0) == MAP_FAILED && errno == EINVAL);
    m[2 * LARGE - 1] = 1;
    CHECK(usage().large == 1);
    fill(m, 0, 2 * PAGES);
    CHECK(usage().large == 2 && spoiled(m, 0, 2 * PAGES) == 0);
    CHECK(munmap(m, PAGE) == -1 && errno == EINVAL);
    CHECK(munmap(m + LARGE + PAGE, LARGE - PAGE) == -1 && errno == EINVAL);
    CHECK(mprotect(m + PAGE, LARGE, PROT_READ) == -1 && errno == EINVAL);
    CHECK(madvise(m + PAGE, PAGE, MADV_DONTNEED) == -1 && errno == EINVAL);
    CHECK(madvise(m, LARGE, MADV_FREE) == -1 && errno == EINVAL);
    CHECK(mremap(m, 2 * LARGE, 3 * LARGE, MREMAP_MAYMOVE) == MAP_FAILED && errno == EINVAL);
    CHECK(usage().large == 2 && spoiled(m, 0, 2 * PAGES) == 0);
    CHECK(madvise(m, LARGE + PAGE, MADV_DONTNEED) == 0); /* one and a bit: one */
    CHECK(usage().large == 1 && spoiled(m, PAGES, 2 * PAGES) == 0 && not_zero(m, 0, PAGES) == 0);
    CHECK(madvise(m, 2 * LARGE, MADV_NOHUGEPAGE) == 0 && madvise(m, LARGE, MADV_DONTNEED) == 0);
    m[0] = 1;
    CHECK(usage().large == 2); /* it was asked for, not advised */
    CHECK(munmap(m + LARGE, LARGE) == 0 && usage().large == 1);
    CHECK(munmap(m, LARGE) == 0 && usage().large == 0 && other() == rest);
}

/* Many a time: nothing adds up. */
static void again(void)
{
    uint64_t before = 0;
    for (unsigned i = 0; i < 40; i++) {
        char *m = i % 2 == 0 ? region(2) : map(2 * LARGE, HUGE);
        m[1] = m[LARGE] = 1;
        if (i % 2 == 0)
            mprotect(m + (i + 3) * PAGE, 5 * PAGE, PROT_READ);
        munmap(m, 2 * LARGE);
        if (i == 3)
            before = used();
        CHECK(i < 4 || used() <= before + 2);
    }
}

/* ---- there is no such memory ------------------------------------------------------------------------------ */

/* A frame in each run of the machine that a large page could have, and then there is none. */
static void no_runs(void)
{
    static uint64_t held[128];
    static struct plan_buffer buffer;
    uint64_t rest = other();
    unsigned count = 0;
    int error = 0;
    while (count < 128) {
        struct plan *plan = plan_begin(&buffer);
        struct frame_ref run = plan_alloc(plan, PAGES, 9);
        if ((error = plan_run(plan)) < 0)
            break;
        held[count] = plan_value(plan, run);
        plan = plan_begin(&buffer);
        plan_free(plan, frame_number(held[count++] + 1), PAGES - 1);
        CHECK(plan_run(plan) == 0);
    }
    CHECK(error == -EXO_E_NO_FRAMES && count > 4);
    char *m = region(2), *h = map(LARGE, HUGE);
    fill(m, 0, 2 * PAGES);
    fill(h, 0, PAGES);
    CHECK(usage().large == 0 && spoiled(m, 0, 2 * PAGES) == 0 && spoiled(h, 0, PAGES) == 0);
    CHECK(madvise(h, LARGE, MADV_DONTNEED) == 0 && not_zero(h, 0, PAGES) == 0);
    while (count > 0) {
        struct plan *plan = plan_begin(&buffer);
        plan_free(plan, frame_number(held[--count]), 1);
        CHECK(plan_run(plan) == 0);
    }
    CHECK(madvise(m, 2 * LARGE, MADV_DONTNEED) == 0 && munmap(h, LARGE) == 0);
    m[0] = 1;
    CHECK(usage().large == 1);
    CHECK(munmap(m, 2 * LARGE) == 0 && other() == rest);
}

/* Small pages as long as the account lasts. */
static void use_up(char *at)
{
    for (size_t i = 0; i < PAGES && PLAN_INFO->frames_limit > used(); i++)
        at[i * PAGE] = 1;
    CHECK(PLAN_INFO->frames_limit == used());
}

/* What is large can still be split when nothing is left; as often as one likes where that frees something. */
static void no_account(void)
{
    uint64_t rest = other();
    char *m = region(6);
    fill(m, 0, 6 * PAGES);
    uint64_t left = PLAN_INFO->frames_limit - used() - 100;
    char *more = map(left * PAGE, ANONYMOUS), *n = region(1);
    fill(more, 0, left - left / PAGES - 4);
    n[0] = 1;
    CHECK(usage().large == 6 && PLAN_INFO->frames_limit - used() < PAGES);
    use_up(n);
    unsigned split = 0;
    while (split < 6 && mprotect(m + split * LARGE + 10 * PAGE, PAGE, PROT_READ) == 0)
        CHECK(faults(m + split++ * LARGE + 10 * PAGE, true));
    CHECK(split == 3 && errno == ENOMEM && usage().large == 3);
    CHECK(spoiled(m, 0, 6 * PAGES) == 0 && !faults(m + 3 * LARGE + 10 * PAGE, true));
    for (unsigned i = 3; i < 6; i++) {
        CHECK(madvise(m + i * LARGE + 20 * PAGE, PAGE, MADV_DONTNEED) == 0 && usage().large == 5 - i);
        CHECK(spoiled(m, i * PAGES, i * PAGES + 20) == 0 && spoiled(m, i * PAGES + 21, (i + 1) * PAGES) == 0);
        if (i < 5)
            use_up(n);
    }
    CHECK(munmap(m, 6 * LARGE) == 0 && munmap(n, LARGE) == 0 && munmap(more, left * PAGE) == 0);
    CHECK(other() == rest);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        { "one-fault", one_fault }, { "ends", ends },       { "parts-go", parts_go },     { "rights", rights },
        { "moved", moved },         { "huge", huge },       { "again", again },           { "no-runs", no_runs },
        { "no-account", no_account }, { NULL, NULL },
    };
    return check_main(cases, argc, argv);
}
