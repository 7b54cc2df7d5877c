/* SPDX-License-Identifier: MIT */
/*
 * Large pages as a way to other people's memory: frames that are not one's own in the middle of a run, frames that go to
 * others while they are mapped, tables that are none, and what the processor remembers of a page that is gone.
 *
 *   large           everything that is refused with an error
 *   large NAME      one access that must end the program
 */
#include "attack.h"

#define PLACE 0x10000000000ull /* an address below which this program has no tables */
#define LARGE EXO_LARGE_PAGES
#define PAGE(i) (PLACE + (i) * (uint64_t)EXO_PAGE_SIZE)
#define RW (EXO_READ | EXO_WRITE)
#define LARGE_RW (RW | EXO_LARGE)
#define CELL(NAME, ...) run_cell((struct exo_op){.code = EXO_##NAME, .arg = {__VA_ARGS__}})

static uint64_t run, table; /* frames: a run of 512 and one that is to be a table */

static void take(void)
{
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    for (unsigned level = 3; level > 1; level--)
        plan_table(plan, env_self(), plan_alloc(plan, 1, 0), PLACE, level);
    struct frame_ref first = plan_alloc(plan, LARGE, 9), one = plan_alloc(plan, 1, 0);
    holds("memory of one's own", plan_run(plan) == 0);
    run = plan_value(plan, first);
    table = plan_value(plan, one);
}

static void map_whole(void) { holds("a large page", CELL(MAP, PLACE, run, LARGE, LARGE_RW) == 0); }
static void unmap_whole(void) { holds("no large page", CELL(UNMAP, PLACE, LARGE) == 0); }

/* Every run of the machine: it is not ours, or part of it is not, or it is no memory at all. */
static void others_runs(void)
{
    unsigned whole = 0;
    for (uint64_t first = 0; first < 64 * LARGE; first += LARGE) {
        bool mapped = CELL(MAP, PLACE, first, LARGE, LARGE_RW) == 0;
        whole += mapped && first != run;
        CELL(UNMAP, PLACE, LARGE);
    }
    holds("only the own run can be mapped", whole == 0);
    refused("a run behind all memory", CELL(MAP, PLACE, 1ull << 31, LARGE, LARGE_RW), EXO_E_FRAME);
    refused("a run behind 2^32", CELL(MAP, PLACE, run + (1ull << 32), LARGE, LARGE_RW), EXO_E_FRAME);
    refused("a run that wraps", CELL(MAP, PLACE, UINT64_MAX - LARGE + 1, LARGE, LARGE_RW), EXO_E_FRAME);
    refused("the info page and what follows", CELL(MAP, PLACE, EXO_INFO_FRAME, LARGE, EXO_READ | EXO_LARGE), 0);
}

/* One frame of the run is somebody else's: given back, and perhaps taken meanwhile. */
static void foreign_frame(void)
{
    holds("one frame less", CELL(FREE, run + 300, 1) == 0);
    refused("a run with a hole", CELL(MAP, PLACE, run, LARGE, LARGE_RW), EXO_E_FRAME);
    refused("the rest behind the hole", CELL(MAP, PAGE(301), run + 301, LARGE - 301, LARGE_RW), EXO_E_EXISTS);
    refused("what was begun, as a table", CELL(UNTABLE, PLACE, 1), EXO_E_ABSENT);
    refused("a frame of what was begun", CELL(FREE, run + 299, 1), EXO_E_BUSY);
    refused("part of what was begun", CELL(UNMAP, PLACE, 299), EXO_E_STATE);
    unmap_whole();
    if (CELL(ALLOC, 1, 0, run + 300) == 0)
        return;
    holds("the rest of the run goes", CELL(FREE, run, 300) == 0 && CELL(FREE, run + 301, LARGE - 301) == 0);
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    struct frame_ref first = plan_alloc(plan, LARGE, 9);
    holds("another run", plan_run(plan) == 0);
    run = plan_value(plan, first);
}

static void shapes(void)
{
    static const uint64_t outside[] = {EXO_USER_END, 0x0000800000000000ull, 0xffff800000000000ull, 0xffffffff80000000ull,
                                       0xffffffffffe00000ull, 1};
    for (unsigned i = 0; i < sizeof(outside) / sizeof(outside[0]); i++)
        refused("outside", CELL(MAP, outside[i], run, LARGE, LARGE_RW), EXO_E_RANGE);
    refused("over the end", CELL(MAP, EXO_USER_END - 511 * 4096ull, run, LARGE, LARGE_RW), EXO_E_RANGE);
    refused("an address between", CELL(MAP, PAGE(1), run, LARGE, LARGE_RW), EXO_E_RANGE);
    refused("a frame between", CELL(MAP, PLACE, run + 1, LARGE, LARGE_RW), EXO_E_RANGE);
    refused("not from its beginning", CELL(MAP, PAGE(1), run + 1, LARGE - 1, LARGE_RW), EXO_E_ABSENT);
    refused("without rights", CELL(MAP, PLACE, run, LARGE, EXO_LARGE), EXO_E_RANGE);
    refused("none and more", CELL(MAP, PLACE, run, LARGE, EXO_LARGE | EXO_NONE | EXO_READ), EXO_E_RANGE);
    refused("larger than large", CELL(MAP, PLACE, run, LARGE, EXO_LARGE << 1 | EXO_READ), EXO_E_RANGE);
    refused("its own tables for writing", CELL(MAP, PLACE, table - table % LARGE, LARGE, LARGE_RW), 0);
    CELL(UNMAP, PLACE, LARGE);
}

/* Each frame of it is in use, whoever asks for it in whatever way. */
static void given_while_mapped(void)
{
    static const unsigned places[] = {0, 1, 255, 511};
    map_whole();
    for (unsigned i = 0; i < 4; i++) {
        uint64_t frame = run + places[i];
        refused("free", CELL(FREE, frame, 1), EXO_E_BUSY);
        refused("slots", CELL(SLOTS, frame, 1, 4), EXO_E_BUSY);
        refused("a table of another place", CELL(TABLE, frame, PLACE + (1ull << 30), 1), EXO_E_BUSY);
        refused("its own table", CELL(TABLE, frame, PLACE, 1), EXO_E_BUSY);
        refused("a channel", CELL(CHANNEL_CREATE, frame, 1, 1), EXO_E_BUSY);
        refused("freeze what can be written", CELL(FREEZE, PAGE(places[i]), 1), EXO_E_BUSY);
        refused("thaw", CELL(THAW, PAGE(places[i])), EXO_E_STATE);
        refused("share", CELL(SHARE, PLACE + (1ull << 30), PAGE(places[i]), 1, EXO_READ), EXO_E_STATE);
        refused("protect one page", CELL(PROTECT, PAGE(places[i]), 1, EXO_READ), EXO_E_STATE);
        refused("unmap one page", CELL(UNMAP, PAGE(places[i]), 1), EXO_E_STATE);
        refused("map over one page", CELL(MAP, PAGE(places[i]), table, 1, RW), EXO_E_EXISTS);
    }
    refused("an environment", CELL(ENV_CREATE, run + 100, 10), 0);
    refused("free all", CELL(FREE, run, LARGE), EXO_E_BUSY);
    refused("take its table back", CELL(UNTABLE, PLACE, 1), EXO_E_ABSENT);
    refused("take the table above back", CELL(UNTABLE, PLACE, 2), EXO_E_BUSY);
    for (unsigned i = 0; i < LARGE; i++)
        *(volatile uint64_t *)PAGE(i) = i;
    unmap_whole();
}

/* What a split hangs in is a table that nobody else has a say in. */
static void split_with(void)
{
    unsigned tables = 0;
    map_whole();
    for (uint64_t frame = 0; frame < 32768; frame++) {
        bool owned = frame == table;
        tables += !owned && CELL(MAP, PLACE + (1ull << 21), frame, 1, RW) == -EXO_E_FRAME &&
                  CELL(TABLE, frame, PLACE, 1) == 0;
    }
    holds("no frame of others splits", tables == 0);
    holds("a split", CELL(TABLE, table, PLACE, 1) == 0);
    refused("a table for writing", CELL(MAP, PLACE + (1ull << 21), table, 1, RW), 0);
    refused("free a table", CELL(FREE, table, 1), EXO_E_FRAME);
    refused("take a full table back", CELL(UNTABLE, PLACE, 1), EXO_E_BUSY);
    refused("join them again", CELL(MAP, PLACE, run, LARGE, LARGE_RW), EXO_E_EXISTS);
    unmap_whole();
    holds("an empty table", CELL(UNTABLE, PLACE, 1) == 0);
}

/* ---- what the processor remembers ------------------------------------------------------------- */

static void touch(unsigned page) { ++*(volatile uint64_t *)PAGE(page); }

/* Its 512 frames were known to the TLB by the one entry; every one is somebody else's now. */
static void after_free(unsigned page)
{
    map_whole();
    for (unsigned i = 0; i < LARGE; i += 5)
        touch(i);
    unmap_whole();
    holds("all go", CELL(FREE, run, LARGE) == 0);
    touch(page);
}
static void after_free_first(void) { after_free(0); }
static void after_free_last(void) { after_free(LARGE - 1); }

static void after_split(void)
{
    map_whole();
    touch(200), touch(201);
    holds("a split", CELL(TABLE, table, PLACE, 1) == 0);
    holds("one page less", CELL(UNMAP, PAGE(200), 1) == 0 && CELL(FREE, run + 200, 1) == 0);
    touch(201);
    touch(200);
}

static void before_it_is_whole(void)
{
    holds("nearly", CELL(MAP, PLACE, run, LARGE - 1, LARGE_RW) == 0);
    touch(0);
}

static void write_frozen(void)
{
    holds("frozen", CELL(MAP, PLACE, run, LARGE, EXO_READ | EXO_LARGE) == 0 && CELL(FREEZE, PLACE, LARGE) == 0);
    touch(17);
}

static const struct {
    const char *name;
    void (*run)(void);
} attacks[] = {
#define A(name) {#name, name},
    A(after_free_first) A(after_free_last) A(after_split) A(before_it_is_whole) A(write_frozen)
#undef A
};

int main(int argc, char **argv)
{
    take();
    for (unsigned i = 0; argc == 2 && i < sizeof(attacks) / sizeof(attacks[0]); i++) {
        if (strcmp(argv[1], attacks[i].name) != 0)
            continue;
        attacks[i].run();
        return survived(argv[1]);
    }
    others_runs();
    foreign_frame();
    shapes();
    given_while_mapped();
    split_with();
    return attack_end();
}
