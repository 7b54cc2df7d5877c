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

struct env;

enum op_state {
    OP_WAITING, /* its start condition is not met yet */
    OP_READY,   /* started, between steps, or woken */
    OP_PARKED,  /* on a wait list or in a heap */
    OP_ENDED,
    OP_CELL, /* an EXO_MORE cell */
};

/* What an operation's function returns, besides 0 and -EXO_E_...: */
#define OP_PARK 1  /* it is on some wait list now; op_end() or op_wake() comes later */
#define OP_AGAIN 2 /* one step done; call again */

struct op {
    struct exo_op cell; /* references already resolved once it has started */
    uint64_t result[4];
    union {
        struct list_node wait; /* on an object's wait list */
        struct {
            struct op *left, *right, *parent; /* in its environment's timer heap */
        } heap;
        uint64_t step[3]; /* progress of an operation between steps, while not parked */
    };
    int32_t status;
    uint8_t state; /* enum op_state */
    uint8_t rank;  /* timer heap */
    uint8_t index; /* in its plan: op - index is plan->op */
    uint8_t where; /* enum op_where: how to take it off when it is cancelled */
};

enum op_where { WHERE_NONE, WHERE_LIST, WHERE_HEAP, WHERE_DEVICE };

_Static_assert(sizeof(struct op) == 128, "a plan slot is 128 bytes a cell");

struct plan {
    struct env *env;
    struct list_node link;     /* env->ready, env->held, or the pool's free list */
    uint64_t tag;
    uint64_t waiting, parked, ended, failed; /* bit i: operation i */
    uint64_t unposted;         /* ended, and its completion found no room */
    uint32_t work;             /* steps left */
    uint32_t work_cap;
    uint32_t reserved;         /* frames of quota reserved at the door */
    uint16_t id, generation;
    uint8_t cells, flags, class_index;
    uint8_t on_ready;          /* link is on env->ready */
    uint8_t cancelled;
    uint8_t zero[3];
    struct plan *next_by_id;   /* all slots of an environment */
    struct op op[];
};

_Static_assert(sizeof(struct plan) == 128, "one cell of a plan slot");

/* Slots by class. A donated run of frames is cut into as many as fit. */
#define PLAN_CLASSES 4u
extern const uint8_t plan_class_cells[PLAN_CLASSES]; /* 4, 16, 32, 64 */

struct plan_pool {
    struct list free[PLAN_CLASSES];
    struct plan *all;   /* by next_by_id */
    uint16_t count;     /* ids given */
    uint16_t in_flight; /* plans admitted and not ended */
};

void plan_pool_init(struct plan_pool *pool);
/* Cuts memory into slots; returns how many (0: too small). */
unsigned plan_pool_add(struct plan_pool *pool, void *memory, size_t bytes, unsigned class_index);

/* One line of the operation table. */
struct op_info {
    const char *name;
    uint8_t handle;    /* enum op_kind of handle */
    uint8_t arg[5];    /* enum op_kind */
    uint8_t result[4]; /* enum op_kind */
    int (*run)(struct plan *plan, struct op *op);
    /* Takes a parked operation out of wherever it waits (where == WHERE_DEVICE). */
    void (*cancel)(struct plan *plan, struct op *op);
};

enum op_kind {
    K_ZERO, K_NONE = K_ZERO, K_WORD, K_FRAME, K_COUNT, K_ADDR, K_PERM, K_BUF, K_TICK, K_SMALL,
    K_HANDLE, K_ENV, K_QUEUE, K_CONSOLE, K_MACHINE,
};

extern const struct op_info op_table[EXO_CODE_END]; /* name == NULL: no such code */

/* Checks the form of a plan: `cells` are the kernel's copy of the operation cells.
 * 0, or -EXO_E_... with the number of the offending cell (0: the header). */
int plan_check(const struct exo_plan *header, const struct exo_op *cells, unsigned *bad_cell);

/* Takes a slot for a checked plan, or -EXO_E_NO_SLOT / -EXO_E_QUOTA. */
int plan_admit(struct env *env, const struct exo_plan *header, const struct exo_op *cells,
               struct plan **admitted);

/* Runs everything that can run now; returns when the plan has ended or parked, or the
 * core has to attend to something (then it is on env->ready). */
void plan_run(struct plan *plan);

/* An event for a parked operation: it ends with that status, or (op_wake) its function is
 * called again in its owner's time. O(1): the plan goes on its owner's ready list. The operation is
 * off its wait list already. */
void op_end(struct op *op, int status);
void op_wake(struct op *op);
/* Parks an operation on a list; the operation's function then returns OP_PARK. */
void op_park(struct op *op, struct list *list);
struct plan *op_plan(struct op *op);

/* Ends every operation of a plan that has not ended, CANCELLED. */
unsigned plan_cancel(struct plan *plan, uint64_t operations);

/* Posts what was held back for want of room; called when the program has taken completions. */
void plan_post_held(struct env *env);

/* Supplied by the environment layer (env.c, or the test harness): */
bool env_post(struct env *env, const struct exo_completion *completion); /* false: ring full */
bool core_attention(void); /* an interrupt wants the core: leave the executor */

#endif
