/* SPDX-License-Identifier: MIT */
/*
 * What the attack programs share. An attack that is refused with an error judges itself:
 * it calls refused() for every try and ends with attack_end(). One that must be
 * stopped ends in survived(), which it should never reach.
 */
#ifndef ATTACK_H
#define ATTACK_H

#include <libos/log.h>
#include <libos/mem.h>
#include <libos/plan.h>
#include <libos/start.h>
#include <string.h>

static unsigned attack_tries, attack_failures;

/* `error` is what the kernel said (0 or negative), `expected` a positive EXO_E_..., 0: any error will do. */
static inline void refused(const char *what, int error, int expected)
{
    attack_tries++;
    if (error < 0 && (!expected || error == -expected))
        return;
    attack_failures++;
    libos_log("NOT REFUSED AS IT SHOULD: %s: %s", what, exo_error_text(error));
}

/* Something that must hold. */
static inline void holds(const char *what, bool good)
{
    attack_tries++;
    if (good)
        return;
    attack_failures++;
    libos_log("DOES NOT HOLD: %s", what);
}

static inline int attack_end(void)
{
    libos_log("%u tries, %u of them not refused as they should be", attack_tries, attack_failures);
    return attack_failures ? 1 : 0;
}

/* For what must never come back. */
static inline int survived(const char *what)
{
    libos_log("SURVIVED %s", what);
    return 1;
}

/* One operation, as raw as its caller likes. */
static inline int run_cell(struct exo_op cell)
{
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    plan_nop(plan, word_number(0));
    plan->cell[1] = cell;
    return plan_run(plan);
}

#endif
