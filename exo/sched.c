/* SPDX-License-Identifier: MIT */
/*
 * Who runs next on a core. CPU time is a cycle of equal slots; each belongs to an
 * environment. A slot whose owner has nothing to do is offered around.
 * Environments that an event woke run at once while they have credit: time from slots of
 * theirs that they did not use. So nobody pays for another's events.
 */
#include "arch/arch.h"
#include "core.h"
#include "net/nic.h"
#include "ops.h"

struct core cores[1];
struct machine machine;

#define TIMER_BUDGET 16u /* timers ended for one environment at a time */
#define TIMER_ROUNDS 640u /* and so often, when they do not come to an end (10,000 do), before its program goes on */
#define OWN_TURNS 64u    /* a program runs at least this part of a slot between its own timers */

void core_start(struct core *core, struct env *owner)
{
    uint64_t now = clock_now();
    list_init(&core->woken);
    list_init(&machine.readers);
    core->slot_ticks = clock_hz() / 1000000u * EXO_CPU_SLOT_US;
    core->slot_end = now + core->slot_ticks;
    core->charged_at = now;
    core->armed = core->due = EXO_NEVER;
    for (unsigned i = 0; i < EXO_CPU_SLOTS; i++)
        core->slot_owner[i] = owner->index;
    owner->cpu_slots = EXO_CPU_SLOTS;
    owner->info->cpu_slots = EXO_CPU_SLOTS;
}

/* ---- time and credit ---------------------------------------------------------- */

int64_t env_credit(struct env *env, uint64_t now)
{
    /* The caller's idea of now may be older than that of the one before. */
    uint64_t passed = now > env->credit_at ? now - env->credit_at : 0;
    int64_t share = (int64_t)(passed / EXO_CPU_SLOTS * env->cpu_slots);
    int64_t slot = (int64_t)core_this()->slot_ticks, most = slot * env->cpu_slots;
    int64_t least = most > 0 ? -most : -slot; /* who has no slots remembers what he owes, too */
    env->credit_at += passed;
    env->credit += share;
    if (env->credit > most)
        env->credit = most;
    if (env->credit < least)
        env->credit = least;
    return env->credit;
}

/* What was used until now is `current`'s. */
static void charge(struct core *core, uint64_t now)
{
    struct env *env = core->current;
    if (env) {
        uint64_t used = now - core->charged_at;
        env->credit -= (int64_t)used;
        env->info->ticks_used += used;
    }
    core->charged_at = now;
}

/* ---- lists ----------------------------------------------------------------------- */

void env_woken(struct env *env)
{
    struct core *core = core_this();
    if (env == core->current || env->boosted)
        return;
    if (env->state != ENV_RUNNING && env->state != ENV_WAITING)
        return;
    if (env_credit(env, clock_now()) <= 0)
        return;
    env->boosted = true;
    list_push(&core->woken, &env->run_link);
}

static void unboost(struct env *env)
{
    if (env->boosted) {
        env->boosted = false;
        list_remove(&env->run_link);
    }
}

void core_forget(struct env *env)
{
    struct core *core = core_this();
    unboost(env);
    uint16_t heir = env->parent ? env->parent->index : 0;
    for (unsigned i = 0; i < EXO_CPU_SLOTS; i++)
        if (core->slot_owner[i] == env->index)
            core->slot_owner[i] = heir;
    if (env->parent) {
        env->parent->cpu_slots = (uint16_t)(env->parent->cpu_slots + env->cpu_slots);
        env->parent->info->cpu_slots = env->parent->cpu_slots;
    }
    env->cpu_slots = 0;
    if (core->yielded == env)
        core->yielded = NULL;
    if (core->yielded_to == env)
        core->yielded_to = NULL;
}

void core_yield(struct env *env, struct env *to)
{
    struct core *core = core_this();
    unboost(env);
    core->yielded = env;
    core->yielded_to = to;
    core->attention = 1;
}

static struct env *pick_woken(struct core *core, uint64_t now)
{
    struct list_node *node;
    while ((node = list_first(&core->woken))) {
        struct env *env = LIST_ENTRY(node, struct env, run_link);
        if (env_runnable(env) && env_credit(env, now) > 0)
            return env;
        unboost(env);
    }
    return NULL;
}

static struct env *pick(struct core *core, uint64_t now)
{
    struct env *named = core->yielded_to, *last = core->yielded;
    core->yielded_to = core->yielded = NULL;
    if (named && env_runnable(named))
        return named;
    struct env *env = pick_woken(core, now);
    if (env)
        return env;
    env = envs[core->slot_owner[core->slot]];
    if (env && env != last && env_runnable(env))
        return env;
    for (unsigned i = 1; i <= env_end; i++) { /* offered around */
        unsigned index = (core->offered + i) % env_end;
        env = envs[index];
        if (env && env != last && env_runnable(env)) {
            core->offered = index;
            return env;
        }
    }
    return last && env_runnable(last) ? last : NULL;
}

/* ---- clocks ------------------------------------------------------------------------ */

static void turn_slot(struct core *core, uint64_t now)
{
    if (now < core->slot_end)
        return;
    uint64_t passed = (now - core->slot_end) / core->slot_ticks + 1;
    core->slot = (uint32_t)((core->slot + passed) % EXO_CPU_SLOTS);
    core->slot_end += passed * core->slot_ticks;
    core->yielded = core->yielded_to = NULL; /* what was given up is over */
    if (core->current)
        core->current->slice_pending = true;
}

/* Whoever ran may wait for something earlier now. Nobody else's timers or deadline can have become earlier. */
static void note_due(struct core *core, const struct env *env)
{
    if (env->timers && env->timers->result[0] < core->due)
        core->due = env->timers->result[0];
    if (env->state == ENV_WAITING && env->deadline < core->due)
        core->due = env->deadline;
}

/* Ends due waits. A due timer makes its environment runnable and ends in its time, when it is picked.
 * Returns a tick before which nothing is due. */
static uint64_t expire(struct core *core, uint64_t now)
{
    uint64_t next = EXO_NEVER;
    if (core->current)
        note_due(core, core->current);
    if (now < core->due)
        return core->due;
    for (unsigned i = 1; i < env_end; i++) {
        struct env *env = envs[i];
        if (!env)
            continue;
        env->timer_due = env->timers && env->timers->result[0] <= now;
        if (env->timer_due)
            env_woken(env);
        else if (env->timers && env->timers->result[0] < next)
            next = env->timers->result[0];
        if (env->state != ENV_WAITING)
            continue;
        if (env->deadline <= now) {
            env->wait_for = 0;
            env_woken(env);
        } else if (env->deadline < next) {
            next = env->deadline;
        }
    }
    return core->due = next;
}

/* The timer may fire early (it costs a look), never late. */
static void arm(struct core *core, uint64_t tick)
{
    if (core->timer_fired)
        core->armed = EXO_NEVER;
    core->timer_fired = 0;
    if (tick < core->armed) {
        timer_arm(tick);
        core->armed = tick;
    }
}

/* When the core must look again at the latest. In another's slot an environment that was woken has no more
 * than its credit. */
static uint64_t turn_end(const struct core *core, const struct env *env, uint64_t now, uint64_t next)
{
    uint64_t end = next < core->slot_end ? next : core->slot_end;
    if (env->boosted && core->slot_owner[core->slot] != env->index && env->credit > 0 &&
        now + (uint64_t)env->credit < end)
        end = now + (uint64_t)env->credit;
    return end;
}

/* A plan has perhaps just set a timer of the program that goes on. It is not late, but when it is always
 * about to be (a period of a tick) the program comes in between. */
static void own_timer(struct core *core, const struct env *env)
{
    if (!env->timers || env->timers->result[0] >= core->armed)
        return;
    uint64_t soonest = clock_now() + core->slot_ticks / OWN_TURNS;
    arm(core, env->timers->result[0] > soonest ? env->timers->result[0] : soonest);
}

/* ---- ways in and out ------------------------------------------------------------------ */

static noreturn void resume(struct core *core, struct env *env)
{
    core->current = env;
    if (env->slice_pending) {
        env->slice_pending = false;
        if (!env->from_syscall)
            env_event(env, EXO_UPCALL_SLICE);
    }
    if (env->completion_event) {
        env->completion_event = false;
        env_event(env, EXO_UPCALL_COMPLETION);
    }
    if (core->space != env)
        env->info->switches++;
    arch_resume(core, env);
}

static void idle(struct core *core, uint64_t next)
{
    core->current = NULL;
    arm(core, next);
    if (nic_idle())
        arch_idle();
}

noreturn void core_leave(struct core *core)
{
    for (;;) {
        uint64_t now = clock_now();
        charge(core, now);
        core->attention = 0;
        if (core->device_fired) {
            core->device_fired = 0;
            console_poll();
            if (nic_poll())
                core->device_fired = 1;
            core->charged_at = clock_now(); /* it charged its time to whom the packets were for */
        }
        turn_slot(core, now);
        uint64_t next = expire(core, now);
        struct env *env = pick(core, now);
        if (!env) {
            nic_flush();
            idle(core, next);
            continue;
        }
        core->current = env;
        env->timer_due = env->timer_due && timer_expire(env, now, TIMER_BUDGET);
        env->timer_rounds = env->timer_due ? env->timer_rounds + 1 : 0;
        arm(core, turn_end(core, env, now, next));
        bool user = env_continue(env);
        nic_flush();
        if (user && !core->attention && (!env->timer_due || env->timer_rounds >= TIMER_ROUNDS)) {
            env->timer_rounds = 0;
            own_timer(core, env);
            resume(core, env);
        }
    }
}

noreturn void core_fault(struct core *core)
{
    struct env *env = core->current;
    env->from_syscall = false;
    env_fault(env);
    if (env->state == ENV_RUNNING)
        arch_resume(core, env);
    core_leave(core);
}

noreturn void core_interrupt(struct core *core)
{
    core->current->from_syscall = false;
    core_leave(core);
}
