/* SPDX-License-Identifier: MIT */
/* Gathering completions: see tally.h. */
#include "tally.h"

struct tally tally;
static struct plan_buffer plan_memory;

static void tally_done(struct completion_target *self, const struct exo_completion *completion)
{
    (void)self;
    if (tally.count < TALLY_MAX)
        tally.seen[tally.count] = *completion;
    tally.count++;
}

void tally_begin(void)
{
    tally.target.done = tally_done;
    libos_enter(); /* slots end without a thread looking at the ring */
}

struct plan *tally_plan(uint8_t flags)
{
    struct plan *plan = plan_begin(&plan_memory);
    tally.count = 0;
    plan_flags(plan, flags, &tally.target);
    plan_target(plan, &tally.target);
    return plan;
}

void tally_take(void)
{
    completion_dispatch();
}

bool tally_wait(unsigned count, uint64_t us)
{
    uint64_t deadline = tick_after_us(us);
    for (;;) {
        completion_dispatch();
        if (tally.count >= count)
            return true;
        if (__builtin_ia32_rdtsc() >= deadline)
            return false;
        exo_enter(ring_tail, PLAN_CONTROL->cq_head + 1, deadline);
    }
}

const struct exo_completion *tally_of(uint16_t operation)
{
    for (unsigned i = 0; i < tally.count && i < TALLY_MAX; i++)
        if (tally.seen[i].operation == operation)
            return &tally.seen[i];
    return NULL;
}
