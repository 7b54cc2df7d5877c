/* SPDX-License-Identifier: MIT */
/* Uses the CPU for ever, in user mode or in the kernel. Its neighbours must not notice beyond their slots. */
#include "attack.h"

int main(int argc, char **argv)
{
    struct plan_buffer buffer;
    if (argc > 1 && !strcmp(argv[1], "user"))
        for (;;)
            __asm__ volatile("pause");
    for (;;) { /* expensive crossings: frames are zeroed and freed again */
        struct plan *plan = plan_begin(&buffer);
        struct frame_ref frame = plan_alloc(plan, 64, 0);
        plan_free(plan, frame, 64);
        plan_run(plan);
    }
}
