/* SPDX-License-Identifier: MIT */
/*
 * A crossing: exo_enter from its arguments to its result. It can be left in the
 * middle when the core is wanted, and goes on when its environment runs again.
 */
#include "arch/arch.h"
#include "core.h"
#include "env.h"
#include "net/nic.h"

#define PASSES 64u /* of standing plans before their program goes on: as many as a channel has places */

uint32_t memory_slot(const void *memory)
{
    return (uint32_t)(((uint64_t)memory - KERNEL_PHYSMAP) / sizeof(struct op));
}

static inline void finish(struct env *env, uint64_t result)
{
    env->entering = false;
    env->context.rax = result;
    env->info->sq_head = env->sq_head;
    env->completion_event = false;
    if (env->cq_tail < env->wait_for && env->state == ENV_RUNNING)
        env->state = ENV_WAITING;
}

void env_enter(struct env *env, uint64_t submit, uint64_t wait_for, uint64_t deadline)
{
    env->submit = submit;
    env->wait_for = wait_for;
    env->deadline = deadline;
    env->ended_badly = 0;
    env->entering = true;
    env->info->crossings++;
    if (submit - env->sq_head > env->sq_size) {
        env->wait_for = 0;
        finish(env, (uint64_t)-EXO_E_RING);
    }
}

bool env_runnable(const struct env *env)
{
    if (env->seized)
        return false;
    if (env->state == ENV_WAITING)
        return !list_empty(&env->ready) || env->timer_due || env->cq_tail >= env->wait_for;
    return env->state == ENV_RUNNING;
}

static bool runs(const struct env *env)
{
    return env->state == ENV_RUNNING || env->state == ENV_WAITING;
}

/* Plans that events made ready; false if the core is wanted. A standing plan that waits for nothing, since what it
 * asks for is there every time, starts over for ever: others of its program, and the program itself, come in between. */
static bool run_ready(struct env *env)
{
    struct list_node *node;
    while (env->passes < PASSES && (node = list_first(&env->ready)) && runs(env)) {
        plan_run(LIST_ENTRY(node, struct plan, link));
        if (core_attention())
            return false;
    }
    return true;
}

static bool take_cells(struct env *env)
{
    if (!list_empty(&env->held))
        plan_post_held(env);
    while (env->sq_head < env->submit && runs(env)) {
        uint64_t taken = plan_submit(env, env->sq_head, env->submit - env->sq_head);
        if (taken == 0) {
            env->wait_for = 0;
            finish(env, (uint64_t)-EXO_E_FULL);
            return true;
        }
        env->sq_head += taken;
        if (core_attention())
            return false; /* perhaps in the middle of that plan: it is on env->ready then */
    }
    finish(env, env->ended_badly);
    return true;
}

/* What it waited for may have come. */
static bool wait_over(struct env *env)
{
    if (env->state != ENV_WAITING)
        return false;
    if (!list_empty(&env->held))
        plan_post_held(env);
    if (env->cq_tail < env->wait_for)
        return false;
    env->state = ENV_RUNNING;
    env->info->wakeups++;
    env->context.rax = env->ended_badly; /* those that failed meanwhile too */
    return true;
}

bool env_continue(struct env *env)
{
    if (!list_empty(&env->ready) && !run_ready(env))
        return false;
    if (env->entering && !take_cells(env))
        return false;
    env->passes = 0;
    return env->state == ENV_RUNNING || wait_over(env);
}

/* Nothing but the caller wants the core, and its earliest timer is not before what the clock is set to. */
static bool straight_back(const struct core *core, const struct env *env)
{
    return !core->attention && !core->device_fired && list_empty(&core->woken) &&
           (!env->timers || env->timers->result[0] >= core->armed);
}

bool core_syscall(uint64_t submit, uint64_t wait_for, uint64_t deadline, struct core *core)
{
    struct env *env = core->current;
    env->from_syscall = true;
    env_enter(env, submit, wait_for, deadline);
    if (!env_continue(env) || !straight_back(core, env))
        return false;
    nic_flush();
    env->completion_event = false;
    return true;
}
