/* SPDX-License-Identifier: MIT */
/*
 * RECLAIM by those who have no right to it, of what is not there, with numbers that make no sense, many at once, and in the
 * middle of the end of everyone who has to do with it. Limits end up where they were, and nobody stands still for ever.
 */
#include "asked.h"

#include "../../guest/kernel/lives.h"
#include "../attack.h"

#define QUOTA 220u
#define SECONDS 1000000u /* microseconds */

static int reclaim(uint32_t env, uint64_t count, uint64_t deadline)
{
    uint64_t taken;
    return ask(env, count, deadline, 0, &taken);
}

static struct child started(void (*live)(uint64_t), uint64_t argument, uint16_t places)
{
    struct child child;
    bool made = child_create_parent(&child, QUOTA, places);
    listen_to(&child);
    holds("a child", made && child_copy(&child, 1, 0) && child_start(&child, live, argument));
    return child;
}

static struct child sleeper(void (*live)(uint64_t), uint16_t places) { return started(live, 0, places); }

/* Something that the kernel does later: until it has, or a second has passed. */
static bool limit_becomes(uint32_t env, uint64_t limit)
{
    for (unsigned i = 0; i < 1000 && account_of(env).limit != limit; i++)
        OK(OP(TIMER, tick_after_us(1000)));
    return account_of(env).limit == limit;
}

/* ---- whom it is asked from --------------------------------------------------------------------------------- */

/* By every number there may be for somebody: how often it was not refused as no child's. */
static unsigned everybody(uint32_t but)
{
    static const uint32_t high[] = {0, 0x10000, 0x20000, 0x7fff0000, 0xffff0000};
    unsigned wrong = 0;
    for (unsigned i = 0; i < sizeof(high) / sizeof(high[0]); i++)
        for (uint32_t place = 0; place < 200; place++)
            if ((high[i] | place) != but)
                wrong += OP_ON(high[i] | place, RECLAIM, 1, 0) != -EXO_E_HANDLE;
    return wrong + (OP_ON(0xffff, RECLAIM, 1, 0) != -EXO_E_HANDLE) + (OP_ON(UINT32_MAX, RECLAIM, 1, 0) != -EXO_E_HANDLE);
}

static void strangers(void)
{
    struct child child = sleeper(life_sleep, 0);
    holds("nobody but a child can be asked", everybody(child.env) == 0);
    for (unsigned kind = 0; kind < 2; kind++) { /* and not by a result that is a number */
        struct exo_op cells[2] = {{.code = EXO_NOP, .arg = {child.env}},
                                  {.code = EXO_RECLAIM, .uses = 32, .after = 1, .arg = {1, 0, 0, 0, EXO_REF(0, 0, 0)}}};
        struct plan_buffer buffer;
        struct plan *plan = plan_begin(&buffer);
        plan_nop(plan, word_number(0)), plan_nop(plan, word_number(0));
        cells[1].uses = kind ? 33 : 32; /* nor an amount */
        plan->cell[1] = cells[0], plan->cell[2] = cells[1];
        refused("a handle by a number's reference", plan_run(plan), 0);
    }
    child_kill(&child);
}

/* A child asks everybody, its parent too. */
static void life_asks(uint64_t n) { child_exit(n + everybody(0)); }

/* A child with a child of its own, which it waits for for ever. Its parent hears how that one is called there. */
static void life_middle(uint64_t n)
{
    struct plan_buffer buffer;
    for (unsigned i = 0; i < 2; i++) { /* two of them, so that its name is not that of a first child */
        if (OP(ENV_CREATE, frames_take(EXO_ENV_FRAMES), 20, 0) < 0 || (i == 0 && OP_ON((uint32_t)op_result[0], ENV_KILL, 0) < 0))
            child_exit(1000);
    }
    uint32_t inner = (uint32_t)op_result[0];
    uint64_t frame = frames_take(1);
    while (OP_ON(inner, GIVE, frame, 1) == 0) /* nothing to spare */
        frame = frames_take(1);
    struct plan *plan = plan_begin(&buffer);
    plan_reclaim(plan, handle_number(inner), 10, tick_number(EXO_NEVER));
    plan_submit(plan);
    say(inner, everybody(inner));
    life_sleep(n);
}

static void generations(void)
{
    uint64_t limit = PLAN_INFO->frames_limit, name, wrong;
    struct child asker = sleeper(life_asks, 0);
    child_stopped(&asker, EXO_STOP_EXIT, 0);
    child_kill(&asker);
    struct child child = sleeper(life_middle, 1);
    holds("a child reaches nobody but its own", heard(&name, &wrong) && wrong == 0);
    holds("it has another name than the child", name != child.env);
    refused("a grandchild", reclaim((uint32_t)name, 1, 0), EXO_E_HANDLE);
    refused("more than the child has left", reclaim(child.env, account_of(child.env).limit + 1, 0), EXO_E_QUOTA);
    OK(OP_ON(child.env, ENV_KILL, 0)); /* with its RECLAIM under way */
    holds("all of both comes back", op_result[1] == QUOTA && PLAN_INFO->frames_limit == limit);
}

static void dead_ones(void)
{
    struct child first = sleeper(life_sleep, 0);
    child_kill(&first);
    refused("one that is dead", reclaim(first.env, 1, 0), EXO_E_HANDLE);
    struct child second = sleeper(life_sleep, 0);
    holds("the same place", (second.env & 0xffff) == (first.env & 0xffff) && second.env != first.env);
    refused("one whose place another has", reclaim(first.env, 1, 0), EXO_E_HANDLE);
    holds("that one is untouched", account_of(second.env).limit == QUOTA);
    child_kill(&second);
}

/* ---- how much, and until when ------------------------------------------------------------------------------- */

static void numbers(void)
{
    struct child child = sleeper(life_sleep, 0);
    uint64_t now = tick_after_us(0), limit = account_of(child.env).limit;
    const uint64_t deadlines[] = {0, 1, now - 1, now, now + (1ull << 62), EXO_NEVER - 1, EXO_NEVER};
    for (unsigned i = 0; i < sizeof(deadlines) / sizeof(deadlines[0]); i++) {
        refused("nothing", reclaim(child.env, 0, deadlines[i]), EXO_E_RANGE);
        refused("more than there may be", reclaim(child.env, EXO_COUNT_MAX + 1, deadlines[i]), EXO_E_RANGE);
        refused("2^32 and one", reclaim(child.env, (1ull << 32) + 1, deadlines[i]), EXO_E_RANGE);
        refused("all bits", reclaim(child.env, UINT64_MAX, deadlines[i]), EXO_E_RANGE);
        refused("one more than its limit", reclaim(child.env, limit + 1, deadlines[i]), EXO_E_QUOTA);
        refused("as much as there may be", reclaim(child.env, EXO_COUNT_MAX, deadlines[i]), EXO_E_QUOTA);
    }
    holds("nothing of that happened", account_of(child.env).limit == limit);
    for (unsigned i = 0; i < 4; i++) { /* by force at once, each time */
        struct exo_account account = squeeze(&child);
        holds("a deadline that is past", reclaim(child.env, 2, deadlines[i]) == 0);
        child.quota -= 2;
        holds("two less", account_of(child.env).limit == account.limit - 2);
    }
    child_kill(&child);
}

/* Plans that ask for one frame and never get it, and are told how they ended. */
struct waiting {
    struct plan_run run;
    struct plan_buffer buffer;
};

static void waiting_start(struct waiting *w, uint32_t env, unsigned count, uint64_t frames)
{
    struct plan *plan = plan_begin(&w->buffer);
    plan_unordered(plan, true);
    for (unsigned i = 0; i < count; i++)
        plan_reclaim(plan, handle_number(env), (uint32_t)frames, tick_number(EXO_NEVER));
    plan_run_start(plan, &w->run);
    completion_dispatch();
}

static bool waiting_ended(struct waiting *w)
{
    for (unsigned i = 0; i < 1000 && !w->run.ended; i++)
        OK(OP(TIMER, tick_after_us(1000)));
    return w->run.ended;
}

static void many_at_once(void)
{
    static struct waiting first, others[4];
    struct child child = sleeper(life_sleep, 0);
    uint64_t limit = squeeze(&child).limit;
    waiting_start(&first, child.env, 12, 1);
    for (unsigned i = 1; i < 12; i++)
        refused("a second one in the same plan", first.buffer.result[i].status, EXO_E_BUSY);
    for (unsigned i = 0; i < 4; i++) {
        waiting_start(&others[i], child.env, 1, 1);
        refused("a second one in another", waiting_ended(&others[i]) ? plan_run_error(&others[i].run) : 0, EXO_E_BUSY);
    }
    refused("a second one by force", reclaim(child.env, 1, 0), EXO_E_BUSY);
    holds("none of them took anything", !first.run.ended && account_of(child.env).limit == limit);
    child_kill(&child);
    holds("the first one learns of the end", waiting_ended(&first) && first.buffer.result[0].status == -EXO_E_DEAD);
}

/* ---- ends in the middle ---------------------------------------------------------------------------------------- */

/* RECLAIM, and beside it, in the same plan, its own end in one way or another; then once more. */
static void called_off(void)
{
    for (unsigned how = 0; how < 3; how++) {
        struct child child = sleeper(life_sleep, 0);
        struct plan_buffer buffer;
        struct plan *plan = plan_begin(&buffer);
        uint64_t limit = squeeze(&child).limit, mine = PLAN_INFO->frames_limit;
        plan_unordered(plan, true);
        struct reclaim_refs asked = plan_reclaim(plan, handle_number(child.env), 5, tick_number(EXO_NEVER));
        if (how == 0)
            plan_cancel(plan, word_number(0), plan_bit(asked.returned));
        if (how == 1)
            plan_env_kill(plan, handle_number(child.env));
        if (how == 2)
            plan_cancel(plan, word_number(0), EXO_ANY);
        refused("what was called off", plan_run(plan), how == 1 ? EXO_E_DEAD : EXO_E_CANCELLED);
        if (how == 1) {
            holds("all came back", PLAN_INFO->frames_limit == mine + limit);
            continue;
        }
        holds("nothing moved", PLAN_INFO->frames_limit == mine && account_of(child.env).limit == limit);
        holds("it can be asked again", reclaim(child.env, 5, 0) == 0);
        child.quota -= 5;
        child_kill(&child);
    }
}

/* A child with pages that it can do without, and a sign of life all the time: n, since those of others may still be in the channel. */
static void life_ticks(uint64_t n)
{
    uint64_t at = 0x710000000000ull, frame = frames_take(48);
    tables_make(at);
    OK(OP(MAP, at, frame, 48, EXO_READ | EXO_WRITE));
    PLAN_CONTROL->spare = at;
    for (;;) {
        say(n, 0);
        OP(TIMER, tick_after_us(500));
    }
}

static bool ticks(uint64_t of, unsigned count)
{
    uint64_t n, zero;
    while (count > 0 && heard(&n, &zero))
        count -= n == of;
    return count == 0;
}

/* Force that is stopped after so many steps: the child goes on, with what it has left. */
static void cut_short(void)
{
    unsigned cut = 0;
    for (uint32_t work = 1; work < 12; work++) {
        uint64_t taken, again;
        struct child child = started(life_ticks, work, 0);
        holds("it begins", ticks(work, 1));
        struct exo_account before = squeeze(&child);
        int error = ask(child.env, 45, 0, work, &taken);
        struct exo_account after = account_of(child.env);
        cut += error == -EXO_E_WORK && taken > 0;
        holds("cut short, or done", (error == -EXO_E_WORK && taken <= 45) || (error == 0 && taken == 45));
        holds("then the limit is the child's", error == 0 || after.limit == before.limit);
        holds("and what was taken is not", error == 0 || after.used + taken == before.used);
        holds("it is let go", ticks(work, 20)); /* more than there is room for */
        if (error != 0)
            error = ask(child.env, 45, 0, 0, &again);
        holds("the rest of it", error == 0 && account_of(child.env).limit == before.limit - 45);
        child.quota -= 45;
        child_kill(&child);
    }
    holds("in the middle", cut > 0);
}

/* Asking for ever: all of it comes, in the end with the child's end. */
static void standing(void)
{
    struct child child = sleeper(life_sleep, 0);
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    plan_flags(plan, EXO_PLAN_STANDING | EXO_PLAN_QUIET, NULL);
    plan_quiet(plan, true);
    plan_reclaim(plan, handle_number(child.env), 1, tick_number(0));
    holds("a standing plan that only asks", plan_submit(plan) > 0);
    plan = plan_begin(&buffer);
    uint64_t limit = PLAN_INFO->frames_limit;
    plan_flags(plan, EXO_PLAN_STANDING | EXO_PLAN_QUIET, NULL);
    plan_quiet(plan, true);
    plan_timer_every(plan, tick_number(1), ticks_of_us(100));
    plan_reclaim(plan, handle_number(child.env), 3, tick_number(0));
    holds("a standing plan that robs", plan_submit(plan) == 0);
    uint64_t stop[3];
    child_wait(&child, stop);
    holds("it ends when there is nothing to take", stop[0] == EXO_STOP_RECLAIM);
    uint64_t left = account_of(child.env).limit;
    holds("and stays so", left < 60 && PLAN_INFO->frames_limit == limit + QUOTA - left && limit_becomes(child.env, left));
    child.quota = (uint32_t)left;
    child_kill(&child);
}

/* One that does not run yet, and one that has ended. */
static void not_running(void)
{
    struct child child;
    uint64_t taken, stop[3];
    holds("a child", child_create(&child, QUOTA) && child_copy(&child, 1, 0));
    squeeze(&child);
    holds("one that is being built", ask(child.env, 10, 0, 0, &taken) == 0 && taken == 10);
    child.quota -= 10;
    refused("what it has no limit for any more", OP_ON(child.env, GIVE, frames_take(1), 1), EXO_E_QUOTA);
    child_kill(&child);
    child = sleeper(life_answer, 0);
    child_wait(&child, stop);
    squeeze(&child);
    holds("one that has ended", ask(child.env, 10, tick_after_us(2000), 0, &taken) == 0 && taken == 10);
    child.quota -= 10;
    child_stopped(&child, EXO_STOP_EXIT, 0);
    child_kill(&child);
}

int main(void)
{
    listen_begin();
    struct child child = sleeper(life_sleep, 0); /* what building one takes once and for all */
    (void)squeeze(&child);
    child_kill(&child);
    uint64_t limit = PLAN_INFO->frames_limit, places = PLAN_INFO->places;
    strangers();
    generations();
    dead_ones();
    numbers();
    many_at_once();
    called_off();
    standing();
    not_running();
    cut_short(); /* leaves messages behind */
    holds("its own limit is what it was", PLAN_INFO->frames_limit == limit && PLAN_INFO->places == places);
    return attack_end() || check_failures;
}
