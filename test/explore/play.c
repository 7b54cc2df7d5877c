/* SPDX-License-Identifier: MIT */
/* A program out of bytes. */
#include "play.h"

#include <stdio.h>
#include <string.h>

#include "both.h"

#define CELLS 1024u

struct exo_op world_cells[CELLS];

static const uint8_t *at, *end;
static uint64_t built;
static uint32_t number;

static unsigned next(void) { return at < end ? *at++ : 0; }

static uint64_t next_word(void)
{
    uint64_t word = 0;
    for (unsigned i = 0; i < 8; i++)
        word |= (uint64_t)next() << 8 * i;
    return word;
}

static void story(void) { printf("played %llu cells, plans up to %u\n", (unsigned long long)built, number); }

/* ---- plans ------------------------------------------------------------------------------------ */

/* Something that fits most of the time; boundaries come with spoil(). */
static uint64_t fitting(uint8_t kind)
{
    unsigned byte = kind == K_ZERO || kind == K_NONE ? 0 : next();
    switch (kind) {
    case K_ZERO: return 0;
    case K_COUNT: return 1 + byte % 60;
    case K_ADDR: return (uint64_t)byte << EXO_PAGE_SHIFT;
    case K_PERM: return 1 + byte % 8;
    case K_TICK: return world->now + byte - 20;
    case K_HANDLE: return byte % 4;
    default: return byte;
    }
}

static uint32_t fitting_handle(uint8_t kind)
{
    return kind == K_ENV && next() % 2 ? EXO_SELF : world_handle(kind);
}

static uint8_t code_next(void)
{
    static const uint8_t likely[] = {EXO_NOP, EXO_FREE, EXO_ALLOC, EXO_TIMER, EXO_CANCEL, EXO_ENV_WAIT,
                                     EXO_NET_RX, EXO_NET_TX, EXO_RECLAIM, EXO_NOP, EXO_TIMER,
                                     EXO_CANCEL, EXO_ENV_CREATE, EXO_YIELD, EXO_ENV_KILL, EXO_RECV};
    unsigned byte = next();
    return byte < 160 ? likely[byte % sizeof likely] : (uint8_t)(EXO_NOP + byte % (EXO_CODE_END - EXO_NOP));
}

static void refer(struct exo_op *op, unsigned index)
{
    unsigned byte = next(), k = byte % 6, from = index ? next() % index : 0;
    op->uses |= (uint16_t)(1u << k);
    op->after |= 1ull << from;
    op->arg[k < 5 ? k : 4] = EXO_REF(from, byte >> 6, (byte >> 4 & 1) ? -3 : 0);
    if (k == 5)
        op->handle = 0;
}

/* A field of a cell gets a value that is at some boundary, or any. */
static void spoil(void *cell, bool header)
{
    static const uint64_t values[] = {0, 1, 2, 0xf, 0x10, 0x3f, 0x40, 0xffff, 0x10000, 0xfff, 0xffffffff,
                                      1ull << 32, EXO_USER_END, EXO_USER_END - 4096, 1ull << 63, UINT64_MAX};
    unsigned byte = next(), where = next() % 64, width = 1u << byte % 4;
    uint64_t value = byte & 0x80 ? next_word() : values[byte >> 3 & 15];
    where &= ~(width - 1);
    if (header && where + width > 8 && where < 16)
        return; /* the tag is what we know it by */
    memcpy((uint8_t *)cell + where, &value, width);
}

static void operation_next(struct exo_op *op, unsigned index)
{
    memset(op, 0, sizeof *op);
    unsigned how = next();
    op->code = how % 16 == 15 ? EXO_MORE : code_next();
    if (op->code >= EXO_CODE_END || op->code == EXO_MORE)
        return;
    const struct op_info *info = &op_infos[op->code];
    unsigned flags = next();
    op->handle = fitting_handle(info->handle);
    for (unsigned k = 0; k < 5; k++)
        op->arg[k] = fitting(info->arg[k]);
    if (op->code == EXO_CANCEL) {
        op->arg[0] = op->arg[0] < 128 ? 0 : world_id(number - (uint32_t)op->arg[0] % 4);
        op->arg[1] = op->arg[1] % 4 ? UINT64_MAX >> (op->arg[1] % 64) : UINT64_MAX;
    }
    op->tag = (uint64_t)number << 8 | index;
    op->after = how & 16 ? next() | (uint64_t)next() << 8 : how & 32 ? 1ull << (index ? index - 1 : 0) : 0;
    if (how & 64 && index > 16)
        op->after |= next_word();
    op->after &= (1ull << index) - 1;
    op->flags = (uint8_t)(flags & (op->after ? 15 : 12));
    if (flags >> 4 > 11)
        refer(op, index);
    if (how & 128 && flags >> 4 == 5)
        spoil(op, false);
}

static void plan_next(void)
{
    unsigned how = next(), size = next(), cells = how % 8 == 7 ? 1 + size % 64 : 1 + size % 6;
    if (built + cells + 1 > CELLS || built + cells + 1 - world->env.sq_head > WORLD_CELLS)
        return;
    struct exo_plan header = {.code = EXO_PLAN, .cells = (uint16_t)cells, .tag = ++number,
                              .work = how & 2 ? 1 + next() % 80 : 0};
    header.flags = how >> 3 & 7;
    for (unsigned i = 0; i < cells; i++)
        operation_next(&world_cells[built + 1 + i], i);
    if (how >> 6 == 3 && size >> 6 == 3)
        spoil(&header, true);
    memcpy(&world_cells[built], &header, sizeof header);
    built += cells + 1;
}

/* ---- events ------------------------------------------------------------------------------------------ */

/* The n-th operation that is parked. */
static struct ref_op *parked(unsigned n, uint32_t *plan, unsigned *index)
{
    unsigned count = 0;
    for (unsigned turn = 0; turn < 2; turn++) {
        for (unsigned p = 0; p < PLANS; p++)
            for (unsigned i = 0; both_ref.plan[p].number && i < both_ref.plan[p].cells; i++) {
                if (both_ref.plan[p].op[i].state != VIEW_PARKED || count++ != n)
                    continue;
                *plan = both_ref.plan[p].number;
                *index = i;
                return &both_ref.plan[p].op[i];
            }
        if (!count)
            return NULL;
        n %= count;
        count = 0;
    }
    return NULL;
}

static void event_next(void)
{
    uint32_t plan;
    unsigned index, how = next();
    const struct ref_op *op = parked(how >> 2, &plan, &index);
    if (!op || op->cell.code == EXO_TIMER)
        return;
    if (op->waits == REF_ROOM)
        both_wake(plan, index, how & 1);
    else if (op->waits == REF_EVENT && (how & 3) == 3)
        both_wake(plan, index, false); /* for nothing */
    else
        both_event(plan, index, how & 1 ? -EXO_E_DEVICE : 0);
}

static void go_on(unsigned byte)
{
    unsigned wanted = byte & 1 ? 1 + (byte >> 1) % 12 : 0;
    (void)both_continue(wanted);
}

static bool in_user_mode(void)
{
    return !world->env.entering && world->env.state == ENV_RUNNING;
}

static void enter_next(unsigned byte)
{
    if (!in_user_mode())
        return;
    both_enter(built, byte & 0x80 ? world->env.cq_tail + 1 + (byte >> 5 & 3) : 0);
    go_on(byte);
}

static void move_next(void)
{
    unsigned what = next();
    switch (what % 8) {
    case 0:
    case 1: plan_next(); return;
    case 2:
    case 3: enter_next(what >> 3 | (what & 0x80)); return;
    case 4:
        if (world->env.entering || world->env.state == ENV_WAITING || !list_empty(&world->env.ready))
            go_on(what >> 3);
        return;
    case 5: event_next(); return;
    case 6: both_time(world->now + (what >> 3) * 4); return;
    case 7:
        both_take(what >> 3 < world->env.cq_tail - world->control.cq_head
                      ? what >> 3 : world->env.cq_tail - world->control.cq_head);
        return;
    }
}

void play(const uint8_t *bytes, size_t count)
{
    static const uint8_t rings[] = {1, 2, 4, 16};
    at = bytes, end = bytes + count;
    built = number = 0;
    unsigned first = next();
    struct both_limits limits = {.ring = rings[first & 3],
                                 .slots = {1 + (first >> 2 & 1), 1 + (first >> 3 & 1), first >> 4 & 1, 1},
                                 .frames = first & 64 ? 60 : 4000};
    both_story = story;
    both_init(&limits);
    while (at < end)
        move_next();
    both_die();
}
