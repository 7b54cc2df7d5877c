/* SPDX-License-Identifier: MIT */
/*
 * Numbers of the interface as text, for messages.
 */
#include <libos/log.h>
#include <libos/plan.h>

const char *exo_error_text(int error)
{
    switch (error < 0 ? -error : error) {
#define EXO_X(number, name, text)                                                                  \
    case number:                                                                                   \
        return text;
        EXO_ERRORS(EXO_X)
#undef EXO_X
    default:
        return "unknown error";
    }
}

const char *exo_code_name(unsigned code)
{
    switch (code) {
#define EXO_X(number, NAME, name, h, a, b, c, d, e, r0, r1, r2, r3)                                \
    case number:                                                                                   \
        return #name;
        EXO_OPS(EXO_X)
#undef EXO_X
#define EXO_X(number, NAME)                                                                        \
    case number:                                                                                   \
        return #NAME;
        EXO_OPS_RESERVED(EXO_X)
#undef EXO_X
    case EXO_PLAN:
        return "plan";
    case EXO_MORE:
        return "more";
    default:
        return "?";
    }
}

void plan_misuse(const struct plan *plan, const char *what)
{
    unsigned code = plan->count == 0 ? EXO_PLAN : plan->cell[plan->count].code;
    libos_panic("plan: %s, at operation %u (%s)", what, plan->count, exo_code_name(code));
}
