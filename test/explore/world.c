/* SPDX-License-Identifier: MIT */
/* What the real executor needs around it, and no more. */
#include "world_internal.h"

#include <string.h>
#include <sys/mman.h>

#include "../../exo/arch/arch.h"
#include "../../exo/net/nic.h"
#include "../../exo/net/ops_net.h"
#include "../../exo/ops.h"

struct world *world;
bool world_scribbles = true;
unsigned world_most_calls;
struct core cores[1];

static unsigned looks, wanted, calls; /* looks so far; the one at which the core is wanted; calls since one */
static uint64_t submitting, submitting_at; /* cells of the plan that is at the door, while sq_head is that */

/* ---- what changes ring memory --------------------------------------------------------------- */

static struct exo_op *ring_cell(uint64_t index)
{
    return (struct exo_op *)(uintptr_t)&world->env.sq[index & (WORLD_CELLS - 1)];
}

/* What the kernel took, the plan that it is just taking included, is garbage from now on. */
static void scribble(void)
{
    uint64_t head = world->env.sq_head, end = head + (head == submitting_at ? submitting : 0), begin = world->env.submit - WORLD_CELLS;
    if (!world_scribbles)
        return;
    for (uint64_t i = world->env.submit < WORLD_CELLS ? 0 : begin; i < end; i++)
        memset(ring_cell(i), 0xa5, 40);
}

/* ---- what the layers around the executor supply ---------------------------------------------- */

void arch_interrupt_window(void)
{
    looks++;
    calls = 0;
    scribble();
    if (looks == wanted)
        cores[0].attention = 1;
}

void nic_flush(void) {}
void env_woken(struct env *env) { EXPECT(env == &world->env); }
void reclaim_look(struct env *child) { EXPECT(!child); }
uint64_t clock_now(void) { return world->now; }

static struct {
    const char *name;
    uint8_t kind;
    uint32_t handle;
} handles[] = {{"MACHINE", K_MACHINE, 1}, {"CONSOLE", K_CONSOLE, 2}, {"QUEUE", K_QUEUE, 3},
               {"ENV", K_ENV, 4 | 7 << 16}, {"SENDER", K_SENDER, 5}, {"RECEIVER", K_RECEIVER, 6}};
#define HANDLES (sizeof handles / sizeof handles[0])

uint32_t world_handle(uint8_t kind)
{
    for (unsigned i = 0; i < HANDLES; i++)
        if (handles[i].kind == kind)
            return handles[i].handle;
    return 0;
}

bool world_known(uint32_t handle, const char *kind)
{
    for (unsigned i = 0; i < HANDLES; i++)
        if (handles[i].handle == handle)
            return !strcmp(kind, handles[i].name) || !strcmp(kind, "HANDLE");
    return false;
}

struct handle *handle_find(struct env *env, number_t number, enum op_kind kind)
{
    uint32_t handle = (uint32_t)number_any(number);
    static struct handle found;
    EXPECT(env == &world->env);
    const struct exo_plan *header = (const struct exo_plan *)&world_cells[env->sq_head];
    submitting = header->cells + 1u; /* the checker asks: the copy is made */
    submitting_at = env->sq_head;
    scribble();
    for (unsigned i = 0; i < HANDLES; i++)
        if (handles[i].handle == handle && (kind == K_HANDLE || kind == handles[i].kind))
            return &found;
    return NULL;
}

bool env_reserve(struct env *env, uint32_t n)
{
    scribble();
    if ((uint64_t)env->frames_used + env->frames_reserved + n > env->frames_limit)
        return false;
    env->frames_reserved += n;
    return true;
}

/* ---- pretended operations ---------------------------------------------------------------------- */

static int park(struct op *op)
{
    op_park(op, &world->parked);
    return OP_PARK;
}

static int run_alloc(struct plan *plan, struct op *op)
{
    uint64_t left = op->cell.arg[0] - op->step[0], step = left < 16 ? left : 16;
    if (number_any(op_arg(op, 1)) > 10)
        return -EXO_E_RANGE;
    op->result[0] = 100;
    op->step[0] += step;
    plan->reserved -= (uint32_t)step;
    plan->env->frames_reserved -= (uint32_t)step;
    plan->env->frames_used += (uint32_t)step;
    return op->step[0] == op->cell.arg[0] ? 0 : OP_AGAIN;
}

/* As op_timer() in ops_misc.c. */
static int run_timer(struct plan *plan, struct op *op)
{
    uint64_t tick = number_any(op_arg(op, 0)), period = number_any(op_arg(op, 1)), now = world->now;
    if (period && !(op->cell.uses & 1)) {
        if (op->cell.arg[2])
            tick += (now > tick ? (now - tick) / period + 1 : 1) * period;
        op->cell.arg[0] = tick;
        op->cell.arg[2] = 1;
    }
    op->result[0] = tick;
    if (tick > now) {
        timer_add(plan->env, op);
        return OP_PARK;
    }
    op->result[0] = now;
    return 0;
}

static int run_cancel(struct plan *plan, struct op *op)
{
    number_t id = op_arg(op, 0);
    struct plan *target = number_is(id, 0) ? plan : plan_find(plan->env, id);
    if (!target)
        return -EXO_E_ABSENT;
    op->result[0] = plan_cancel(target, number_any(op_arg(op, 1)), op);
    return 0;
}

static int run_reclaim(struct plan *plan, struct op *op)
{
    op->result[0] = number_any(op_arg(op, 1));
    if (op->result[0] > world->now) {
        timer_add(plan->env, op);
        return OP_PARK;
    }
    op->result[0] = op->cell.arg[0];
    return 0;
}

static int run_tx(struct op *op)
{
    if (number_any(op_arg(op, 2)) & 1) {
        if (!world->room)
            return park(op);
        world->room--;
    }
    op->state = OP_PARKED;
    op->where = WHERE_DEVICE;
    return OP_PARK;
}

/* An event from inside an operation, perhaps for its own plan. */
static int run_kill(void)
{
    struct op *first = op_unpark(&world->parked);
    if (first && first->cell.code == EXO_NET_TX)
        op_wake(first);
    else if (first)
        op_end(first, 0);
    return 0;
}

static int run(struct plan *plan, struct op *op)
{
    calls++;
    if (calls > world_most_calls)
        world_most_calls = calls;
    scribble();
    switch (op->cell.code) {
    case EXO_NOP: op->result[0] = number_any(op_arg(op, 0)); return 0;
    case EXO_FREE: return number_any(op_arg(op, 0)) & 1 ? -EXO_E_FRAME : 0;
    case EXO_ALLOC: return run_alloc(plan, op);
    case EXO_TIMER: return run_timer(plan, op);
    case EXO_CANCEL: return run_cancel(plan, op);
    case EXO_RECLAIM: return run_reclaim(plan, op);
    case EXO_ENV_KILL: return run_kill();
    case EXO_ENV_WAIT:
    case EXO_RECLAIM_WAIT:
    case EXO_CONSOLE_READ:
    case EXO_SEND:
    case EXO_RECV:
    case EXO_NET_RX: return park(op);
    case EXO_NET_TX: return run_tx(op);
    }
    for (unsigned i = 0; i < 4; i++)
        op->result[i] = op->cell.code * 16u + i * 2;
    return 0;
}

#define EXO_X(number, NAME, name, h, a, b, c, d, e, r0, r1, r2, r3)                                \
    int op_##name(struct plan *plan, struct op *op) { return run(plan, op); }
EXO_OPS(EXO_X)
#undef EXO_X

void op_alloc_cancel(struct plan *plan, struct op *op)
{
    world->undone++;
    plan->env->frames_used -= (uint32_t)op->step[0];
}

void op_net_rx_cancel(struct plan *plan, struct op *op)
{
    (void)plan;
    EXPECT(op->state == OP_PARKED || op->state == OP_READY);
    world->undone++;
}

void op_reclaim_cancel(struct plan *plan, struct op *op)
{
    (void)plan, (void)op;
    world->undone++;
}

/* Nothing is sent in this world; SEND and RECV wait. */
void op_send_cancel(struct plan *plan, struct op *op) { op_net_rx_cancel(plan, op); }
void op_recv_cancel(struct plan *plan, struct op *op) { op_net_rx_cancel(plan, op); }

void op_net_tx_cancel(struct plan *plan, struct op *op)
{
    (void)plan;
    world->undone++;
    if (op->state == OP_PARKED && op->where == WHERE_DEVICE)
        op->result[3] = 1;
}

/* ---- slots ------------------------------------------------------------------------------------------ */

static struct plan *plan_numbered(uint32_t number)
{
    struct plan *plan;
    FOR_SLOTS(plan)
        if (plan->tag == number)
            return plan;
    return NULL;
}

static uint64_t id_of(const struct plan *plan)
{
    return (uint64_t)plan->generation << 32 | plan_slot_number(plan);
}

struct plan *plan_find(struct env *env, number_t id)
{
    struct plan *plan;
    EXPECT(env == &world->env);
    FOR_SLOTS(plan)
        if (number_is(id, id_of(plan)))
            return plan;
    return NULL;
}

struct op *world_op(uint32_t number, unsigned index)
{
    struct plan *plan = plan_numbered(number);
    return plan && index < plan->cells ? &plan->op[index] : NULL;
}

uint64_t world_id(uint32_t number)
{
    const struct plan *plan = plan_numbered(number);
    return plan ? id_of(plan) : 0;
}

/* ---- building --------------------------------------------------------------------------------------- */

static void world_map(void)
{
    size_t bytes = (sizeof *world + WORLD_CELLS * sizeof(struct exo_op) + 0xfff) & ~0xffful;
    world = mmap((void *)KERNEL_PHYSMAP, bytes, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    EXPECT(world == (void *)KERNEL_PHYSMAP);
}

void world_init(uint32_t ring, const uint32_t slots[4], uint32_t limit)
{
    static struct exo_op sq[WORLD_CELLS];
    if (!world)
        world_map();
    memset(world, 0, sizeof *world);
    struct env *env = &world->env;
    EXPECT(ring <= WORLD_RING);
    env->state = ENV_RUNNING;
    env->control = &world->control;
    env->info = &world->info;
    env->sq = sq;
    env->cq = world->cq;
    env->sq_size = WORLD_CELLS;
    env->cq_size = ring;
    env->frames_limit = limit;
    list_init(&env->ready);
    list_init(&env->held);
    list_init(&env->waiters);
    list_init(&world->parked);
    plan_pool_init(&env->pool);
    world->now = 1000;
    for (unsigned i = 0; i < PLAN_CLASSES; i++) {
        uint64_t bytes = slots[i] * plan_slot_bytes(i);
        EXPECT(world->slots + bytes <= WORLD_SLOTS);
        EXPECT(plan_pool_add(&env->pool, &world->slot[world->slots], bytes, i) == slots[i]);
        world->slots += (uint32_t)bytes;
    }
    cores[0].current = env;
}

/* ---- the program and its events ----------------------------------------------------------------------- */

void world_enter(uint64_t submit, uint64_t wait_for)
{
    env_enter(&world->env, submit, wait_for, EXO_NEVER);
}

bool world_continue(unsigned wanted_at)
{
    struct env *env = &world->env;
    for (uint64_t i = env->sq_head; env->entering && i < env->submit; i++)
        *ring_cell(i) = world_cells[i];
    looks = calls = 0;
    submitting = 0;
    wanted = wanted_at;
    cores[0].attention = 0;
    (void)env_continue(env);
    return cores[0].attention;
}

void world_event(struct op *op, int status)
{
    if (op->where == WHERE_LIST)
        list_remove(&op->wait);
    else if (op->where == WHERE_TIMERS)
        timer_remove(&world->env, op);
    else if (op->result[3])
        status = -EXO_E_CANCELLED;
    op->result[3] = 0;
    op_end(op, status);
}

void world_wake(struct op *op)
{
    list_remove(&op->wait);
    op_wake(op);
}

bool world_timer(uint32_t *number, unsigned *index)
{
    const struct op *first = world->env.timers;
    if (!first || first->result[0] > world->now)
        return false;
    *number = (uint32_t)op_plan(world->env.timers)->tag;
    *index = first->index;
    (void)timer_expire(&world->env, world->now, 1);
    return true;
}

bool world_abandon(void)
{
    bool gone = true;
    for (uint32_t at = 0; at < world->slots; at += (uint32_t)plan_slot_bytes(slot_class_at(at)))
        gone &= plan_abandon((struct plan *)(void *)&world->slot[at]);
    return gone;
}
