/* SPDX-License-Identifier: MIT */
/*
 * Writing plans. A plan is built in memory of the caller and submitted in one
 * crossing. Every operation is one inline function (plan_ops.h) whose result is a
 * typed value that later operations take.
 *
 *   struct plan_buffer buffer;
 *   struct plan *plan = plan_begin(&buffer);
 *   struct frame_ref frame = plan_alloc(plan, 1, 0);
 *   plan_map(plan, env_self(), address, frame, 1, EXO_READ | EXO_WRITE);
 *   int error = plan_run(plan);
 *   uint64_t number = plan_value(plan, frame);
 *
 * Operations start in the order in which they are written, each if the one
 * before it ended well; plan_after() and plan_unordered() say otherwise. An
 * operation that takes another's result always waits for that one too.
 *
 * This is the lowest layer of the libos and depends on nothing but abi.h. It never
 * interprets results, and never waits except where its name says so.
 */
#ifndef LIBOS_PLAN_H
#define LIBOS_PLAN_H

#include <exo/abi.h>
#include <stdbool.h>
#include <stddef.h>

/* ---- completions --------------------------------------------------------- */

/* A completion's tag is the address of one of these (or 0: nobody cares). done() is called
 * inside the libos when the completion is taken from the ring; it must not
 * wait and must not fault. */
struct completion_target {
    void (*done)(struct completion_target *self, const struct exo_completion *completion);
};

/* Takes every completion that is there and calls its target. Returns how many. */
unsigned completion_dispatch(void);
/* Whether there are any: two loads, for loops that poll. */
static inline bool completion_pending(void);

/* ---- entering the kernel --------------------------------------------------- */

long exo_enter(uint64_t submit, uint64_t wait_for, uint64_t deadline);

/* ---- values ----------------------------------------------------------------
 *
 * What an operation takes or gives: a number, or the result of an operation
 * of the same plan. One struct a kind, so that a frame cannot be passed for a handle.
 */
struct plan_ref {
    uint64_t word; /* the number, or EXO_REF(...) */
    int16_t op;    /* the operation whose result it is; -1: it is a number */
    uint16_t index; /* which of its results */
};

struct op_ref { struct plan_ref ref; };     /* an operation without result, to wait for */
struct frame_ref { struct plan_ref ref; };  /* a frame number */
struct word_ref { struct plan_ref ref; };   /* any number */
struct tick_ref { struct plan_ref ref; };   /* a TSC tick */
struct length_ref { struct plan_ref ref; }; /* bytes in a buffer */
struct buffer_ref { struct plan_ref ref; }; /* a buffer word */
struct handle_ref { struct plan_ref ref; }; /* a handle; as environment 0 is the caller */

#define PLAN_NUMBER(n) ((struct plan_ref){ .word = (n), .op = -1 })

static inline struct frame_ref frame_number(uint64_t n)
{
    return (struct frame_ref){ PLAN_NUMBER(n) };
}

static inline struct word_ref word_number(uint64_t n)
{
    return (struct word_ref){ PLAN_NUMBER(n) };
}

static inline struct tick_ref tick_number(uint64_t n)
{
    return (struct tick_ref){ PLAN_NUMBER(n) };
}

static inline struct handle_ref handle_number(uint32_t n)
{
    return (struct handle_ref){ PLAN_NUMBER(n) };
}

static inline struct buffer_ref buffer_number(uint64_t word)
{
    return (struct buffer_ref){ PLAN_NUMBER(word) };
}

/* A frame as a buffer word: its first byte. */
static inline struct buffer_ref buffer_frame(struct frame_ref frame)
{
    return (struct buffer_ref){ frame.ref };
}

static inline struct handle_ref env_self(void)
{
    return handle_number(EXO_SELF);
}

/* The frame `n` behind a frame, whether its number is known yet or not. */
static inline struct frame_ref frame_plus(struct frame_ref frame, int32_t n)
{
    if (frame.ref.op < 0)
        frame.ref.word += (uint64_t)(int64_t)n;
    else
        frame.ref.word = EXO_REF(frame.ref.op, frame.ref.index,
                                 (int32_t)(uint32_t)(frame.ref.word >> 16) + n);
    return frame;
}

/* ---- building ---------------------------------------------------------------- */

struct plan_result {
    uint64_t value; /* result word 0 */
    uint32_t more;  /* low half of result word 1 */
    int32_t status; /* 0, or -EXO_E_... */
};

struct plan {
    struct exo_op *cell;         /* [0] is the header */
    struct plan_result *results; /* of plan_run() */
    struct completion_target *target; /* of the operations that follow */
    uint64_t next_after;
    int16_t last;      /* the last operation (not MORE cell), -1 before the first */
    uint16_t count;    /* cells behind the header */
    uint8_t next_flags;
    bool next_set;     /* next_after and next_flags' start condition are for the next one */
    bool quiet, unordered;
};

struct plan_buffer {
    struct plan plan;
    struct plan_result result[EXO_PLAN_MAX];
    struct exo_op cell[EXO_PLAN_MAX + 1];
};

static inline struct plan *plan_begin(struct plan_buffer *buffer)
{
    buffer->plan = (struct plan){ .cell = buffer->cell, .results = buffer->result, .last = -1 };
    buffer->cell[0] = (struct exo_op){ .code = EXO_PLAN };
    return &buffer->plan;
}

/* The completions of the operations that follow go to `target`. */
static inline void plan_target(struct plan *plan, struct completion_target *target)
{
    plan->target = target;
}

/* The operations that follow post no completion when they end well; plan_run() keeps no results of them. */
static inline void plan_quiet(struct plan *plan, bool quiet)
{
    plan->quiet = quiet;
}

/* The operations that follow wait only for those whose results they take. */
static inline void plan_unordered(struct plan *plan, bool unordered)
{
    plan->unordered = unordered;
}

/* The bit of an operation, for plan_after() and plan_cancel(). */
#define plan_bit(typed) plan_ref_bit((typed).ref)

static inline uint64_t plan_ref_bit(struct plan_ref ref)
{
    return ref.op < 0 ? 0 : 1ull << ref.op;
}

/* The next operation waits for those in `operations` (plan_bit(a) | plan_bit(b) ...) instead of
 * the one before it, and starts under `condition` (EXO_START_...). */
static inline void plan_after(struct plan *plan, uint64_t operations, uint8_t condition)
{
    plan->next_after = operations;
    plan->next_flags = (uint8_t)((plan->next_flags & ~EXO_START_MASK) | condition);
    plan->next_set = true;
}

/* The next operation's buffers are named by virtual page. */
static inline void plan_vpage(struct plan *plan)
{
    plan->next_flags |= EXO_VPAGE;
}

/* The plan's own end: flags (EXO_PLAN_...) and where its completion goes (NULL: nowhere;
 * a QUIET plan's good end is not told). */
void plan_flags(struct plan *plan, uint8_t flags, struct completion_target *target);
/* A limit of steps; see abi.h. */
void plan_work(struct plan *plan, uint32_t steps);

/* ---- submitting --------------------------------------------------------------
 *
 * All of them copy the plan into the ring; its buffer can be reused at once.
 * Usable inside and outside the libos (thread.h) and from several threads.
 */

/* Puts it into the ring without entering the kernel: it goes with the next crossing, whoever
 * makes it. For callers that have several. */
void plan_push(struct plan *plan);
/* Enters the kernel with what is in the ring. Returns what exo_enter() does. */
long plan_flush(void);
/* Puts it into the ring and enters. What becomes of it, its targets hear. */
long plan_submit(struct plan *plan);
/* Submits, waits for its end (no other thread runs meanwhile) and keeps the results. 0, or the
 * error of the first operation that failed, or of the refusal. Targets set before are not used. */
int plan_run(struct plan *plan);
/* The pieces of plan_run(), for those who wait in another way: `run` must live until
 * run->ended. */
struct plan_run {
    struct completion_target target;
    struct plan_result *results;
    void (*wake)(struct plan_run *run); /* called at the end, inside the libos; may be NULL */
    int32_t status;                     /* valid when ended */
    int32_t first_error;
    uint16_t bad_cell; /* of a refused plan */
    uint16_t bad_op;   /* the first operation that failed */
    uint16_t missing;  /* results that have not come */
    bool ended;
};
void plan_run_start(struct plan *plan, struct plan_run *run);
int plan_run_error(const struct plan_run *run);

/* What an operation gave, after plan_run(): result word 0, or the low half of word 1. */
#define plan_value(plan, typed) plan_ref_value(plan, (typed).ref)
#define plan_status(plan, typed) ((plan)->results[(typed).ref.op].status)

static inline uint64_t plan_ref_value(const struct plan *plan, struct plan_ref ref)
{
    if (ref.op < 0)
        return ref.word;
    return ref.index == 0 ? plan->results[ref.op].value : plan->results[ref.op].more;
}

/* Donates frames for at least `count` more plan slots that hold plans of that many cells: every
 * plan that has not ended keeps one. plan_run() does so itself when it must. 0 or -EXO_E_... */
int plan_slots_add(unsigned cells, unsigned count);

/* The text of an error, negative or positive, and the name of an operation. */
const char *exo_error_text(int error);
const char *exo_code_name(unsigned code);

/* Called for a caller's bug (too many operations, none at all, a result of another plan, waiting for what is not
 * before): says which operation, by number and name, and stops the program. */
_Noreturn void plan_misuse(const struct plan *plan, const char *what);

/* ---- the page layout that every program has ---------------------------------- */

#define PLAN_CONTROL ((struct exo_control *)EXO_BOOT_CONTROL)
#define PLAN_INFO ((const volatile struct exo_info *)EXO_BOOT_INFO)

static inline bool completion_pending(void)
{
    return PLAN_INFO->cq_tail != PLAN_CONTROL->cq_head;
}

#include <libos/plan_ops.h>

#endif
