/* SPDX-License-Identifier: MIT */
/*
 * The POSIX layer's own business: one function a system call, all with the same shape, in
 * the table of syscall.c. They are called inside the libos, with arguments as the C library
 * gave them, and return what Linux would.
 */
#ifndef LIBOS_POSIX_INTERNAL_H
#define LIBOS_POSIX_INTERNAL_H

#include <errno.h>
#include <libos/file.h>
#include <stdint.h>
#include <sys/resource.h>
#include <unistd.h>

/* The C library's headers make other names of these. */
#undef pread64
#undef prlimit64

#define SYSCALL(name) long sys_##name(long a, long b, long c, long d, long e, long f)
/* For the head of a definition whose later arguments are not used. */
#define SYSCALL_UNUSED(...) (void)(long[]){ __VA_ARGS__ }

/* Every call that exists. */
#define SYSCALL_LIST(X) SYSCALL_LIST_FILES(X) SYSCALL_LIST_MEMORY(X) SYSCALL_LIST_THREADS(X)       \
    SYSCALL_LIST_TIME(X) SYSCALL_LIST_PROCESS(X) SYSCALL_LIST_POLL(X)

#define SYSCALL_LIST_FILES(X)                                                                      \
    X(read) X(write) X(readv) X(writev) X(pread64) X(preadv) X(lseek) X(close) X(dup) X(dup2)      \
    X(dup3) X(fcntl) X(ioctl) X(fstat) X(stat) X(lstat) X(newfstatat) X(open) X(openat) X(access)  \
    X(faccessat) X(readlink) X(readlinkat) X(getcwd) X(chdir) X(getdents64) X(pipe) X(pipe2)       \
    X(eventfd) X(eventfd2) X(fsync) X(fdatasync) X(umask)
#define SYSCALL_LIST_MEMORY(X)                                                                     \
    X(mmap) X(munmap) X(mremap) X(mprotect) X(madvise) X(brk) X(msync) X(mincore) X(mlock)         \
    X(munlock) X(mlockall) X(munlockall)
#define SYSCALL_LIST_THREADS(X)                                                                    \
    X(exit) X(exit_group) X(gettid) X(set_tid_address) X(futex) X(tkill) X(tgkill) X(kill)         \
    X(rt_sigaction) X(rt_sigprocmask) X(rt_sigpending) X(rt_sigsuspend) X(rt_sigtimedwait)         \
    X(rt_sigqueueinfo) X(rt_tgsigqueueinfo) X(sigaltstack) X(pause) X(sched_yield)                 \
    X(set_robust_list) X(membarrier) X(sched_getaffinity) X(sched_setaffinity)                     \
    X(sched_getparam) X(sched_setparam) X(sched_getscheduler) X(sched_setscheduler)                \
    X(sched_get_priority_max) X(sched_get_priority_min) X(sched_rr_get_interval) X(getcpu)         \
    X(arch_prctl)
#define SYSCALL_LIST_TIME(X)                                                                       \
    X(clock_gettime) X(clock_getres) X(gettimeofday) X(time) X(nanosleep) X(clock_nanosleep)       \
    X(times) X(alarm) X(getitimer) X(setitimer)
#define SYSCALL_LIST_PROCESS(X)                                                                    \
    X(getpid) X(getppid) X(getuid) X(geteuid) X(getgid) X(getegid) X(getpgid) X(getpgrp) X(getsid) \
    X(setsid) X(setpgid) X(getgroups) X(getresuid) X(getresgid) X(getpriority) X(setpriority)      \
    X(uname) X(getrandom) X(getrlimit) X(setrlimit) X(prlimit64) X(sysinfo) X(getrusage) X(prctl)
/* In poll*.c and epoll*.c. */
#define SYSCALL_LIST_POLL(X)                                                                       \
    X(poll) X(ppoll) X(select) X(pselect6) X(epoll_create) X(epoll_create1) X(epoll_ctl)           \
    X(epoll_wait) X(epoll_pwait)
/* In socket*.c: only programs that link the socket layer have them. */
#define SYSCALL_LIST_SOCKET(X)                                                                     \
    X(socket) X(connect) X(accept) X(accept4) X(sendto) X(recvfrom) X(sendmsg) X(recvmsg)          \
    X(sendmmsg) X(recvmmsg) X(shutdown) X(bind) X(listen) X(getsockname) X(getpeername)            \
    X(socketpair) X(setsockopt) X(getsockopt) X(sendfile)

#define SYSCALL_X(name) SYSCALL(name);
SYSCALL_LIST(SYSCALL_X)
SYSCALL_LIST_SOCKET(SYSCALL_X)
#undef SYSCALL_X

/* Descriptors 0, 1, 2. */
void console_open(void);
/* What the C library's exit leaves in the line buffer. */
void console_flush(void);

/* Names under /dev; -ENOENT for all others. */
struct stat;
int device_open(const char *path, int flags, struct file **file);
int device_path_stat(const char *path, struct stat *stat);

/* NULL-safe: the file behind a descriptor while one call uses it. */
#define FILE_OR_RETURN(name, fd)                                                                   \
    struct file *name = fd_get((int)(fd));                                                         \
    if (name == NULL)                                                                              \
        return -EBADF

#endif
