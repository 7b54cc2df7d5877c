/* SPDX-License-Identifier: MIT */
/*
 * Running a plan to its end and keeping its results. Waits only by entering the kernel;
 * waiting as a thread is the thread layer's (thread_run).
 */
#include "ring.h"

/* Whether an operation's result 0 is worth a completion. */
static bool code_has_result(unsigned code)
{
    enum { ZERO, WORD, FRAME, BUF, TICK, HANDLE };
    switch (code) {
#define EXO_X(number, NAME, name, h, a, b, c, d, e, r0, r1, r2, r3)                                \
    case EXO_##NAME:                                                                               \
        return r0 != ZERO;
        EXO_OPS(EXO_X)
#undef EXO_X
    default:
        return true;
    }
}

void plan_flags(struct plan *plan, uint8_t flags, struct completion_target *target)
{
    struct exo_plan *header = (struct exo_plan *)(void *)plan->cell;
    header->flags = flags;
    header->tag = (uint64_t)target;
}

void plan_work(struct plan *plan, uint32_t steps)
{
    ((struct exo_plan *)(void *)plan->cell)->work = steps;
}

static void run_done(struct completion_target *self, const struct exo_completion *completion)
{
    struct plan_run *run = (struct plan_run *)self; /* target is its first member */
    unsigned i = completion->operation;
    if (i == EXO_PLAN_SELF) {
        run->status = completion->status;
        run->bad_cell = (uint16_t)completion->result;
        run->ended = true;
        if (run->wake != NULL)
            run->wake(run);
        return;
    }
    run->results[i] = (struct plan_result){ completion->result, completion->more, completion->status };
    if (completion->status < 0 && completion->status != -EXO_E_CAUSE && run->first_error == 0) {
        run->first_error = completion->status;
        run->bad_op = (uint16_t)i;
    }
}

void plan_run_start(struct plan *plan, struct plan_run *run)
{
    *run = (struct plan_run){ .target = { run_done }, .results = plan->results, .wake = run->wake };
    plan_flags(plan, 0, &run->target);
    for (unsigned i = 1; i <= plan->count; i++) {
        struct exo_op *op = &plan->cell[i];
        plan->results[i - 1] = (struct plan_result){ 0, 0, 0 };
        if (op->code == EXO_MORE)
            continue;
        op->tag = (uint64_t)&run->target;
        op->flags &= (uint8_t)~EXO_QUIET;
        if (!code_has_result(op->code))
            op->flags |= EXO_QUIET;
    }
    plan_submit(plan);
}

int plan_run_error(const struct plan_run *run)
{
    return run->first_error != 0 ? run->first_error : run->status;
}

int plan_run(struct plan *plan)
{
    struct plan_run run = { .wake = NULL };
    ring_guard();
    plan_run_start(plan, &run);
    for (;;) {
        completion_dispatch();
        if (run.ended)
            break;
        ring_wait(EXO_NEVER);
    }
    ring_unguard();
    return plan_run_error(&run);
}
