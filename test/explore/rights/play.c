/* SPDX-License-Identifier: MIT */
/* Bytes to acts: see rights.h. */
#include "../play.h"

#include <string.h>

#include "../../../exo/flush.h"
#include "../../../exo/net/nic.h"
#include "rights.h"

#define BASE 0x200000000000ull
#define POOL_FIRST (HOST_FRAMES - 64u)

static void step_end(void)
{
    host_console[0] = 0;
    core_this()->attention = 0;
    host_attention = 0;
    host_check();
    books_check();
}

/* ---- plans -------------------------------------------------------------------------------------- */

static struct plan_made {
    struct exo_op cell[PLAN_CELLS];
    unsigned count;
} made;

static struct exo_op *ring_cell(const struct env *env, uint64_t index)
{
    return (struct exo_op *)(uintptr_t)&env->sq[index & (env->sq_size - 1)];
}

/* Back in user mode, with room in its ring. */
static bool can_submit(const struct env *env)
{
    return env->control && env->state == ENV_RUNNING && !env->seized && !env->entering && list_empty(&env->ready);
}

static void go_on(struct env *env, unsigned looks)
{
    if (!env_runnable(env) || !env->control)
        return;
    host_attention = looks;
    core_this()->current = env;
    if (env->timers)
        (void)timer_expire(env, host_now, 8);
    (void)env_continue(env);
}

static void cross(struct env *env, uint64_t submit, uint64_t wait_for, uint64_t deadline, unsigned looks)
{
    host_attention = looks;
    core_this()->current = env;
    env->from_syscall = true;
    env_enter(env, submit, wait_for, deadline);
    (void)env_continue(env);
}

static void submit(struct env *env, unsigned flags, unsigned looks)
{
    struct exo_plan header = {.code = EXO_PLAN, .flags = (uint8_t)flags, .cells = (uint16_t)made.count};
    uint64_t at = env->sq_head;
    int number = made.count && can_submit(env) ? books_open(env, at, &header, made.cell) : -1;
    if (number >= 0) {
        header.tag = (uint64_t)number << 8 | 0xff;
        memcpy(ring_cell(env, at), &header, sizeof header);
        for (unsigned i = 0; i < made.count; i++)
            *ring_cell(env, at + 1 + i) = made.cell[i];
        cross(env, at + 1 + made.count, 0, 0, looks);
    } else {
        go_on(env, looks);
    }
    made.count = 0;
    step_end();
}

/* ---- building a child: a plan for each half, as test_random.c has them ------------------------------- */

static void add(struct exo_op cell) { made.cell[made.count++] = cell; }

static void build(struct env *env, uint8_t quota, uint8_t places)
{
    uint32_t run = 0, handle = child_new(env, &run);
    if (handle) {
        add((struct exo_op){.code = EXO_ENV_RINGS, .handle = handle, .arg = {run, run + 1, 1, run + 2, 1}});
        add((struct exo_op){.code = EXO_CPU_GIVE, .handle = handle, .arg = {quota % EXO_CPU_SLOTS, 1}});
        add((struct exo_op){.code = EXO_ENV_START, .handle = handle, .after = 1, .arg = {0x400000, 0x800000}});
        return;
    }
    add((struct exo_op){.code = EXO_ALLOC, .arg = {EXO_ENV_FRAMES, 0, EXO_ANY}});
    add((struct exo_op){.code = EXO_ALLOC, .arg = {9, 0, EXO_ANY}});
    add((struct exo_op){.code = EXO_ENV_CREATE, .uses = 1, .after = 1, .arg = {EXO_REF(0, 0, 0), 20u + quota % 64, places % 3}});
    add((struct exo_op){.code = EXO_GIVE, .uses = 33, .after = 6, .arg = {EXO_REF(1, 0, 0), 6, 0, 0, EXO_REF(2, 0, 0)}});
    add((struct exo_op){.code = EXO_SLOTS, .uses = 33, .after = 14, .arg = {EXO_REF(1, 0, 3), 3, 16, 0, EXO_REF(2, 0, 0)}});
    for (unsigned level = 3; level; level--)
        add((struct exo_op){.code = EXO_TABLE, .uses = 33, .after = 14 | (0xe0 & ((1u << (8 - level)) - 1)),
                            .arg = {EXO_REF(1, 0, 5 + level), BASE, level, 0, EXO_REF(2, 0, 0)}});
}

/* ---- events -------------------------------------------------------------------------------------------- */

enum event { GO_ON, TAKE, TIME, SENT, ARRIVED, FLUSHED, SCHEDULE, FAULT, CONTROL, BUILD, WAIT, EVENTS };

static void control_write(struct env *env, const uint8_t *arg)
{
    static const uint64_t heads[] = {UINT64_MAX, 1, 0, 1ull << 40};
    struct exo_control *control = env->control;
    switch (arg[0] & 7) {
    case 0: case 1: case 2: control->spare = BASE + arg[1] % 32u * EXO_PAGE_SIZE; break;
    case 3: control->depth = arg[1] % 6u; break;
    case 4: control->want = arg[1]; break;
    case 5: control->entry = 0x400000ull << (arg[1] & 31); break;
    case 6: control->spare = UINT64_MAX; break;
    case 7:
        control->cq_head = heads[arg[1] & 3];
        books_lied(env);
        break;
    }
}

static void packet_arrives(const uint8_t *arg)
{
    uint8_t packet[EXO_PACKET_MAX] = {(uint8_t)(arg[0] % 4), (uint8_t)(arg[1] % 4)};
    host_nic_receive(packet, arg[2] < 0x80 ? 14u + arg[2] : EXO_PACKET_MAX);
    (void)nic_poll();
}

static void event(struct env *env, enum event event, const uint8_t *record)
{
    static const uint64_t spans[] = {1, 1000, 100000, 2000000, 64000000, 0, 300, 5000};
    const uint8_t *arg = record + 2;
    switch (event) {
    case GO_ON: go_on(env, LOOKS(record)); break;
    case TAKE:
        if (can_submit(env)) {
            env->control->cq_head = arg[0] & 1 && env->control->cq_head < env->cq_tail ? env->control->cq_head + 1 : env->cq_tail;
            cross(env, env->sq_head, 0, 0, LOOKS(record));
        }
        break;
    case TIME: host_now += spans[arg[0] & 7]; break;
    case SENT:
        host_nic_done = 1 + arg[0] % 3u;
        (void)nic_poll();
        host_nic_done = 0;
        break;
    case ARRIVED: packet_arrives(arg); break;
    case FLUSHED:
        host_flushed = flush_epoch - host_flushed > arg[0] ? host_flushed + arg[0] : flush_epoch;
        (void)flush_look();
        break;
    case SCHEDULE:
        host_attention = LOOKS(record);
        (void)host_leave();
        break;
    case FAULT:
        if (env->parent && can_submit(env))
            (void)host_fault(env, 14);
        break;
    case CONTROL:
        if (can_submit(env))
            control_write(env, arg);
        break;
    case BUILD:
        made.count = 0;
        if (can_submit(env) && env->places + (env->children != NULL) > 0)
            build(env, arg[0], arg[1]);
        submit(env, EXO_PLAN_QUIET, LOOKS(record));
        return;
    case WAIT:
        if (can_submit(env))
            cross(env, env->sq_head, env->cq_tail + arg[0] % 4u, arg[1] == 0xff ? EXO_NEVER : host_now + arg[1] * 1000u, LOOKS(record));
        break;
    default: break;
    }
    step_end();
}

/* ---- operations ------------------------------------------------------------------------------------------- */

/* By number, or (from 0x40 on) one that the others need. */
static unsigned code_by(uint8_t byte)
{
    static const uint8_t needed[] = {EXO_ALLOC, EXO_MAP, EXO_SHARE, EXO_FREEZE, EXO_SEND, EXO_RECV, EXO_GIVE, EXO_RECLAIM};
    unsigned code = byte < 0x40 ? byte : needed[byte % sizeof needed];
    return op_infos[code].run ? code : EXO_NOP;
}

static void op_add(struct env *env, const uint8_t *record)
{
    struct exo_op *op = &made.cell[made.count];
    if (made.count == PLAN_CELLS || !cell_make(env, code_by(record[1]), record, op))
        return;
    unsigned index = made.count++, how = record[7];
    if (!index)
        return;
    if (how & 4)
        op->after = (1ull << index) - 1;
    if (how & 0x38)
        op->after |= 1ull << (index - 1);
    if (op->after)
        op->flags |= how & EXO_START_MASK;
    if (how & 16 && op_infos[op->code].arg[0] > K_WORD)
        op->uses |= 1, op->arg[0] = EXO_REF(index - 1, 0, 0);
    if (how & 32 && op_infos[op->code].handle != K_NONE && op_infos[op->code].arg[4] == K_ZERO)
        op->uses |= 32, op->handle = 0, op->arg[4] = EXO_REF(index - 1, how & 8 ? 1 : 0, 0);
}

static struct env *env_by(uint8_t byte)
{
    struct env *found[4] = {NULL};
    unsigned count = 0;
    for (unsigned i = 1; i < env_end && count < 4; i++)
        if (envs[i] && envs[i]->control)
            found[count++] = envs[i];
    return found[(byte & 3) % count]; /* the first is always there */
}

static void records(const uint8_t *bytes, size_t count)
{
    for (size_t at = 0; at + RECORD <= count;) {
        struct env *env = env_by(bytes[at]);
        const uint8_t *first = bytes + at, *record = first;
        if (first[1] >= 0xc0) {
            event(env, (enum event)(first[1] % EVENTS), first);
            at += RECORD;
            continue;
        }
        made.count = 0;
        do {
            record = bytes + at;
            op_add(env, record);
            at += RECORD;
        } while (record[0] & 0x20 && at + RECORD <= count && bytes[at + 1] < 0xc0);
        bool standing = first[7] & 0x40 && made.count && made.cell[0].code == EXO_TIMER;
        if (standing) /* its passes wait for time to pass, or it would go on for good */
            made.cell[0].arg[1] |= 1;
        submit(env, (standing ? EXO_PLAN_STANDING : 0) | (first[7] & 0x80 ? EXO_PLAN_QUIET : 0), LOOKS(first));
    }
}

/* ---- beginning and end ---------------------------------------------------------------------------------------- */

static void alloc_pool(struct env *env)
{
    for (unsigned i = 0; i < 3; i++)
        add((struct exo_op){.code = EXO_ALLOC, .flags = EXO_QUIET, .arg = {8, 0, POOL_FIRST + 8 * i}});
    submit(env, EXO_PLAN_QUIET, 0);
    add((struct exo_op){.code = EXO_ALLOC, .flags = EXO_QUIET, .arg = {10, 0, EXO_ANY}});
    add((struct exo_op){.code = EXO_SLOTS, .flags = EXO_QUIET, .uses = 1, .after = 1, .arg = {EXO_REF(0, 0, 0), 7, 16}});
    submit(env, EXO_PLAN_QUIET, 0);
    add((struct exo_op){.code = EXO_ALLOC, .flags = EXO_QUIET, .arg = {3, 0, EXO_ANY}});
    for (unsigned level = 3; level; level--)
        add((struct exo_op){.code = EXO_TABLE, .flags = EXO_QUIET, .uses = 1, .after = (1u << (4 - level)) - 1,
                            .arg = {EXO_REF(0, 0, level - 1), BASE, level}});
    submit(env, EXO_PLAN_QUIET, 0);
}

static void ring_take(struct env *env) { env->control->cq_head = env->cq_tail; }

/* Four programs: the first, two children, and a child of the first of them. */
static struct env *world(uint8_t how, uint32_t *limit)
{
    static const uint8_t maker[] = {1, 1, 2}, quota[] = {60, 20, 0};
    struct env *first = host_start_nic();
    *limit = first->frames_limit;
    books_start();
    alloc_pool(first);
    for (unsigned i = 0; i < 3; i++) {
        struct env *env = envs[maker[i]];
        build(env, quota[i], i == 0), submit(env, EXO_PLAN_QUIET, 0);
        build(env, quota[i], i == 0), submit(env, EXO_PLAN_QUIET, 0);
        ring_take(env);
        HOLDS(envs[2 + i] && envs[2 + i]->state == ENV_RUNNING);
    }
    for (unsigned i = 2; i < 5 && how & 1; i++)
        envs[i]->cq_size = 2; /* rings that are soon full */
    if (how & 2)
        host_flushed = flush_epoch; /* the other core is slow */
    return first;
}

/* All that goes on comes to its end, as far as it can. */
static void settle(void)
{
    host_flushed = UINT64_MAX;
    host_now += 1ull << 40;
    for (unsigned round = 0; round < 64; round++) {
        host_nic_done = 1000;
        (void)nic_poll();
        while (flush_look()) {
        }
        for (unsigned i = 1; i < env_end; i++)
            if (envs[i])
                go_on(envs[i], 0);
    }
    step_end();
}

/* Children, queues and packets go; the first program's account is what it was. */
static void end(struct env *first, uint32_t limit)
{
    settle();
    for (unsigned step = 0; first->children; step++) {
        HOLDS(step < 20000);
        (void)env_destroy_step(first->children);
    }
    for (unsigned i = 1; i < HANDLES_MAX; i++)
        if (first->handles[i].kind == K_QUEUE)
            handle_drop(&first->handles[i]);
    while (nic_poll()) {
    }
    step_end();
    HOLDS(first->frames_limit == limit && first->cpu_slots == EXO_CPU_SLOTS && first->places == ENV_MAX - 2);
    host_stop_nic();
}

void play(const uint8_t *bytes, size_t count)
{
    if (count == 0)
        return;
    uint32_t limit;
    struct env *first = world(bytes[0], &limit);
    records(bytes + 1, count - 1);
    end(first, limit);
}
