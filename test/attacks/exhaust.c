/* SPDX-License-Identifier: MIT */
/* Taking everything there is: frames, environments and handles, plan slots. The limit is its own. */
#include <libos/clock.h>

#include "attack.h"

static unsigned count_until_refused(struct exo_op op, int *error)
{
    unsigned count = 0;
    while (count < 100000 && (*error = run_cell(op)) == 0)
        count++;
    return count;
}

/* Handles in a child's table, until it is full; the child's memory is this program's problem. */
static void handles(void)
{
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    int error = 0;
    struct handle_ref child = plan_env_create(plan, plan_alloc(plan, EXO_ENV_FRAMES, 0), EXO_ENV_FRAMES, 0);
    holds("a child", plan_run(plan) == 0);
    uint32_t number = (uint32_t)plan_value(plan, child);
    unsigned count = count_until_refused((struct exo_op){.code = EXO_CONSOLE_GRANT, .handle = number,
                                         .arg = {start_info()->console, 'x'}}, &error);
    refused("handles without end", error, EXO_E_FULL);
    libos_log("%u handles, then: %s", count, exo_error_text(error));
    refused("one more handle", run_cell((struct exo_op){.code = EXO_HANDLE_COPY, .handle = number,
            .arg = {start_info()->console}}), EXO_E_FULL);
    holds("the child can be ended", run_cell((struct exo_op){.code = EXO_ENV_KILL, .handle = number}) == 0);
}

static void environments(void)
{
    unsigned count = 0;
    int error = 0;
    while (!error && count < 1000) {
        struct plan_buffer buffer;
        struct plan *plan = plan_begin(&buffer);
        struct frame_ref first = plan_alloc(plan, EXO_ENV_FRAMES, 0);
        plan_env_create(plan, first, EXO_ENV_FRAMES, 0);
        error = plan_run(plan);
        count += !error;
    }
    libos_log("%u environments, then: %s", count, exo_error_text(error));
    refused("environments without end", error, 0);
}

/* Plans that wait for a second, until no slot is left: then nothing can be said, not even the end, before
 * one of them is over. */
static void slots(void)
{
    struct plan_buffer buffer;
    struct tick_ref later = tick_number(clock_deadline(1000000000));
    unsigned count = 0;
    long failed = 0;
    while (!failed && count < 10000) {
        struct plan *plan = plan_begin(&buffer);
        plan_flags(plan, EXO_PLAN_QUIET, NULL);
        plan_quiet(plan, true);
        plan_timer(plan, later);
        failed = plan_submit(plan);
        count++;
    }
    holds("plans that wait are refused when the slots are gone", failed != 0);
}

int main(void)
{
    int error = 0;
    uint64_t limit = PLAN_INFO->frames_limit;
    handles();
    environments();
    unsigned taken = count_until_refused((struct exo_op){.code = EXO_ALLOC, .arg = {1, 0, EXO_ANY}}, &error);
    refused("frames without end", error, EXO_E_QUOTA);
    holds("not more than its quota", taken <= limit);
    refused("one more", run_cell((struct exo_op){.code = EXO_ALLOC, .arg = {1, 0, EXO_ANY}}), EXO_E_QUOTA);
    int end = attack_end();
    slots();
    return end || attack_failures;
}
