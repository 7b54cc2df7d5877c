/* SPDX-License-Identifier: MIT */
/*
 * Any bytes are operations on frames, programs, channels and queues by several programs, and what happens around them, over
 * the kernel's own code (unit/host_kernel.c): for libFuzzer, and for files that it found. After each of them
 * everything must hold that host_check() knows, and what books.c says of completions and of contents.
 *
 * A record is eight bytes:
 *
 *   0   program:2 | steps before it is interrupted:3 (0: never) | the next record is in the same plan:1 | VPAGE:1 | QUIET:1
 *   1   below 0xc0 an operation, else an event (play.c has both lists)
 *   2-6 its arguments, each by its kind (words.c); for an event what it needs
 *   7   start condition:2 | waits for all before it:1 | for the one before it:1 | arg[0] is that one's result:1 | the handle
 *       is:1 | of a plan's first: standing:1, quiet:1
 */
#ifndef EXPLORE_RIGHTS_H
#define EXPLORE_RIGHTS_H

#include <stdio.h>
#include <stdlib.h>

#include "../../unit/host_kernel.h"

#define RECORD 8u
#define LOOKS(record) ((record)[0] >> 2 & 7u)

/* An operation cell out of a record, for `env` (words.c). False: it makes no sense here. */
bool cell_make(struct env *env, unsigned code, const uint8_t *record, struct exo_op *cell);
/* A child of that program that is not built yet, and its first of three owned frames in a row; 0 if there is none. */
uint32_t child_new(const struct env *env, uint32_t *run);

/* ---- books.c ---- */

#define PLAN_CELLS 16u

/* Nothing was submitted. */
void books_start(void);
/* A place for a plan whose header will be at `at`: the number that its tags begin with, or -1. `cells` get their tags. */
int books_open(const struct env *env, uint64_t at, const struct exo_plan *header, struct exo_op *cells);
/* The program wrote its control page: what is lost is its own loss. */
void books_lied(const struct env *env);
/* After each step: completions are what was submitted, once each; who gets a frame gets it zeroed. */
void books_check(void);

#endif
