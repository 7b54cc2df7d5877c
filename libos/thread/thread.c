/* SPDX-License-Identifier: MIT */
/*
 * Making and ending threads, and what a preempted one needs. Stacks belong to
 * the C library; here is only the small structure behind each.
 */
#include <errno.h>
#include <libos/file.h>
#include <libos/log.h>
#include <libos/mem.h>
#include <libos/plan.h>
#include <sched.h>
#include <string.h>

#include "../core/core.h"
#include "../plan/ring.h"
#include "../posix/signal_internal.h"
#include "thread_internal.h"

static struct thread main_thread;
struct thread *thread_all;
static int last_tid = 1;

/* ---- vector state ------------------------------------------------------------------ */

size_t vector_bytes(void)
{
    size_t bytes = PLAN_INFO->vector_bytes;
    return bytes < 576 ? 576 : (bytes + 63) & ~(size_t)63;
}

/*
 * Handlers use vector registers and can be preempted, so what was interrupted is kept on the
 * stack meanwhile: a handler need not return.
 */
static __attribute__((noinline)) void signals_call(struct thread *self, struct resume *resume)
{
    size_t bytes = vector_bytes();
    void *interrupted = __builtin_alloca_with_align(bytes, 64 * 8);
    memcpy(interrupted, self->vector, bytes);
    libos_nesting = 0;
    LIBOS_BARRIER();
    signal_deliver(resume, interrupted);
    LIBOS_BARRIER();
    libos_nesting = 1;
    memcpy(self->vector, interrupted, bytes);
}

static void vector_save(const struct thread *self)
{
    __asm__ volatile("xsave (%0)" : : "r"(self->vector), "a"(-1), "d"(-1) : "memory");
}

static void vector_restore(const struct thread *self)
{
    __asm__ volatile("xrstor (%0)" : : "r"(self->vector), "a"(-1), "d"(-1) : "memory");
}

/* With its vector state saved. */
static void preempt(struct thread *self, struct resume *resume)
{
    self->computes = true;
    do
        thread_yield();
    while (libos_slice_ended);
    self->computes = false;
    if (self->cancelled || (self->signals_pending & ~self->signals_blocked) != 0)
        signals_call(self, resume);
}

void thread_preempt(struct resume *resume)
{
    libos_nesting = 1;
    LIBOS_BARRIER();
    struct thread *self = thread_current;
    vector_save(self);
    preempt(self, resume);
    vector_restore(self);
    if (thread_all->all_next != NULL)
        prompt_begin(thread_deadline()); /* it is not alone */
    LIBOS_BARRIER();
    libos_nesting = 0;
}

void thread_notice(struct resume *resume)
{
    struct thread *self = thread_current;
    libos_nesting = 1;
    LIBOS_BARRIER();
    vector_save(self); /* whom completions are told, and pollers, are the program's, with vector registers */
    if (thread_service() || libos_slice_ended || self->cancelled ||
        (self->signals_pending & ~self->signals_blocked) != 0)
        preempt(self, resume);
    else
        prompt_begin(thread_deadline());
    vector_restore(self);
    LIBOS_BARRIER();
    libos_nesting = 0;
}

/* ---- their list ------------------------------------------------------------------------ */

static void all_add(struct thread *thread)
{
    thread->all_previous = NULL;
    thread->all_next = thread_all;
    if (thread_all != NULL)
        thread_all->all_previous = thread;
    thread_all = thread;
}

static void all_remove(struct thread *thread)
{
    if (thread->all_previous != NULL)
        thread->all_previous->all_next = thread->all_next;
    else
        thread_all = thread->all_next;
    if (thread->all_next != NULL)
        thread->all_next->all_previous = thread->all_previous;
}

struct thread *thread_find(int tid)
{
    struct thread *thread = thread_all;
    while (thread != NULL && thread->tid != tid)
        thread = thread->all_next;
    return thread;
}

int thread_count(void)
{
    int count = 0;
    for (struct thread *thread = thread_all; thread != NULL; thread = thread->all_next)
        count++;
    return count;
}

/* A thread and its vector image lie in one piece of memory, the image first for its alignment. */
static size_t thread_bytes(void)
{
    return vector_bytes() + sizeof(struct thread) + 64;
}

static struct thread *thread_new(void)
{
    char *memory = libos_alloc(thread_bytes());
    if (memory == NULL)
        return NULL;
    struct thread *thread = (struct thread *)(void *)memory;
    thread->vector = (void *)(((uint64_t)(thread + 1) + 63) & ~63ull);
    return thread;
}

void thread_init(void)
{
    main_thread.tid = last_tid;
    main_thread.state = THREAD_RUNNING;
    main_thread.vector = libos_alloc(vector_bytes() + 64);
    if (main_thread.vector == NULL)
        libos_panic("no memory for the first thread");
    main_thread.vector = (void *)(((uint64_t)main_thread.vector + 63) & ~63ull);
    all_add(&main_thread);
    thread_current = &main_thread;
}

/* ---- clone() ------------------------------------------------------------------------------- */

/* The first thing that a new thread does, inside the libos. */
void thread_started(void)
{
    struct thread *self = thread_current;
    libos_nesting = 1;
    libos_leave();
    int (*start)(void *) = self->start;
    start(self->argument);
    libos_enter();
    thread_exit();
}

static void frame_build(struct thread *thread, void *stack)
{
    uint64_t *top = (uint64_t *)((uint64_t)stack & ~15ull);
    *--top = 0; /* alignment: a function starts with rsp at 8 modulo 16, thread_start_frame pushes */
    *--top = 0;
    *--top = (uint64_t)thread_start_frame;
    for (int i = 0; i < 6; i++)
        *--top = 0; /* rbp, rbx, r12 to r15 */
    uint32_t sse_control;
    uint16_t x87_control;
    __asm__ volatile("stmxcsr %0" : "=m"(sse_control));
    __asm__ volatile("fnstcw %0" : "=m"(x87_control));
    *--top = sse_control | (uint64_t)x87_control << 32;
    thread->rsp = (uint64_t)top;
}

#define CLONE_NEEDED (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD)

/* As musl's: (function, stack, flags, argument, parent tid, thread pointer, child tid). */
int __clone(int (*start)(void *), void *stack, int flags, void *argument, int *parent_tid, void *tls,
            int *child_tid);
int __clone(int (*start)(void *), void *stack, int flags, void *argument, int *parent_tid, void *tls,
            int *child_tid)
{
    if ((flags & CLONE_NEEDED) != CLONE_NEEDED)
        return -ENOSYS; /* another process */
    libos_enter();
    struct thread *thread = thread_new();
    if (thread == NULL) {
        libos_leave();
        return -EAGAIN;
    }
    thread->tid = ++last_tid;
    thread->start = start;
    thread->argument = argument;
    thread->fs_base = (flags & CLONE_SETTLS) != 0 ? (uint64_t)tls : thread_current->fs_base;
    thread->nesting = 1;
    thread->signals_blocked = thread_current->signals_blocked;
    if ((flags & CLONE_CHILD_CLEARTID) != 0)
        thread->clear_tid = child_tid;
    if ((flags & CLONE_PARENT_SETTID) != 0)
        *parent_tid = thread->tid;
    if ((flags & CLONE_CHILD_SETTID) != 0)
        *child_tid = thread->tid;
    frame_build(thread, stack);
    all_add(thread);
    int tid = thread->tid;
    thread_ready(thread, 0);
    libos_leave();
    return tid;
}

int __set_thread_area(void *pointer);
int __set_thread_area(void *pointer)
{
    thread_current->fs_base = (uint64_t)pointer;
    __asm__ volatile("wrfsbase %0" : : "r"(pointer));
    return 0;
}

/* ---- the end ----------------------------------------------------------------------------------- */

/*
 * On the dying thread's stack, inside the libos. The word is zeroed and its waiter made ready
 * here, but nobody runs (and frees this stack) before thread_schedule() has left it for good.
 */
void thread_exit(void)
{
    struct thread *self = thread_current;
    if (self->clear_tid != NULL) {
        *self->clear_tid = 0;
        futex_wake(self->clear_tid, 1);
    }
    all_remove(self);
    if (thread_all == NULL)
        program_exit(0);
    self->state = THREAD_DEAD;
    /* The switch still writes to it, so it is freed when the next one ends. */
    static struct thread *dead;
    if (dead != NULL && dead != &main_thread)
        libos_free(dead, thread_bytes());
    dead = self;
    thread_schedule();
    __builtin_unreachable();
}

/* On the exit stack: the thread's own is unmapped first. */
void thread_unmap_exit(void *base, size_t size)
{
    mem_munmap((uint64_t)base, size);
    thread_exit();
}
