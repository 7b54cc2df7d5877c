/* SPDX-License-Identifier: MIT */
/*
 * One operation at a time, as raw as its caller likes, and what must become of it. For tests of the
 * kernel that look at results and errors, not for programs: those write plans.
 */
#ifndef TEST_GUEST_OP_H
#define TEST_GUEST_OP_H

#include <libos/plan.h>
#include <libos/start.h>

#include "../check.h"

/* An address below which a program of this libos has nothing, not even page tables. */
#define SPARE 0x10000000000ull
#define PAGE ((uint64_t)EXO_PAGE_SIZE)

/* All four result words of the operation that op_run() ran last. */
extern uint64_t op_result[4];

/* Runs a plan of this operation alone. 0, or -EXO_E_... of it or of its refusal. */
int op_run(struct exo_op cell);

#define OP(NAME, ...) op_run((struct exo_op){ .code = EXO_##NAME, .arg = { __VA_ARGS__ } })
#define OP_ON(env, NAME, ...)                                                                      \
    op_run((struct exo_op){ .code = EXO_##NAME, .handle = (env), .arg = { __VA_ARGS__ } })

void op_check(const char *file, int line, const char *call, int found, int expected);

#define OK(call) op_check(__FILE__, __LINE__, #call, (call), 0)
#define FAILS(NAME, call) op_check(__FILE__, __LINE__, #call, (call), -EXO_E_##NAME)

/* `count` consecutive frames, not mapped; the first one's number. Ends the program if there are none. */
uint64_t frames_take(uint32_t count);
void frames_give_back(uint64_t frame, uint32_t count);

/* Tables for one MiB or so at `address`, from frames of this program; and without them again. */
void tables_make(uint64_t address);
void tables_unmake(uint64_t address);

/* The account, as of the last crossing. */
static inline uint64_t account_used(void)
{
    return PLAN_INFO->frames_used;
}

static inline uint64_t tick_after_us(uint64_t us)
{
    return __builtin_ia32_rdtsc() + PLAN_INFO->tick_hz / 1000000 * us;
}

static inline uint64_t ticks_of_us(uint64_t us)
{
    return PLAN_INFO->tick_hz / 1000000 * us;
}

#endif
