/* SPDX-License-Identifier: MIT */
/* A control page that makes no sense, and then a fault: the kernel must stop the program. */
#include "attack.h"

static volatile uint64_t null_page = 8; /* a variable, or the compiler would warn of what is meant here */
static void fault(void) { *(volatile int *)null_page = 1; }

int main(int argc, char **argv)
{
    struct exo_control *control = PLAN_CONTROL;
    const char *how = argc > 1 ? argv[1] : "";
    if (!strcmp(how, "entry-nowhere"))
        control->entry = 0x0000800000000000ull;
    else if (!strcmp(how, "entry-kernel"))
        control->entry = 0xffffffff80000000ull;
    else if (!strcmp(how, "entry-faults"))
        control->entry = (uint64_t)fault;
    else if (!strcmp(how, "entry-null"))
        control->entry = 0;
    else if (!strcmp(how, "depth"))
        control->depth = UINT32_MAX;
    else if (!strcmp(how, "stack-kernel"))
        for (unsigned i = 0; i < EXO_DEPTH; i++)
            control->stack[i] = 0xffffffff80001000ull;
    else if (!strcmp(how, "completions"))
        control->cq_head = UINT64_MAX / 2;
    else
        return 2;
    fault();
    return survived(how);
}
