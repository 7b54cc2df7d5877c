/* SPDX-License-Identifier: MIT */
/*
 * Large pages by plans, and what the processor makes of them: one entry for 512 pages with its accessed and dirty bits, its
 * rights, split, shared frozen, taken away. The errors are in test/unit/test_large.c.
 */
#include "op.h"
#include "touch.h"

#define RW (EXO_READ | EXO_WRITE)
#define LARGE EXO_LARGE_PAGES
#define NEXT (SPARE + LARGE * PAGE)

enum { PRESENT = 1, WRITABLE = 2, USER = 4, ACCESSED = 0x20, DIRTY = 0x40, IS_LARGE = 0x80 };

static uint64_t shown; /* where the table that holds the entry can be read */
static uint64_t run;   /* 512 frames */

#define ENTRY(i) (((const volatile uint64_t *)shown)[i])

/* Tables for the gibibyte at SPARE, and a run; the table of level 2 is shown at the end of it. */
static void make(void)
{
    uint64_t table = frames_take(1);
    shown = SPARE + (1ull << 30) - PAGE;
    OK(OP(TABLE, frames_take(1), SPARE, 3));
    OK(OP(TABLE, table, SPARE, 2));
    OK(OP(TABLE, frames_take(1), shown, 1));
    OK(OP(MAP, shown, table, 1, EXO_READ));
    OK(OP(ALLOC, LARGE, 9, EXO_ANY));
    run = op_result[0];
}

static void unmake(void)
{
    frames_give_back(run, LARGE);
    OK(OP(UNMAP, shown, 1));
    OK(OP(UNTABLE, shown, 1));
    frames_give_back(op_result[0], 1);
    for (unsigned level = 2; level <= 3; level++) {
        OK(OP(UNTABLE, SPARE, level));
        frames_give_back(op_result[0], 1);
    }
}

static void one_entry(void)
{
    uint64_t used = account_used();
    make();
    OK(OP(MAP, SPARE, run, LARGE, RW | EXO_LARGE));
    CHECK((ENTRY(0) & 0xfffffffff000) == run << 12);
    CHECK((ENTRY(0) & 0xfff) == (PRESENT | WRITABLE | USER | IS_LARGE));
    CHECK(*word_at(SPARE + 300 * PAGE) == 0);
    CHECK((ENTRY(0) & (ACCESSED | DIRTY)) == ACCESSED);
    for (unsigned i = 0; i < LARGE; i++)
        *word_at(SPARE + i * PAGE) = i + 1;
    CHECK((ENTRY(0) & (ACCESSED | DIRTY)) == (ACCESSED | DIRTY));
    CHECK(faults(SPARE, TOUCH_RUN) && faults(SPARE + 511 * PAGE, TOUCH_RUN));
    OK(OP(MAP, NEXT, run, LARGE, EXO_READ | EXO_LARGE)); /* the same once more, for reading */
    CHECK(*word_at(NEXT + 511 * PAGE) == 512 && faults(NEXT + 511 * PAGE, TOUCH_WRITE));
    OK(OP(UNMAP, NEXT, LARGE));
    CHECK(op_result[0] == run && op_result[1] == LARGE);
    OK(OP(UNMAP, SPARE, LARGE));
    CHECK(ENTRY(0) == 0 && ENTRY(1) == 0);
    CHECK(faults(SPARE, TOUCH_READ) && faults(SPARE + 300 * PAGE, TOUCH_WRITE) && faults(SPARE + 511 * PAGE, TOUCH_READ));
    unmake();
    CHECK(account_used() == used);
}

static void rights(void)
{
    make();
    OK(OP(MAP, SPARE, run, LARGE, RW | EXO_LARGE));
    *word_at(SPARE + 77 * PAGE) = 0xc3c3c3c3c3c3c3c3ull; /* RET */
    OK(OP(UNMAP, SPARE, LARGE));
    OK(OP(MAP, SPARE, run, LARGE, EXO_READ | EXO_EXEC | EXO_LARGE));
    CHECK(!faults(SPARE + 77 * PAGE, TOUCH_RUN) && faults(SPARE + 77 * PAGE, TOUCH_WRITE));
    OK(OP(UNMAP, SPARE, LARGE));
    OK(OP(MAP, SPARE, run, LARGE, EXO_NONE | EXO_LARGE));
    CHECK(faults(SPARE + 77 * PAGE, TOUCH_READ));
    OK(OP(UNMAP, SPARE, LARGE));
    unmake();
}

/* No page of it can be accessed before the last is there, nor once the first is gone. */
static void not_whole(void)
{
    make();
    OK(OP(MAP, SPARE, run, LARGE - 1, RW | EXO_LARGE));
    CHECK((ENTRY(0) & PRESENT) == 0 && ENTRY(0) >> 53 == 511 + 1024);
    CHECK(faults(SPARE, TOUCH_READ) && faults(SPARE + 510 * PAGE, TOUCH_WRITE));
    OK(OP(MAP, SPARE + 511 * PAGE, run + 511, 1, RW | EXO_LARGE));
    CHECK(!faults(SPARE, TOUCH_WRITE) && !faults(SPARE + 511 * PAGE, TOUCH_WRITE));
    FAILS(STATE, OP(UNMAP, SPARE, LARGE - 1));
    FAILS(STATE, OP(PROTECT, SPARE, LARGE, EXO_READ));
    FAILS(BUSY, OP(FREE, run + 100, 1));
    CHECK(!faults(SPARE + 100 * PAGE, TOUCH_WRITE));
    OK(OP(UNMAP, SPARE, LARGE));
    unmake();
}

static void split(void)
{
    uint64_t used = account_used(), table = frames_take(1);
    make();
    OK(OP(MAP, SPARE, run, LARGE, RW | EXO_LARGE));
    *word_at(SPARE + 9 * PAGE) = 9;
    OK(OP(TABLE, table, SPARE, 1));
    OK(OP(MAP, shown - PAGE, table, 1, EXO_READ));
    const volatile uint64_t *small = (const volatile uint64_t *)(shown - PAGE);
    for (unsigned i = 0; i < LARGE; i++)
        CHECK((small[i] & 0xfffffffffff) == ((run + i) << 12 | PRESENT | WRITABLE | USER | ACCESSED | DIRTY));
    CHECK(*word_at(SPARE + 9 * PAGE) == 9);
    OK(OP(UNMAP, SPARE + 9 * PAGE, 1));
    CHECK(faults(SPARE + 9 * PAGE, TOUCH_READ) && !faults(SPARE + 8 * PAGE, TOUCH_WRITE));
    OK(OP(FREE, run + 9, 1));
    OK(OP(PROTECT, SPARE + 10 * PAGE, 1, EXO_READ));
    CHECK(faults(SPARE + 10 * PAGE, TOUCH_WRITE) && !faults(SPARE + 11 * PAGE, TOUCH_WRITE));
    OK(OP(UNMAP, SPARE, LARGE));
    OK(OP(UNMAP, shown - PAGE, 1));
    OK(OP(UNTABLE, SPARE, 1));
    frames_give_back(table, 1);
    frames_give_back(run + 10, LARGE - 10);
    frames_give_back(run, 9);
    OK(OP(ALLOC, LARGE, 9, EXO_ANY));
    run = op_result[0];
    unmake();
    CHECK(account_used() == used);
}

/* Frozen as it lies, mapped again as one page; each page is a right of its own. */
static void frozen(void)
{
    uint64_t used = account_used();
    make();
    uint64_t with = account_used();
    OK(OP(MAP, SPARE, run, LARGE, EXO_READ | EXO_LARGE));
    OK(OP(FREEZE, SPARE, LARGE));
    OK(OP(SHARE, NEXT, SPARE, LARGE, EXO_READ | EXO_LARGE));
    CHECK(account_used() == with + LARGE && (ENTRY(1) & (PRESENT | IS_LARGE)) == (PRESENT | IS_LARGE));
    CHECK(!faults(NEXT + 400 * PAGE, TOUCH_READ) && faults(NEXT + 400 * PAGE, TOUCH_WRITE));
    FAILS(BUSY, OP(THAW, SPARE));
    OK(OP(UNMAP, SPARE, LARGE));
    CHECK(account_used() == with);
    OK(OP(UNMAP, NEXT, LARGE)); /* the last rights: the frames are free */
    CHECK(account_used() == with - LARGE);
    OK(OP(ALLOC, LARGE, 9, EXO_ANY));
    run = op_result[0];
    unmake();
    CHECK(account_used() == used);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        { "one-entry", one_entry },
        { "rights", rights },
        { "not-whole", not_whole },
        { "split", split },
        { "frozen", frozen },
        { NULL, NULL },
    };
    return check_main(cases, argc, argv);
}
