/* SPDX-License-Identifier: MIT */
/*
 * The kernel's logic on the host: its own sources over a small pretended machine,
 * so that a test speaks to it exactly as a program does, through rings.
 */
#ifndef HOST_KERNEL_H
#define HOST_KERNEL_H

#include <stdio.h>
#include <stdint.h>

#include "../../exo/core.h"
#include "../../exo/env.h"
#include "../../exo/frame.h"
#include "../../exo/space.h"

#ifndef HOST_FRAMES
#define HOST_FRAMES 1024u
#endif

/* A fresh machine with one environment that owns everything: one frame of 4-cell slots. */
struct env *host_start(void);
/* The same with a network device; again in the same process only after host_stop_nic(), when no queue is left and the
 * device has no packet. */
struct env *host_start_nic(void);
void host_stop_nic(void);
/* The first program out of an image, in a machine with so many free frames (at most HOST_FRAMES - 3). */
struct image;
struct env *host_start_image(const struct image *image, uint32_t frames_of);
/* What the machine ends with (EXO_POWER_...) while `act` goes on; 0 if it does not end. */
unsigned host_end(void (*act)(void));
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

/* Crosses, faults, or (host_leave) is interrupted under the kernel's own scheduler. Return the program that
 * it goes to, NULL if the core idles. */
struct env *host_syscall(struct env *env, uint64_t submit, uint64_t wait_for, uint64_t deadline);
struct env *host_fault(struct env *env, uint64_t vector);
struct env *host_leave(void);
/* Cells that were built for it so far: the `submit` of the next crossing. */
uint64_t host_built(const struct env *env);

/* The device (host_nic.c): a packet arrives; how many of the packets that it has it may be done with. */
void host_nic_receive(const void *packet, uint32_t length);
extern unsigned host_nic_done;
bool host_nic_empty(void);

extern uint64_t host_flushed;     /* flush epoch that a second core has passed; UINT64_MAX: each at once */
extern uint64_t host_armed;       /* the tick that the timer was set to last */
extern uint64_t host_now;         /* what clock_now() says */
extern unsigned host_attention;   /* the core is wanted after that many steps; 0: never */
extern uint32_t host_pinned;      /* a frame with a pin of the test's own; 0: none */
extern uint64_t host_step;        /* how much later it is at every look at the clock */
extern char host_console[4096];   /* what was written there */

extern const char *host_typed;    /* what will be typed there */

/* Ends the test with the place and the condition. */
#define HOLDS(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition);          \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* Everything that must hold between any two crossings, each frame's pins among it; aborts with a message. */
void host_check(void);

#endif
