/* SPDX-License-Identifier: MIT */
/*
 * An environment: an address space, an account, a handle table and one virtual
 * CPU. It lives in frames that its parent gave for it.
 */
#ifndef EXO_ENV_H
#define EXO_ENV_H

#include <exo/abi.h>
#include <stdbool.h>

#include "frame.h"
#include "list.h"
#include "plan.h"

#define ENV_MAX 64u       /* environments at once; index 0 is the kernel */
#define HANDLES_MAX 128u  /* in one page */

enum env_state {
    ENV_NEW,     /* being built by its parent */
    ENV_RUNNING, /* runnable */
    ENV_WAITING, /* inside exo_enter, for a completion or a tick */
    ENV_STOPPED, /* ended or crashed; can be inspected and killed */
    ENV_DYING,   /* its frames are being walked */
};

struct handle {
    uint8_t kind; /* enum op_kind: K_ENV, K_QUEUE, K_CONSOLE, K_MACHINE; 0 is empty */
    uint8_t zero;
    uint16_t generation; /* of this place in the table */
    uint32_t frame;      /* of the object */
    uint64_t object_generation;
    char label[16];      /* K_CONSOLE */
};

struct env {
    /* First, at offset 0: what the entry code touches (arch/entry.S). */
    struct exo_context context; /* user registers while not running */
    uint64_t fs_base, gs_base;
    uint64_t root;          /* physical address of the top page table */
    void *vector_state;     /* XSAVE image, in a KERNEL frame */

    struct list_node run_link; /* on the scheduler's list of woken environments */
    uint16_t index;
    uint8_t state;          /* enum env_state */
    bool boosted;           /* run_link is in use */
    bool slice_pending;     /* a slot ended since it last ran in user mode */
    bool vector_live;       /* vector_state holds its state (it ran before) */
    bool from_syscall;      /* context came from exo_enter: only part of it is meaningful */
    frame_t frame;          /* of this object; the other EXO_ENV_FRAMES - 1 follow */

    struct exo_control *control; /* NULL until ENV_RINGS */
    struct exo_info *info;
    const struct exo_op *sq;
    struct exo_completion *cq;
    uint64_t sq_size, cq_size, sq_head, cq_tail;
    uint32_t control_frame, sq_frame, cq_frame;
    uint64_t wait_for, deadline;
    uint64_t ended_badly; /* failures during this crossing: exo_enter's result */

    struct env *parent, *children, *sibling; /* tree of who made whom */
    struct handle *handles;
    uint32_t frames_used, frames_reserved, frames_limit;
    uint32_t owned;           /* first frame on its list (all states but ABSENT and FREE) */

    struct plan_pool pool;
    struct list ready;        /* plans with something to do */
    struct list held;         /* plans whose completions found no room */
    struct op *timers;        /* leftist heap, earliest first */
    struct list waiters;      /* ENV_WAIT operations of its parent */
    uint64_t stop[3];         /* reason and two words */

    int64_t credit;           /* ticks of CPU time it may still have at once */
    uint64_t credit_at;       /* when that was last brought up to date */
    uint16_t cpu_slots;
};

_Static_assert(sizeof(struct env) <= EXO_PAGE_SIZE, "one frame");

extern struct env *envs[ENV_MAX];

/* Handles: the object, or NULL. */
struct handle *handle_find(struct env *env, uint32_t handle, enum op_kind kind);
struct env *handle_env(struct env *caller, uint32_t handle, bool allow_self);
/* A free place: its handle number, or 0 when the table is full. */
uint32_t handle_add(struct env *env, enum op_kind kind, frame_t object);

/* Stops a program with a reason; its parent's ENV_WAITs end. */
void env_stop(struct env *env, uint64_t reason, uint64_t word, uint64_t other);
/* A fault or an event for the program: saved in its control page, or stopped. */
void env_fault(struct env *env);
void env_event(struct env *env, unsigned event);

/* What a crossing does: takes the submitted cells. The result for rax, or starts waiting. */
void env_enter(struct env *env, uint64_t submit, uint64_t wait_for, uint64_t deadline);
/* Wakes it if what it waits for is there. */
void env_check_wait(struct env *env);

#endif
