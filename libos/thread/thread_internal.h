/* SPDX-License-Identifier: MIT */
/*
 * Threads, as the thread layer's own files see them.
 */
#ifndef LIBOS_THREAD_INTERNAL_H
#define LIBOS_THREAD_INTERNAL_H

#include <exo/abi.h>
#include <libos/thread.h>
#include <stddef.h>

enum thread_state { THREAD_RUNNING, THREAD_READY, THREAD_WAITING, THREAD_DEAD };

struct thread {
    uint64_t rsp;     /* saved; switch.S knows that it is first */
    uint64_t fs_base;
    uint32_t nesting; /* libos_nesting while it does not run */
    uint8_t state;
    bool cancelled;   /* SIGCANCEL came: the next wait ends with -EINTR */
    bool signalled;   /* so did a signal with a handler, while it was not running */
    bool no_restart;  /* what SIGCANCEL ended is not tried again */
    bool mask_swapped; /* a call waits with a mask of its own */
    bool in_timers;
    bool computes;    /* it was interrupted at the end of a CPU slot, or by an event */
    bool woken;       /* runs because it was woken, not because it was its turn */
    int result;       /* of thread_wait() */
    int tid;
    struct thread *next, *previous; /* on the ready queue or a wait queue */
    struct wait_queue *queue;
    uint64_t deadline;
    struct thread *heap_child, *heap_next, *heap_previous; /* pairing heap of deadlines */
    const void *futex; /* the word it waits for */
    int *clear_tid;    /* zeroed and woken when it ends */
    struct thread *all_next, *all_previous;
    uint64_t signals_pending, signals_blocked; /* bit s - 1 */
    uint64_t signals_wanted;   /* it waits for these in sigtimedwait() */
    uint64_t signals_kept;     /* blocked again when a call with its own mask ends */
    uint64_t altstack, altstack_bytes; /* for handlers; 0 bytes: none */
    void *vector;      /* XSAVE image, 64-byte aligned */
    /* Of clone(): */
    int (*start)(void *);
    void *argument;
};

extern struct thread *thread_current;
extern struct thread *thread_all; /* the main thread is always last */

void thread_init(void);

/* A thread interrupted outside the libos: lets others run, keeps its vector state, calls
 * handlers of signals that came meanwhile; they may change the registers. */
struct resume;
void thread_preempt(struct resume *resume);
/* The same for completions that came meanwhile: others run only if that woke them. */
void thread_notice(struct resume *resume);
/* Completions, pollers, deadlines that passed; true if somebody is woken now. */
bool thread_service(void);
/* When anything is due: of threads that wait and of pollers. */
uint64_t thread_deadline(void);
/* Gives up the CPU; the caller has put itself wherever it will be found (or nowhere). */
void thread_schedule(void);
/* Makes a waiting thread ready with that result of thread_wait(). */
void thread_ready(struct thread *thread, int result);
void thread_enqueue(struct wait_queue *queue, struct thread *thread);
void thread_dequeue(struct thread *thread);
/* The program ends: pollers send what they still have. */
void thread_last_words(void);
struct thread *thread_find(int tid);
int thread_count(void);
_Noreturn void thread_exit(void);
_Noreturn void thread_unmap_exit(void *base, size_t size);

/* Deadlines (timers.c). */
void timers_add(struct thread *thread);
void timers_remove(struct thread *thread);
struct thread *timers_first(void);

/* A thread computes beside others that wait, until `deadline` at least (prompt.c); and nobody
 * does any more. */
void prompt_begin(uint64_t deadline);
void prompt_end(void);

/* switch.S */
void thread_switch(struct thread *from, struct thread *to);
void thread_start_frame(void);
void thread_started(void);

/* futex.c */
long futex_wait(const int *word, int value, uint64_t deadline);
long futex_wake(const int *word, unsigned count);
long futex_requeue(const int *word, unsigned wake, unsigned move, const int *to);

/* Bytes of an XSAVE image here, a multiple of 64. */
size_t vector_bytes(void);

#endif
