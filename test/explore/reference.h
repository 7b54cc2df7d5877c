/* SPDX-License-Identifier: MIT */
/*
 * The meaning of plans, written down a second time, as plainly as possible and without a line of the
 * kernel's code: docs/plans.md as a program. It is slow, and it does not know when an interrupt comes: it is
 * told how far to go. The operations it knows are those that world.c pretends.
 */
#ifndef EXPLORE_REFERENCE_H
#define EXPLORE_REFERENCE_H

#include "view.h"

/* What a parked operation waits for. */
enum ref_wait { REF_NOTHING, REF_EVENT, REF_ROOM, REF_DEVICE, REF_TIME };

struct ref_op {
    struct exo_op cell;
    uint64_t result[4];
    uint64_t tick;     /* TIMER: the last one that it waited for */
    uint64_t parked;   /* the how-manieth of all that parked it was */
    uint32_t done;     /* ALLOC: frames */
    int32_t status;
    uint8_t state;     /* enum view_state */
    uint8_t waits;     /* enum ref_wait */
    bool called;       /* its function was, since it started */
    bool ticked;       /* TIMER: there is a last tick */
    bool withdrawn;    /* cancelled while a device has it */
    bool owed;         /* its completion found no room */
};

struct ref_plan {
    uint32_t number; /* 0: none */
    uint32_t cells, slot_class, cap, work, reserved;
    uint64_t id;
    bool standing, quiet, cancelled;
    struct ref_op op[PLAN_OPS];
};

struct ref_post {
    uint64_t tag, result;
    int32_t status;
    uint32_t operation, more;
    bool announces; /* the result is the plan's id */
};

struct ref {
    uint32_t ready[PLANS], ready_count; /* numbers */
    uint32_t held[PLANS], held_count;
    uint32_t frames_used, frames_reserved, frames_limit;
    uint32_t free_slots[4];
    uint64_t now, room;     /* the clock; places in the pretended device's queue */
    const struct exo_op *cells; /* all that were ever submitted */
    uint64_t head, submit;      /* taken, and to take */
    uint64_t posted, read, ring; /* completions; and how many fit */
    bool entering, waiting;
    uint32_t passes; /* standing plans started over since the program could last go on */
    uint64_t wait_for, bad, result;
    uint64_t undone, parked;
    uint32_t running;     /* the number of the plan that runs now, 0 if none does */
    uint32_t fuse; /* looks until the core is wanted */
    bool blown;
    uint32_t posts;
    struct ref_plan plan[PLANS];
    struct ref_post post[POSTS]; /* since ref_begin() */
};

void ref_init(struct ref *ref, uint32_t ring, const uint32_t slots[4], uint32_t frames,
              const struct exo_op *cells);
void ref_copy(struct ref *to, const struct ref *from);
/* Before every one of the following: forgets what was posted; the core will be wanted at the fuse-th look. */
void ref_begin(struct ref *ref, uint32_t fuse);

/* The program crosses; then, until it has nothing to do or the core is wanted, the kernel goes on. */
void ref_enter(struct ref *ref, uint64_t submit, uint64_t wait_for);
void ref_continue(struct ref *ref);
bool ref_runnable(const struct ref *ref);

/* Events. An operation is named by its plan's number and its own. */
struct ref_op *ref_find(struct ref *ref, uint32_t number, unsigned index);
void ref_event(struct ref *ref, uint32_t number, unsigned index, int status);
void ref_wake(struct ref *ref, uint32_t number, unsigned index);
/* The number of a plan with a timer that is due first and the operation; false: none is due. */
bool ref_timer_due(const struct ref *ref, uint64_t now);
void ref_timer_end(struct ref *ref, uint32_t number, unsigned index);

void ref_view(const struct ref *ref, struct view *view);
/* All that its future depends on, as a number; symmetric states have the same. */
uint64_t ref_hash(const struct ref *ref);

/* The form of a plan: 0, or the error with the number of the cell. `known` says whether the
 * program has a handle of the kind ("ENV", ...; "HANDLE" is any). */
int ref_check(const struct exo_op *cells, uint32_t *bad_cell, uint32_t *price,
              bool (*known)(uint32_t handle, const char *kind));
extern bool (*ref_known)(uint32_t handle, const char *kind);

#endif
