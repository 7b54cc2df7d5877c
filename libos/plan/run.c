/* SPDX-License-Identifier: MIT */
/*
 * Running a plan to its end and keeping its results. Waits only by entering the kernel;
 * waiting as a thread is the thread layer's (thread_run).
 */
#include "ring.h"

/* A bit for each code: its result 0 is not worth a completion. */
enum { ZERO, WORD, FRAME, BUF, TICK, HANDLE };
#define EXO_X(number, NAME, name, h, a, b, c, d, e, r0, r1, r2, r3) | (uint64_t)(r0 == ZERO) << number
static const uint64_t code_silent = 0 EXO_OPS(EXO_X);
#undef EXO_X

/* And: it may end later than in the crossing that starts it. */
static const uint64_t code_waits = 1ull << EXO_TIMER | 1ull << EXO_NET_RX | 1ull << EXO_NET_TX |
                                   1ull << EXO_ENV_WAIT | 1ull << EXO_ENV_KILL | 1ull << EXO_RECLAIM_WAIT |
                                   ~0ull << EXO_SEND;

_Static_assert(EXO_CODE_END <= 64, "bits of codes");

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

/* Puts the plan into the ring. True if all of it ends in the crossing that takes it; then the plan's own good end
 * is not told if `brief`. */
static bool run_push(struct plan *plan, struct plan_run *run, bool brief)
{
    unsigned count = plan->count, missing = 0;
    uint64_t waits = 0, mask = PLAN_INFO->sq_size - 1;
    if (count == 0)
        plan_misuse(plan, "no operation");
    *run = (struct plan_run){ .target = { run_done }, .results = plan->results, .wake = run->wake };
    for (unsigned i = 0; i < count; i++)
        plan->results[i] = (struct plan_result){ 0, 0, 0 }; /* and touched */
    ring_guard();
    ring_room(count + 1);
    for (unsigned i = 1; i <= count; i++) {
        const struct exo_op *op = &plan->cell[i];
        struct exo_op *to = &RING_CELLS[(ring_tail + i) & mask];
        *to = *op;
        if (op->code == EXO_MORE)
            continue;
        uint8_t silent = code_silent >> op->code & 1 ? EXO_QUIET : 0;
        to->flags = op->flags | silent;
        to->tag = (uint64_t)&run->target;
        missing += !(to->flags & EXO_QUIET);
        waits |= code_waits >> op->code;
    }
    bool at_once = !(waits & 1);
    plan_flags(plan, brief && at_once ? EXO_PLAN_QUIET : 0, &run->target);
    ((struct exo_plan *)(void *)plan->cell)->cells = (uint16_t)count;
    RING_CELLS[ring_tail & mask] = plan->cell[0];
    run->missing = (uint16_t)missing;
    LIBOS_BARRIER();
    ring_tail += count + 1;
    ring_unguard();
    return at_once;
}

void plan_run_start(struct plan *plan, struct plan_run *run)
{
    run_push(plan, run, false);
    plan_flush();
}

int plan_run_error(const struct plan_run *run)
{
    return run->first_error != 0 ? run->first_error : run->status;
}

static int run_once(struct plan *plan)
{
    struct plan_run run = { .wake = NULL };
    bool at_once = run_push(plan, &run, true);
    long failed = plan_flush();
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
