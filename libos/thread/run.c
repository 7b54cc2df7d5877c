/* SPDX-License-Identifier: MIT */
/*
 * Running a plan from a thread: only that thread waits.
 */
#include <libos/plan.h>
#include <libos/thread.h>
#include <stddef.h>

struct thread_run {
    struct plan_run run;
    struct wait_queue queue;
};

static void thread_run_wake(struct plan_run *run)
{
    thread_wake(&((struct thread_run *)run)->queue, 1); /* run is its first member */
}

int thread_run(struct plan *plan)
{
    struct thread_run wait = { .run.wake = thread_run_wake };
    libos_enter();
    plan_run_start(plan, &wait.run);
    completion_dispatch();
    while (!wait.run.ended) /* a signal does not end it: the kernel still holds the plan */
        (void)thread_wait(&wait.queue, EXO_NEVER);
    libos_leave();
    return plan_run_error(&wait.run);
}
