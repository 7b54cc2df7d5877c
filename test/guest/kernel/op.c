/* SPDX-License-Identifier: MIT */
/* Running single operations: see op.h. */
#include "op.h"

#include <stdlib.h>

uint64_t op_result[4];

/* How many results an operation has, so that all of them can be carried out by NOPs. */
static unsigned results_of(uint8_t code)
{
    enum { ZERO, WORD, FRAME, BUF, TICK, HANDLE };
    switch (code) {
#define EXO_X(number, NAME, name, h, a, b, c, d, e, r0, r1, r2, r3)                                \
    case EXO_##NAME:                                                                               \
        return (r0 != ZERO) + (r1 != ZERO) + (r2 != ZERO) + (r3 != ZERO);
        EXO_OPS(EXO_X)
#undef EXO_X
    default:
        return 0;
    }
}

int op_run(struct exo_op cell)
{
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    plan_nop(plan, word_number(0));
    plan->cell[1] = cell;
    unsigned count = results_of(cell.code);
    /* Behind a failure they tell nothing new; a completion has the first result itself. */
    for (unsigned i = 1; i < count; i++)
        plan_nop(plan, (struct word_ref){ { EXO_REF(0, i, 0), 0, (uint16_t)i } });
    int error = plan_run(plan);
    memset(op_result, 0, sizeof(op_result));
    op_result[0] = plan->results[0].value; /* of a failure too: what is missing */
    for (unsigned i = 1; i < count; i++)
        op_result[i] = plan->results[i].value;
    return error;
}

void op_check(const char *file, int line, const char *call, int found, int expected)
{
    if (found == expected)
        return;
    printf("FAILED %s:%d: %s: found \"%s\", expected \"%s\"\n", file, line, call,
           exo_error_text(found), exo_error_text(expected));
    check_failures++;
}

uint64_t frames_take(uint32_t count)
{
    int error = OP(ALLOC, count, 0, EXO_ANY);
    if (error < 0) {
        printf("FAILED: no %u frames for this test: %s\n", count, exo_error_text(error));
        exit(2);
    }
    return op_result[0];
}

void frames_give_back(uint64_t frame, uint32_t count)
{
    OK(OP(FREE, frame, count));
}

void tables_make(uint64_t address)
{
    for (unsigned level = 3; level >= 1; level--)
        OK(OP(TABLE, frames_take(1), address, level));
}

void tables_unmake(uint64_t address)
{
    for (unsigned level = 1; level <= 3; level++) {
        OK(OP(UNTABLE, address, level));
        frames_give_back(op_result[0], 1);
    }
}
