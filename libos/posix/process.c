/* SPDX-License-Identifier: MIT */
/*
 * System calls that ask who and where the program is.
 */
#include <libos/clock.h>
#include <libos/plan.h>
#include <libos/random.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

#include "../core/core.h"
#include "../thread/thread_internal.h"
#include "posix_internal.h"

#define UNUSED6 SYSCALL_UNUSED(a, b, c, d, e, f)
#define PROCESS 1

#define CONSTANT(name, value)                                                                      \
    SYSCALL(name)                                                                                  \
    {                                                                                              \
        UNUSED6;                                                                                   \
        return value;                                                                              \
    }

CONSTANT(getpid, PROCESS)
CONSTANT(getppid, 0)
CONSTANT(getpgid, PROCESS)
CONSTANT(getpgrp, PROCESS)
CONSTANT(getsid, PROCESS)
CONSTANT(setsid, -EPERM) /* it leads its group already */
CONSTANT(setpgid, 0)
CONSTANT(getgroups, 0)
CONSTANT(getpriority, 20) /* as the kernel says 0 */
CONSTANT(setpriority, 0)
CONSTANT(getuid, 0)
CONSTANT(geteuid, 0)
CONSTANT(getgid, 0)
CONSTANT(getegid, 0)

SYSCALL(getresuid)
{
    UNUSED6;
    *(uid_t *)a = *(uid_t *)b = *(uid_t *)c = 0;
    return 0;
}

SYSCALL(getresgid)
{
    UNUSED6;
    *(gid_t *)a = *(gid_t *)b = *(gid_t *)c = 0;
    return 0;
}

SYSCALL(uname)
{
    UNUSED6;
    struct utsname *name = (struct utsname *)a;
    memset(name, 0, sizeof(*name));
    strcpy(name->sysname, "Exo");
    strcpy(name->release, "0.1");
    strcpy(name->version, "libos");
    strcpy(name->machine, "x86_64");
    memcpy(name->nodename, program_info()->name, sizeof(program_info()->name) - 1);
    return 0;
}

SYSCALL(getrandom)
{
    UNUSED6;
    random_bytes((void *)a, (size_t)b);
    return b;
}

#define NAME_BYTES 16

/* A name for the whole program; the rest of prctl() is about processes. */
SYSCALL(prctl)
{
    UNUSED6;
    static char name[NAME_BYTES];
    switch (a) {
    case PR_SET_NAME:
        strncpy(name, (const char *)b, NAME_BYTES - 1);
        return 0;
    case PR_GET_NAME:
        if (name[0] == '\0')
            memcpy(name, program_info()->name, NAME_BYTES - 1);
        memcpy((char *)b, name, NAME_BYTES);
        return 0;
    case PR_SET_DUMPABLE:
    case PR_SET_PDEATHSIG:
    case PR_SET_TIMERSLACK:
    case PR_SET_NO_NEW_PRIVS:
        return 0;
    default:
        return -EINVAL;
    }
}

/* ---- limits ------------------------------------------------------------------------- */

SYSCALL(getrlimit)
{
    UNUSED6;
    struct rlimit *limit = (struct rlimit *)b;
    switch (a) {
    case RLIMIT_STACK:
        *limit = (struct rlimit){ 8 << 20, 8 << 20 };
        return 0;
    case RLIMIT_NOFILE:
        *limit = (struct rlimit){ FD_MAX, FD_MAX };
        return 0;
    case RLIMIT_CORE:
        *limit = (struct rlimit){ 0, 0 };
        return 0;
    default:
        *limit = (struct rlimit){ RLIM_INFINITY, RLIM_INFINITY };
        return a < RLIM_NLIMITS ? 0 : -EINVAL;
    }
}

SYSCALL(setrlimit)
{
    UNUSED6;
    return a < RLIM_NLIMITS ? 0 : -EINVAL;
}

SYSCALL(prlimit64)
{
    UNUSED6;
    return d != 0 ? sys_getrlimit(b, d, 0, 0, 0, 0) : sys_setrlimit(b, c, 0, 0, 0, 0);
}

SYSCALL(getrusage)
{
    UNUSED6;
    struct rusage *usage = (struct rusage *)b;
    if (a != RUSAGE_SELF && a != RUSAGE_CHILDREN && a != 1)
        return -EINVAL;
    memset(usage, 0, sizeof(*usage));
    if (a == RUSAGE_CHILDREN)
        return 0;
    uint64_t us = clock_tick_to_ns(PLAN_INFO->ticks_used) / 1000;
    usage->ru_utime.tv_sec = (time_t)(us / 1000000);
    usage->ru_utime.tv_usec = (suseconds_t)(us % 1000000);
    usage->ru_maxrss = (long)(PLAN_INFO->frames_used * (EXO_PAGE_SIZE / 1024));
    return 0;
}

SYSCALL(sysinfo)
{
    UNUSED6;
    struct sysinfo *info = (struct sysinfo *)a;
    uint64_t used = PLAN_INFO->frames_used, limit = PLAN_INFO->frames_limit;
    if (PLAN_INFO->frames_total != 0 && limit > PLAN_INFO->frames_total)
        limit = PLAN_INFO->frames_total; /* the first program has no limit but the machine's */
    memset(info, 0, sizeof(*info));
    info->uptime = (unsigned long)(clock_monotonic_ns() / 1000000000);
    info->totalram = limit;
    info->freeram = limit > used ? limit - used : 0;
    info->procs = (unsigned short)thread_count();
    info->mem_unit = EXO_PAGE_SIZE;
    return 0;
}
