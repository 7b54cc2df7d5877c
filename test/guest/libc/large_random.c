/* SPDX-License-Identifier: MIT */
/*
 * Whatever a program may do to parts of a region that large pages come to, in any order, beside the plainest record of what must be
 * there: for each page whether it is mapped, its rights and the last word written. The seed is the first argument.
 */
#include "region.h"

#define LARGES 4u
#define TOTAL (LARGES * PAGES)
#define STEPS 1500u

static char *base;
static struct {
    bool mapped, write, read;
    uint64_t word; /* in its first and in its last bytes; 0: as it came */
} page[TOTAL];

static uint64_t seed = 1, written;

static uint64_t draw(uint64_t below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed % below;
}

static volatile uint64_t *word_of(size_t i, bool last)
{
    return (volatile uint64_t *)(base + i * PAGE + (last ? PAGE - 8 : 0));
}

/* A range of any length, often at a border of large pages. */
static void range(size_t *first, size_t *end)
{
    *first = draw(3) == 0 ? draw(LARGES) * PAGES : draw(TOTAL);
    *end = *first + 1 + draw(draw(2) == 0 ? 16 : 2 * PAGES);
    if (draw(3) == 0)
        *end = (*end + PAGES - 1) / PAGES * PAGES;
    *end = *end > TOTAL ? TOTAL : *end;
}

static bool all_mapped(size_t first, size_t end)
{
    for (size_t i = first; i < end; i++)
        if (!page[i].mapped)
            return false;
    return true;
}

static void page_check(size_t i)
{
    if (page[i].mapped && page[i].read) {
        CHECK(*word_of(i, false) == page[i].word && *word_of(i, true) == page[i].word);
        CHECK(faults((volatile char *)word_of(i, false), true) == !page[i].write);
    } else {
        CHECK(faults((volatile char *)word_of(i, false), false));
    }
}

static void write_some(size_t first, size_t end)
{
    for (size_t i = first; i < end; i += 1 + draw(40))
        if (page[i].mapped && page[i].write)
            *word_of(i, false) = *word_of(i, true) = page[i].word = ++written;
}

static void map_anew(size_t first, size_t end)
{
    size_t bytes = (end - first) * PAGE;
    CHECK(mmap(base + first * PAGE, bytes, RW, ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0) == base + first * PAGE);
    CHECK(madvise(base + first * PAGE, bytes, draw(4) > 0 ? MADV_HUGEPAGE : MADV_NOHUGEPAGE) == 0);
    for (size_t i = first; i < end; i++) {
        page[i].mapped = page[i].read = page[i].write = true;
        page[i].word = 0;
    }
}

static void unmap(size_t first, size_t end)
{
    CHECK(munmap(base + first * PAGE, (end - first) * PAGE) == 0);
    for (size_t i = first; i < end; i++)
        page[i].mapped = false;
}

static void protect(size_t first, size_t end)
{
    static const int rights[] = { PROT_NONE, PROT_READ, RW, RW };
    int prot = rights[draw(4)];
    bool whole = all_mapped(first, end);
    CHECK((mprotect(base + first * PAGE, (end - first) * PAGE, prot) == 0) == whole);
    for (size_t i = first; whole && i < end; i++) {
        page[i].read = prot != PROT_NONE;
        page[i].write = prot == RW;
    }
}

static void dont_need(size_t first, size_t end)
{
    bool whole = all_mapped(first, end);
    CHECK((madvise(base + first * PAGE, (end - first) * PAGE, MADV_DONTNEED) == 0) == whole);
    for (size_t i = first; whole && i < end; i++)
        page[i].word = 0;
}

static void step(void)
{
    size_t first, end;
    range(&first, &end);
    switch (draw(8)) {
    case 0: map_anew(first, end); break;
    case 1: unmap(first, end); break;
    case 2:
    case 3: protect(first, end); break;
    case 4: dont_need(first, end); break;
    default: write_some(first, end);
    }
    /* Where it began and ended, and anywhere. */
    page_check(first);
    page_check(end - 1);
    page_check(first > 0 ? first - 1 : 0);
    page_check(end < TOTAL ? end : 0);
    page_check(draw(TOTAL));
}

static void random_steps(void)
{
    uint64_t rest = other(), larges = 0;
    base = region(LARGES);
    for (unsigned i = 0; i < STEPS && check_failures == 0; i++) {
        if (i % 25 == 0)
            map_anew(0, TOTAL);
        step();
        larges += usage().large;
        for (size_t k = 0; i % 50 == 49 && k < TOTAL && check_failures == 0; k++)
            page_check(k);
        CHECK(other() == rest);
        if (check_failures > 0)
            printf("FAILED in step %u of seed %llu\n", i, (unsigned long long)seed);
    }
    CHECK(munmap(base, TOTAL * PAGE) == 0 && usage().large == 0 && other() == rest);
    printf("%llu large pages seen\n", (unsigned long long)larges);
    CHECK(larges > STEPS / 2);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = { { "random", random_steps }, { NULL, NULL } };
    if (argc > 1)
        seed = strtoull(argv[1], NULL, 10) * 0x9e3779b97f4a7c15ull | 1;
    return check_main(cases, 1, argv);
}
