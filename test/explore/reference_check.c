/* SPDX-License-Identifier: MIT */
/* The form of a plan, a second time: the rules of exo/abi.h, one after the other, for one cell after the other. */
#include <string.h>

#include "reference.h"

struct rule {
    const char *handle, *arg[5], *result[4];
};

#define EXO_X(number, NAME, name, h, a, b, c, d, e, r0, r1, r2, r3)                                \
    [number] = {#h, {#a, #b, #c, #d, #e}, {#r0, #r1, #r2, #r3}},
static const struct rule rules[EXO_CODE_END] = {EXO_OPS(EXO_X)};
#undef EXO_X

#define EXO_X(number, NAME) [number] = true,
static const bool reserved[EXO_CODE_END] = {EXO_OPS_RESERVED(EXO_X)};
#undef EXO_X

static bool is(const char *kind, const char *name) { return !strcmp(kind, name); }

static bool waits(uint8_t code)
{
    return code == EXO_TIMER || code == EXO_ENV_WAIT || code == EXO_NET_RX || code == EXO_RECLAIM_WAIT ||
           code == EXO_RECV || code == EXO_CONSOLE_READ;
}

static bool takes_more(uint8_t code) { return code == EXO_NET_TX; }

static int constant(uint64_t word, const char *kind)
{
    if (is(kind, "ZERO"))
        return word ? EXO_E_FORM : 0;
    if (is(kind, "COUNT"))
        return word < 1 || word > EXO_COUNT_MAX ? EXO_E_RANGE : 0;
    if (is(kind, "ADDR"))
        return word % EXO_PAGE_SIZE || word >= EXO_USER_END ? EXO_E_RANGE : 0;
    if (is(kind, "PERM"))
        return (word & ~(uint64_t)EXO_LARGE) < 1 || (word & ~(uint64_t)EXO_LARGE) > EXO_NONE ? EXO_E_RANGE : 0;
    if (is(kind, "SMALL"))
        return word > 65535 ? EXO_E_RANGE : 0;
    if (is(kind, "HANDLE"))
        return word > UINT32_MAX ? EXO_E_HANDLE : 0;
    return 0; /* WORD, FRAME, BUF, TICK */
}

static int reference(const struct exo_op *ops, unsigned index, uint64_t word, const char *kind)
{
    unsigned operation = word & 0xff, result = word >> 8 & 0xff;
    if (word >> 48 || operation >= index || result > 3)
        return EXO_E_EDGE;
    if (ops[operation].code == EXO_MORE || !(ops[index].after >> operation & 1))
        return EXO_E_EDGE;
    const char *given = rules[ops[operation].code].result[result];
    if (is(given, "ZERO"))
        return EXO_E_TYPE;
    bool first_byte = is(kind, "BUF") && is(given, "FRAME");
    return is(kind, "WORD") || is(kind, given) || first_byte ? 0 : EXO_E_TYPE;
}

static int handle(const struct exo_op *ops, unsigned index,
                  bool (*known)(uint32_t handle, const char *kind))
{
    const struct exo_op *op = &ops[index];
    const struct rule *rule = &rules[op->code];
    if (op->uses & 32) {
        if (is(rule->handle, "NONE") || !is(rule->arg[4], "ZERO") || op->handle || op->arg[4] >> 16)
            return EXO_E_FORM;
        return reference(ops, index, op->arg[4], "HANDLE");
    }
    if (is(rule->handle, "NONE"))
        return op->handle ? EXO_E_FORM : 0;
    if (is(rule->handle, "ENV") && op->handle == EXO_SELF)
        return 0;
    return known(op->handle, rule->handle) ? 0 : EXO_E_HANDLE;
}

static int argument(const struct exo_op *ops, unsigned index, unsigned k)
{
    const struct exo_op *op = &ops[index];
    const char *kind = rules[op->code].arg[k];
    if (op->uses >> k & 1) {
        if (is(kind, "ZERO") || is(kind, "COUNT"))
            return EXO_E_TYPE;
        return reference(ops, index, op->arg[k], kind);
    }
    if (k == 4 && op->uses & 32)
        return 0; /* the handle's reference */
    return constant(op->arg[k], kind);
}

static int operation(const struct exo_op *ops, unsigned index,
                     bool (*known)(uint32_t handle, const char *kind))
{
    const struct exo_op *op = &ops[index];
    if (op->code >= EXO_CODE_END || !rules[op->code].handle)
        return op->code < EXO_CODE_END && reserved[op->code] ? EXO_E_NOT_BUILT : EXO_E_CODE;
    if (op->flags > 15 || op->uses > 63)
        return EXO_E_FORM;
    for (unsigned i = 0; i < 64; i++)
        if (op->after >> i & 1 && (i >= index || ops[i].code == EXO_MORE))
            return EXO_E_EDGE;
    if (!op->after && op->flags & EXO_START_MASK)
        return EXO_E_FORM;
    int error = handle(ops, index, known);
    for (unsigned k = 0; k < 5 && !error; k++)
        error = argument(ops, index, k);
    return error;
}

/* An EXO_MORE cell. */
static int more(const struct exo_op *ops, unsigned index)
{
    unsigned owner = index;
    while (owner > 0 && ops[owner].code == EXO_MORE)
        owner--;
    if (ops[owner].code == EXO_MORE || !takes_more(ops[owner].code))
        return EXO_E_FORM;
    struct exo_more cell;
    memcpy(&cell, &ops[index], sizeof cell);
    for (unsigned i = 0; i < 7; i++)
        if (cell.zero[i])
            return EXO_E_FORM;
    return 0;
}

/* It waits, or comes after one that does or comes after one. */
static bool descends(const struct exo_op *op, unsigned index, const bool *before)
{
    for (unsigned i = 0; i < index; i++)
        if (op->after >> i & 1 && before[i])
            return true;
    return waits(op->code);
}

int ref_check(const struct exo_op *cells, uint32_t *bad_cell, uint32_t *price,
              bool (*known)(uint32_t handle, const char *kind))
{
    struct exo_plan header;
    const struct exo_op *ops = cells + 1;
    bool below[EXO_PLAN_MAX] = {false}; /* it descends from one that waits */
    memcpy(&header, cells, sizeof header);
    *bad_cell = *price = 0;
    for (unsigned i = 0; i < 6; i++)
        if (header.zero[i])
            return EXO_E_FORM;
    if (header.flags > 7)
        return EXO_E_FORM;
    for (unsigned i = 0; i < header.cells; i++) {
        int error = ops[i].code == EXO_MORE ? more(ops, i) : operation(ops, i, known);
        below[i] = !error && ops[i].code != EXO_MORE && descends(&ops[i], i, below);
        if (!error && header.flags & EXO_PLAN_STANDING && ops[i].code != EXO_MORE && !below[i])
            error = EXO_E_FORM;
        if (error) {
            *bad_cell = i + 1;
            return error;
        }
        if (ops[i].code == EXO_ALLOC)
            *price += (uint32_t)ops[i].arg[0];
    }
    return 0;
}
