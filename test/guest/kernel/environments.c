/* SPDX-License-Identifier: MIT */
/*
 * Environments by plans: made, given things, started, watched, read, killed; consoles, handles and CPU
 * slots given to them. And five hundred of them, after which the account is exactly what it was.
 */
#include <stdlib.h>

#include "child.h"

#define RW (EXO_READ | EXO_WRITE)

static uint32_t console(void)
{
    return start_info()->console;
}

/* ---- what children do ------------------------------------------------------------------------- */

static void answer(uint64_t n)
{
    child_exit(n);
}

static void spin(uint64_t n)
{
    (void)n;
    for (;;)
        __asm__ volatile("pause");
}

static void sleep_for_ever(uint64_t n)
{
    (void)n;
    for (;;)
        exo_enter(PLAN_INFO->sq_head, PLAN_INFO->cq_tail + 1, EXO_NEVER);
}

static void wait_for_ever(uint64_t n)
{
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    (void)n;
    plan_timer(plan, tick_number(EXO_NEVER - 1));
    plan_run(plan);
}

static void crash_there(uint64_t address)
{
    *(volatile uint64_t *)address = 1;
}

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
    struct child child = child_spawn(answer, 42, CHILD_QUOTA);
    child_stopped(&child, EXO_STOP_EXIT, 42);
    child_stopped(&child, EXO_STOP_EXIT, 42); /* told as often as asked */
    child_kill(&child);
    child = child_spawn(crash_there, 0xdead000, CHILD_QUOTA);
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
    struct child child = child_spawn(spin, 0, CHILD_QUOTA);
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
    static void (*const lives[])(uint64_t) = { spin, sleep_for_ever, wait_for_ever };
    struct plan_buffer buffer;
    for (unsigned i = 0; i < 3; i++) {
        uint64_t used = account_used(), limit = PLAN_INFO->frames_limit;
        struct child child = child_spawn(lives[i], 0, CHILD_QUOTA);
        OK(OP(TIMER, tick_after_us(3000)));
        struct plan *plan = plan_begin(&buffer);
        plan_unordered(plan, true);
        struct env_wait_refs wait = plan_env_wait(plan, handle_number(child.env));
        struct word_ref kill = plan_env_kill(plan, handle_number(child.env));
        OK(plan_run(plan));
        CHECK(plan_value(plan, wait.reason) == EXO_STOP_KILLED);
        CHECK(plan_value(plan, kill) > 50 && plan_value(plan, kill) <= CHILD_QUOTA);
        CHECK(account_used() == used && PLAN_INFO->frames_limit == limit);
    }
}

/* ---- consoles and handles ------------------------------------------------------------------------ */

/* A label's 16 characters as two words. */
static void label_words(const char *text, uint64_t words[2])
{
    char label[16] = { 0 };
    memcpy(label, text, strnlen(text, sizeof(label)));
    memcpy(words, label, sizeof(label));
}

static int console_grant(uint32_t env, uint32_t handle, const char *label)
{
    uint64_t words[2];
    label_words(label, words);
    return OP_ON(env, CONSOLE_GRANT, handle, words[0], words[1]);
}

static void write_line(uint64_t handle)
{
    static char text[] = "from a grandchild's point of view\nand a second line";
    uint64_t at = (uint64_t)text;
    struct exo_op op = { .code = EXO_CONSOLE_WRITE, .flags = EXO_VPAGE, .handle = (uint32_t)handle,
                         .arg = { EXO_BUF(at >> 12, at & 4095, sizeof(text) - 1) } };
    child_exit(op_run(op) == 0 && op_result[0] == sizeof(text) - 1 ? 7 : 8);
}

static void consoles(void)
{
    struct child child;
    child_create(&child, CHILD_QUOTA);
    static const char *const bad[] = { "", "Upper", "dot.", "space x", "a:b", "a\nb", "\x80" };
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        FAILS(RANGE, console_grant(child.env, console(), bad[i]));
    FAILS(RANGE, OP_ON(child.env, CONSOLE_GRANT, console(), 0x610062, 0)); /* characters behind the end */
    FAILS(HANDLE, console_grant(child.env, 0, "x"));
    FAILS(HANDLE, console_grant(child.env, child.env, "x"));
    FAILS(HANDLE, console_grant(EXO_SELF, console(), "x"));
    OK(console_grant(child.env, console(), "child-7"));
    uint64_t granted = op_result[0];
    OK(OP_ON(child.env, HANDLE_COPY, console()));
    FAILS(RIGHT, OP_ON(child.env, HANDLE_COPY, child.env));
    FAILS(HANDLE, OP_ON(child.env, HANDLE_COPY, 0));
    FAILS(HANDLE, OP_ON(child.env, HANDLE_COPY, 0x70007));
    FAILS(HANDLE, OP_ON(child.env, HANDLE_COPY, 1ull << 32));
    CHECK(child_copy(&child, 1, 0) && child_start(&child, write_line, granted));
    child_stopped(&child, EXO_STOP_EXIT, 7);
    unsigned more = 0;
    while (console_grant(child.env, console(), "x") == 0)
        more++;
    FAILS(FULL, console_grant(child.env, console(), "x"));
    FAILS(FULL, OP_ON(child.env, HANDLE_COPY, console()));
    CHECK(more > 60);
    child_kill(&child);
}

static void console_write(void)
{
    uint64_t frame = frames_take(2);
    frames_give_back(frame + 1, 1);
    tables_make(SPARE);
    OK(OP(MAP, SPARE, frame, 1, RW));
    static const char text[] = "by frame number: tab\tcontrol\x1b[31m\rend";
    memcpy((void *)SPARE, text, sizeof(text));
    OK(OP_ON(console(), CONSOLE_WRITE, EXO_BUF(frame, 0, sizeof(text) - 1)));
    CHECK(op_result[0] == sizeof(text) - 1);
    FAILS(RANGE, OP_ON(console(), CONSOLE_WRITE, EXO_BUF(frame, 0, 1025)));
    FAILS(FRAME, OP_ON(console(), CONSOLE_WRITE, EXO_BUF(frame, 4000, 200)));
    FAILS(FRAME, OP_ON(console(), CONSOLE_WRITE, EXO_BUF(0, 0, 10)));
    FAILS(HANDLE, OP_ON(console() + 1, CONSOLE_WRITE, EXO_BUF(frame, 0, 10)));
    FAILS(HANDLE, OP_ON(console() | 1u << 16, CONSOLE_WRITE, EXO_BUF(frame, 0, 10)));
    FAILS(HANDLE, OP(CONSOLE_WRITE, EXO_BUF(frame, 0, 10)));
    FAILS(HANDLE, OP_ON(EXO_BOOT_MACHINE, POWER, EXO_POWER_OK)); /* init's alone */
    memset((void *)SPARE, 'm', 1024);
    OK(OP_ON(console(), CONSOLE_WRITE, EXO_BUF(frame, 0, 1024)));
    CHECK(op_result[0] == 1024);
    OK(OP(UNMAP, SPARE, 1));
    tables_unmake(SPARE);
    frames_give_back(frame, 1);
}

static void handle_drop(void)
{
    struct child child;
    child_create(&child, CHILD_QUOTA);
    FAILS(RIGHT, OP(HANDLE_DROP, child.env)); /* KILL is the way to lose a child */
    FAILS(HANDLE, OP(HANDLE_DROP, 0));
    FAILS(HANDLE, OP(HANDLE_DROP, child.env | 1u << 31));
    FAILS(HANDLE, OP(HANDLE_DROP, 1ull << 40));
    uint32_t before = child.env;
    child_kill(&child);
    FAILS(HANDLE, OP(HANDLE_DROP, before));
    /* A place that is used again has another generation. */
    child_create(&child, CHILD_QUOTA);
    CHECK(child.env != before && (child.env & 0xffff) == (before & 0xffff));
    FAILS(HANDLE, OP_ON(before, ENV_KILL, 0));
    child_kill(&child);
}

/* ---- CPU slots ------------------------------------------------------------------------------------ */

static void cpu_give(void)
{
    uint64_t mine = PLAN_INFO->cpu_slots;
    struct child child = child_spawn(sleep_for_ever, 0, CHILD_QUOTA);
    FAILS(RANGE, OP_ON(child.env, CPU_GIVE, EXO_CPU_SLOTS, 1));
    FAILS(RANGE, OP_ON(child.env, CPU_GIVE, EXO_CPU_SLOTS - 1, 2));
    FAILS(RANGE, OP_ON(child.env, CPU_GIVE, 0, 0));
    FAILS(RIGHT, OP_ON(child.env, CPU_GIVE, 0, 1)); /* init's own */
    FAILS(RIGHT, OP_ON(child.env, CPU_GIVE, 0, EXO_CPU_SLOTS));
    FAILS(HANDLE, OP(CPU_GIVE, 1, 1));
    unsigned slot = 1;
    while (slot < EXO_CPU_SLOTS && OP_ON(child.env, CPU_GIVE, slot, 1) < 0)
        slot++;
    CHECK(slot < EXO_CPU_SLOTS && PLAN_INFO->cpu_slots == mine - 1);
    FAILS(RIGHT, OP_ON(child.env, CPU_GIVE, slot, 1)); /* not ours any more */
    child_kill(&child);
    CHECK(PLAN_INFO->cpu_slots == mine);
    child_create(&child, CHILD_QUOTA);
    OK(OP_ON(child.env, CPU_GIVE, slot, 1));
    child_kill(&child);
    CHECK(PLAN_INFO->cpu_slots == mine);
}

/* The rest of the slice goes to the child that is named: it has run when we are back. */
static void yield(void)
{
    unsigned first = 0;
    for (unsigned i = 0; i < 10; i++) {
        struct child child = child_spawn(answer, i, CHILD_QUOTA);
        OK(OP_ON(child.env, YIELD, 0));
        uint64_t frame = frames_take(1);
        first += OP_ON(child.env, ENV_READ, LIBOS_INFO, EXO_BUF(frame, 0, 1)) == 0;
        child_stopped(&child, EXO_STOP_EXIT, i);
        child_kill(&child);
        frames_give_back(frame, 1);
    }
    CHECK(first >= 4); /* a slot may end in between, and others may wake */
    OK(OP(YIELD, 0));
    FAILS(HANDLE, OP_ON(77, YIELD, 0));
}

/* ---- in plans -------------------------------------------------------------------------------------- */

/* A child made and started in one plan, killed by the failure handler of the same plan. */
static void one_plan(void)
{
    struct plan_buffer buffer;
    uint64_t used = account_used(), limit = PLAN_INFO->frames_limit;
    for (unsigned spoil = 0; spoil < 2; spoil++) {
        struct plan *plan = plan_begin(&buffer);
        struct frame_ref parts = plan_alloc(plan, EXO_ENV_FRAMES, 0);
        struct handle_ref env = plan_env_create(plan, parts, 50, 0);
        struct frame_ref memory = plan_alloc(plan, 3, 0);
        struct op_ref given = plan_give(plan, env, memory, 3);
        struct frame_ref table = plan_alloc(plan, 1, 0);
        struct op_ref tabled = plan_table(plan, env, table, SPARE, spoil == 0 ? 3 : 2);
        uint64_t steps = plan_bit(given) | plan_bit(tabled);
        plan_after(plan, steps, EXO_START_SOME);
        struct word_ref kill = plan_env_kill(plan, env);
        int error = plan_run(plan);
        CHECK(error == (spoil == 0 ? 0 : -EXO_E_NO_TABLE));
        if (spoil == 0) {
            CHECK(plan_status(plan, kill) == 0 && plan_value(plan, kill) == 0);
            OK(OP_ON((uint32_t)plan_value(plan, env), ENV_KILL, 0));
            CHECK(op_result[0] == EXO_ENV_FRAMES + 4);
        } else {
            CHECK(plan_value(plan, kill) == EXO_ENV_FRAMES + 3);
            frames_give_back(plan_value(plan, table), 1);
        }
    }
    CHECK(account_used() == used && PLAN_INFO->frames_limit == limit);
}

/* ---- many ---------------------------------------------------------------------------------------------- */

static void crash_or_exit(uint64_t n)
{
    if (n % 2 == 0)
        crash_there(n);
    child_exit(n);
}

/* A child with a child of its own, which is running when its parent is killed. */
static void parent(uint64_t n)
{
    struct child child;
    if (child_create(&child, 20))
        child_tables(&child, SPARE, 1);
    if (n == 0)
        child_exit(PLAN_INFO->places == 0 && account_used() <= 380 ? 0 : 1);
    sleep_for_ever(0);
}

/* What a child has made goes with it, back to its grandparent. */
static void grandchild(void)
{
    struct child child;
    CHECK(child_create_parent(&child, 400, 1) && child_copy(&child, 1, 0) && child_start(&child, parent, 0));
    child_stopped(&child, EXO_STOP_EXIT, 0);
    struct exo_info info;
    child_read(&child, LIBOS_INFO, &info, sizeof(info));
    CHECK(info.frames_limit == 380);
    child_kill(&child);
}

/* Killed at every stage of their lives. */
static void child_for(struct child *child, unsigned i)
{
    static void (*const lives[])(uint64_t) = { answer, spin, wait_for_ever, crash_or_exit };
    child_create_parent(child, i % 10 == 9 ? 400 : CHILD_QUOTA, i % 10 == 9);
    if (i % 7 == 0)
        return;
    if (i % 7 == 1) {
        child_tables(child, SPARE, 1);
        child_fill(child, SPARE, 2, RW, "x", 1);
        return;
    }
    if (!child_copy(child, 1, 0) || i % 7 == 2)
        return;
    child_start(child, i % 10 == 9 ? parent : lives[i % 4], i);
    if (i % 3 == 0)
        OK(OP(TIMER, tick_after_us(1000)));
}

static void many(void)
{
    struct child warm;
    child_for(&warm, 3);
    child_kill(&warm);
    uint64_t used = account_used(), limit = PLAN_INFO->frames_limit, slots_mine = PLAN_INFO->cpu_slots;
    for (unsigned i = 0; i < 500; i++) {
        struct child child;
        child_for(&child, i);
        child_kill(&child);
        CHECK(account_used() == used && PLAN_INFO->frames_limit == limit);
        if (check_failures > 0)
            break;
    }
    CHECK(PLAN_INFO->cpu_slots == slots_mine);
    /* All frames are really there: the whole limit can be taken. */
    static uint64_t first[64];
    unsigned runs = 0;
    uint64_t left = limit - used;
    for (; left >= 64 && runs < 64; left -= 64)
        first[runs++] = frames_take(64);
    while (runs > 0)
        frames_give_back(first[--runs], 64);
    CHECK(account_used() == used);
}

/* As many as there may be at once. */
static void at_once(void)
{
    static struct child child[128];
    unsigned count = 0;
    uint64_t used = account_used(), places = PLAN_INFO->places;
    for (;;) {
        uint64_t frame = frames_take(EXO_ENV_FRAMES);
        int error = OP(ENV_CREATE, frame, EXO_ENV_FRAMES);
        if (error < 0 || count == 128) {
            CHECK(error == -EXO_E_FULL);
            frames_give_back(frame, EXO_ENV_FRAMES);
            break;
        }
        child[count++] = (struct child){ .env = (uint32_t)op_result[0], .quota = EXO_ENV_FRAMES };
    }
    CHECK(count == places && PLAN_INFO->places == 0);
    for (unsigned i = 0; i < count; i += 2)
        child_kill(&child[i]);
    for (unsigned i = 1; i < count; i += 2)
        child_kill(&child[i]);
    CHECK(account_used() == used);
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
        { "consoles", consoles },
        { "console-write", console_write },
        { "handle-drop", handle_drop },
        { "cpu-give", cpu_give },
        { "yield", yield },
        { "one-plan", one_plan },
        { "grandchild", grandchild },
        { "many", many },
        { "at-once", at_once },
        { NULL, NULL },
    };
    return check_main(cases, argc, argv);
}
