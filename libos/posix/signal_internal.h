/* SPDX-License-Identifier: MIT */
/*
 * Signals: handlers for faults and for signals that the program sends itself.
 */
#ifndef LIBOS_SIGNAL_INTERNAL_H
#define LIBOS_SIGNAL_INTERNAL_H

#include <exo/abi.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <ucontext.h>

/* A fault of the program: arranges for its handler to be called when `context` is gone back
 * to. False if there is none. Called in an upcall. */
bool signal_fault(struct exo_context *context);

/* Calls the handlers of what is pending for the calling thread, outside the libos. `resume` is
 * what was interrupted, with its vector state; NULL when it leaves a system call. True if a
 * handler ran and all that ran want interrupted calls to be tried again. */
struct resume;
struct thread;
bool signal_deliver(struct resume *resume, void *vector);

/* A handler with SA_RESTART was set up once. */
extern bool signal_restarts;

/* Sends to the whole program: to a thread that waits for it or does not block it. */
long signal_send_program(long signal);

/* For calls that wait with a mask of their own (NULL: they do not): sets it; and what to return
 * when they have waited. Libos code. */
void signal_mask_swap(const uint64_t *set);
long signal_mask_back(long result);

/* ---- between the files of signals ----------------------------------------------- */

#define SIGNALS 64
#define SIGCANCEL 33

/* As the C library passes it to rt_sigaction(). */
struct action {
    union {
        void (*handler)(int);
        void (*action)(int, siginfo_t *, void *);
    };
    unsigned long flags;
    void (*restorer)(void);
    uint64_t mask;
};

static inline uint64_t signal_bit(int signal)
{
    return 1ull << (signal - 1);
}

extern struct action signal_actions[SIGNALS + 1];

static inline bool signal_is_handled(int signal)
{
    return signal_actions[signal].handler != SIG_DFL && signal_actions[signal].handler != SIG_IGN;
}

bool signal_is_ignored(int signal);
/* What the thread blocks from now on; what was sent to the program and is blocked no more is its to take. */
void signal_mask_set(struct thread *self, uint64_t mask);
/* Where the last signal of that number came from. */
void signal_info_fill(siginfo_t *info, int signal);

/* Calls the handler on this stack or, if it asks for it, on the thread's alternate one; sets the
 * mask before and behind it. True if it was set up with SA_RESTART. */
bool signal_handler_call(int signal, siginfo_t *info, ucontext_t *context);
void signal_context_export(ucontext_t *to, const struct exo_context *from);
void signal_context_import(struct exo_context *to, const ucontext_t *from);
/* Whether a stack pointer lies in the calling thread's alternate stack. */
bool signal_on_altstack(uint64_t rsp);

#endif
