/* SPDX-License-Identifier: MIT */
/*
 * Page tables by plans: donated, filled, emptied, taken back; mapping, protecting, freezing and sharing, each
 * with the errors that abi.h names and with what the processor makes of it.
 */
#include "op.h"
#include "touch.h"

#define RW (EXO_READ | EXO_WRITE)
#define FULL_RUN 40u /* more than two steps of 16 frames */

/* ---- tables -------------------------------------------------------------------------------- */

static void tables(void)
{
    uint64_t used = account_used(), frame = frames_take(2);
    FAILS(RANGE, OP(TABLE, frame, SPARE, 0));
    FAILS(RANGE, OP(TABLE, frame, SPARE, 4));
    FAILS(RANGE, OP(TABLE, frame, SPARE + 1, 3));
    FAILS(RANGE, OP(TABLE, frame, EXO_USER_END, 3));
    FAILS(FRAME, OP(TABLE, frame + 1000000, SPARE, 3));
    FAILS(NO_TABLE, OP(TABLE, frame, SPARE, 1));
    CHECK(op_result[0] == 3);
    FAILS(NO_TABLE, OP(MAP, SPARE, frame, 1, EXO_READ));
    CHECK(op_result[0] == 3);
    OK(OP(TABLE, frame, SPARE, 3));
    FAILS(FRAME, OP(TABLE, frame, SPARE, 2));
    FAILS(EXISTS, OP(TABLE, frame + 1, SPARE, 3));
    FAILS(NO_TABLE, OP(MAP, SPARE, frame + 1, 1, EXO_READ));
    CHECK(op_result[0] == 2);
    OK(OP(TABLE, frame + 1, SPARE, 2));
    uint64_t third = frames_take(1), page = frames_take(1);
    FAILS(NO_TABLE, OP(MAP, SPARE, page, 1, EXO_READ));
    CHECK(op_result[0] == 1);
    OK(OP(TABLE, third, SPARE, 1));
    OK(OP(MAP, SPARE, page, 1, RW));
    FAILS(BUSY, OP(TABLE, page, SPARE + (2ull << 20), 1));
    FAILS(BUSY, OP(UNTABLE, SPARE, 1));
    FAILS(BUSY, OP(UNTABLE, SPARE, 2));
    FAILS(BUSY, OP(UNTABLE, SPARE, 3));
    OK(OP(UNMAP, SPARE, 1));
    FAILS(BUSY, OP(UNTABLE, SPARE, 3));
    FAILS(RANGE, OP(UNTABLE, SPARE, 4));
    FAILS(FRAME, OP(FREE, third, 1));
    OK(OP(UNTABLE, SPARE, 1));
    CHECK(op_result[0] == third);
    FAILS(ABSENT, OP(UNTABLE, SPARE, 1));
    OK(OP(FREE, third, 1));
    OK(OP(UNTABLE, SPARE, 2));
    FAILS(ABSENT, OP(UNTABLE, SPARE, 1));
    OK(OP(UNTABLE, SPARE, 3));
    CHECK(op_result[0] == frame);
    OK(OP(FREE, page, 1));
    OK(OP(FREE, frame, 2));
    CHECK(account_used() == used);
}

/* A table can be read by its owner: the processor's accessed and dirty bits without a crossing. */
static void table_read(void)
{
    enum { PRESENT = 1, WRITABLE = 2, USER = 4, ACCESSED = 0x20, DIRTY = 0x40 };
    uint64_t page = frames_take(1), at = SPARE + 7 * PAGE, shown = SPARE + 100 * PAGE;
    for (unsigned level = 3; level >= 2; level--)
        OK(OP(TABLE, frames_take(1), SPARE, level));
    uint64_t table = frames_take(1);
    OK(OP(TABLE, table, SPARE, 1));
    FAILS(RIGHT, OP(MAP, shown, table, 1, RW));
    FAILS(RIGHT, OP(MAP, shown, table, 1, EXO_READ | EXO_EXEC));
    OK(OP(MAP, shown, table, 1, EXO_READ));
    FAILS(RIGHT, OP(PROTECT, shown, 1, RW));
    OK(OP(MAP, at, page, 1, RW));
    const volatile uint64_t *entry = (const volatile uint64_t *)shown + 7;
    CHECK((*entry >> 12 & 0xffffffff) == page);
    CHECK((*entry & (PRESENT | WRITABLE | USER)) == (PRESENT | WRITABLE | USER));
    CHECK((*entry & (ACCESSED | DIRTY)) == 0);
    (void)*word_at(at);
    CHECK((*entry & (ACCESSED | DIRTY)) == ACCESSED);
    *word_at(at) = 1;
    CHECK((*entry & (ACCESSED | DIRTY)) == (ACCESSED | DIRTY));
    CHECK(faults(shown, TOUCH_WRITE));
    OK(OP(UNMAP, at, 1));
    CHECK(*entry == 0);
    FAILS(BUSY, OP(UNTABLE, SPARE, 1)); /* its own mapping is in it */
    OK(OP(UNMAP, shown, 1));
    tables_unmake(SPARE);
    frames_give_back(page, 1);
}

/* ---- MAP, UNMAP, PROTECT ------------------------------------------------------------------- */

static void map(void)
{
    uint64_t used = account_used(), frame = frames_take(FULL_RUN);
    tables_make(SPARE);
    FAILS(RANGE, OP(MAP, SPARE + 1, frame, 1, EXO_READ));
    FAILS(RANGE, OP(MAP, SPARE, frame, 1, 0));
    FAILS(RANGE, OP(MAP, SPARE, frame, 1, EXO_NONE | EXO_READ));
    FAILS(RANGE, OP(MAP, SPARE, frame, 1, 16));
    FAILS(RANGE, OP(MAP, SPARE, frame, 0, EXO_READ));
    FAILS(RANGE, OP(MAP, EXO_USER_END, frame, 1, EXO_READ));
    FAILS(RANGE, OP(MAP, EXO_USER_END - PAGE, frame, 2, EXO_READ));
    FAILS(FRAME, OP(MAP, SPARE, 0, 1, EXO_READ));
    FAILS(FRAME, OP(MAP, SPARE, frame + (1ull << 34), 1, EXO_READ));
    OK(OP(MAP, SPARE, frame, FULL_RUN, RW));
    for (unsigned i = 0; i < FULL_RUN; i++)
        *word_at(SPARE + i * PAGE) = i + 1;
    FAILS(EXISTS, OP(MAP, SPARE + PAGE, frame, 1, EXO_READ));
    /* The same frames once more, elsewhere: the same bytes. Stops at what is there already. */
    uint64_t other = SPARE + 100 * PAGE;
    OK(OP(MAP, other + 20 * PAGE, frame, 1, EXO_READ));
    FAILS(EXISTS, OP(MAP, other, frame, FULL_RUN, EXO_READ));
    CHECK(op_result[0] == 20);
    for (unsigned i = 0; i < 20; i++)
        CHECK(*word_at(other + i * PAGE) == i + 1);
    CHECK(faults(other, TOUCH_WRITE) && faults(other + 21 * PAGE, TOUCH_READ));
    OK(OP(UNMAP, other, 21));
    CHECK(op_result[0] == frame && op_result[1] == 21);
    CHECK(faults(other, TOUCH_READ));
    OK(OP(UNMAP, SPARE, FULL_RUN));
    CHECK(op_result[0] == frame && op_result[1] == FULL_RUN);
    tables_unmake(SPARE);
    frames_give_back(frame, FULL_RUN);
    CHECK(account_used() == used);
}

static void unmap(void)
{
    uint64_t frame = frames_take(3);
    tables_make(SPARE);
    OK(OP(MAP, SPARE + 5 * PAGE, frame, 1, RW));
    OK(OP(MAP, SPARE + 50 * PAGE, frame + 1, 1, RW));
    OK(OP(MAP, SPARE + 500 * PAGE, frame + 2, 1, RW));
    *word_at(SPARE + 50 * PAGE) = 50;
    OK(OP(UNMAP, SPARE, 512));
    CHECK(op_result[0] == frame && op_result[1] == 3);
    OK(OP(UNMAP, SPARE, 512));
    CHECK(op_result[0] == 0 && op_result[1] == 0);
    OK(OP(UNMAP, SPARE + (1ull << 30), EXO_COUNT_MAX)); /* no tables there: nothing but holes */
    FAILS(RANGE, OP(UNMAP, EXO_USER_END - PAGE, 2));
    /* The processor forgets what it knew of a page: another frame at the same address. */
    for (unsigned i = 0; i < 20; i++) {
        OK(OP(MAP, SPARE, frame + i % 2, 1, RW));
        CHECK(*word_at(SPARE) == (i < 2 ? (i == 1 ? 50u : 0u) : i - 1));
        *word_at(SPARE) = i + 1;
        OK(OP(UNMAP, SPARE, 1));
        CHECK(faults(SPARE, TOUCH_READ));
    }
    tables_unmake(SPARE);
    frames_give_back(frame, 3);
}

static void protect(void)
{
    uint64_t frame = frames_take(FULL_RUN);
    tables_make(SPARE);
    OK(OP(MAP, SPARE, frame, FULL_RUN, RW));
    for (unsigned i = 0; i < FULL_RUN; i++)
        *word_at(SPARE + i * PAGE) = 0xc3c3c3c3c3c3c3c3ull; /* RET */
    OK(OP(UNMAP, SPARE + 20 * PAGE, 1));
    OK(OP(PROTECT, SPARE, FULL_RUN, EXO_READ)); /* over the hole */
    for (unsigned i = 0; i < FULL_RUN; i++)
        CHECK(faults(SPARE + i * PAGE, TOUCH_WRITE));
    CHECK(!faults(SPARE + 39 * PAGE, TOUCH_READ) && faults(SPARE + 39 * PAGE, TOUCH_RUN));
    OK(OP(PROTECT, SPARE, 1, EXO_READ | EXO_EXEC));
    CHECK(!faults(SPARE, TOUCH_RUN) && faults(SPARE, TOUCH_WRITE));
    OK(OP(PROTECT, SPARE, 1, RW));
    CHECK(!faults(SPARE, TOUCH_WRITE) && faults(SPARE, TOUCH_RUN));
    OK(OP(PROTECT, SPARE + 20 * PAGE, 1, RW));
    CHECK(faults(SPARE + 20 * PAGE, TOUCH_READ));
    FAILS(RANGE, OP(PROTECT, SPARE, 1, 0));
    FAILS(RANGE, OP(PROTECT, SPARE, 1, 15));
    FAILS(RANGE, OP(PROTECT, EXO_USER_END - PAGE, 2, EXO_READ));
    FAILS(RIGHT, OP(PROTECT, LIBOS_INFO, 1, RW));
    FAILS(RIGHT, OP(PROTECT, LIBOS_CQ, 1, RW));
    OK(OP(UNMAP, SPARE, FULL_RUN));
    tables_unmake(SPARE);
    frames_give_back(frame, FULL_RUN);
}

/* ---- FREEZE, THAW, SHARE ------------------------------------------------------------------- */

static void freeze(void)
{
    uint64_t used = account_used(), frame = frames_take(1), two = SPARE + 50 * PAGE;
    tables_make(SPARE);
    uint64_t with = account_used();
    FAILS(ABSENT, OP(FREEZE, SPARE, 1));
    FAILS(ABSENT, OP(THAW, SPARE));
    OK(OP(MAP, SPARE, frame, 1, RW));
    *word_at(SPARE) = 42;
    FAILS(BUSY, OP(FREEZE, SPARE, 1));
    FAILS(STATE, OP(THAW, SPARE));
    FAILS(STATE, OP(SHARE, two, SPARE, 1, EXO_READ));
    OK(OP(PROTECT, SPARE, 1, EXO_READ));
    OK(OP(FREEZE, SPARE, 1));
    CHECK(account_used() == with);
    FAILS(FRAME, OP(FREEZE, SPARE, 1));
    FAILS(RIGHT, OP(PROTECT, SPARE, 1, RW));
    FAILS(FRAME, OP(MAP, two, frame, 1, EXO_READ)); /* frozen: no name for it but the mapping */
    FAILS(FRAME, OP(FREE, frame, 1));
    CHECK(*word_at(SPARE) == 42 && faults(SPARE, TOUCH_WRITE));
    FAILS(RIGHT, OP(SHARE, two, SPARE, 1, RW));
    FAILS(ABSENT, OP(SHARE, two, two, 1, EXO_READ));
    FAILS(RANGE, OP(SHARE, EXO_USER_END - PAGE, SPARE, 2, EXO_READ));
    FAILS(NO_TABLE, OP(SHARE, SPARE + (1ull << 30), SPARE, 1, EXO_READ));
    CHECK(op_result[0] == 2);
    OK(OP(SHARE, two, SPARE, 1, EXO_READ));
    CHECK(account_used() == with + 1 && *word_at(two) == 42);
    FAILS(EXISTS, OP(SHARE, two, SPARE, 1, EXO_READ));
    CHECK(account_used() == with + 1);
    FAILS(BUSY, OP(THAW, SPARE));
    FAILS(BUSY, OP(THAW, two));
    OK(OP(UNMAP, SPARE, 1));
    CHECK(account_used() == with && *word_at(two) == 42);
    OK(OP(THAW, two));
    CHECK(op_result[0] == frame && account_used() == with);
    CHECK(faults(two, TOUCH_WRITE)); /* an ordinary read-only mapping now */
    OK(OP(PROTECT, two, 1, RW));
    *word_at(two) = 43;
    OK(OP(PROTECT, two, 1, EXO_READ));
    OK(OP(FREEZE, two, 1));
    OK(OP(UNMAP, two, 1)); /* the last right: the frame is free */
    CHECK(account_used() == with - 1);
    FAILS(FRAME, OP(FREE, frame, 1));
    tables_unmake(SPARE);
    CHECK(account_used() == used);
}

static void freeze_runs(void)
{
    uint64_t used = account_used(), frame = frames_take(FULL_RUN), two = SPARE + 100 * PAGE;
    tables_make(SPARE);
    uint64_t with = account_used();
    OK(OP(MAP, SPARE, frame, FULL_RUN, EXO_READ));
    OK(OP(MAP, two, frame, FULL_RUN, EXO_READ));
    OK(OP(FREEZE, SPARE, FULL_RUN)); /* two rights each: the second is charged now */
    CHECK(account_used() == with + FULL_RUN);
    OK(OP(UNMAP, two + 30 * PAGE, 1));
    FAILS(ABSENT, OP(SHARE, SPARE + 200 * PAGE, two, FULL_RUN, EXO_READ));
    CHECK(op_result[0] == 30);
    CHECK(account_used() == with + FULL_RUN - 1 + 30);
    OK(OP(UNMAP, SPARE, 512));
    CHECK(account_used() == with - FULL_RUN);
    tables_unmake(SPARE);
    CHECK(account_used() == used);
    /* Writable somewhere else, or pinned as a ring: not to be frozen. */
    FAILS(BUSY, OP(FREEZE, LIBOS_CONTROL, 1));
    FAILS(BUSY, OP(FREEZE, LIBOS_SQ, 1));
    FAILS(FRAME, OP(FREEZE, LIBOS_CQ, 1));
    FAILS(FRAME, OP(FREEZE, LIBOS_INFO, 1));
    FAILS(RANGE, OP(FREEZE, EXO_USER_END - PAGE, 2));
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        { "tables", tables },
        { "table-read", table_read },
        { "map", map },
        { "unmap", unmap },
        { "protect", protect },
        { "freeze", freeze },
        { "freeze-runs", freeze_runs },
        { NULL, NULL },
    };
    return check_main(cases, argc, argv);
}
