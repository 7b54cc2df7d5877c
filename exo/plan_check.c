/* SPDX-License-Identifier: MIT */
/*
 * The form of a plan, checked whole on the kernel's copy before any of it starts. What
 * depends on the state of the world (rights, frames, tables) is not looked
 * at here: it may change while an operation waits. The door (plan_door.c) has a quick sieve for simple cells; what
 * does not pass that is looked at here.
 */
#include "plan_internal.h"

#define FLAGS_KNOWN (EXO_START_MASK | EXO_QUIET | EXO_VPAGE)

static bool code_reserved(uint8_t code)
{
    switch (code) {
#define EXO_X(number, NAME) case EXO_##NAME:
        EXO_OPS_RESERVED(EXO_X)
#undef EXO_X
        return true;
    }
    return false;
}

/* A frame's number is a buffer word too: its first byte. */
static bool kind_fits(uint8_t result, uint8_t argument)
{
    return argument == K_WORD || result == argument || (result == K_FRAME && argument == K_BUF);
}

/* A reference in an argument of the given kind. */
static int check_reference(const struct plan *plan, unsigned index, uint64_t word, uint8_t kind)
{
    unsigned from = word & 0xff, result = word >> 8 & 0xff;
    if (word >> 48 || result > 3 || from >= index)
        return -EXO_E_EDGE;
    const struct op *source = &plan->op[from];
    if (source->state == OP_CELL || !(plan->op[index].cell.after >> from & 1))
        return -EXO_E_EDGE;
    uint8_t given = op_infos[source->cell.code].result[result];
    if (given == K_ZERO || !kind_fits(given, kind))
        return -EXO_E_TYPE;
    return 0;
}

/* What a constant of a kind may be: low <= word <= low + span, but for the bits of `loose`, and no bit of `misaligned`. */
static const struct range {
    uint64_t low, span, misaligned;
    int error;
    uint32_t loose;
} ranges[] = {
    [K_ZERO] = {0, 0, 0, -EXO_E_FORM},
    [K_WORD] = {0, UINT64_MAX, 0, 0},
    [K_FRAME] = {0, UINT64_MAX, 0, 0},
    [K_COUNT] = {1, EXO_COUNT_MAX - 1, 0, -EXO_E_RANGE},
    [K_ADDR] = {0, EXO_USER_END - 1, EXO_PAGE_SIZE - 1, -EXO_E_RANGE},
    [K_PERM] = {1, EXO_NONE - 1, 0, -EXO_E_RANGE, EXO_LARGE},
    [K_BUF] = {0, UINT64_MAX, 0, 0},
    [K_TICK] = {0, UINT64_MAX, 0, 0},
    [K_SMALL] = {0, 0xffff, 0, -EXO_E_RANGE},
    [K_HANDLE] = {0, UINT32_MAX, 0, -EXO_E_HANDLE},
};

static int check_value(uint64_t word, uint8_t kind)
{
    const struct range *range = &ranges[kind];
    if (word - range->low <= range->span && !(word & range->misaligned))
        return 0;
    return word & range->loose ? check_value(word & ~(uint64_t)range->loose, kind) : range->error;
}

/* The cell before was found good with the same handle, for the same kind. */
static bool same_handle(const struct exo_op *cell, const struct exo_op *before, const struct op_info *info)
{
    return before->handle == cell->handle && before->code != EXO_MORE && !(before->uses >> 5 & 1) &&
           op_infos[before->code].handle == info->handle;
}

static int check_handle(struct env *env, const struct plan *plan, unsigned index,
                        const struct op_info *info)
{
    const struct exo_op *cell = &plan->op[index].cell;
    if (cell->uses >> 5 & 1) {
        if (info->handle == K_NONE || info->arg[4] != K_ZERO || cell->handle || cell->arg[4] >> 16)
            return -EXO_E_FORM; /* nothing can be added to a handle */
        return check_reference(plan, index, cell->arg[4], K_HANDLE);
    }
    if (info->handle == K_NONE)
        return cell->handle ? -EXO_E_FORM : 0;
    if (info->handle == K_ENV && cell->handle == EXO_SELF)
        return 0;
    if (index > 0 && same_handle(cell, &plan->op[index - 1].cell, info))
        return 0;
    return handle_find(env, number_of(cell->handle), info->handle) ? 0 : -EXO_E_HANDLE;
}

static int check_argument(const struct plan *plan, unsigned index, unsigned k, uint8_t kind)
{
    const struct exo_op *cell = &plan->op[index].cell;
    if (!(cell->uses >> k & 1))
        return check_value(cell->arg[k], kind);
    if (kind == K_ZERO || kind == K_COUNT)
        return -EXO_E_TYPE;
    return check_reference(plan, index, cell->arg[k], kind);
}

/* The bits of constant k that may be wrong. */
static inline uint64_t odd_bits(const struct exo_op *cell, const struct op_info *info, unsigned k)
{
    uint64_t forbidden = k < 2 ? info->forbidden[k] : op_forbidden[cell->code][k - 2];
    return (cell->arg[k] - (info->from_one >> k & 1)) & forbidden;
}

static inline unsigned is_odd(const struct exo_op *cell, const struct op_info *info, unsigned k)
{
    return (unsigned)(odd_bits(cell, info, k) != 0) << k;
}

static int check_arguments(const struct plan *plan, unsigned index, const struct op_info *info)
{
    const struct exo_op *cell = &plan->op[index].cell;
    if (!cell->uses && !(odd_bits(cell, info, 0) | odd_bits(cell, info, 1) | odd_bits(cell, info, 2) |
                         odd_bits(cell, info, 3) | odd_bits(cell, info, 4)))
        return 0;
    unsigned todo = is_odd(cell, info, 0) | is_odd(cell, info, 1) | is_odd(cell, info, 2) | is_odd(cell, info, 3);
    if (!(cell->uses >> 5 & 1)) /* else arg[4] holds the handle's reference */
        todo |= is_odd(cell, info, 4);
    int error = 0;
    for (todo |= cell->uses & 0x1fu; todo && !error; todo &= todo - 1) {
        unsigned k = (unsigned)__builtin_ctz(todo);
        error = check_argument(plan, index, k, info->arg[k]);
    }
    return error;
}

/* Edges: only backward, only to operations. `more` has a bit for every MORE cell so far. */
static int check_edges(const struct exo_op *cell, unsigned index, uint64_t more)
{
    if (cell->after >> index || cell->after & more)
        return -EXO_E_EDGE;
    if (!cell->after && cell->flags & EXO_START_MASK)
        return -EXO_E_FORM;
    return 0;
}

static int check_more(const struct plan *plan, unsigned index)
{
    const struct exo_more *cell = (const struct exo_more *)&plan->op[index].cell;
    unsigned owner = index;
    while (owner > 0 && plan->op[owner - 1].state == OP_CELL)
        owner--;
    if (owner == 0 || !op_infos[plan->op[owner - 1].cell.code].more)
        return -EXO_E_FORM;
    for (unsigned i = 0; i < sizeof cell->zero; i++)
        if (cell->zero[i])
            return -EXO_E_FORM;
    return 0;
}

static int check_operation(struct plan *plan, unsigned index)
{
    const struct exo_op *cell = &plan->op[index].cell;
    if (cell->code >= EXO_CODE_END || !op_infos[cell->code].name)
        return code_reserved(cell->code) ? -EXO_E_NOT_BUILT : -EXO_E_CODE;
    const struct op_info *info = &op_infos[cell->code];
    if (cell->flags & ~FLAGS_KNOWN || cell->uses & ~0x3fu)
        return -EXO_E_FORM;
    if (cell->flags & EXO_START_MASK || cell->code == EXO_CANCEL)
        plan->straight = false;
    int error = check_edges(cell, index, ~plan->operations);
    if (!error)
        error = check_handle(plan->env, plan, index, info);
    if (!error)
        error = check_arguments(plan, index, info);
    if (!error && info->price >= 0)
        plan->reserved += (uint32_t)cell->arg[info->price];
    return error;
}

static bool descends_from_a_wait(const struct exo_op *cell, uint64_t descends)
{
    return op_infos[cell->code].waits || cell->after & descends;
}

int plan_check(struct plan *plan, unsigned *bad_cell)
{
    uint64_t descends = 0; /* bits of operations that wait or come after one */
    for (unsigned i = 0; i < plan->cells; i++) {
        const struct exo_op *cell = &plan->op[i].cell;
        bool more = cell->code == EXO_MORE;
        int error = more ? check_more(plan, i) : check_operation(plan, i);
        if (more) {
            plan->op[i].state = OP_CELL;
            plan->operations &= ~(1ull << i);
            plan->straight = false;
        } else if (!error && descends_from_a_wait(cell, descends)) {
            descends |= 1ull << i;
        } else if (!error && plan->flags & EXO_PLAN_STANDING) {
            error = -EXO_E_FORM;
        }
        if (error) {
            *bad_cell = i + 1;
            return error;
        }
    }
    plan->waiting = plan->operations;
    return 0;
}
