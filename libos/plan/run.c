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

/* Whether an operation always ends in the crossing that starts it. */
static bool code_ends_at_once(unsigned code)
{
    switch (code) {
    case EXO_TIMER:
    case EXO_NET_RX:
    case EXO_NET_TX:
    case EXO_ENV_WAIT:
    case EXO_ENV_KILL:
    case EXO_RECLAIM_WAIT:
        return false;
    default:
        return code < EXO_SEND;
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
    run->missing--;
    run->results[i] = (struct plan_result){ completion->result, completion->more, completion->status };
    if (completion->status < 0 && completion->status != -EXO_E_CAUSE && run->first_error == 0) {
        run->first_error = completion->status;
        run->bad_op = (uint16_t)i;
    }
}

/* Sets tags and flags; true if all ends in one crossing. */
static bool run_prepare(struct plan *plan, struct plan_run *run)
{
    bool at_once = true;
    *run = (struct plan_run){ .target = { run_done }, .results = plan->results, .wake = run->wake };
    for (unsigned i = 1; i <= plan->count; i++) {
        struct exo_op *op = &plan->cell[i];
        plan->results[i - 1] = (struct plan_result){ 0, 0, 0 };
        if (op->code == EXO_MORE)
            continue;
        op->tag = (uint64_t)&run->target;
        op->flags |= EXO_QUIET;
        at_once = at_once && code_ends_at_once(op->code);
        if (code_has_result(op->code)) {
            op->flags &= (uint8_t)~EXO_QUIET;
            run->missing++;
        }
    }
    return at_once;
}

void plan_run_start(struct plan *plan, struct plan_run *run)
{
    run_prepare(plan, run);
    plan_flags(plan, 0, &run->target);
    plan_submit(plan);
}

int plan_run_error(const struct plan_run *run)
{
    return run->first_error != 0 ? run->first_error : run->status;
}

static int run_once(struct plan *plan)
{
    struct plan_run run = { .wake = NULL };
    bool at_once = run_prepare(plan, &run);
    plan_flags(plan, at_once ? EXO_PLAN_QUIET : 0, &run.target);
    long failed = plan_submit(plan);
    for (;;) {
        completion_dispatch();
        if (run.ended)
            return plan_run_error(&run);
        /* Nothing failed in the crossing, and what has a result has told it: the plan's own
         * completion would say nothing new. */
        if (at_once && failed == 0 && run.missing == 0)
            return 0;
        failed = at_once ? plan_flush() : ring_wait(EXO_NEVER);
    }
}

int plan_run(struct plan *plan)
{
    ring_guard();
    int error = run_once(plan);
    if (error == -EXO_E_NO_SLOT && plan_slots_add(plan->count, 1) == 0)
        error = run_once(plan);
    ring_unguard();
    return error;
}

/* ---- plan slots ------------------------------------------------------------------ */

#define SLOT_FRAMES_MAX 16u

int plan_slots_add(unsigned cells, unsigned count)
{
    unsigned class_cells = cells <= 4 ? 4 : cells <= 16 ? 16 : cells <= 32 ? 32 : 64;
    uint64_t slot_bytes = (class_cells + 1) * 128ull;
    int error = 0;
    while (count > 0 && error == 0) {
        uint64_t frames = (count * slot_bytes + EXO_PAGE_SIZE - 1) / EXO_PAGE_SIZE;
        if (frames > SLOT_FRAMES_MAX)
            frames = SLOT_FRAMES_MAX;
        unsigned gained = (unsigned)(frames * EXO_PAGE_SIZE / slot_bytes);
        struct exo_op op[4];
        struct exo_completion failed;
        op[1] = (struct exo_op){ .code = EXO_ALLOC, .arg = { frames, 0, EXO_ANY } };
        op[2] = (struct exo_op){ .code = EXO_SLOTS, .uses = 1, .after = 1,
                                 .arg = { EXO_REF(0, 0, 0), frames, class_cells } };
        op[3] = (struct exo_op){ .code = EXO_FREE, .flags = EXO_START_SOME, .uses = 1, .after = 3,
                                 .arg = { EXO_REF(0, 0, 0), frames } };
        error = ring_run_nested(op, 3, &failed);
        count -= count < gained ? count : gained;
    }
    return error;
}
