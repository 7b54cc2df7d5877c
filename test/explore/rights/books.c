/* SPDX-License-Identifier: MIT */
/* What was submitted and what was told; and what is in frames that change hands: see rights.h. */
#include <string.h>

#include "rights.h"

#define BOOKS 32u
#define SELF 0xffu

/* One plan. Tags are book << 8 | operation, or SELF. */
struct book {
    uint64_t at;  /* its header in the ring */
    uint32_t operations, quiet, told, failed; /* bit: operation */
    bool open, standing, quiet_plan, self_told;
};

static struct books {
    uint64_t life; /* whose they are: a frame and its generation */
    uint64_t seen; /* completions */
    bool lied;
    struct book book[BOOKS];
} books[ENV_MAX];

static uint8_t state_before[HOST_FRAMES];

#define WINDOW 2048u /* bytes from here on no operation of play.c writes */
#define WINDOW_WORDS 8u

static uint64_t *window(uint32_t frame)
{
    return (uint64_t *)(void *)((char *)frame_memory((frame_t){frame}) + WINDOW);
}

void books_start(void)
{
    memset(books, 0, sizeof books);
    for (unsigned i = 0; i < HOST_FRAMES; i++)
        state_before[i] = frames[i].state;
}

static struct books *books_of(const struct env *env)
{
    struct books *these = &books[env->index];
    uint64_t life = frames[env->frame.number].generation << 16 | env->frame.number;
    if (these->life != life) {
        memset(these, 0, sizeof *these);
        these->life = life;
    }
    return these;
}

void books_lied(const struct env *env) { books_of(env)->lied = true; }

int books_open(const struct env *env, uint64_t at, const struct exo_plan *header, struct exo_op *cells)
{
    struct books *these = books_of(env);
    unsigned number = 0;
    while (number < BOOKS && these->book[number].open)
        number++;
    if (number == BOOKS)
        return -1;
    struct book *book = &these->book[number];
    *book = (struct book){.at = at, .open = true, .standing = header->flags & EXO_PLAN_STANDING,
                          .quiet_plan = header->flags & EXO_PLAN_QUIET};
    for (unsigned i = 0; i < header->cells; i++) {
        cells[i].tag = number << 8 | i;
        book->operations |= 1u << i;
        if (cells[i].flags & EXO_QUIET)
            book->quiet |= 1u << i;
    }
    return (int)number;
}

/* ---- completions ------------------------------------------------------------------------------- */

static void completion_check(struct books *these, const struct exo_completion *completion)
{
    uint64_t number = completion->tag >> 8;
    unsigned operation = completion->tag & 0xff;
    HOLDS(number < BOOKS && these->book[number].open);
    struct book *book = &these->book[number];
    HOLDS(operation == (completion->operation == EXO_PLAN_SELF ? SELF : completion->operation));
    if (operation != SELF) {
        HOLDS(book->operations >> operation & 1);
        HOLDS(book->standing || !(book->told >> operation & 1)); /* told once */
        HOLDS(book->standing || !(book->quiet >> operation & 1) || completion->status);
        book->told |= 1u << operation;
        book->failed |= (uint32_t)(completion->status != 0) << operation;
        return;
    }
    HOLDS(!book->self_told);
    book->self_told = true;
    if (completion->plan)
        return;
    HOLDS(completion->status && !book->told); /* refused: whole */
    *book = (struct book){0};
}

/* What has ended of an admitted plan was told, and nothing else. */
static void plan_books(const struct books *these, const struct plan *plan, bool *there)
{
    HOLDS(plan->tag >> 8 < BOOKS);
    const struct book *book = &these->book[plan->tag >> 8];
    HOLDS(book->open && !there[plan->tag >> 8]);
    there[plan->tag >> 8] = true;
    for (unsigned i = 0; i < plan->cells && !book->standing; i++) {
        const struct op *op = &plan->op[i];
        bool tell = op->state == OP_ENDED && !(plan->unposted >> i & 1) && (op->status || !(op->cell.flags & EXO_QUIET));
        HOLDS((book->told >> i & 1) == tell);
    }
    HOLDS(book->standing || !book->self_told);
}

static void plans_find(const struct env *env, const struct books *these, bool *there)
{
    for (uint32_t i = env->owned; i != FRAME_NONE; i = frames[i].next) {
        if (frames[i].state != FRAME_KERNEL || frames[i].kind != KIND_SLOTS || slots_base(&frames[i]) != i)
            continue;
        char *at = frame_memory((frame_t){i});
        uint64_t size = plan_slot_bytes(slots_class(&frames[i]));
        for (uint64_t left = (uint64_t)slots_frames(&frames[i]) * EXO_PAGE_SIZE; left >= size; left -= size, at += size)
            if (((struct plan *)(void *)at)->admitted)
                plan_books(these, (struct plan *)(void *)at, there);
    }
}

/* A plan that is in no slot has told all: what ended well and quietly alone is not told. */
static void book_close(const struct env *env, struct book *book)
{
    if (book->at >= env->sq_head) { /* not taken: it goes on, or there was no room to refuse it in */
        if (!env->entering && env->state != ENV_STOPPED)
            book->open = false;
        return;
    }
    if (!book->standing) {
        HOLDS((book->told | book->quiet) == book->operations);
        HOLDS(book->self_told == (!book->quiet_plan || book->failed));
    }
    book->open = false;
}

static void env_books(const struct env *env)
{
    struct books *these = books_of(env);
    bool there[BOOKS] = {false};
    if (env->state == ENV_DYING || !env->control || these->lied)
        return;
    for (; these->seen < env->cq_tail; these->seen++)
        completion_check(these, &env->cq[these->seen & (env->cq_size - 1)]);
    plans_find(env, these, there);
    for (unsigned i = 0; i < BOOKS; i++)
        if (these->book[i].open && !there[i])
            book_close(env, &these->book[i]);
}

/* ---- contents -------------------------------------------------------------------------------------- */

static void contents_check(void)
{
    for (unsigned i = 0; i < HOST_FRAMES; i++) {
        const struct frame *frame = &frames[i];
        for (unsigned k = 0; k < WINDOW_WORDS && state_before[i] == FRAME_FREE && frame->state == FRAME_OWNED; k++)
            HOLDS(window(i)[k] == 0);
        for (unsigned k = 0; k < WINDOW_WORDS && frame->state == FRAME_FREE; k++)
            window(i)[k] = 0xa5a5a5a5a5a5a5a5ull;
        state_before[i] = frame->state;
    }
}

void books_check(void)
{
    for (unsigned i = 1; i < env_end; i++)
        if (envs[i])
            env_books(envs[i]);
    contents_check();
}
