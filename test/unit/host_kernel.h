/* SPDX-License-Identifier: MIT */
/*
 * The kernel's logic on the host: its own sources over a small pretended machine,
 * so that a test speaks to it exactly as a program does, through rings.
 */
#ifndef HOST_KERNEL_H
#define HOST_KERNEL_H

#include <stdint.h>

#include "../../exo/core.h"
#include "../../exo/env.h"
#include "../../exo/frame.h"
#include "../../exo/space.h"

#define HOST_FRAMES 1024u

/* A fresh machine with one environment that owns everything: one frame of 4-cell slots. */
struct env *host_start(void);
/* A child of it with rings, `quota` frames and `slots` frames of slots of that class. */
struct env *host_child(struct env *parent, uint32_t quota, unsigned slots, unsigned slot_class,
                       uint32_t *handle);

/* Builds cells and crosses. host_plan() begins one; host_op() adds a cell and returns it. */
void host_plan(struct env *env, unsigned flags);
struct exo_op *host_op(struct env *env, unsigned code);
/* Crosses with what was built (not waiting); exo_enter's result. */
long host_enter(struct env *env);
/* Goes on in the kernel as the scheduler would. */
void host_continue(struct env *env);
/* The next completion, or NULL. */
const struct exo_completion *host_completion(struct env *env);

extern uint64_t host_now;         /* what clock_now() says */
extern unsigned host_attention;   /* the core is wanted after that many steps; 0: never */
extern char host_console[4096];   /* what was written there */

/* Everything that must hold between any two crossings; aborts with a message. */
void host_check(void);

#endif
