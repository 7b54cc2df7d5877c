/* SPDX-License-Identifier: MIT */
/*
 * Children of a test program. A child begins as a copy: it shares the frozen code, has
 * the data as it was, rings and a stack of its own, and runs one function. There it
 * can build and run plans; the rest of the libos (threads, files, malloc) is not
 * there. Until it sets an upcall entry, its first fault stops it.
 *
 *   static void work(uint64_t n) { child_exit(n + 1); }
 *   ...
 *   struct child child = child_spawn(work, 41, 512);
 *   child_stopped(&child, EXO_STOP_EXIT, 42);
 *   child_kill(&child);
 */
#ifndef TEST_GUEST_CHILD_H
#define TEST_GUEST_CHILD_H

#include "op.h"

struct child {
    uint32_t env;
    uint32_t quota;
    uint16_t places;
    uint64_t control, sq, cq;  /* first frames */
    uint64_t tables_end[4];    /* by level: tables exist up to here, for the addresses asked so far */
};

#define CHILD_QUOTA 160u /* enough for a copy and some memory of its own */

/* ---- step by step; each says what went wrong and counts it ------------------------------- */

/* An environment with that quota and nothing in it. */
bool child_create(struct child *child, uint32_t quota);
/* The same, and it may have so many descendants. */
bool child_create_parent(struct child *child, uint32_t quota, uint16_t places);
/* Tables for pages at an address; addresses must rise from call to call. */
bool child_tables(struct child *child, uint64_t address, uint64_t pages);
/* Fresh pages, `bytes` of them filled. */
bool child_fill(struct child *child, uint64_t address, uint32_t pages, unsigned perm,
                const void *content, size_t bytes);
/* Code, constants and data of this program, the libos's layout around them, rings of
 * `ring_frames` each and `slots` frames of plan slots for 64 cells (0: only small ones). */
bool child_copy(struct child *child, uint32_t ring_frames, uint32_t slots);
bool child_start(struct child *child, void (*run)(uint64_t), uint64_t argument);

/* ---- all at once -------------------------------------------------------------------------- */

struct child child_spawn(void (*run)(uint64_t), uint64_t argument, uint32_t quota);

/* ---- afterwards ----------------------------------------------------------------------------- */

/* Waits until it has stopped; why, and the two words that go with it. */
void child_wait(const struct child *child, uint64_t stop[3]);
/* Waits, and counts a failure if that is not how it ended. */
void child_stopped(const struct child *child, uint64_t reason, uint64_t word);
/* Its memory, while it is stopped: how many bytes there were. */
size_t child_read(const struct child *child, uint64_t address, void *to, size_t bytes);
/* Ends it; its whole quota and its places must come back. */
void child_kill(struct child *child);

/* ---- inside the child ----------------------------------------------------------------------- */

_Noreturn void child_exit(uint64_t status);

#endif
