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
#define ENV_WAITERS 16u   /* that one stop wakes */

enum env_state {
    ENV_NEW,     /* being built by its parent */
    ENV_RUNNING, /* runnable */
    ENV_WAITING, /* inside exo_enter, for a completion or a tick */
    ENV_STOPPED, /* ended or crashed; can be inspected and killed */
    ENV_DYING,   /* its frames are being walked */
};

struct handle {
    uint8_t kind; /* enum op_kind: K_ENV and the kinds behind it; 0 is empty */
    uint8_t zero;
    uint16_t generation; /* of this place in the table */
    uint32_t frame;      /* of the object; K_CONSOLE: whether it reads, too */
    uint64_t object_generation;
    char label[16];      /* K_CONSOLE */
};

struct env {
    /* First, at offset 0: what the entry code touches (arch/trap.S). */
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
    bool completion_event;  /* completions came while it was running */
    frame_t frame;          /* of this object; the other EXO_ENV_FRAMES - 1 follow */

    struct exo_control *control; /* NULL until ENV_RINGS */
    struct exo_info *info;
    const struct exo_op *sq;
    struct exo_completion *cq;
    uint64_t sq_size, cq_size, sq_head, cq_tail;
    uint32_t control_frame, sq_frame, cq_frame;
    uint64_t submit, wait_for, deadline; /* of the crossing it is in */
    uint64_t ended_badly; /* failures during this crossing: exo_enter's result */
    bool entering;        /* has not taken all cells of the crossing yet */
    bool timer_due;       /* as of the last look: its earliest timer ends when it is picked */
    uint32_t timer_rounds;    /* in which its due timers were not all ended */
    uint32_t tx_in_flight; /* packets that the NIC still reads from its frames (net/nic.c) */

    struct env *parent, *children, *sibling; /* tree of who made whom */
    struct handle *handles;
    uint32_t frames_used, frames_reserved, frames_limit;
    uint16_t places;          /* descendants it may still make: indexes of envs[] are an account too */
    struct op *reclaim;       /* its parent's RECLAIM under way (reclaim.c) */
    struct list reclaim_waiters; /* its own RECLAIM_WAIT operations */
    bool reclaim_untold;      /* and none of them was told of this one */
    bool seized;              /* its memory is being taken: it does not run */
    uint32_t owned;           /* first frame on its list (all states but ABSENT and FREE) */

    struct plan_pool pool;
    struct list ready;        /* plans with something to do */
    uint32_t passes;          /* standing plans that started over since it could last go on */
    struct list held;         /* plans whose completions found no room */
    struct op *timers;        /* leftist heap, earliest first */
    struct list waiters;      /* ENV_WAIT operations of its parent */
    uint64_t stop[3];         /* reason and two words */

    uint8_t kill_phase;       /* kill.c */
    uint64_t kill_cursor;

    int64_t credit;           /* ticks of CPU time it may still have at once */
    uint64_t credit_at;       /* when that was last brought up to date */
    uint16_t cpu_slots;
};

_Static_assert(sizeof(struct env) <= EXO_PAGE_SIZE, "one frame");

extern struct env *envs[ENV_MAX];
extern unsigned env_end; /* one past the highest index in use */

/* A run of KIND_SLOTS frames, which nobody can map: each frame's `rights` is the first frame of the run,
 * its `writable` is frames | class << 8. */
static inline uint32_t slots_base(const struct frame *frame) { return frame->rights; }
static inline uint32_t slots_frames(const struct frame *frame) { return frame->writable & 0xffu; }
static inline unsigned slots_class(const struct frame *frame) { return frame->writable >> 8; }

/* Handles: the object, or NULL. */
#define CONSOLE_READS ((frame_t){1})
struct handle *handle_find(struct env *env, number_t handle, enum op_kind kind);
struct env *handle_env(struct env *caller, number_t handle, bool allow_self);
/* A free place: its handle number, or 0 when the table is full. */
uint32_t handle_add(struct env *env, enum op_kind kind, frame_t object);
/* Forgets a handle; a queue with no handle left ends, and so does one direction of a channel. */
void handle_drop(struct handle *entry);

/* Makes an environment of EXO_ENV_FRAMES consecutive zeroed frames that are on nobody's list. Its account
 * gets `quota`, those frames included, and `places`; moving them is the caller's business, who had a
 * place for it. */
struct env *env_create(struct env *parent, frame_t first, uint32_t quota, uint16_t places);
/* Sets the rings, from frames that are the environment's and not mapped or pinned otherwise. */
void env_set_rings(struct env *env, frame_t control, frame_t sq, uint32_t sq_frames, frame_t cq,
                   uint32_t cq_frames);
/* Turns owned, idle frames of it into plan slots; returns how many. */
unsigned env_donate_slots(struct env *env, frame_t first, uint32_t count, unsigned slot_class);
/* Lets it run from there. */
void env_start(struct env *env, uint64_t rip, uint64_t rsp, uint64_t argument);
/* One bounded step of taking a dead environment apart (kill.c); true when nothing of it is left. */
bool env_destroy_step(struct env *env);

/* Stops a program with a reason; its parent's ENV_WAITs end. */
void env_stop(struct env *env, uint64_t reason, uint64_t word, uint64_t other);
/* A fault or an event for the program: saved in its control page, or stopped. */
void env_fault(struct env *env);
void env_event(struct env *env, unsigned event);

/* Begins a crossing. */
void env_enter(struct env *env, uint64_t submit, uint64_t wait_for, uint64_t deadline);
/* Goes on with whatever it has to do in the kernel: ready plans, cells not taken yet, waiting. True
 * if it can go back to user mode now. */
bool env_continue(struct env *env);
/* It has something to do, in user mode or in the kernel. */
bool env_runnable(const struct env *env);

/* Shows the account on the info page: after every change of it. */
static inline void account_show(const struct env *env)
{
    env->info->frames_used = env->frames_used;
    env->info->frames_limit = env->frames_limit;
    env->info->places = env->places;
}

/* The account. Charging fails when used + reserved + n would be beyond the limit. */
bool env_charge(struct env *env, uint64_t n);
bool env_reserve(struct env *env, uint32_t n);
void env_uncharge(struct env *env, uint64_t n);

/* A child whose parent wants frames back has some more that are not used: ends the RECLAIM if they are enough. */
void reclaim_look(struct env *child);
static inline void env_account_fell(struct env *env)
{
    if (env->reclaim)
        reclaim_look(env);
}
/* A child that is being reclaimed from begins to die. */
void reclaim_abort(struct env *child);

#endif
