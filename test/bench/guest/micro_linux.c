/* SPDX-License-Identifier: MIT */
/* The Linux guest's half of the primitives: what stands beside plans there. */
#include "micro.h"

#include <sys/syscall.h>
#include <unistd.h>

static void enter_nothing(void)
{
    syscall(SYS_getppid);
}

MICRO(enter_nothing, 2000)

int main(void)
{
    micro_run_enter_nothing();
    micro_posix();
    micro_signals();
    printf("micro: done\n");
    fflush(stdout);
    for (;;)
        pause();
}
