/* SPDX-License-Identifier: MIT */
/*
 * Random programs under the kernel's own scheduler: a parent that makes, feeds, stops and kills children
 * at any moment, children that do the same, plans of everything, hostile rings and control pages, a
 * network device that is slow, interrupts between any two steps. After every turn everything that must hold
 * is looked at. The same seeds every time; a seed from the environment (SEED=n) runs alone.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "suite.h"
#include "../../exo/flush.h"
#include "../../exo/net/queue.h"
#include "host_kernel.h"

#define SEEDS 40u
#define TURNS 6000u

static uint64_t state;

static uint64_t any(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state * 0x2545f4914f6cdd1dull;
}

static unsigned below(unsigned n) { return (unsigned)(any() >> 33) % n; }
static bool one_in(unsigned n) { return below(n) == 0; }

/* ---- what programs know: numbers that may mean something -------------------------------------- */

#define KNOWN 48u
#define REGION 0x200000000000ull /* has tables */
#define LARGE_AT (REGION + 0x200000) /* where large pages are tried */

static struct memory {
    uint64_t frame[KNOWN], id[KNOWN];
    uint32_t handle[KNOWN];
    uint64_t built; /* cells so far */
} memories[ENV_MAX];

static struct memory *memory_of(const struct env *env) { return &memories[env->index]; }

static uint64_t frame_any(const struct env *env)
{
    if (one_in(12))
        return one_in(4) ? any() : below(HOST_FRAMES + 8);
    if (one_in(8))
        return one_in(2) ? env->control_frame : env->sq_frame;
    if (one_in(10))
        return EXO_INFO_FRAME;
    if (!one_in(4)) /* one that it has, near the front of its list */
        for (uint32_t i = env->owned, n = below(40); i != FRAME_NONE; i = frames[i].next)
            if (n-- == 0)
                return i;
    return memory_of(env)->frame[below(KNOWN)] + (one_in(3) ? below(4) : 0);
}

static uint32_t handle_any(const struct env *env)
{
    if (one_in(6))
        return below(8);
    if (one_in(3))
        for (unsigned i = below(HANDLES_MAX), n = 0; n < HANDLES_MAX; n++, i = (i + 1) % HANDLES_MAX)
            if (env->handles[i].kind != K_NONE)
                return i | (uint32_t)env->handles[i].generation << 16;
    return memory_of(env)->handle[below(KNOWN)];
}

/* One of the kind, 0 if there is none, sometimes anything. */
static uint32_t handle_of(const struct env *env, uint8_t kind)
{
    if (one_in(100))
        return handle_any(env);
    for (unsigned i = below(40), n = 0; n < 40; n++, i = (i + 1) % 40)
        if (env->handles[i].kind == kind)
            return i | (uint32_t)env->handles[i].generation << 16;
    return 0;
}

/* A few pages in two regions, so that mappings, tables and holes meet. */
static uint64_t page_any(void)
{
    if (one_in(40))
        return any() & ~0xfffull;
    if (one_in(6))
        return EXO_BOOT_ARCHIVE + below(2) * EXO_PAGE_SIZE;
    if (one_in(10))
        return EXO_USER_END - (1 + below(3)) * EXO_PAGE_SIZE;
    if (one_in(8))
        return LARGE_AT + below(2) * below(LARGE_PAGES) * EXO_PAGE_SIZE;
    return (one_in(2) ? REGION : EXO_BOOT_BASE) + (below(24) + (one_in(20) ? 510 : 0)) * EXO_PAGE_SIZE;
}

static uint64_t buffer_any(const struct env *env, bool by_page)
{
    uint64_t at = by_page ? page_any() >> EXO_PAGE_SHIFT : frame_any(env) & 0xfffffffffull;
    uint32_t length = one_in(3) ? 1 + below(65536) : one_in(2) ? 1514 : 60 + below(200);
    return EXO_BUF(at, one_in(2) ? 0 : below(4096), length);
}

static uint64_t id_any(const struct env *env)
{
    if (one_in(3))
        return 0;
    return memory_of(env)->id[below(KNOWN)] + (one_in(10) ? any() : 0);
}

static uint64_t tick_any(void)
{
    if (one_in(10))
        return one_in(2) ? EXO_NEVER : any();
    return host_now + below(one_in(2) ? 1000 : 5000000) - (one_in(4) ? 5000 : 0);
}

static unsigned perm_any(void)
{
    static const unsigned perms[] = {EXO_READ, EXO_READ, EXO_READ | EXO_WRITE, EXO_READ | EXO_WRITE,
                                     EXO_READ | EXO_EXEC, EXO_NONE, EXO_WRITE, 7};
    return perms[below(8)] | (one_in(6) ? EXO_LARGE : 0);
}

static uint64_t count_any(void)
{
    return one_in(6) ? 1 + below(200) : one_in(60) ? below(70000) : 1 + below(one_in(2) ? 2 : 20);
}

/* ---- a random plan -------------------------------------------------------------------------- */

static uint64_t argument(const struct env *env, uint8_t kind, bool by_page)
{
    switch (kind) {
    case K_ZERO: return one_in(200);
    case K_FRAME: return frame_any(env);
    case K_COUNT: return count_any();
    case K_ADDR: return page_any();
    case K_PERM: return perm_any();
    case K_BUF: return buffer_any(env, by_page);
    case K_TICK: return tick_any();
    case K_SMALL: return below(one_in(10) ? 70000 : 5);
    case K_HANDLE: return handle_any(env);
    default: return one_in(2) ? below(5) : any();
    }
}

static void spec_write(const struct env *env, struct exo_op *op)
{
    frame_t frame;
    if (frame_owned(env, number_of(EXO_BUF_FRAME(op->arg[1])), 1, &frame) || op->flags & EXO_VPAGE)
        return;
    struct exo_queue_spec *spec = frame_memory(frame);
    memset(spec, 0, sizeof *spec);
    spec->rx_count = below(3), spec->tx_count = below(3), spec->flags = below(2);
    for (unsigned i = 0; i < 2; i++) {
        for (unsigned k = 0, bytes = below(4); k < bytes; k++) {
            spec->rx[i].mask[k] = spec->tx[i].mask[k] = 0xff;
            spec->rx[i].value[k] = spec->tx[i].value[k] = k ? (uint8_t)(below(2)) : 2;
        }
    }
    op->arg[1] = EXO_BUF(frame.number, 0, sizeof *spec);
}

/* A CPU slot of its own, if it has one. */
static uint64_t slot_any(const struct env *env)
{
    for (unsigned i = below(EXO_CPU_SLOTS), n = 0; n < EXO_CPU_SLOTS; n++, i = (i + 1) % EXO_CPU_SLOTS)
        if (core_this()->slot_owner[i] == env->index)
            return i;
    return below(34);
}

/* A large page from its first frame on, or from where the frame lies in its run. */
static void large_sense(struct exo_op *op)
{
    if (!(op->arg[3] & EXO_LARGE))
        return;
    if (one_in(2))
        op->arg[1] -= op->arg[1] % LARGE_PAGES;
    op->arg[0] = LARGE_AT + (op->arg[1] % LARGE_PAGES) * EXO_PAGE_SIZE;
    op->arg[2] = one_in(2) ? LARGE_PAGES : op->arg[2];
}

/* What makes operations succeed more often than chance would. */
static void sense(const struct env *env, struct exo_op *op)
{
    static const uint8_t cells[] = {4, 4, 16, 32, 64, 5};
    switch (op->code) {
    case EXO_FREE: op->arg[1] = one_in(4) ? count_any() : 1; break;
    case EXO_ALLOC:
        op->arg[0] = one_in(10) ? count_any() : 1 + below(4);
        op->arg[1] = one_in(6) ? below(12) : 0;
        op->arg[2] = one_in(8) ? frame_any(env) : EXO_ANY;
        if (one_in(12))
            op->arg[0] = LARGE_PAGES, op->arg[1] = 6, op->arg[2] = EXO_ANY;
        break;
    case EXO_MAP: large_sense(op); break;
    case EXO_SHARE:
        if (op->arg[3] & EXO_LARGE)
            op->arg[0] = LARGE_AT, op->arg[1] = one_in(2) ? LARGE_AT : EXO_BOOT_ARCHIVE;
        break;
    case EXO_UNMAP: op->arg[1] = one_in(4) ? 2 * LARGE_PAGES : op->arg[1]; break;
    case EXO_SLOTS:
        op->arg[2] = cells[below(6)];
        op->arg[1] = one_in(4) ? count_any() : 1 + below(4);
        break;
    case EXO_TABLE: op->arg[2] = 1 + below(3) + one_in(50); break;
    case EXO_UNTABLE: op->arg[1] = 1 + below(3); break;
    case EXO_CANCEL:
        op->arg[0] = id_any(env);
        op->arg[1] = one_in(2) ? EXO_ANY : any();
        break;
    case EXO_ENV_CREATE: op->arg[1] = one_in(8) ? 5 : 20 + below(1000), op->arg[2] = below(3); break;
    case EXO_ENV_RINGS: op->arg[2] = 1u << below(2), op->arg[4] = 1u << below(2); break;
    case EXO_ENV_START: op->arg[0] = 0x400000, op->arg[1] = 0x800000; break;
    case EXO_CPU_GIVE: op->arg[0] = slot_any(env), op->arg[1] = 1 + below(4); break;
    case EXO_ENV_EXIT: op->arg[0] = 1 + below(2); break;
    case EXO_RECLAIM:
        op->arg[0] = 1 + below(one_in(4) ? 200 : 20);
        op->arg[1] = one_in(3) ? 0 : tick_any();
        break;
    case EXO_HANDLE_DROP:
        op->arg[0] = handle_of(env, one_in(2) ? K_QUEUE : one_in(2) ? K_SENDER : K_RECEIVER);
        if (one_in(4))
            op->arg[0] = handle_any(env);
        if (op->arg[0] <= EXO_BOOT_NIC)
            op->arg[0] = 0;
        break;
    case EXO_HANDLE_COPY: op->arg[0] = handle_of(env, one_in(2) ? K_QUEUE : K_SENDER); break;
    case EXO_SEND:
        op->arg[0] = one_in(4) ? any() << 36 : EXO_BUF(EXO_BUF_FRAME(op->arg[0]), below(4096),
                                                        1 + below(one_in(2) ? 1 : 13000));
        break;
    case EXO_RECV: op->arg[0] = one_in(2) ? 0 : op->arg[0]; break;
    case EXO_CHANNEL_CREATE: op->arg[1] = 1 + below(one_in(4) ? 65 : 3), op->arg[2] = below(5); break;
    case EXO_QUEUE_CREATE: spec_write(env, op); break;
    case EXO_NET_TX: op->arg[1] = below(one_in(4) ? 6 : 1), op->arg[2] = 0; break;
    case EXO_CONSOLE_GRANT: op->arg[0] = EXO_BOOT_CONSOLE, op->arg[1] = 'a', op->arg[2] = 0; break;
    }
}

static uint8_t code_any(const struct env *env)
{
    static const uint8_t likely[] = {
        EXO_ALLOC, EXO_ALLOC, EXO_MAP, EXO_MAP, EXO_TABLE, EXO_TABLE, EXO_SHARE, EXO_FREEZE, EXO_THAW,
        EXO_GIVE, EXO_ENV_CREATE, EXO_TIMER, EXO_CANCEL, EXO_ENV_WAIT, EXO_NET_RX, EXO_NET_TX,
        EXO_QUEUE_CREATE, EXO_SLOTS, EXO_UNMAP, EXO_FREE, EXO_ENV_KILL, EXO_YIELD, EXO_PROTECT,
        EXO_FREE, EXO_FREE, EXO_UNMAP, EXO_GIVE, EXO_CPU_GIVE, EXO_RECLAIM, EXO_RECLAIM,
        EXO_RECLAIM_WAIT, EXO_SEND, EXO_SEND, EXO_SEND, EXO_RECV, EXO_RECV, EXO_CHANNEL_CREATE,
        EXO_HANDLE_COPY};
    uint8_t code = one_in(3) ? (uint8_t)(EXO_NOP + below(EXO_POWER - EXO_NOP))
                             : likely[below(sizeof likely)];
    if (code == EXO_ENV_EXIT && (!env->parent || !one_in(10)))
        return EXO_NOP;
    if (code == EXO_ENV_KILL && !one_in(3))
        return EXO_ENV_WAIT;
    return code;
}

/* References to results of the right kind, where there are any. */
static void refer(struct exo_op *cells, unsigned index)
{
    struct exo_op *op = &cells[index];
    const struct op_info *info = &op_infos[op->code];
    for (unsigned tries = 0; tries < 3 && index; tries++) {
        unsigned from = below(index), k = below(6);
        if (cells[from].code == EXO_MORE || cells[from].code >= EXO_CODE_END)
            continue;
        const uint8_t *result = op_infos[cells[from].code].result;
        uint8_t kind = k < 5 ? info->arg[k] : K_HANDLE;
        unsigned word = below(4);
        if (k == 5 && (info->handle == K_NONE || info->arg[4] != K_ZERO || op->uses >> 4 & 1))
            continue;
        if (result[word] == K_ZERO || (result[word] != kind && kind != K_WORD) || kind == K_COUNT)
            continue;
        op->after |= 1ull << from;
        op->uses |= (uint16_t)(1u << k);
        if (k == 5)
            op->handle = 0;
        op->arg[k < 5 ? k : 4] = EXO_REF(from, word, one_in(4) ? (int)below(8) : 0);
    }
}

static struct exo_op *ring_cell(const struct env *env, uint64_t index)
{
    return (struct exo_op *)(uintptr_t)&env->sq[index & (env->sq_size - 1)];
}

static void plan_any(struct env *env)
{
    struct exo_op cells[EXO_PLAN_MAX];
    unsigned count = 1 + below(one_in(5) ? 40 : 6), flags = 0;
    flags |= one_in(4) ? EXO_PLAN_ANNOUNCE : 0;
    flags |= one_in(2) ? EXO_PLAN_QUIET : 0;
    flags |= one_in(25) ? EXO_PLAN_STANDING : 0;
    memset(cells, 0, sizeof cells);
    for (unsigned i = 0; i < count; i++) {
        struct exo_op *op = &cells[i];
        if (i && op_infos[cells[i - 1].code].more && one_in(2)) {
            op->code = EXO_MORE;
            for (unsigned k = 0; k < 5; k++)
                op->arg[k] = buffer_any(env, false);
            continue;
        }
        op->code = flags & EXO_PLAN_STANDING && !i ? EXO_TIMER : code_any(env);
        const struct op_info *info = &op_infos[op->code];
        op->flags = (one_in(2) ? EXO_QUIET : 0) | (one_in(6) ? EXO_VPAGE : 0);
        bool self = info->handle == K_ENV && ((op->code >= EXO_TABLE && op->code <= EXO_YIELD) || op->code == EXO_CHANNEL_CREATE);
        if (info->handle != K_NONE && !(self && one_in(2)))
            op->handle = handle_of(env, info->handle);
        if (info->handle != K_NONE && !op->handle && !self) {
            op->code = EXO_NOP;
            info = &op_infos[EXO_NOP];
        }
        for (unsigned k = 0; k < 5; k++)
            op->arg[k] = argument(env, info->arg[k], op->flags & EXO_VPAGE);
        sense(env, op);
        if (i && (one_in(3) || flags & EXO_PLAN_STANDING))
            op->after = flags & EXO_PLAN_STANDING ? 1 : any() & ((1ull << i) - 1);
        for (unsigned k = 0; k < i; k++)
            if (cells[k].code == EXO_MORE)
                op->after &= ~(1ull << k);
        if (one_in(2))
            refer(cells, i);
        if (op->after)
            op->flags |= (uint8_t)(one_in(3) ? below(4) : 0);
    }
    if (flags & EXO_PLAN_STANDING) { /* one that never waits would keep its owner busy for good */
        cells[0].uses = 0;
        cells[0].arg[0] = host_now + below(100000);
        cells[0].arg[1] = 500000 + below(10000000);
    } else if (one_in(60))
        ((uint8_t *)&cells[below(count)])[below(64)] = (uint8_t)any();
    struct memory *memory = memory_of(env);
    *(struct exo_plan *)ring_cell(env, memory->built++) = (struct exo_plan){
        .code = EXO_PLAN, .flags = (uint8_t)flags, .cells = (uint16_t)count,
        .work = one_in(5) ? 1 + below(30) : 0,
    };
    for (unsigned i = 0; i < count; i++)
        *ring_cell(env, memory->built++) = cells[i];
}

/* ---- a program's turn ---------------------------------------------------------------------------- */

static void learn(struct env *env)
{
    struct memory *memory = memory_of(env);
    for (; env->control->cq_head < env->cq_tail; env->control->cq_head++) {
        const struct exo_completion *completion = &env->cq[env->control->cq_head & (env->cq_size - 1)];
        if (completion->status)
            continue;
        if (completion->operation == EXO_PLAN_SELF)
            memory->id[below(KNOWN)] = completion->result;
        else if (completion->result >> 16 && completion->result < 1ull << 32)
            memory->handle[below(KNOWN)] = (uint32_t)completion->result;
        else if (completion->result && completion->result < HOST_FRAMES)
            memory->frame[below(KNOWN)] = completion->result;
    }
}

static struct exo_op *cell_add(struct env *env, struct exo_op cell)
{
    struct exo_op *at = ring_cell(env, memory_of(env)->built++);
    *at = cell;
    return at;
}

static void header_add(struct env *env, unsigned cells, uint32_t work)
{
    *(struct exo_plan *)ring_cell(env, memory_of(env)->built++) = (struct exo_plan){
        .code = EXO_PLAN, .flags = EXO_PLAN_QUIET, .cells = (uint16_t)cells, .work = work};
}

/* The first half of a whole child, as a parent that means it makes one: five frames and six more for rings and
 * slots, three for tables. */
static void create_child(struct env *env)
{
    header_add(env, 8, 0);
    cell_add(env, (struct exo_op){.code = EXO_ALLOC, .arg = {EXO_ENV_FRAMES, 0, EXO_ANY}});
    cell_add(env, (struct exo_op){.code = EXO_ALLOC, .arg = {9, 0, EXO_ANY}});
    cell_add(env, (struct exo_op){.code = EXO_ENV_CREATE, .uses = 1, .after = 1,
                                  .arg = {EXO_REF(0, 0, 0), 30 + below(env->parent ? 30 : 200),
                                          below(4)}});
    cell_add(env, (struct exo_op){.code = EXO_GIVE, .uses = 33, .after = 6,
                                  .arg = {EXO_REF(1, 0, 0), 6, 0, 0, EXO_REF(2, 0, 0)}});
    cell_add(env, (struct exo_op){.code = EXO_SLOTS, .uses = 33, .after = 14,
                                  .arg = {EXO_REF(1, 0, 3), 3, one_in(2) ? 16 : 4, 0, EXO_REF(2, 0, 0)}});
    for (unsigned level = 3; level; level--)
        cell_add(env, (struct exo_op){.code = EXO_TABLE, .uses = 33,
                                      .after = 14 | (0xe0 & ((1u << (8 - level)) - 1)),
                                      .arg = {EXO_REF(1, 0, 5 + level), REGION, level, 0, EXO_REF(2, 0, 0)}});
}

/* The second: ENV_RINGS and ENV_START for a child that is NEW and has three frames in a row. */
static void start_child(struct env *env)
{
    for (unsigned i = 1; i < 60; i++) {
        if (env->handles[i].kind != K_ENV)
            continue;
        const struct env *child = frame_memory((frame_t){env->handles[i].frame});
        uint32_t handle = i | (uint32_t)env->handles[i].generation << 16, run = 0;
        for (uint32_t f = 2; child->state == ENV_NEW && f + 3 < HOST_FRAMES && !run; f++) {
            frame_t first;
            run = frame_owned(child, number_of(f), 3, &first) ? 0 : f;
        }
        if (!run)
            continue;
        header_add(env, 3, 0);
        cell_add(env, (struct exo_op){.code = EXO_ENV_RINGS, .flags = EXO_QUIET, .handle = handle,
                                      .arg = {run, run + 1, 1, run + 2, 1}});
        cell_add(env, (struct exo_op){.code = EXO_CPU_GIVE, .flags = EXO_QUIET, .handle = handle,
                                      .arg = {slot_any(env), 1 + below(env->parent ? 1 : 4)}});
        cell_add(env, (struct exo_op){.code = EXO_ENV_START, .flags = EXO_QUIET, .handle = handle,
                                      .after = 1, .arg = {0x400000, 0x800000}});
        memset(&memories[child->index], 0, sizeof memories[0]);
        return;
    }
}

/* More of what every program wants: slots, tables, frames. */
static void settle(struct env *env)
{
    if (env->pool.slots < 9) { /* with the small slots it has */
        header_add(env, 2, 0);
        cell_add(env, (struct exo_op){.code = EXO_ALLOC, .arg = {2, 0, EXO_ANY}});
        cell_add(env, (struct exo_op){.code = EXO_SLOTS, .uses = 1, .after = 1,
                                      .arg = {EXO_REF(0, 0, 0), 2, 16}});
        return;
    }
    header_add(env, 6, 0);
    cell_add(env, (struct exo_op){.code = EXO_ALLOC, .arg = {7, 0, EXO_ANY}});
    cell_add(env, (struct exo_op){.code = EXO_SLOTS, .uses = 1, .after = 1,
                                  .arg = {EXO_REF(0, 0, 0), one_in(3) ? 3 : 1, one_in(3) ? 64 : 16}});
    for (unsigned level = 3; level; level--)
        cell_add(env, (struct exo_op){.code = EXO_TABLE, .uses = 1,
                                      .after = 1 | (0x1c & ((1u << (5 - level)) - 1)),
                                      .arg = {EXO_REF(0, 0, 2 + level), REGION, level}});
    cell_add(env, (struct exo_op){.code = EXO_MAP, .uses = 2, .after = 1,
                                  .arg = {REGION + below(20) * EXO_PAGE_SIZE, EXO_REF(0, 0, 6), 1,
                                          EXO_READ | (one_in(2) ? EXO_WRITE : 0)}});
}

static void kill_child(struct env *env)
{
    header_add(env, 1, one_in(2) ? 1 + below(20) : 0);
    cell_add(env, (struct exo_op){.code = EXO_ENV_KILL, .handle = handle_of(env, K_ENV)});
}

static void lie(struct env *env)
{
    struct exo_control *control = env->control;
    switch (below(7)) {
    case 0: control->cq_head = any(); break;
    case 5: control->spare = one_in(2) ? any() : page_any(); break;
    case 1: control->cq_head = env->cq_tail - below(600); break;
    case 2: control->depth = one_in(2) ? (uint32_t)any() : below(5); break;
    case 3: control->entry = one_in(2) ? any() : 0x400000; break;
    case 4: control->want = (uint32_t)any(); break;
    default: control->cq_head = env->cq_tail; break;
    }
}

static struct env *turn(struct env *env)
{
    struct memory *memory = memory_of(env);
    if (one_in(30))
        lie(env);
    if (!one_in(4) && env->cq_tail - env->control->cq_head <= env->cq_size)
        learn(env);
    if (one_in(200))
        return env->parent ? host_fault(env, 14) : env;
    memory->built = env->sq_head;
    if (one_in(6))
        start_child(env);
    if (one_in(env->parent ? 4 : 10) && env->places)
        create_child(env);
    if (one_in(30))
        kill_child(env);
    if (one_in(4) && env->pool.slots < 24)
        settle(env);
    for (unsigned plans = below(3); plans && memory->built - env->sq_head < env->sq_size - 42; plans--)
        plan_any(env);
    uint64_t submit = memory->built, wait_for = 0, deadline = 0;
    if (one_in(50))
        submit = one_in(2) ? any() : env->sq_head + below(70);
    if (env->parent ? one_in(4) : !one_in(5)) {
        wait_for = one_in(2) ? EXO_NEVER - 1 : env->cq_tail + below(4);
        deadline = one_in(4) && env->parent ? EXO_NEVER : host_now + below(300000);
    }
    return host_syscall(env, submit, wait_for, deadline);
}

static void device(void)
{
    uint8_t packet[200] = {2, (uint8_t)below(2), (uint8_t)below(2)};
    if (one_in(3))
        packet[0] |= (uint8_t)one_in(4);
    if (one_in(2))
        host_nic_receive(packet, 14 + below(186));
    if (one_in(2)) {
        host_nic_done += below(3);
        core_this()->device_fired = 1;
    }
}

/* A second core, which is late with forgetting mappings. */
static void other_core(void)
{
    if (host_flushed > flush_epoch)
        host_flushed = flush_epoch;
    if (one_in(3))
        host_flushed += below((unsigned)(flush_epoch - host_flushed) + 1);
    if (one_in(2))
        (void)flush_look();
}

static void live(uint64_t seed)
{
    state = seed * 0x9e3779b97f4a7c15ull + 1;
    memset(memories, 0, sizeof memories);
    struct env *first = host_start_nic();
    host_step = 20;
    unsigned turns = TURNS;
    struct env *now = first;
    for (unsigned i = 0; i < 10; i++)
        memory_of(first)->frame[i] = 200 + i;
    while (turns--) {
        if (one_in(4))
            device();
        other_core();
        host_attention = one_in(2) ? 0 : 1 + below(30);
        host_now += below(one_in(10) ? 3000000 : 20000);
        core_this()->attention = 0;
        now = now ? turn(now) : host_leave();
        if (now && one_in(10))
            now = host_leave();
        host_console[0] = 0;
        host_check();
        if (!now) /* nothing to do: until something is due */
            host_now = host_armed > host_now && host_armed < host_now + 10000000 ? host_armed
                                                                                   : host_now + 1000000;
    }
}

/* In the end everything goes, and nothing is missing. */
static void end(void)
{
    struct env *first = envs[1];
    ck_assert_ptr_null(first->parent);
    host_attention = 0;
    host_nic_done = 1000;
    for (unsigned step = 0; first->children && step < 100000; step++) {
        (void)env_destroy_step(first->children); /* as ENV_KILL, which may find no plan slot */
        host_check();
    }
    ck_assert_ptr_null(first->children);
    ck_assert_uint_eq(first->cpu_slots, EXO_CPU_SLOTS);
    ck_assert_uint_eq(first->places, ENV_MAX - 2);
}

START_TEST(random_programs)
{
    const char *chosen = getenv("SEED");
    live(chosen ? strtoull(chosen, NULL, 10) : (uint64_t)_i + 1);
    end();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("random");
    TCase *tests = tcase_create("random");
    tcase_set_timeout(tests, 30);
    tcase_add_loop_test(tests, random_programs, 0, getenv("SEED") ? 1 : SEEDS);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
