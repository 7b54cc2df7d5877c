/* SPDX-License-Identifier: MIT */
/*
 * The ends of a program. The parent (apps/init) prints the report: it can read
 * the registers and all memory of the stopped environment.
 */
#include "core.h"

#include <libos/plan.h>

#include "../plan/ring.h"
#include "../posix/posix_internal.h"
#include "../thread/thread_internal.h"

static _Noreturn void stop(uint64_t reason, uint64_t first, uint64_t second)
{
    static struct exo_op cells[2];
    libos_nesting++;
    for (;;) {
        cells[1] = (struct exo_op){ .code = EXO_ENV_EXIT, .arg = { reason, first, second } };
        struct exo_completion failed;
        ring_run_nested(cells, 1, &failed);
        /* Not reached, unless the plan was refused for want of a slot: one that ends frees it. */
        ring_wait(EXO_NEVER);
    }
}

void crash(uint64_t vector, const struct exo_context *context)
{
    console_flush(); /* what it said last, without the end of the line */
    stop(EXO_STOP_CRASH, vector, (uint64_t)context);
}

void program_exit(int status)
{
    console_flush();
    thread_last_words();
    stop(EXO_STOP_EXIT, (uint64_t)(unsigned)status & 0xff, 0);
}
