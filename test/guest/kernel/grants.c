/* SPDX-License-Identifier: MIT */
/* What a parent gives to a child besides memory: consoles, handles, CPU slots, the rest of its slice. */
#include "lives.h"

#define RW (EXO_READ | EXO_WRITE)

static uint32_t console(void)
{
    return start_info()->console;
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
    static char text[] = "from a child's point of view\nand a second line";
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
    struct child child = child_spawn(life_sleep, 0, CHILD_QUOTA);
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
        struct child child = child_spawn(life_answer, i, CHILD_QUOTA);
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

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        { "consoles", consoles },
        { "console-write", console_write },
        { "handle-drop", handle_drop },
        { "cpu-give", cpu_give },
        { "yield", yield },
        { NULL, NULL },
    };
    return check_main(cases, argc, argv);
}
