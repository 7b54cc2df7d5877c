/* SPDX-License-Identifier: MIT */
/* Environments: made, started, stopped; faults and events delivered to them. Taking one apart is kill.c. */
#include "env.h"

#include <string.h>

#include "arch/arch.h"
#include "core.h"

struct env *envs[ENV_MAX];
unsigned env_end;

static bool account_has(const struct env *env, uint64_t n)
{
    return (uint64_t)env->frames_used + env->frames_reserved + n <= env->frames_limit;
}

bool env_reserve(struct env *env, uint32_t n)
{
    if (!account_has(env, n))
        return false;
    env->frames_reserved += n;
    return true;
}

bool env_charge(struct env *env, uint64_t n)
{
    if (!account_has(env, n))
        return false;
    env->frames_used += (uint32_t)n;
    account_show(env);
    return true;
}

void env_uncharge(struct env *env, uint64_t n)
{
    ASSERT(n <= env->frames_used);
    env->frames_used -= (uint32_t)n;
    account_show(env);
    env_account_fell(env);
}

/* The places of all environments together are those that are left. */
static unsigned index_take(void)
{
    unsigned i = 1;
    while (envs[i])
        i++;
    return i;
}

static frame_t frame_after(frame_t first, uint32_t n) { return (frame_t){first.number + n}; }

static void root_fill(frame_t root)
{
    uint64_t *table = frame_memory(root);
    const uint64_t *kernel = physical_memory(arch_kernel_root());
    for (unsigned i = 256; i < 512; i++)
        table[i] = kernel[i];
}

static void info_fill(struct env *env)
{
    struct exo_info *info = env->info;
    info->tick_hz = clock_hz();
    info->tick_zero = machine.boot_tick;
    info->wall_zero = machine.boot_wall;
    info->cpu_features = arch_cpu_features();
    info->vector_bytes = arch_vector_bytes();
}

struct env *env_create(struct env *parent, frame_t first, uint32_t quota, uint16_t places)
{
    unsigned index = index_take();
    ASSERT(index < ENV_MAX);
    struct env *env = frame_memory(first);
    env->frame = first;
    env->index = (uint16_t)index;
    env->state = ENV_NEW;
    static const uint8_t kinds[EXO_ENV_FRAMES] = {KIND_ENV, KIND_PART, KIND_PART, KIND_INFO,
                                                  KIND_NONE};
    for (unsigned i = 0; i < EXO_ENV_FRAMES; i++)
        frame_own(env, frame_after(first, i), kinds[i] ? FRAME_KERNEL : FRAME_TABLE, kinds[i]);
    env->handles = frame_memory(frame_after(first, 1));
    env->vector_state = frame_memory(frame_after(first, 2));
    env->info = frame_memory(frame_after(first, 3));
    env->root = (uint64_t)frame_after(first, 4).number << EXO_PAGE_SHIFT;
    root_fill(frame_after(first, 4));
    arch_vector_init(env->vector_state);
    info_fill(env);
    plan_pool_init(&env->pool);
    list_init(&env->ready);
    list_init(&env->held);
    list_init(&env->waiters);
    list_init(&env->reclaim_waiters);
    env->frames_limit = quota;
    env->frames_used = EXO_ENV_FRAMES;
    env->parent = parent;
    if (parent) {
        env->sibling = parent->children;
        parent->children = env;
    }
    env->places = places;
    account_show(env);
    envs[index] = env;
    if (index >= env_end)
        env_end = index + 1;
    return env;
}

static void ring_pin(frame_t first, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        frame_entry(frame_after(first, i))->pins++;
}

void env_set_rings(struct env *env, frame_t control, frame_t sq, uint32_t sq_frames, frame_t cq,
                   uint32_t cq_frames)
{
    ring_pin(control, 1);
    ring_pin(sq, sq_frames);
    for (uint32_t i = 0; i < cq_frames; i++) {
        frame_entry(frame_after(cq, i))->state = FRAME_KERNEL;
        frame_entry(frame_after(cq, i))->kind = KIND_CQ;
    }
    env->control = frame_memory(control);
    env->control_frame = control.number;
    env->sq = frame_memory(sq);
    env->sq_frame = sq.number;
    env->cq = frame_memory(cq);
    env->cq_frame = cq.number;
    env->sq_size = (uint64_t)sq_frames * EXO_PAGE_SIZE / sizeof(struct exo_op);
    env->cq_size = (uint64_t)cq_frames * EXO_PAGE_SIZE / sizeof(struct exo_completion);
    env->info->sq_size = env->sq_size;
    env->info->cq_size = env->cq_size;
}

unsigned env_donate_slots(struct env *env, frame_t first, uint32_t count, unsigned slot_class)
{
    for (uint32_t i = 0; i < count; i++) {
        struct frame *entry = frame_entry(frame_after(first, i));
        entry->state = FRAME_KERNEL;
        entry->kind = KIND_SLOTS;
        entry->rights = first.number;
        entry->writable = (uint16_t)(count | slot_class << 8);
    }
    memset(frame_memory(first), 0, (size_t)count * EXO_PAGE_SIZE);
    return plan_pool_add(&env->pool, frame_memory(first), (uint64_t)count * EXO_PAGE_SIZE, slot_class);
}

void env_start(struct env *env, uint64_t rip, uint64_t rsp, uint64_t argument)
{
    env->context = (struct exo_context){.rip = rip, .rsp = rsp, .rdi = argument, .rflags = 0x202};
    env->from_syscall = false;
    env->state = ENV_RUNNING;
    env->credit_at = clock_now();
}

/* Nobody is there to report how the first program ended. */
static noreturn void first_stopped(const struct env *env)
{
    uint64_t reason = env->stop[0];
    const struct exo_context *c = &env->context;
    console_printf("exo: the first program stopped: reason %lu, %lu, 0x%lx\n", reason, env->stop[1],
                   env->stop[2]);
    if (reason == EXO_STOP_CRASH)
        c = &env->control->context[0]; /* of the program's own making, and shown as numbers only */
    if (reason != EXO_STOP_EXIT) {
        console_printf("vector %lu  error %lx  address %016lx  rip %016lx  rsp %016lx  rbp %016lx\n",
                       c->vector, c->error, c->address, c->rip, c->rsp, c->rbp);
        console_printf("rax %016lx  rbx %016lx  rcx %016lx  rdx %016lx  rsi %016lx  rdi %016lx\n", c->rax,
                       c->rbx, c->rcx, c->rdx, c->rsi, c->rdi);
    }
    machine_exit(reason == EXO_STOP_EXIT && env->stop[1] == 0 ? EXO_POWER_OK : EXO_POWER_FAILED);
}

void env_stop(struct env *env, uint64_t reason, uint64_t word, uint64_t other)
{
    if (env->state == ENV_STOPPED)
        return;
    env->state = ENV_STOPPED;
    env->stop[0] = reason;
    env->stop[1] = word;
    env->stop[2] = other;
    core_forget(env);
    struct op *op;
    while ((op = op_unpark(&env->waiters))) { /* at most ENV_WAITERS */
        for (unsigned i = 0; i < 3; i++)
            op->result[i] = env->stop[i];
        op_end(op, 0);
    }
    if (!env->parent)
        first_stopped(env);
}

/* Saves the interrupted registers at `depth` and aims the program at its upcall entry. */
static void upcall(struct env *env, uint32_t depth, uint64_t vector)
{
    struct exo_control *control = env->control;
    if (env->from_syscall) {
        env->context.cs = USER_CS;
        env->context.ss = USER_SS;
        env->context.error = env->context.address = 0;
    }
    env->context.vector = vector;
    control->context[depth] = env->context;
    control->depth = depth + 1;
    env->context.rip = control->entry;
    env->context.rsp = control->stack[depth];
    env->context.rdi = depth;
    env->context.rflags = 0x202;
    env->from_syscall = false;
    env->info->upcalls++;
}

void env_fault(struct env *env)
{
    struct exo_control *control = env->control;
    uint32_t depth = *(volatile uint32_t *)&control->depth;
    if (depth >= EXO_DEPTH || control->entry == 0) {
        control->last = env->context;
        env_stop(env, EXO_STOP_NESTED, env->context.vector, env->context.address);
        return;
    }
    upcall(env, depth, env->context.vector);
}

void env_event(struct env *env, unsigned event)
{
    struct exo_control *control = env->control;
    uint32_t bit = 1u << (event - EXO_UPCALL_SLICE);
    if (*(volatile uint32_t *)&control->depth == 0 && control->want & bit && control->entry)
        upcall(env, 0, event);
    else
        __atomic_fetch_or(&control->pending, bit, __ATOMIC_RELAXED);
}
