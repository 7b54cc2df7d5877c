/* SPDX-License-Identifier: MIT */
/*
 * Every argument of every operation, spoilt. For each operation of abi.h's table its valid call (bases.c) is
 * run with one thing wrong: an argument, by the values of its kind (values.c), by reference, its handle, flags, `uses`,
 * `after`; and then with everything wrong at once. What may not be granted must end with an error; what may
 * is undone; and after each the account, the world (world.c) and the program itself are as before.
 *
 *   arguments FIRST-FRAME-OF-THE-VICTIM
 */
#include <stdlib.h>

#include "../attack.h"
#include "call.h"

static struct value values[VALUES_MAX];

/* Taking back what it stands on hurts the program alone, and proves nothing. */
static bool own_leg(const struct exo_op *op)
{
    return op->code == EXO_HANDLE_DROP && (op->arg[0] == world.console || op->arg[0] == world.queue);
}

/* ---- attacks on a field ---------------------------------------------------------------------------- */

static const char *const fields[5] = {"argument 0", "argument 1", "argument 2", "argument 3", "argument 4"};

static void argument(unsigned code, unsigned k)
{
    enum kind kind = kind_of(code, k);
    for (unsigned i = 0, count = 1; i < count; i++) {
        struct call call = call_of(code);
        count = values_of(kind, values); /* the world may be another one each time */
        call.op.arg[k] = values[i].word;
        if (!own_leg(&call.op))
            attack(&call, fields[k], values[i].what, refuse(&call.op, k, kind, &values[i]));
    }
    for (unsigned i = 0, count = kind == BUF; i < count; i++) {
        struct call call = call_of(code);
        count = values_by_page(values);
        call.op.arg[k] = values[i].word;
        call.op.flags = EXO_VPAGE;
        bool frozen = EXO_BUF_FRAME(values[i].word) - (AT_FROZEN >> 12) < 3;
        bool hole = code == EXO_SEND && EXO_BUF_FRAME(values[i].word) == 0;
        attack(&call, "argument by page", values[i].what,
               (values[i].blame == BAD && !hole) || (frozen && into_buffer(code)));
    }
}

/* A constant 0 of the argument's kind at operation 0, if there is such a result: the addend then says everything. */
static bool source_of(enum kind kind, struct exo_op *source)
{
    switch (kind) {
    case WORD: *source = (struct exo_op){.code = EXO_NOP}; return true;
    case FRAME: *source = (struct exo_op){.code = EXO_UNMAP, .arg = {AT_FREE, 1}}; return true;
    case TICK: *source = (struct exo_op){.code = EXO_TIMER, .arg = {0}}; return true;
    case HANDLE: /* fails; what comes behind it starts all the same */
        *source = (struct exo_op){.code = EXO_HANDLE_COPY, .handle = world.stopped, .arg = {1ull << 31}};
        return true;
    case BUF:
        *source = (struct exo_op){.code = EXO_ENV_READ, .handle = world.stopped,
                                  .arg = {0x1000, EXO_BUF(world.buffer + 1, 3000, 1)}};
        return true;
    default: return false;
    }
}

static void reference(unsigned code, unsigned k, uint64_t word, const char *what)
{
    struct call call = call_of(code);
    call.op.uses = (uint16_t)(1u << k);
    call.op.arg[k] = word;
    attack(&call, fields[k], what, true);
}

/* References that are none, and one to a result of another kind. */
static void references(unsigned code, unsigned k)
{
    enum kind kind = bases[code].arg[k];
    reference(code, k, EXO_REF(1, 0, 0), "a reference to itself");
    reference(code, k, EXO_REF(2, 0, 0), "a reference forward");
    reference(code, k, EXO_REF(63, 0, 0), "a reference to the end");
    reference(code, k, EXO_REF(255, 0, 0), "a reference outside");
    reference(code, k, EXO_REF(0, 1, 0), "a reference to a result that is not there");
    reference(code, k, EXO_REF(0, 4, 0), "a reference to a fifth result");
    reference(code, k, EXO_REF(0, 255, 0), "a reference to result 255");
    reference(code, k, EXO_REF(0, 0, 0) | 1ull << 48, "a reference with dirt in it");
    reference(code, k, EXO_REF(0, 0, 0) | 1ull << 63, "a reference with dirt at its end");
    if (kind != WORD)
        reference(code, k, EXO_REF(0, 0, 0), "a reference to a result of another kind");
    struct call call = call_of(code);
    call.op.uses = (uint16_t)(1u << k);
    call.op.arg[k] = EXO_REF(0, 0, 0);
    call.op.after = 0;
    attack(&call, fields[k], "a reference to what it does not wait for", true);
    call = call_of(code);
    call.source = (struct exo_op){.code = EXO_NET_TX, .handle = world.queue,
                                  .arg = {EXO_BUF(world.buffer, 0, 60), 0}};
    call.more = true;
    call.op.uses = (uint16_t)(1u << k);
    call.op.arg[k] = EXO_REF(1, 0, 0);
    call.op.after = 2;
    attack(&call, fields[k], "a reference to a MORE cell", true);
}

/* References of the right kind: what the addend makes of them is looked at when the operation runs. */
static void addends(unsigned code, unsigned k)
{
    static const int32_t numbers[] = {0, -1, INT32_MAX, INT32_MIN, 0x100, 0xa0, 0x10000, 63, 127};
    enum kind kind = bases[code].arg[k];
    unsigned count = sizeof(numbers) / sizeof(numbers[0]);
    for (unsigned i = 0; i < count + 3; i++) {
        struct call call = call_of(code);
        int32_t addend = i < count ? numbers[i]
                                   : (int32_t)(i == count       ? world.victim
                                               : i == count + 1 ? world.slots
                                                                : world.run + RUN_STOPPED);
        if (!source_of(kind, &call.source))
            return;
        call.op.uses = (uint16_t)(1u << k);
        call.op.arg[k] = EXO_REF(0, 0, addend);
        call.op.flags = EXO_START_ENDED;
        bool must = kind == FRAME || (kind == HANDLE && code != EXO_CANCEL) ||
                    (kind == BUF && !(code == EXO_SEND && addend == 0));
        attack(&call, fields[k], "an addend", must);
    }
}

/* ---- handle, flags, uses, after ----------------------------------------------------------------------- */

static bool handle_valid(enum kind kind, uint32_t handle)
{
    switch (kind) {
    case NONE: return handle == 0;
    case ENV: return handle == 0 || handle == world.fresh || handle == world.ready || handle == world.stopped;
    case QUEUE: return handle == world.queue || handle == world.carved;
    case CONSOLE: return handle == world.console;
    case SENDER: return handle == world.sender;
    case RECEIVER: return handle == world.receiver;
    default: return false;
    }
}

static void handles(unsigned code)
{
    static const uint32_t generations[] = {0, 1, 0x7fff, 0xffff};
    enum kind kind = bases[code].handle;
    const uint32_t *own[] = {&world.console, &world.queue, &world.fresh, &world.ready, &world.stopped, &world.carved,
                             &world.sender, &world.receiver};
    struct call call;
    for (unsigned i = 0; i < 132 * 4 + 16; i++) {
        uint32_t handle = i < 132 * 4 ? (i >> 2) | generations[i & 3] << 16
                                      : *own[(i - 132 * 4) / 2] + (i & 1 ? 0x10000 : 0);
        call = call_of(code);
        call.op.handle = handle;
        if (!handle_valid(kind, handle))
            attack(&call, "handle", "another's, none's, ended or of another kind", true);
    }
    if (kind == ENV && bases[code].status == 0) { /* itself where a child belongs, or a child where it belongs: an error or harmless */
        call = call_of(code);
        call.op.handle = call.op.handle ? 0 : world.fresh;
        attack(&call, "handle", "another environment of its own", false);
    }
    call = call_of(code); /* by reference: to a result that is no handle */
    call.op.uses = 1u << 5;
    call.op.handle = 0;
    call.op.arg[4] = EXO_REF(0, 0, 0);
    attack(&call, "handle", "a reference to a result of another kind", true);
    call.op.handle = 1;
    attack(&call, "handle", "a number and a reference at once", true);
}

static void forms(unsigned code)
{
    for (unsigned flags = 0; flags < 256; flags++) {
        struct call call = call_of(code);
        call.op.flags = (uint8_t)flags;
        bool unknown = flags & ~(unsigned)(EXO_START_MASK | EXO_QUIET | EXO_VPAGE);
        attack(&call, "flags", "any", unknown);
        call = call_of(code);
        call.op.flags = (uint8_t)flags;
        call.op.after = 0;
        if (flags & EXO_START_MASK)
            attack(&call, "flags", "a start condition over nothing", true);
    }
    for (unsigned bit = 6; bit < 16; bit++) {
        struct call call = call_of(code);
        call.op.uses = (uint16_t)(1u << bit);
        attack(&call, "uses", "a bit without a meaning", true);
    }
    for (unsigned bit = 1; bit < 64; bit++) {
        struct call call = call_of(code);
        call.op.after = 1ull << bit;
        attack(&call, "after", "itself, a later one or none", true);
        call.op.after |= 1;
        attack(&call, "after", "itself, a later one or none, and an earlier one", true);
    }
}

/* ---- everything wrong at once -------------------------------------------------------------------------- */

#define MIXED 150u

static uint64_t noise(void) /* xorshift: the same every time */
{
    static uint64_t state = 88172645463325252ull;
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

/* Two to five arguments at once: refused if one of them would be. */
static void mixed(unsigned code)
{
    for (unsigned i = 0; i < MIXED; i++) {
        struct call call = call_of(code);
        unsigned blame[5];
        struct value chosen[5];
        for (unsigned k = 0; k < 5; k++) {
            unsigned count = values_of(kind_of(code, k), values);
            blame[k] = bases[code].arg[k] != ZERO && noise() % 2;
            chosen[k] = values[noise() % count];
            if (blame[k])
                call.op.arg[k] = chosen[k].word;
        }
        bool must = false;
        for (unsigned k = 0; k < 5; k++)
            must |= blame[k] && refuse(&call.op, k, kind_of(code, k), &chosen[k]);
        if (!own_leg(&call.op))
            attack(&call, "several arguments", "mixed", must);
    }
}

/* ---- all of them ------------------------------------------------------------------------------------------ */

static void valid(unsigned code, const char *when)
{
    struct call call = call_of(code);
    call_run(&call);
    if (call.status != bases[code].status)
        breach(&call, when, "the valid call ends otherwise");
    if (!world_unmake(&call.op, call.status, call.result, call.second))
        breach(&call, when, "the valid call leaves something behind");
    world_make();
}

static struct counts all;

static void operation(unsigned code)
{
    counts = (struct counts){0};
    valid(code, "before");
    for (unsigned k = 0; k < 5; k++) {
        argument(code, k);
        references(code, k);
        addends(code, k);
    }
    handles(code);
    forms(code);
    mixed(code);
    valid(code, "after");
    libos_log("%s: %u refused, %u harmless, %u waited", bases[code].name, counts.refused, counts.harmless, counts.waited);
    all.refused += counts.refused;
    all.harmless += counts.harmless;
    all.waited += counts.waited;
}

int main(int argc, char **argv)
{
    memset(values, 0xff, sizeof(values)); /* or a page of it might come, and be paid for, in the middle of an attack */
    (void)values_of(BUF, values);
    world_open();
    world_make();
    unsigned operations = 0;
    for (unsigned code = 0; code < EXO_CODE_END; code++)
        if (bases[code].name && (argc < 2 || !strcmp(argv[1], bases[code].name))) {
            operation(code);
            operations++;
        }
    libos_log("attacks: %u operations, %u refused, %u harmless, %u waited", operations, all.refused, all.harmless,
              all.waited);
    return breaches || attack_failures;
}
