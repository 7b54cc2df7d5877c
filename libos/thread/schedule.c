/* SPDX-License-Identifier: MIT */
/*
 * Who runs: the ready queue, waiting and waking, pollers, and what happens when nobody
 * can run. There is no scheduler thread: whoever gives up the CPU
 * looks for the next one on its own stack.
 */
#include <errno.h>
#include <libos/clock.h>
#include <libos/plan.h>

#include "../core/core.h"
#include "../plan/ring.h"
#include "thread_internal.h"

struct thread *thread_current;

/*
 * Those who can run: woken from waiting, and those who gave up the CPU while they could
 * have gone on. The woken come first, so that a request does not queue behind
 * computations; but whenever a CPU slot ends while a woken one runs, the next
 * turn is owed to the others. So neither kind gets less than about half.
 */
static struct wait_queue ready, tired;
static bool owed;

static struct poller *pollers;
static bool kicked;

/* ---- queues ------------------------------------------------------------------- */

void thread_enqueue(struct wait_queue *queue, struct thread *thread)
{
    thread->queue = queue;
    thread->next = NULL;
    thread->previous = queue->last;
    if (queue->last != NULL)
        queue->last->next = thread;
    else
        queue->first = thread;
    queue->last = thread;
}

void thread_dequeue(struct thread *thread)
{
    struct wait_queue *queue = thread->queue;
    if (thread->previous != NULL)
        thread->previous->next = thread->next;
    else
        queue->first = thread->next;
    if (thread->next != NULL)
        thread->next->previous = thread->previous;
    else
        queue->last = thread->previous;
    thread->queue = NULL;
}

void thread_ready(struct thread *thread, int result)
{
    if (thread->queue != NULL)
        thread_dequeue(thread);
    if (thread->in_timers)
        timers_remove(thread);
    thread->result = result;
    thread->state = THREAD_READY;
    thread_enqueue(&ready, thread);
}

/* ---- what needs the CPU besides threads ------------------------------------------ */

void poller_add(struct poller *poller)
{
    poller->next = pollers;
    pollers = poller;
    kicked = true;
}

void poller_kick(void)
{
    kicked = true;
}

/* Completions, pollers, deadlines that passed. */
static void service(void)
{
    completion_dispatch();
    do {
        kicked = false;
        for (struct poller *p = pollers; p != NULL; p = p->next)
            p->poll(p);
    } while (kicked && completion_pending() && completion_dispatch() != 0);
    struct thread *first = timers_first();
    if (first == NULL || first->deadline > clock_tick())
        return;
    uint64_t now = clock_tick();
    while ((first = timers_first()) != NULL && first->deadline <= now)
        thread_ready(first, -ETIMEDOUT);
}

bool thread_service(void)
{
    service();
    return ready.first != NULL;
}

void thread_last_words(void)
{
    service();
    plan_flush();
}

static void slice_end(void)
{
    libos_slice_ended = false;
    owed = owed || thread_current->woken;
}

/* Takes who runs next off its queue; NULL if nobody can run. */
static struct thread *next_take(void)
{
    bool from_tired = tired.first != NULL && (owed || ready.first == NULL);
    struct thread *next = from_tired ? tired.first : ready.first;
    if (next == NULL)
        return NULL;
    owed = owed && !from_tired;
    thread_dequeue(next);
    next->woken = !from_tired;
    next->state = THREAD_RUNNING;
    return next;
}

uint64_t thread_deadline(void)
{
    struct thread *first = timers_first();
    uint64_t deadline = first != NULL ? first->deadline : EXO_NEVER;
    for (struct poller *p = pollers; p != NULL; p = p->next) {
        uint64_t mine = p->deadline(p);
        if (mine < deadline)
            deadline = mine;
    }
    return deadline;
}

/* Nobody can run: waits in the kernel for the next completion or deadline, unless a poller has
 * work. */
static void idle(void)
{
    if (!kicked) {
        prompt_end();
        ring_wait(thread_deadline());
    }
    service();
}

static inline void fs_base_set(uint64_t base)
{
    __asm__ volatile("wrfsbase %0" : : "r"(base));
}

void thread_schedule(void)
{
    struct thread *self = thread_current, *next;
    self->nesting = libos_nesting;
    if (libos_slice_ended) {
        slice_end();
        service(); /* deadlines must pass even if somebody can always run */
    } else if (completion_pending()) {
        service();
    }
    while ((next = next_take()) == NULL)
        idle();
    if (next->computes) /* it was in the middle of it */
        prompt_begin(thread_deadline());
    if (next != self) {
        thread_current = next;
        if (next->fs_base != self->fs_base)
            fs_base_set(next->fs_base);
        thread_switch(self, next);
        /* Here again, as thread_current. */
    }
    libos_nesting = thread_current->nesting;
}

/* ---- the interface ------------------------------------------------------------------ */

void libos_enter(void)
{
    libos_nesting++;
    LIBOS_BARRIER();
}

static __attribute__((noinline)) void leave_slow(void)
{
    if (libos_slice_ended)
        thread_yield();
    else
        service();
}

void libos_leave(void)
{
    LIBOS_BARRIER();
    if (libos_nesting == 1 && (libos_slice_ended || completion_pending()))
        leave_slow();
    LIBOS_BARRIER();
    libos_nesting--;
}

struct thread *thread_self(void)
{
    return thread_current;
}

int thread_wait(struct wait_queue *queue, uint64_t deadline)
{
    struct thread *self = thread_current;
    if (self->cancelled || self->signalled) {
        self->cancelled = self->signalled = false;
        return -EINTR;
    }
    self->state = THREAD_WAITING;
    self->deadline = deadline;
    thread_enqueue(queue, self);
    if (deadline != EXO_NEVER)
        timers_add(self);
    thread_schedule();
    return self->result;
}

unsigned thread_wake(struct wait_queue *queue, unsigned count)
{
    unsigned woken = 0;
    for (; woken < count && queue->first != NULL; woken++)
        thread_ready(queue->first, 0);
    return woken;
}

void thread_yield(void)
{
    libos_enter();
    if (libos_slice_ended)
        slice_end();
    service();
    if (ready.first != NULL || tired.first != NULL) {
        thread_current->state = THREAD_READY;
        thread_enqueue(&tired, thread_current);
        thread_schedule();
    }
    libos_nesting--;
}
