/* SPDX-License-Identifier: MIT */
/*
 * Signals, as far as they exist: handlers for faults and for signals that threads of the
 * same program send each other.
 */
#ifndef LIBOS_SIGNAL_INTERNAL_H
#define LIBOS_SIGNAL_INTERNAL_H

#include <exo/abi.h>
#include <stdbool.h>

/* A fault of the program: arranges for its handler to be called when `context` is gone back
 * to. False if there is none. Called in an upcall. */
bool signal_fault(struct exo_context *context);

/* Calls the handlers of what is pending for the calling thread, outside the libos. `rip` is where
 * it was interrupted, 0 when it leaves a system call. */
void signal_deliver(uint64_t rip);

#endif
