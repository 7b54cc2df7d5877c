/* SPDX-License-Identifier: MIT */
/* What both sides of RECLAIM need to attack it: asking with a limit of work, looking at accounts, hearing from the child. */
#ifndef ATTACKS_RECLAIM_ASKED_H
#define ATTACKS_RECLAIM_ASKED_H

#include "../../guest/kernel/child.h"

/* RECLAIM in a plan that may take so many steps (0: as many as by default). 0 or an error; how much was taken by force. */
int ask(uint32_t env, uint64_t count, uint64_t deadline, uint32_t work, uint64_t *taken);
/* The account of a child, or of the caller (EXO_SELF). What it says of frames adds up, or this ends the program. */
struct exo_account account_of(uint32_t env);
/* What the child's limit has to spare, taken back: from here on each frame that is asked for is one that it uses. */
struct exo_account squeeze(struct child *child);

/* ---- a way for children to say something ------------------------------------------------------------ */

/* Makes it, once. */
void listen_begin(void);
/* The child's handle to speak with: before it is copied, so that it knows. */
void listen_to(const struct child *child);
/* Waits for what a child says; false if it says nothing for ten seconds. */
bool heard(uint64_t *first, uint64_t *second);
/* In the child. */
void say(uint64_t first, uint64_t second);

#endif
