/* SPDX-License-Identifier: MIT */
/*
 * A crossing: exo_enter from its arguments to its result. It can be left in the
 * middle when the core is wanted, and goes on when its environment runs again.
 */
#include "arch/arch.h"
#include "core.h"
#include "env.h"
#include "net/nic.h"

bool core_attention(void)
{
    struct core *core = core_this();
    if (!core->attention)
        arch_interrupt_window();
    return core->attention;
}

uint32_t memory_slot(const void *memory)
{
    return (uint32_t)(((uint64_t)memory - KERNEL_PHYSMAP) / sizeof(struct op));
}

/* The program says how far it has read; what it says can only make its own ring look full. */
bool env_room(const struct env *env)
{
    uint64_t head = *(volatile uint64_t *)&env->control->cq_head;
    return env->cq_tail - head < env->cq_size;
}

bool env_post(struct env *env, const struct exo_completion *completion)
{
    if (!env_room(env))
        return false;
    env->cq[env->cq_tail & (env->cq_size - 1)] = *completion;
    env->cq_tail++;
    __atomic_store_n(&env->info->cq_tail, env->cq_tail, __ATOMIC_RELEASE);
    env->completion_event = true;
    return true;
}

static void account_show(struct env *env)
{
    struct exo_info *info = env->info;
    info->frames_used = env->frames_used;
    info->frames_limit = env->frames_limit;
    info->places = env->places;
}

static void finish(struct env *env, uint64_t result)
{
    env->entering = false;
    env->context.rax = result;
    env->info->sq_head = env->sq_head;
    account_show(env);
    env->completion_event = false;
    if (env->cq_tail < env->wait_for && env->state == ENV_RUNNING) {
        env->state = ENV_WAITING;
    }
}

void env_enter(struct env *env)
{
    env->submit = env->context.rdi;
    env->wait_for = env->context.rsi;
    env->deadline = env->context.rdx;
    env->ended_badly = 0;
    env->info->crossings++;
    if (!env->control || env->submit - env->sq_head > env->sq_size) {
        env->wait_for = 0;
        finish(env, (uint64_t)-EXO_E_RING);
        return;
    }
    env->entering = true;
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

/* Plans that events made ready; false if the core is wanted. */
static bool run_ready(struct env *env)
{
    struct list_node *node;
    while ((node = list_first(&env->ready)) && runs(env)) {
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

bool env_continue(struct env *env)
{
    if (!list_empty(&env->ready) && !run_ready(env))
        return false;
    if (env->entering && !take_cells(env))
        return false;
    if (env->state == ENV_WAITING) {
        if (!list_empty(&env->held))
            plan_post_held(env);
        if (env->cq_tail < env->wait_for)
            return false;
        env->state = ENV_RUNNING;
        env->info->wakeups++;
        env->context.rax = env->ended_badly; /* those that failed meanwhile too */
        account_show(env); /* plans went on while it waited */
    }
    return env->state == ENV_RUNNING;
}

void env_deadline(struct env *env, uint64_t now)
{
    if (env->state == ENV_WAITING && env->deadline <= now)
        env->wait_for = 0;
}
