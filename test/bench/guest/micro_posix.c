/* SPDX-License-Identifier: MIT */
/* Primitives that a C program meets, by their POSIX names. */
#include "micro.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096u
/* Of Linux's futex(2), which our libos has as well. */
#define FUTEX_WAIT_PRIVATE 128
#define FUTEX_WAKE_PRIVATE 129

static volatile char *page;

void micro_fail(const char *what)
{
    printf("micro: failed: %s: %d %s\n", what, errno, strerror(errno));
    fflush(stdout);
    exit(1);
}

static void *pages_map(size_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED)
        micro_fail("mmap");
    return at;
}

/* ---- time and memory ---- */

static void clock_read(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
}

static void map_unmap(void)
{
    munmap(pages_map(PAGE), PAGE);
}

static void map_touch_unmap(void)
{
    volatile char *at = pages_map(PAGE);
    *at = 1;
    munmap((void *)at, PAGE);
}

static void protect(void)
{
    static int read_only;
    read_only = !read_only;
    if (mprotect((void *)page, PAGE, read_only ? PROT_READ : PROT_READ | PROT_WRITE))
        micro_fail("mprotect");
}

static void fault_caught(int signal)
{
    (void)signal;
    mprotect((void *)page, PAGE, PROT_READ | PROT_WRITE);
}

/* A write to a read-only page: fault, handler, fix, retry. */
static void fault_fix(void)
{
    mprotect((void *)page, PAGE, PROT_READ);
    *page = 1;
}

MICRO(clock_read, 2000)
MICRO(map_unmap, 1000)
MICRO(map_touch_unmap, 1000)
MICRO(protect, 1000)
MICRO(fault_fix, 500)

/* ---- threads ---- */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int turn;            /* 0: ours, 1: the partner's, -1: the end */
static int baton;           /* the same three, by hand */
static volatile int yielding;
static int pipes[2][2];

static void *handover_partner(void *unused)
{
    pthread_mutex_lock(&mutex);
    while (turn != -1) {
        if (turn == 1) {
            turn = 0;
            pthread_cond_signal(&changed);
        }
        pthread_cond_wait(&changed, &mutex);
    }
    pthread_mutex_unlock(&mutex);
    return unused;
}

/* A turn to another thread and back through a mutex and a condition. */
static void handover(void)
{
    pthread_mutex_lock(&mutex);
    turn = 1;
    pthread_cond_signal(&changed);
    while (turn != 0)
        pthread_cond_wait(&changed, &mutex);
    pthread_mutex_unlock(&mutex);
}

static void baton_give(int to)
{
    __atomic_store_n(&baton, to, __ATOMIC_RELEASE);
    syscall(SYS_futex, &baton, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* Waits while it is `other`'s; what it is then. */
static int baton_wait(int other)
{
    while (__atomic_load_n(&baton, __ATOMIC_ACQUIRE) == other)
        syscall(SYS_futex, &baton, FUTEX_WAIT_PRIVATE, other, NULL, NULL, 0);
    return __atomic_load_n(&baton, __ATOMIC_ACQUIRE);
}

static void *futex_partner(void *unused)
{
    while (baton_wait(0) == 1)
        baton_give(0);
    return unused;
}

/* The same by a futex and nothing around it. */
static void futex_round(void)
{
    baton_give(1);
    baton_wait(1);
}

static void *yield_partner(void *unused)
{
    while (yielding)
        sched_yield();
    return unused;
}

static void yield(void)
{
    sched_yield();
}

static void *pipe_partner(void *unused)
{
    char byte;
    while (read(pipes[0][0], &byte, 1) == 1 && byte)
        if (write(pipes[1][1], &byte, 1) != 1)
            break;
    return unused;
}

static void pipe_round(void)
{
    char byte = 1;
    if (write(pipes[0][1], &byte, 1) != 1 || read(pipes[1][0], &byte, 1) != 1)
        micro_fail("pipe");
}

static void *nothing(void *argument)
{
    return argument;
}

static void thread_create_join(void)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, nothing, NULL) || pthread_join(thread, NULL))
        micro_fail("thread");
}

static void sleep_short(void)
{
    nanosleep(&(struct timespec){0, 100000}, NULL);
}

MICRO(handover, 1000)
MICRO(futex_round, 1000)
MICRO(yield, 1000)
MICRO(pipe_round, 1000)
MICRO(thread_create_join, 200)
MICRO(sleep_short, 200)

static void with_partner(void *(*partner)(void *), void (*run)(void), void (*end)(void))
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, partner, NULL))
        micro_fail("thread");
    run();
    end();
    pthread_join(thread, NULL);
}

static void handover_end(void)
{
    pthread_mutex_lock(&mutex);
    turn = -1;
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&mutex);
}

static void futex_end(void)
{
    baton_give(-1);
}

static void yield_end(void)
{
    yielding = 0;
}

static void pipe_end(void)
{
    char zero = 0;
    if (write(pipes[0][1], &zero, 1) != 1)
        micro_fail("pipe");
}

void micro_posix(void)
{
    page = pages_map(PAGE);
    *page = 1;
    micro_run_clock_read();
    micro_run_map_unmap();
    micro_run_map_touch_unmap();
    micro_run_protect();
    with_partner(handover_partner, micro_run_handover, handover_end);
    with_partner(futex_partner, micro_run_futex_round, futex_end);
    yielding = 1;
    with_partner(yield_partner, micro_run_yield, yield_end);
    if (pipe(pipes[0]) || pipe(pipes[1]))
        micro_fail("pipe");
    with_partner(pipe_partner, micro_run_pipe_round, pipe_end);
    micro_run_thread_create_join();
    micro_run_sleep_short();
}

void micro_signals(void)
{
    struct sigaction action = {.sa_handler = fault_caught};
    sigemptyset(&action.sa_mask);
    sigaction(SIGSEGV, &action, NULL);
    micro_run_fault_fix();
}
