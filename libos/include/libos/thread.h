/* SPDX-License-Identifier: MIT */
/*
 * User-level threads on the environment's one virtual CPU, preempted at the end of
 * a CPU slot. Libos code runs between libos_enter() and libos_leave(): there it
 * is never preempted, so its data needs no other lock. It gives the CPU away
 * only in thread_wait().
 */
#ifndef LIBOS_THREAD_H
#define LIBOS_THREAD_H

#include <stdbool.h>
#include <stdint.h>

struct thread;

/* A queue of threads that wait for one thing. Zero is an empty queue. */
struct wait_queue {
    struct thread *first, *last;
};

/* Nesting is allowed. libos_leave() at the outermost level yields if a slot ended meanwhile,
 * and polls when completions are there. */
void libos_enter(void);
void libos_leave(void);

struct thread *thread_self(void);

/* Parks the calling thread (inside the libos) until a wake or the tick `deadline` (EXO_NEVER: none).
 * Returns 0, -ETIMEDOUT, or -EINTR when a cancellation signal is pending. Spurious
 * wakes do not happen, but the condition may be gone again: callers loop. */
int thread_wait(struct wait_queue *queue, uint64_t deadline);
/* Makes up to `count` of them ready, in order; returns how many. */
unsigned thread_wake(struct wait_queue *queue, unsigned count);
/* Runs a plan to its end as plan_run() does, but only the calling thread waits. */
struct plan;
int thread_run(struct plan *plan);
/* Lets others run. */
void thread_yield(void);

/*
 * Something that needs the CPU besides threads: a network stack. The scheduler calls
 * poll() (inside the libos) after completions were dispatched and when a deadline
 * passed, and, before it waits in the kernel, deadline() for the tick at which it
 * must be called again (EXO_NEVER: only for completions).
 */
struct poller {
    void (*poll)(struct poller *self);
    uint64_t (*deadline)(struct poller *self);
    struct poller *next;
};
void poller_add(struct poller *poller);

/* Marks that a poller has work although no completion came. */
void poller_kick(void);

#endif
