/* SPDX-License-Identifier: MIT */
/*
 * Memory asked back from children that are as large as they may be: one that left a plan behind, one that is slow,
 * one that refuses and goes on with what force left it, one of which too much is asked. The limit that returns is
 * there to be used at once.
 */
#include "lives.h"

#define PAGES 60u
#define ASKED 40u
#define MEMORY 0x710000000000ull /* above all that a copy has: child_tables() wants rising addresses */

#define CONTROL ((volatile struct exo_control *)LIBOS_CONTROL)
#define INFO ((const volatile struct exo_info *)LIBOS_INFO)

static volatile uint64_t *page_at(uint64_t i)
{
    return (volatile uint64_t *)(MEMORY + i * PAGE);
}

/* ---- in the child ------------------------------------------------------------------------- */

/* Fills PAGES pages and takes what is left of its limit; the first page's frame. */
static uint64_t grow(void)
{
    uint64_t frame = frames_take(PAGES);
    if (OP(MAP, MEMORY, frame, PAGES, EXO_READ | EXO_WRITE) < 0)
        child_exit(100);
    for (uint64_t i = 0; i < PAGES; i++)
        page_at(i)[i] = i + 1;
    CONTROL->spare = MEMORY;
    while (OP(ALLOC, 1, 0, EXO_ANY) == 0) {
    }
    return frame;
}

static bool mapped(uint64_t i)
{
    return OP(THAW, (uint64_t)page_at(i)) != -EXO_E_ABSENT; /* it isn't frozen: STATE */
}

static bool in_list(uint64_t address)
{
    for (uint64_t i = 0; i < INFO->taken_tail; i++)
        if (address >= INFO->taken[i].first && address < INFO->taken[i].first + INFO->taken[i].count * PAGE)
            return true;
    return false;
}

/* What was taken is in the list, and nothing else is missing or changed. How many pages are gone. */
static uint64_t losses(void)
{
    uint64_t gone = 0;
    for (uint64_t i = 0; i < PAGES; i++) {
        bool there = mapped(i);
        if (there == in_list((uint64_t)page_at(i)) || (there && page_at(i)[i] != i + 1))
            child_exit(101);
        gone += !there;
    }
    return gone;
}

static void left_behind(uint64_t n)
{
    (void)n;
    struct plan_buffer buffer;
    uint64_t frame = grow();
    struct plan *plan = plan_begin(&buffer);
    plan_reclaim_wait(plan);
    plan_unmap(plan, env_self(), MEMORY, ASKED);
    plan_free(plan, frame_number(frame), ASKED);
    plan_submit(plan);
    life_sleep(0);
}

/* Gives page by page, `n` milliseconds apart. */
static void slow(uint64_t n)
{
    uint64_t frame = grow(), given = 0;
    OK(OP(RECLAIM_WAIT, 0));
    for (uint64_t i = PAGES; i-- > 0 && INFO->reclaim > 0; given++) {
        OK(OP(UNMAP, (uint64_t)page_at(i), 1));
        OK(OP(FREE, frame + i, 1));
        OK(OP(TIMER, tick_after_us(n * 1000)));
    }
    child_exit(given);
}

/* Never answers; when it was robbed it looks at the damage. */
static void refuse(uint64_t n)
{
    (void)n;
    grow();
    while (INFO->taken_tail == 0)
        __asm__ volatile("pause");
    child_exit(losses());
}

/* ---- the parent ------------------------------------------------------------------------------ */

/* A child that has taken all it may. TABLE looks at the account before it sees that there is one. */
static struct child child_grown(void (*run)(uint64_t), uint64_t argument)
{
    struct child child;
    uint64_t frame = frames_take(1);
    CHECK(child_create(&child, 300) && child_copy(&child, 1, 0) && child_tables(&child, MEMORY, PAGES));
    CHECK(child_start(&child, run, argument));
    while (OP_ON(child.env, TABLE, frame, MEMORY, 1) == -EXO_E_EXISTS)
        OK(OP(TIMER, tick_after_us(200)));
    frames_give_back(frame, 1);
    return child;
}

/* The limit grew by that much, and can be used. */
static void returned(uint64_t limit, uint64_t count)
{
    CHECK(PLAN_INFO->frames_limit == limit + count);
    uint64_t spare = PLAN_INFO->frames_limit - PLAN_INFO->frames_used;
    uint64_t frame = frames_take((uint32_t)count);
    CHECK(PLAN_INFO->frames_limit - PLAN_INFO->frames_used == spare - count);
    frames_give_back(frame, (uint32_t)count);
}

/* What RECLAIM returned is not the child's any more. */
static void kill(struct child *child, uint64_t returned_before)
{
    child->quota -= (uint32_t)returned_before;
    child_kill(child);
}

static void cooperative(void)
{
    struct child child = child_grown(left_behind, 0);
    uint64_t limit = PLAN_INFO->frames_limit;
    OK(OP_ON(child.env, RECLAIM, ASKED, EXO_NEVER));
    CHECK(op_result[0] == ASKED && op_result[1] == 0);
    returned(limit, ASKED);
    kill(&child, ASKED);
}

static void slow_in_time(void)
{
    struct child child = child_grown(slow, 1);
    uint64_t limit = PLAN_INFO->frames_limit;
    OK(OP_ON(child.env, RECLAIM, ASKED, EXO_NEVER));
    CHECK(op_result[0] == ASKED && op_result[1] == 0);
    returned(limit, ASKED);
    child_stopped(&child, EXO_STOP_EXIT, ASKED);
    kill(&child, ASKED);
}

static void slow_too_late(void)
{
    struct child child = child_grown(slow, 4);
    uint64_t limit = PLAN_INFO->frames_limit, stop[3];
    OK(OP_ON(child.env, RECLAIM, ASKED, tick_after_us(30000)));
    uint64_t taken = op_result[1];
    CHECK(op_result[0] == ASKED && taken > 0 && taken <= ASKED);
    returned(limit, ASKED);
    child_wait(&child, stop);
    uint64_t both = stop[1] + taken; /* force may strike between an UNMAP and its FREE, which is one more then */
    CHECK(stop[0] == EXO_STOP_EXIT && (both == ASKED || both == ASKED + 1));
    kill(&child, ASKED);
}

static void refusing(void)
{
    struct child child = child_grown(refuse, 0);
    uint64_t limit = PLAN_INFO->frames_limit;
    OK(OP_ON(child.env, RECLAIM, ASKED, tick_after_us(5000)));
    CHECK(op_result[0] == ASKED && op_result[1] == ASKED);
    returned(limit, ASKED);
    child_stopped(&child, EXO_STOP_EXIT, ASKED);
    kill(&child, ASKED);
}

static void too_much(void)
{
    struct child child = child_grown(refuse, 0);
    uint64_t limit = PLAN_INFO->frames_limit, stop[3];
    FAILS(QUOTA, OP_ON(child.env, RECLAIM, child.quota + 1, 0));
    FAILS(DEAD, OP_ON(child.env, RECLAIM, child.quota, 0));
    child_wait(&child, stop);
    CHECK(stop[0] == EXO_STOP_RECLAIM && stop[1] > 0 && stop[1] + stop[2] <= child.quota && stop[2] > PAGES);
    CHECK(PLAN_INFO->frames_limit == limit);
    kill(&child, 0);
}

/* A deadline of one's own, and a RECLAIM that is called off. */
static void called_off(void)
{
    struct child child = child_grown(refuse, 0);
    struct plan_buffer buffer;
    uint64_t limit = PLAN_INFO->frames_limit;
    struct plan *plan = plan_begin(&buffer);
    plan_unordered(plan, true);
    struct reclaim_refs asked = plan_reclaim(plan, handle_number(child.env), ASKED, tick_number(EXO_NEVER));
    uint64_t first = plan_bit(asked.returned);
    struct tick_ref late = plan_timer(plan, tick_number(tick_after_us(3000)));
    plan_after(plan, first | plan_bit(late), EXO_START_ANY);
    plan_cancel(plan, word_number(0), first);
    CHECK(plan_run(plan) == -EXO_E_CANCELLED);
    CHECK(PLAN_INFO->frames_limit == limit);
    kill(&child, 0);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        { "cooperative", cooperative },
        { "slow-in-time", slow_in_time },
        { "slow-too-late", slow_too_late },
        { "refusing", refusing },
        { "too-much", too_much },
        { "called-off", called_off },
        { NULL, NULL },
    };
    return check_main(cases, argc, argv);
}
