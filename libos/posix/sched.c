/* SPDX-License-Identifier: MIT */
/*
 * System calls about where and how threads run: one CPU, one policy.
 */
#include <sched.h>
#include <string.h>
#include <time.h>

#include "../thread/thread_internal.h"
#include "posix_internal.h"

#define UNUSED6 SYSCALL_UNUSED(a, b, c, d, e, f)
#define SLOT_NS (EXO_CPU_SLOT_US * 1000)

static long exists(long tid)
{
    return tid == 0 || thread_find((int)tid) != NULL ? 0 : -ESRCH;
}

SYSCALL(sched_getaffinity)
{
    UNUSED6;
    if ((size_t)b < sizeof(unsigned long))
        return -EINVAL;
    *(unsigned long *)c = 1;
    return sizeof(unsigned long);
}

SYSCALL(sched_setaffinity)
{
    UNUSED6;
    if ((size_t)b == 0 || (*(const unsigned char *)c & 1) == 0)
        return -EINVAL; /* none of the CPUs that there are */
    return exists(a);
}

SYSCALL(getcpu)
{
    UNUSED6;
    if (a != 0)
        *(unsigned *)a = 0;
    if (b != 0)
        *(unsigned *)b = 0;
    return 0;
}

SYSCALL(sched_getscheduler)
{
    UNUSED6;
    return exists(a) < 0 ? exists(a) : SCHED_OTHER;
}

SYSCALL(sched_setscheduler)
{
    UNUSED6;
    if (b != SCHED_OTHER && b != SCHED_BATCH && b != SCHED_IDLE)
        return -EPERM;
    return ((const struct sched_param *)c)->sched_priority != 0 ? -EINVAL : exists(a);
}

SYSCALL(sched_getparam)
{
    UNUSED6;
    memset((void *)b, 0, sizeof(int)); /* all that the C library expects to be written */
    return exists(a);
}

SYSCALL(sched_setparam)
{
    UNUSED6;
    return ((const struct sched_param *)b)->sched_priority != 0 ? -EINVAL : exists(a);
}

SYSCALL(sched_get_priority_max)
{
    UNUSED6;
    return a == SCHED_FIFO || a == SCHED_RR ? 99 : a >= 0 && a <= SCHED_IDLE ? 0 : -EINVAL;
}

SYSCALL(sched_get_priority_min)
{
    UNUSED6;
    return a == SCHED_FIFO || a == SCHED_RR ? 1 : a >= 0 && a <= SCHED_IDLE ? 0 : -EINVAL;
}

SYSCALL(sched_rr_get_interval)
{
    UNUSED6;
    *(struct timespec *)b = (struct timespec){ 0, SLOT_NS };
    return exists(a);
}
