/* SPDX-License-Identifier: MIT */
/*
 * Children in quantity: made and undone by one plan, five hundred one after the other at every stage of their
 * lives, as many at once as may be. Afterwards the account is exactly what it was.
 */
#include "../../../libos/plan/ring.h"
#include "lives.h"

#define RW (EXO_READ | EXO_WRITE)

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
        struct word_ref kill = plan_env_kill(plan, env).frames;
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

/* In the middle of operations of many steps, most of the time. */
static void churn(uint64_t n)
{
    for (;;) {
        struct plan_buffer buffer;
        struct plan *plan = plan_begin(&buffer);
        struct frame_ref frame = plan_alloc(plan, 40, 0);
        if (n % 5 != 0)
            plan_free(plan, frame, 40);
        plan_run(plan);
    }
}

/* Completions that nobody takes: plans are held back, slots run out, cells stay in the ring. */
static void flood(uint64_t n)
{
    for (uint64_t tail = ring_tail;; tail = PLAN_INFO->sq_head) {
        struct plan_buffer buffer;
        struct plan *plan = plan_begin(&buffer);
        plan_flags(plan, 0, NULL);
        for (unsigned i = 0; i < 3; i++)
            plan_nop(plan, word_number(n));
        plan_timer(plan, tick_number(tick_after_us(n % 3 * 100)));
        ((struct exo_plan *)(void *)plan->cell)->cells = plan->count;
        for (unsigned i = 0; i <= plan->count; i++)
            ((struct exo_op *)LIBOS_SQ)[(tail + i) & (PLAN_INFO->sq_size - 1)] = plan->cell[i];
        exo_enter(tail + plan->count + 1, 0, 0);
    }
}

static void crash_or_exit(uint64_t n)
{
    if (n % 2 == 0)
        life_crash(n);
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
    life_sleep(0);
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
    static void (*const lives[])(uint64_t) = { life_answer, life_spin, life_wait, crash_or_exit, churn, flood };
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
    child_start(child, i % 10 == 9 ? parent : lives[i % 6], i);
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
        { "one-plan", one_plan },
        { "grandchild", grandchild },
        { "many", many },
        { "at-once", at_once },
        { NULL, NULL },
    };
    return check_main(cases, argc, argv);
}
