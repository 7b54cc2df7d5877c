/* SPDX-License-Identifier: MIT */
/*
 * Environments by plans: made, given things, started, watched, read, killed. What else a child
 * can be given is in grants.c, many of them in many.c.
 */
#include "lives.h"

#define RW (EXO_READ | EXO_WRITE)

/* ---- what children do ------------------------------------------------------------------------- */

static volatile uint64_t left_behind[4];

static void leave_words(uint64_t n)
{
    for (unsigned i = 0; i < 4; i++)
        left_behind[i] = n + i;
    child_exit(0);
}

/* ---- ENV_CREATE, GIVE --------------------------------------------------------------------------- */

static void create(void)
{
    uint64_t used = account_used(), limit = PLAN_INFO->frames_limit;
    uint64_t frame = frames_take(EXO_ENV_FRAMES + 1);
    frames_give_back(frame + EXO_ENV_FRAMES, 1);
    FAILS(RANGE, OP(ENV_CREATE, frame, EXO_ENV_FRAMES - 1));
    FAILS(RANGE, OP(ENV_CREATE, frame, 0));
    FAILS(FRAME, OP(ENV_CREATE, frame + 1, 100));
    FAILS(FRAME, OP(ENV_CREATE, 1ull << 36, 100));
    FAILS(QUOTA, OP(ENV_CREATE, frame, limit - used + 1));
    tables_make(SPARE);
    OK(OP(MAP, SPARE, frame, 1, EXO_READ));
    FAILS(BUSY, OP(ENV_CREATE, frame, 100));
    OK(OP(UNMAP, SPARE, 1));
    tables_unmake(SPARE);
    uint64_t places = PLAN_INFO->places;
    CHECK(places >= 2);
    FAILS(FULL, OP(ENV_CREATE, frame, 100, places));
    FAILS(RANGE, OP(ENV_CREATE, frame, 100, 65536));
    OK(OP(ENV_CREATE, frame, 100, places - 1));
    CHECK(PLAN_INFO->places == 0);
    uint32_t env = (uint32_t)op_result[0];
    CHECK(env != 0);
    CHECK(PLAN_INFO->frames_limit == limit - 100 && account_used() == used);
    FAILS(FRAME, OP(FREE, frame, 1));
    FAILS(FRAME, OP(ENV_CREATE, frame, 100));
    /* Not built far enough to run. */
    FAILS(STATE, OP_ON(env, ENV_START, 0x400000, LIBOS_STACK, 0));
    OK(OP_ON(env, ENV_KILL, 0));
    CHECK(op_result[0] == EXO_ENV_FRAMES);
    CHECK(PLAN_INFO->frames_limit == limit && account_used() == used && PLAN_INFO->places == places);
    FAILS(HANDLE, OP_ON(env, ENV_KILL, 0));
    FAILS(HANDLE, OP_ON(env, ENV_WAIT, 0));
    FAILS(HANDLE, OP_ON(env, ENV_START, 0x400000, LIBOS_STACK, 0));
}

static void give(void)
{
    struct child child;
    uint64_t used = account_used(), frame = frames_take(31);
    frames_give_back(frame + 30, 1);
    child_create(&child, EXO_ENV_FRAMES + 20);
    FAILS(HANDLE, OP(GIVE, frame, 1));
    FAILS(FRAME, OP_ON(child.env, GIVE, frame + 29, 2));
    tables_make(SPARE);
    OK(OP(MAP, SPARE, frame, 1, EXO_READ));
    FAILS(BUSY, OP_ON(child.env, GIVE, frame, 1));
    OK(OP(UNMAP, SPARE, 1));
    OK(OP_ON(child.env, GIVE, frame, 16));
    FAILS(FRAME, OP(MAP, SPARE, frame, 1, EXO_READ));
    FAILS(FRAME, OP(FREE, frame, 1));
    FAILS(FRAME, OP_ON(child.env, GIVE, frame, 1));
    CHECK(account_used() == used + 14 + 3);
    FAILS(QUOTA, OP_ON(child.env, GIVE, frame + 16, 5));
    OK(OP_ON(child.env, GIVE, frame + 16, 4));
    FAILS(QUOTA, OP_ON(child.env, GIVE, frame + 20, 1));
    /* Its own frames are what can be mapped there, ours are not. */
    FAILS(FRAME, OP_ON(child.env, MAP, SPARE, frame + 20, 1, EXO_READ));
    FAILS(NO_TABLE, OP_ON(child.env, MAP, SPARE, frame, 1, EXO_READ));
    FAILS(QUOTA, OP_ON(child.env, TABLE, frame + 20, SPARE, 3));
    tables_unmake(SPARE);
    child_kill(&child);
    frames_give_back(frame + 20, 10);
    CHECK(account_used() == used);
}

/* A child's tables and mappings, by its parent. */
static void child_space(void)
{
    struct child child;
    uint64_t used = account_used();
    child_create(&child, 40);
    uint64_t frame = frames_take(8);
    FAILS(NO_TABLE, OP_ON(child.env, TABLE, frame, SPARE, 2));
    for (unsigned level = 3; level >= 1; level--)
        OK(OP_ON(child.env, TABLE, frame + level, SPARE, level));
    FAILS(EXISTS, OP_ON(child.env, TABLE, frame, SPARE, 1));
    FAILS(FRAME, OP(FREE, frame + 1, 1));
    OK(OP_ON(child.env, GIVE, frame + 4, 2));
    OK(OP_ON(child.env, MAP, SPARE, frame + 4, 2, RW));
    FAILS(EXISTS, OP_ON(child.env, MAP, SPARE, frame + 4, 1, RW));
    OK(OP_ON(child.env, PROTECT, SPARE, 2, EXO_READ));
    /* Frozen constants of this program: the child may have the mapping, never for writing. */
    uint64_t code = (uint64_t)child_space & ~(PAGE - 1);
    OK(OP_ON(child.env, SHARE, SPARE + 5 * PAGE, code, 1, EXO_READ));
    FAILS(RIGHT, OP_ON(child.env, SHARE, SPARE + 6 * PAGE, code, 1, RW));
    FAILS(RIGHT, OP_ON(child.env, PROTECT, SPARE + 5 * PAGE, 1, RW));
    FAILS(EXISTS, OP_ON(child.env, SHARE, SPARE + 5 * PAGE, code, 1, EXO_READ));
    FAILS(BUSY, OP_ON(child.env, UNTABLE, SPARE, 1));
    OK(OP_ON(child.env, UNMAP, SPARE, 512));
    CHECK(op_result[0] == frame + 4 && op_result[1] == 3);
    OK(OP_ON(child.env, UNTABLE, SPARE, 1));
    CHECK(op_result[0] == frame + 1);
    FAILS(FRAME, OP(FREE, frame + 1, 1)); /* it belongs to the environment it served */
    OK(OP_ON(child.env, SLOTS, frame + 4, 1, 4));
    CHECK(op_result[0] == 6);
    child_kill(&child);
    frames_give_back(frame, 1);
    frames_give_back(frame + 6, 2);
    CHECK(account_used() == used);
}

static void share_quota(void)
{
    struct child child;
    uint64_t code = (uint64_t)share_quota & ~(PAGE - 1);
    child_create(&child, EXO_ENV_FRAMES + 4);
    uint64_t frame = frames_take(3);
    for (unsigned level = 3; level >= 1; level--)
        OK(OP_ON(child.env, TABLE, frame + level - 1, SPARE, level));
    OK(OP_ON(child.env, SHARE, SPARE, code, 1, EXO_READ));
    FAILS(QUOTA, OP_ON(child.env, SHARE, SPARE + PAGE, code, 1, EXO_READ));
    child_kill(&child);
}

/* ---- ENV_RINGS, ENV_START ---------------------------------------------------------------------- */

static void rings(void)
{
    struct child child;
    child_create(&child, 100);
    uint64_t frame = frames_take(40), ours = frames_take(1);
    OK(OP_ON(child.env, GIVE, frame, 40));
    FAILS(RANGE, OP_ON(child.env, ENV_RINGS, frame, frame + 1, 3, frame + 4, 1));
    FAILS(RANGE, OP_ON(child.env, ENV_RINGS, frame, frame + 1, 32, frame + 34, 1));
    FAILS(RANGE, OP_ON(child.env, ENV_RINGS, frame, frame + 1, 1, frame + 2, 24));
    FAILS(FRAME, OP_ON(child.env, ENV_RINGS, ours, frame + 1, 1, frame + 2, 1));
    FAILS(FRAME, OP_ON(child.env, ENV_RINGS, frame, ours, 1, frame + 2, 1));
    FAILS(FRAME, OP_ON(child.env, ENV_RINGS, frame, frame + 1, 1, frame + 39, 2));
    FAILS(BUSY, OP_ON(child.env, ENV_RINGS, frame, frame + 1, 2, frame + 2, 1));
    FAILS(BUSY, OP_ON(child.env, ENV_RINGS, frame + 3, frame + 1, 1, frame + 2, 2));
    child_tables(&child, SPARE, 1);
    OK(OP_ON(child.env, MAP, SPARE, frame + 8, 1, RW)); /* a completion ring that it could write */
    FAILS(BUSY, OP_ON(child.env, ENV_RINGS, frame, frame + 1, 1, frame + 8, 1));
    OK(OP_ON(child.env, ENV_RINGS, frame, frame + 1, 4, frame + 16, 16));
    FAILS(STATE, OP_ON(child.env, ENV_RINGS, frame, frame + 1, 4, frame + 16, 16));
    OK(OP_ON(child.env, UNMAP, SPARE, 1));
    FAILS(FRAME, OP_ON(child.env, SLOTS, frame + 16, 1, 4)); /* the kernel's now */
    FAILS(BUSY, OP_ON(child.env, SLOTS, frame, 1, 4)); /* pinned */
    FAILS(BUSY, OP_ON(child.env, SLOTS, frame + 4, 1, 4));
    FAILS(RIGHT, OP_ON(child.env, MAP, SPARE, frame + 16, 1, RW));
    OK(OP_ON(child.env, MAP, SPARE, frame + 16, 1, EXO_READ));
    OK(OP_ON(child.env, MAP, SPARE + PAGE, EXO_INFO_FRAME, 1, EXO_READ));
    FAILS(RIGHT, OP_ON(child.env, MAP, SPARE + 2 * PAGE, EXO_INFO_FRAME, 1, RW));
    child_kill(&child);
    frames_give_back(ours, 1);
}

static void start(void)
{
    struct child child;
    child_create(&child, 100);
    uint64_t frame = frames_take(3);
    OK(OP_ON(child.env, GIVE, frame, 3));
    OK(OP_ON(child.env, ENV_RINGS, frame, frame + 1, 1, frame + 2, 1));
    FAILS(RANGE, OP_ON(child.env, ENV_START, EXO_USER_END, LIBOS_STACK, 0));
    FAILS(RANGE, OP_ON(child.env, ENV_START, 0xffffffff80000000ull, LIBOS_STACK, 0));
    FAILS(RANGE, OP_ON(child.env, ENV_START, 0x400000, EXO_USER_END + 1, 0));
    OK(OP_ON(child.env, ENV_START, 0x400000, EXO_USER_END, 0));
    FAILS(STATE, OP_ON(child.env, ENV_START, 0x400000, LIBOS_STACK, 0));
    /* Nothing is mapped there, and there is no upcall entry: its first instruction stops it. */
    uint64_t stop[3];
    child_wait(&child, stop);
    CHECK(stop[0] == EXO_STOP_NESTED && stop[1] == 14 && stop[2] == 0x400000);
    FAILS(STATE, OP_ON(child.env, ENV_START, 0x400000, LIBOS_STACK, 0));
    child_kill(&child);
}

/* ---- ENV_WAIT, ENV_READ, ENV_KILL, ENV_EXIT ------------------------------------------------------ */

static void exits(void)
{
    struct child child = child_spawn(life_answer, 42, CHILD_QUOTA);
    child_stopped(&child, EXO_STOP_EXIT, 42);
    child_stopped(&child, EXO_STOP_EXIT, 42); /* told as often as asked */
    child_kill(&child);
    child = child_spawn(life_crash, 0xdead000, CHILD_QUOTA);
    uint64_t stop[3];
    child_wait(&child, stop);
    CHECK(stop[0] == EXO_STOP_NESTED && stop[1] == 14 && stop[2] == 0xdead000);
    child_kill(&child);
    FAILS(RANGE, OP(ENV_EXIT, 0, 1));
    FAILS(RANGE, OP(ENV_EXIT, EXO_STOP_NESTED, 1));
    FAILS(RANGE, OP(ENV_EXIT, EXO_STOP_KILLED, 1));
}

static void read_memory(void)
{
    uint64_t words[4], base = (uint64_t)left_behind;
    unsigned char page[4096];
    struct child child = child_spawn(life_spin, 0, CHILD_QUOTA);
    uint64_t frame = frames_take(2);
    FAILS(STATE, OP_ON(child.env, ENV_READ, base, EXO_BUF(frame, 0, 8)));
    child_kill(&child);
    child = child_spawn(leave_words, 1000, CHILD_QUOTA);
    child_stopped(&child, EXO_STOP_EXIT, 0);
    CHECK(child_read(&child, base, words, sizeof(words)) == sizeof(words));
    for (unsigned i = 0; i < 4; i++)
        CHECK(words[i] == 1000 + i && left_behind[i] == 0);
    /* Up to a hole: the page above its stack is not there. */
    CHECK(child_read(&child, LIBOS_STACK - 100, page, 4096) == 100);
    CHECK(child_read(&child, LIBOS_STACK, page, 4096) == 0);
    CHECK(child_read(&child, 0, page, 8) == 0);
    CHECK(child_read(&child, EXO_USER_END, page, 8) == 0);
    CHECK(child_read(&child, 0xffffffff80000000ull, page, 8) == 0);
    CHECK(child_read(&child, UINT64_MAX - 3, page, 8) == 0);
    /* Over a page's end, and into a buffer over a page's end. */
    uint64_t code = (uint64_t)read_memory & ~(PAGE - 1);
    OK(OP_ON(child.env, ENV_READ, code + 100, EXO_BUF(frame, 1000, 4096)));
    CHECK(op_result[0] == 4096);
    FAILS(RANGE, OP_ON(child.env, ENV_READ, code, EXO_BUF(frame, 0, 4097)));
    FAILS(FRAME, OP_ON(child.env, ENV_READ, code, EXO_BUF(child.control, 0, 8)));
    tables_make(SPARE);
    OK(OP(MAP, SPARE, frame, 2, EXO_READ));
    CHECK(memcmp((const void *)(SPARE + 1000), (const void *)(code + 100), 4096) == 0);
    OK(OP(UNMAP, SPARE, 2));
    tables_unmake(SPARE);
    /* Its counters, through its info page. */
    struct exo_info info;
    CHECK(child_read(&child, LIBOS_INFO, &info, sizeof(info)) == sizeof(info));
    CHECK(info.frames_limit == CHILD_QUOTA && info.frames_used <= CHILD_QUOTA && info.crossings > 0);
    CHECK(info.archive == 0 && info.frames_total == 0 && info.tick_hz == PLAN_INFO->tick_hz);
    frames_give_back(frame + 1, 1);
    FAILS(FRAME, OP_ON(child.env, ENV_READ, code, EXO_BUF(frame, 4000, 200)));
    child_kill(&child);
    frames_give_back(frame, 1);
}

/* Whoever waits for a child hears of its being killed; what it did not finish goes with it. */
static void killed(void)
{
    static void (*const lives[])(uint64_t) = { life_spin, life_sleep, life_wait, life_restless };
    struct plan_buffer buffer;
    for (unsigned i = 0; i < 4; i++) {
        uint64_t used = account_used(), limit = PLAN_INFO->frames_limit;
        struct child child = child_spawn(lives[i], 0, CHILD_QUOTA);
        OK(OP(TIMER, tick_after_us(3000)));
        struct plan *plan = plan_begin(&buffer);
        plan_unordered(plan, true);
        struct env_wait_refs wait = plan_env_wait(plan, handle_number(child.env));
        struct word_ref kill = plan_env_kill(plan, handle_number(child.env)).frames;
        OK(plan_run(plan));
        CHECK(plan_value(plan, wait.reason) == EXO_STOP_KILLED);
        CHECK(plan_value(plan, kill) > 50 && plan_value(plan, kill) <= CHILD_QUOTA);
        CHECK(account_used() == used && PLAN_INFO->frames_limit == limit);
    }
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        { "create", create },
        { "give", give },
        { "child-space", child_space },
        { "share-quota", share_quota },
        { "rings", rings },
        { "start", start },
        { "exits", exits },
        { "read-memory", read_memory },
        { "killed", killed },
        { NULL, NULL },
    };
    return check_main(cases, argc, argv);
}
