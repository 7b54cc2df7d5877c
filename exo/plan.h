/* SPDX-License-Identifier: MIT */
/*
 * Plans inside the kernel: a checked copy of what a program submitted, in a plan
 * slot that the program paid for, and the executor that runs it. Free of
 * hardware: it builds on the host under the tests. See docs/plans.md.
 */
#ifndef EXO_PLAN_H
#define EXO_PLAN_H

#include <exo/abi.h>
#include <stdbool.h>
#include <stddef.h>

#include "list.h"
#include "number.h"

struct env;

enum op_state {
    OP_WAITING, /* its start condition is not met yet */
    OP_READY,   /* started: its function is to be called (again) */
    OP_PARKED,  /* on a wait list, in a heap or with a device */
    OP_ENDED,
    OP_CELL,    /* an EXO_MORE cell */
};

/* Where a parked operation waits, so that it can be taken off. */
enum op_where { WHERE_NONE, WHERE_LIST, WHERE_TIMERS, WHERE_DEVICE };

/* What an operation's function returns, besides 0 and -EXO_E_...: */
#define OP_PARK 1  /* parked by op_park() or a device: op_end() or op_wake() comes later */
#define OP_AGAIN 2 /* one step done; call again */

struct op {
    union {
        struct exo_op cell; /* as submitted; read arguments with op_arg(), which follows references */
        uint64_t word[8];
    };
    union {
        struct {
            uint64_t result[4];
            union {
                struct list_node wait; /* while parked on a list */
                struct {
                    struct op *left, *right, *parent; /* while in the timer heap */
                } heap;
                uint64_t step[3]; /* progress between steps, while not parked; 0 at the start */
            };
        };
        uint32_t held[14]; /* while parked with a device: what that holds */
    };
    union {
        struct {
            int16_t status;
            uint8_t state; /* enum op_state */
            uint8_t where; /* enum op_where */
        };
        uint32_t fate; /* all three: OP_FATE(state) with status 0 and WHERE_NONE */
    };
    uint8_t rank;  /* in the timer heap */
    uint8_t index; /* in its plan */
};

#define OP_FATE(state) ((uint32_t)(state) << 16)

_Static_assert(sizeof(struct op) == 128, "a plan slot is 128 bytes a cell");

struct plan {
    struct env *env;
    struct list_node link; /* env->ready while on_ready; the pool's free list while free */
    struct list_node held; /* env->held while unposted is not 0 */
    uint64_t tag;
    uint64_t waiting, runnable, ended, failed; /* bit i: operation i. Parked: none of them */
    uint64_t unposted;  /* ended, and the completion found no room */
    uint32_t work;      /* steps left */
    uint32_t work_cap;
    uint32_t reserved;  /* frames of quota reserved at the door and not used yet */
    uint16_t generation;
    uint8_t cells, flags, slot_class;
    bool on_ready, busy;
    uint8_t cancelled, admitted;
    bool straight;       /* no condition but "all before it ended well", no MORE cell, no CANCEL */
    uint64_t operations; /* bit i: cell i is an operation, not EXO_MORE */
    uint32_t number;     /* physical address / 128: half of its id */
    uint32_t zero;
    struct op op[];
};

_Static_assert(sizeof(struct plan) == 128, "one cell of a plan slot");

/* Slots by class: 4, 16, 32, 64 cells. A donated run of frames is cut into as many as fit. */
#define PLAN_CLASSES 4u
extern const uint8_t plan_class_cells[PLAN_CLASSES];

struct plan_pool {
    struct list free[PLAN_CLASSES];
    uint32_t slots; /* all of them: free, and in use */
};

void plan_pool_init(struct plan_pool *pool);
/* Cuts zeroed memory into slots; returns how many (0: too small). */
unsigned plan_pool_add(struct plan_pool *pool, void *memory, uint64_t bytes, unsigned slot_class);
static inline uint64_t plan_slot_bytes(unsigned slot_class)
{
    return (plan_class_cells[slot_class] + 1u) * sizeof(struct op);
}

enum op_kind {
    K_ZERO, K_NONE = K_ZERO, K_WORD, K_FRAME, K_COUNT, K_ADDR, K_PERM, K_BUF, K_TICK, K_SMALL,
    K_HANDLE, K_ENV, K_QUEUE, K_CONSOLE, K_MACHINE, K_SENDER, K_RECEIVER,
};

/* One line of the operation table (ops.c). */
struct op_info {
    /* The door's sieve. A cell is well formed if its first word with all of OP_LOOSE set is `exact`, the first
     * two arguments have no forbidden bit, the others are 0, and it waits for nothing doubtful. Other
     * cells may be good as well: plan_check() looks at them. `exact` 0: at all of this code. */
    uint64_t exact, forbidden[2];
    const char *name; /* NULL: no such code */
    int (*run)(struct plan *plan, struct op *op);
    /* Called for an operation that started and is cancelled before it ended, parked or between
     * steps: gives back what it holds. The executor itself takes it off lists and the timer
     * heap. An operation that a device still holds (WHERE_DEVICE) stays parked and
     * ends with op_end(op, -EXO_E_CANCELLED) when the device is done. */
    void (*cancel)(struct plan *plan, struct op *op);
    uint8_t handle;   /* enum op_kind */
    uint8_t arg[5], result[4];
    uint8_t from_one; /* bit k: argument k is at least 1, and forbidden bits are of one less */
    bool waits;       /* can park: a standing plan must descend from such operations */
    bool more;        /* takes EXO_MORE cells */
    int8_t price;     /* the argument that is a number of frames to reserve, or -1 */
};

_Static_assert(sizeof(struct op_info) == 64, "a shift finds it");

#define OP_LOOSE ((EXO_QUIET | EXO_VPAGE) << 8)
#define OP_INFOS 64u /* a power of two */
extern const struct op_info op_infos[OP_INFOS];
extern const uint64_t op_forbidden[OP_INFOS][3]; /* of the last three arguments, for plan_check() */

static inline struct plan *op_plan(struct op *op)
{
    return (struct plan *)(void *)((char *)(op - op->index) - offsetof(struct plan, op));
}

/* Argument k, through its reference if it is one. */
static inline number_t op_arg(struct op *op, unsigned k)
{
    uint64_t word = op->cell.arg[k];
    if (!(op->cell.uses >> k & 1))
        return number_of(word);
    const struct op *from = &(op - op->index)[word & 0xff];
    return number_of(from->result[word >> 8 & 3] + (uint64_t)(int64_t)(int32_t)(uint32_t)(word >> 16));
}

/* A COUNT, PERM or SMALL: no result has such a kind, so it is no reference and in its range since the door. */
static inline uint32_t op_constant(const struct op *op, unsigned k)
{
    return (uint32_t)op->cell.arg[k];
}

/* The handle, through its reference if it is one. */
static inline number_t op_handle(struct op *op)
{
    if (!(op->cell.uses >> 5 & 1))
        return number_of(op->cell.handle);
    const struct op *from = &(op - op->index)[op->cell.arg[4] & 0xff];
    return number_of(from->result[op->cell.arg[4] >> 8 & 3]);
}

/* Takes one plan from the ring at `index`, with at most `available` cells there, admits and runs it.
 * Returns the cells consumed, or 0 when the completion ring has no room to refuse it. */
uint64_t plan_submit(struct env *env, uint64_t index, uint64_t available);

/* Runs everything that can run now. Returns when the plan has ended, everything left of it
 * waits, or the core is wanted (then the plan is on env->ready). */
void plan_run(struct plan *plan);

/* An event for a parked operation, which is off its list already: it ends with that status (results
 * are set), or its function is called again, in its owner's time. O(1). Completions come in the order of
 * these calls, as long as the ring has room. */
void op_end(struct op *op, int status);
void op_wake(struct op *op);
/* Parks an operation on a list; its function then returns OP_PARK. */
void op_park(struct op *op, struct list *list);
/* Takes the first parked operation off a list, or NULL. */
struct op *op_unpark(struct list *list);

/* Cancels those operations that have not ended, but not `by`, which asks for it; returns how many.
 * All of them (~0): a standing plan does not start over either. */
unsigned plan_cancel(struct plan *plan, uint64_t operations, const struct op *by);
/* The plan of that id in the environment, or NULL. */
struct plan *plan_find(struct env *env, number_t id);

/* Posts what was held back; called when the program has taken completions. */
void plan_post_held(struct env *env);
/* A dead environment's slot: cancels everything at once, posts nothing. False while a
 * device still holds an operation of it. */
bool plan_abandon(struct plan *plan);

/* Timers: one leftist heap per environment, by deadline (timer.c). */
void timer_add(struct env *env, struct op *op);
void timer_remove(struct env *env, struct op *op);
/* Ends those due at `now`, at most `budget`; true if the budget ran out. */
bool timer_expire(struct env *env, uint64_t now, unsigned budget);

bool env_room(const struct env *env); /* for one more completion */
bool env_post(struct env *env, const struct exo_completion *completion); /* false: ring full */

/* Supplied by the layer around the executor (crossing.c and sched.c, or a test harness): */
void env_woken(struct env *env); /* it has a plan on env->ready */
uint32_t memory_slot(const void *memory); /* physical address / 128 */

static inline uint32_t plan_slot_number(const struct plan *plan) { return plan->number; }

#endif
