/* SPDX-License-Identifier: MIT */
/* Moves: which there are, and making them. See moves.h. */
#include "moves.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../../exo/flush.h"
#include "../../../exo/net/nic.h"
#include "rules.h"

struct ledger ledgers[ROLES];
uint64_t (*outcomes)[32];

static uint32_t last_handle[ROLES];
static uint64_t seen[ROLES]; /* completions that were looked at */

static const unsigned perms[] = {EXO_READ, EXO_READ | EXO_WRITE, EXO_NONE, EXO_READ | EXO_EXEC,
                                 EXO_LARGE | EXO_READ, EXO_LARGE | EXO_READ | EXO_WRITE};

enum role role_maker(const struct round *round, enum role role)
{
    return role == SECOND && round->limits.chain ? FIRST : PARENT;
}

/* ---- handles ------------------------------------------------------------------------------------ */

static uint32_t handle_of(enum role holder, enum op_kind kind, uint32_t frame)
{
    struct env *env = role_env(holder);
    for (uint32_t place = 1; env && place < HANDLES; place++) {
        const struct handle *entry = &env->handles[place];
        if (entry->kind == kind && entry->frame == frame)
            return place | (uint32_t)entry->generation << 16;
    }
    return 0;
}

uint32_t child_handle(enum role child) { return last_handle[child]; }

static uint32_t place_handle(enum role holder, unsigned place)
{
    return place | (uint32_t)role_env(holder)->handles[place].generation << 16;
}

static uint32_t target_handle(const struct move *move)
{
    return move->target == move->who ? 0 : last_handle[move->target];
}

/* ---- the crossing --------------------------------------------------------------------------------- */

/* The kernel works for `env` until its n-th look at whether the core is wanted. */
static void run(struct env *env, unsigned look)
{
    struct core *core = core_this();
    core->current = env;
    core->attention = 0;
    machine_look = look;
    (void)env_continue(env);
    if (env->entering && list_empty(&env->ready) && env->state == ENV_RUNNING) {
        core->attention = 0;
        machine_look = 0;
        (void)env_continue(env);
    }
}

static void enter(struct env *env, uint64_t submit, unsigned look)
{
    env_enter(env, submit, 0, 0);
    run(env, look);
}

static void submit(enum role who, const struct exo_op *op, unsigned count, unsigned look)
{
    struct env *env = role_env(who);
    struct exo_op *ring = (struct exo_op *)(uintptr_t)env->sq;
    unsigned id = 0;
    while (id < SLOTS && ledgers[who].open[id])
        id++;
    struct exo_plan header = {.code = EXO_PLAN, .flags = EXO_PLAN_QUIET, .cells = (uint16_t)count,
                              .tag = id << 8 | 7};
    memcpy(&ring[0], &header, sizeof header);
    for (unsigned i = 0; i < count; i++) {
        ring[1 + i] = op[i];
        ring[1 + i].tag = id << 8 | i;
    }
    ledgers[who].open[id] = (uint8_t)(OPEN_PLAN | ((1u << count) - 1));
    ledgers[who].code[id] = op->code;
    enter(env, env->sq_head + count + 1, look);
    if (env->sq_head != env->submit)
        ledgers[who].open[id] = 0; /* there was no room to refuse it in: the program does without */
}

/* ---- building a child ------------------------------------------------------------------------------ */

unsigned build_stage(enum role maker, enum role child)
{
    uint32_t block = BLOCK(child);
    const struct env *env = role_env(child), *by = role_env(maker);
    if (!by || by->state != ENV_RUNNING)
        return 5;
    if (!env) {
        bool owned = frames[block].state == FRAME_OWNED && frames[block].owner == by->index;
        return owned ? 1 : frames[block].state == FRAME_ABSENT ? 0 : 5;
    }
    if (env->state != ENV_NEW)
        return 5;
    if (!env->control)
        return 2;
    return frames[block + PART_LEVEL3].state == FRAME_OWNED ? 3 : 4;
}

/* The limit that a child is made with; who makes one of its own gets that one's, too. */
static uint32_t child_quota(const struct round *round, enum role child)
{
    const struct limits *limits = &round->limits;
    uint32_t quota = PARTS + limits->quota[child];
    return limits->chain && child == FIRST ? quota + PARTS + limits->quota[SECOND] + BUILD_SLACK : quota;
}

static void build(const struct round *round, enum role child, unsigned stage)
{
    enum role maker = role_maker(round, child);
    uint32_t block = BLOCK(child), handle = last_handle[child];
    struct exo_op op[4] = {{0}};
    unsigned count = 0;
    switch (stage) {
    case 0:
        block_add(child);
        op[count++] = (struct exo_op){.code = EXO_ALLOC, .arg = {EXO_ENV_FRAMES, 0, block}};
        op[count++] = (struct exo_op){.code = EXO_ALLOC, .arg = {PARTS - EXO_ENV_FRAMES, 0, block + EXO_ENV_FRAMES}};
        break;
    case 1:
        op[count++] = (struct exo_op){.code = EXO_ENV_CREATE, .arg = {block, child_quota(round, child), child == FIRST && round->limits.chain}};
        break;
    case 2:
        op[count++] = (struct exo_op){.code = EXO_GIVE, .handle = handle, .arg = {block + PART_CONTROL, 4}};
        op[count++] = (struct exo_op){.code = EXO_ENV_RINGS, .handle = handle, .after = 1,
                                      .arg = {block + PART_CONTROL, block + PART_SQ, 1, block + PART_CQ, 1}};
        op[count++] = (struct exo_op){.code = EXO_SLOTS, .handle = handle, .after = 1, .arg = {block + PART_SLOTS, 1, 4}};
        break;
    case 3:
        for (unsigned level = 3; level; level--, count++)
            op[count] = (struct exo_op){.code = EXO_TABLE, .handle = handle, .after = count ? 1u << (count - 1) : 0,
                                        .arg = {block + PART_LEVEL3 + 3 - level, BASE, level}};
        break;
    case 4:
        if (round->limits.nic)
            op[count++] = (struct exo_op){.code = EXO_HANDLE_COPY, .handle = handle,
                                          .arg = {handle_of(maker, K_QUEUE, NIC_ROOT)}};
        op[count++] = (struct exo_op){.code = EXO_ENV_START, .handle = handle, .arg = {0x400000, 0x800000}};
        break;
    }
    submit(maker, op, count, 0);
    struct env *env = role_env(child);
    if (stage == 2 && env && env->control)
        env->cq_size = round->limits.ring;
    for (unsigned i = 0; stage == 0 && i < PARTS && frames[block].state == FRAME_OWNED; i++)
        RULE(frame_words(block + i)[0] == 0, "frame %u was not zeroed", block + i);
}

/* ---- making a move ---------------------------------------------------------------------------------- */

static struct exo_op move_op(const struct move *move)
{
    uint32_t queue = handle_of(move->who, K_QUEUE, NIC_ROOT);
    uint64_t a = move->a, at = PAGE_ADDRESS(a);
    struct exo_op op = {.code = move->code, .flags = move->flags};
    switch (move->code) {
    case EXO_ALLOC: op.arg[0] = 1, op.arg[2] = a ? a : EXO_ANY; break;
    case EXO_FREE: op.arg[0] = a, op.arg[1] = 1; break;
    case EXO_GIVE: op.handle = target_handle(move), op.arg[0] = a, op.arg[1] = 1; break;
    case EXO_FREEZE: op.arg[0] = at, op.arg[1] = 1; break;
    case EXO_THAW: op.arg[0] = at; break;
    case EXO_TABLE: op.handle = target_handle(move), op.arg[0] = a, op.arg[1] = TABLE_B, op.arg[2] = 1; break;
    case EXO_UNTABLE: op.handle = target_handle(move), op.arg[0] = TABLE_B, op.arg[1] = 1; break;
    case EXO_MAP:
        op.handle = target_handle(move);
        op.arg[0] = PAGE_ADDRESS(move->b), op.arg[1] = a, op.arg[2] = 1, op.arg[3] = perms[move->c];
        break;
    case EXO_SHARE:
        op.handle = target_handle(move);
        op.arg[0] = PAGE_ADDRESS(move->b), op.arg[1] = at, op.arg[2] = 1, op.arg[3] = perms[move->c];
        break;
    case EXO_UNMAP: op.handle = target_handle(move), op.arg[0] = at, op.arg[1] = 1; break;
    case EXO_PROTECT: op.handle = target_handle(move), op.arg[0] = at, op.arg[1] = 1, op.arg[2] = perms[move->c]; break;
    case EXO_RECLAIM:
        op.handle = target_handle(move), op.arg[0] = a;
        op.arg[1] = move->b == 2 ? EXO_NEVER : machine_now + 10u * move->b;
        break;
    case EXO_ENV_KILL: case EXO_ENV_WAIT: op.handle = target_handle(move); break;
    case EXO_ENV_EXIT: op.arg[0] = EXO_STOP_EXIT; break;
    case EXO_ENV_READ: op.handle = target_handle(move), op.arg[0] = PAGE_ADDRESS(move->b), op.arg[1] = EXO_BUF(a, 0, 64); break;
    case EXO_NET_TX: op.handle = queue, op.arg[0] = EXO_BUF(move->flags & EXO_VPAGE ? at >> EXO_PAGE_SHIFT : a, 0, 200); break;
    case EXO_NET_RX: op.handle = queue, op.arg[0] = EXO_BUF(a, 0, 64); break;
    case EXO_CHANNEL_CREATE: op.handle = target_handle(move), op.arg[0] = a, op.arg[1] = move->b, op.arg[2] = 1; break;
    case EXO_SEND:
        op.handle = place_handle(move->who, move->b);
        op.arg[0] = a || op.flags & EXO_VPAGE ? EXO_BUF(op.flags & EXO_VPAGE ? at >> EXO_PAGE_SHIFT : a, 0, 64) : 0;
        break;
    case EXO_RECV: op.handle = place_handle(move->who, move->b), op.arg[0] = a < PAGES ? at : 0; break;
    case EXO_HANDLE_COPY: op.handle = target_handle(move), op.arg[0] = place_handle(move->who, move->b); break;
    case EXO_HANDLE_DROP: op.arg[0] = place_handle(move->who, move->b); break;
    case EXO_CANCEL: {
        const struct plan *plan = slot_plan(move->who, move->a);
        op.arg[0] = (uint64_t)plan->generation << 32 | plan_slot_number(plan);
        op.arg[1] = UINT64_MAX;
        break;
    }
    }
    return op;
}

/* What a step of a walk over empty space leaves as it is; its place is not in it. */
struct footing {
    struct frame frame[FRAMES];
    uint8_t phase[ROLES], state[ROLES];
    struct list_node *ready;
    const struct op *timers;
    uint64_t step;
};

static void footing_take(struct env *env, struct footing *footing, uint64_t *place)
{
    memset(footing, 0, sizeof *footing);
    memcpy(footing->frame, frames, sizeof footing->frame);
    *place = 0;
    for (unsigned role = 0; role < ROLES; role++) {
        const struct env *other = role_env(role);
        if (!other)
            continue;
        footing->phase[role] = other->kill_phase;
        footing->state[role] = other->state;
        *place += other->kill_cursor;
    }
    footing->ready = list_first(&env->ready);
    footing->timers = env->timers;
    if (!footing->ready)
        return;
    const struct op *op = &LIST_ENTRY(footing->ready, struct plan, link)->op[0];
    footing->step = op->cell.code == EXO_RECLAIM ? op->step[0] : 0;
    *place += op->cell.code == EXO_RECLAIM ? op->step[1] : 0;
}

/* One step, or all that follow each other: steps of a walk in which nothing but its place changes are one. */
static void go_on(struct env *env, bool all)
{
    struct footing before, after;
    bool same;
    uint64_t from, to;
    if (env->timers && env->timers->result[0] <= machine_now)
        (void)timer_expire(env, machine_now, 16);
    footing_take(env, &after, &to);
    do {
        before = after, from = to;
        run(env, 1);
        footing_take(env, &after, &to);
        same = !memcmp(&before, &after, sizeof before);
    } while (after.ready && (same ? from != to : all));
}

static void time_rise(void)
{
    uint64_t next = EXO_NEVER;
    for (unsigned role = 0; role < ROLES; role++) {
        const struct env *env = role_env(role);
        if (env && env->timers && env->timers->result[0] < next)
            next = env->timers->result[0];
    }
    machine_now = next;
}

static void make(const struct round *round, const struct move *move)
{
    struct env *env = role_env(move->who);
    switch (move->code) {
    case MOVE_GO_ON: go_on(env, move->a); return;
    case MOVE_TAKE:
        env->control->cq_head = env->cq_tail;
        enter(env, env->sq_head, 1);
        return;
    case MOVE_BUILD: build(round, move->target, move->a); return;
    case MOVE_RISE: time_rise(); return;
    case MOVE_SENT: device.done = true, (void)nic_poll(); return;
    case MOVE_FORGOT:
        core_passed[move->a] = flush_epoch;
        (void)flush_look();
        return;
    case MOVE_ARRIVED: device.packet = true, (void)nic_poll(); return;
    }
    struct exo_op op = move_op(move);
    submit(move->who, &op, 1, 1);
}

/* ---- the normal form ----------------------------------------------------------------------------------- */

static void completions_look(enum role role, struct env *env, bool take)
{
    for (; seen[role] < env->cq_tail; seen[role]++)
        rule_completion(role, &env->cq[seen[role] & (env->cq_size - 1)]);
    uint64_t head = take ? env->cq_tail : env->control->cq_head;
    env->cq_tail -= head;
    seen[role] = env->cq_tail;
    env->control->cq_head = 0;
}

/* What counts up, what nobody looks at, and the order of what is free. */
static void env_normal(enum role role, struct env *env)
{
    if (env->boosted)
        list_remove(&env->run_link);
    env->boosted = false;
    memset(&env->context, 0, sizeof env->context);
    env->sq_head = env->submit = env->wait_for = env->deadline = env->ended_badly = 0;
    env->completion_event = env->timer_due = false;
    env->credit = 1;
    env->credit_at = machine_now;
    struct exo_info *info = env->info;
    info->sq_head = info->crossings = info->wakeups = info->taken_tail = 0;
    info->frames_used = info->frames_limit = info->cq_tail = 0;
    const struct frame *slots = &frames[BLOCK(role) + PART_SLOTS];
    if (env->state == ENV_DYING || slots->state != FRAME_KERNEL || slots->owner != env->index)
        return;
    list_init(&env->pool.free[0]);
    for (unsigned i = 0; i < SLOTS; i++) {
        struct plan *plan = slot_plan(role, i);
        if (plan->admitted)
            continue;
        memset(plan, 0, plan_slot_bytes(0));
        (void)plan_pool_add(&env->pool, plan, plan_slot_bytes(0), 0);
    }
    env->pool.slots = SLOTS;
}

static bool block_free(enum role role)
{
    for (unsigned i = 0; i < PARTS; i++)
        if (frames[BLOCK(role) + i].state != FRAME_FREE)
            return false;
    return true;
}

static void normal(const struct round *round)
{
    struct core *core = core_this();
    for (unsigned role = 0; role < ROLES; role++) {
        struct env *env = role_env(role);
        if (env && env->control && env->state != ENV_DYING)
            completions_look(role, env, round->limits.ring == FOREVER);
        if (env && env->control && env->state != ENV_DYING)
            rules_settle(role);
        if (env)
            env_normal(role, env);
        if (!env || env->state == ENV_DYING) {
            ledgers[role] = (struct ledger){0};
            seen[role] = 0;
        }
        uint32_t handle = role ? handle_of(role_maker(round, role), K_ENV, BLOCK(role)) : 0;
        if (handle)
            last_handle[role] = handle;
        if (block_free(role))
            block_remove(role);
    }
    core->current = core->space = NULL;
    core->attention = core->device_fired = 0;
    machine_look = 0;
    if (round->limits.nic) {
        struct queue *queue = queue_at(nic_root());
        queue->received = queue->dropped = queue->sent = queue->receiver = 0;
    }
}

void move_make(const struct round *round, const struct move *move)
{
    struct play_before before;
    bool gone = move->target != move->who && move->target != PARENT && !role_env(move->target);
    uint64_t *well = &outcomes[move->code][0], times = *well;
    rules_before(&before);
    make(round, move);
    normal(round);
    rules_contents(&before, move);
    RULE(!gone || move->code >= MOVE_GO_ON || *well == times, "a handle of who is gone was good for something");
}

void moves_start(const struct round *round)
{
    struct round roomy = *round;
    roomy.limits.ring = FOREVER;
    memset(ledgers, 0, sizeof ledgers);
    memset(seen, 0, sizeof seen);
    memset(last_handle, 0, sizeof last_handle);
    machine_start(&roomy.limits);
    for (unsigned role = FIRST; role < ROLES; role++)
        for (unsigned stage = 0; stage < 5; stage++) {
            struct move move = {.who = (uint8_t)role_maker(round, role), .code = MOVE_BUILD,
                                .target = (uint8_t)role, .a = (uint8_t)stage};
            RULE(build_stage(move.who, role) == stage, "stage %u of building %u", stage, role);
            move_make(&roomy, &move);
        }
    for (unsigned role = 0; role < ROLES; role++) {
        RULE(role_env(role) && role_env(role)->state == ENV_RUNNING, "%u does not run", role);
        role_env(role)->cq_size = round->limits.ring;
    }
    if (!round->builds)
        slack_drop();
    cores_late = round->limits.late;
    core_passed[0] = core_passed[1] = flush_epoch;
}
