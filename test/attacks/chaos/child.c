/* SPDX-License-Identifier: MIT */
/*
 * Children that submit plans which may do anything to themselves: exit, unmap their code, free their memory, name
 * themselves as a child. A child is a page of code and a ring that its parent has filled; it crosses once, and again if the ring is
 * full. Meanwhile it is asked for memory, and in the end killed, in whatever it is.
 */
#include <string.h>

#include "chaos.h"

#define RING_FRAMES 4u
#define CQ_FRAMES 2u
#define SLOT_FRAMES 4u
#define CELLS (RING_FRAMES * EXO_PAGE_SIZE / sizeof(struct exo_op))
#define QUOTA 64u

/* The rest of its run is for it to play with. */
enum { TABLES, CODE_FRAME = 3, CONTROL, SQ, CQ = SQ + RING_FRAMES, SLOTS = CQ + CQ_FRAMES };

static struct exo_op *const window_sq = (struct exo_op *)(WINDOW + PAGE);

/* rdi, rsi, rdx = submit, 0, 0 (or wait for ever); syscall; again. */
static void code_write(uint8_t *code, uint64_t submit, uint64_t wait_for, uint64_t deadline)
{
    const uint64_t words[] = {submit, wait_for, deadline};
    const uint8_t opcode[] = {0xbf, 0xbe, 0xba};
    for (unsigned i = 0; i < 3; i++, code += 10) {
        code[0] = 0x48, code[1] = opcode[i];
        memcpy(code + 2, &words[i], 8);
    }
    const uint8_t end[] = {0x0f, 0x05, 0xeb, 0xde};
    memcpy(code, end, sizeof(end));
}

/* Fills the ring; how many cells there are. Its last words, if it comes so far, are ENV_EXIT. */
static uint64_t ring_fill(uint64_t own)
{
    static struct exo_op cells[16];
    uint64_t count = 0;
    while (count + 12 < CELLS) {
        unsigned now = plan_make(cells, 8, true, own);
        memcpy(&window_sq[count], cells, now * sizeof(cells[0]));
        count += now;
    }
    struct exo_plan last = {.code = EXO_PLAN, .cells = 1};
    memcpy(&window_sq[count], &last, sizeof(last));
    window_sq[count + 1] = (struct exo_op){.code = EXO_ENV_EXIT, .tag = EXO_ENV_EXIT, .arg = {EXO_STOP_EXIT}};
    return count + 2;
}

/* Its frames, filled, in this program's hands; 0 if there are none. */
static uint64_t frames_fill(void)
{
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    struct frame_ref run = plan_alloc(plan, CHILD_RUN, 0);
    plan_map(plan, env_self(), WINDOW, frame_plus(run, CODE_FRAME), 1, EXO_READ | EXO_WRITE);
    plan_map(plan, env_self(), WINDOW + PAGE, frame_plus(run, SQ), RING_FRAMES, EXO_READ | EXO_WRITE);
    if (plan_run(plan) < 0) {
        if (plan_status(plan, run) == 0 && plan_value(plan, run))
            frames_note(plan_value(plan, run), CHILD_RUN);
        return 0;
    }
    uint64_t first = plan_value(plan, run), count = ring_fill(first);
    code_write((uint8_t *)WINDOW, count, below(2) ? 1000 : 0, below(2) ? EXO_NEVER : 0);
    plan = plan_begin(&buffer);
    plan_unmap(plan, env_self(), WINDOW, 1 + RING_FRAMES);
    must("the window can be closed", plan_run(plan) == 0);
    return first;
}

static uint32_t child_make(uint64_t run)
{
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    struct frame_ref first = plan_alloc(plan, EXO_ENV_FRAMES, 0);
    struct handle_ref child = plan_env_create(plan, first, QUOTA, (uint16_t)below(3));
    for (unsigned level = 3; level >= 1; level--)
        plan_table(plan, child, frame_number(run + TABLES + level - 1), CHILD_CODE, level);
    plan_give(plan, child, frame_number(run + CODE_FRAME), CHILD_RUN - CODE_FRAME);
    plan_map(plan, child, CHILD_CODE, frame_number(run + CODE_FRAME), 1, EXO_READ | EXO_EXEC);
    plan_slots(plan, child, frame_number(run + SLOTS), SLOT_FRAMES, 16);
    if (known.queue)
        plan_handle_copy(plan, child, handle_number(known.queue));
    if (plan_run(plan) < 0) { /* what parked plans hold may leave no room for it */
        if (plan_status(plan, child) == 0 && plan_value(plan, child))
            list_add(&known.children, plan_value(plan, child));
        else if (plan_status(plan, first) == 0 && plan_value(plan, first))
            frames_note(plan_value(plan, first), EXO_ENV_FRAMES);
        return 0;
    }
    uint32_t handle = (uint32_t)plan_value(plan, child);
    plan = plan_begin(&buffer);
    plan_env_rings(plan, handle, frame_number(run + CONTROL), frame_number(run + SQ), RING_FRAMES,
                   frame_number(run + CQ), CQ_FRAMES);
    plan_map(plan, handle_number(handle), CHILD_CODE + PAGE, frame_number(run + CQ), CQ_FRAMES, EXO_READ);
    plan_env_start(plan, handle_number(handle), CHILD_CODE, CHILD_CODE + PAGE, 0);
    must("a child can be started", plan_run(plan) == 0);
    return handle;
}

/* What became of its operations, unless it has mapped something else there. */
static void completions_count(uint32_t child)
{
    struct plan_buffer buffer;
    for (unsigned i = 0; i < CQ_FRAMES; i++) {
        struct plan *plan = plan_begin(&buffer);
        plan_env_read(plan, handle_number(child), word_number(CHILD_CODE + (1 + i) * PAGE), EXO_BUF(known.packet + 2, 0, PAGE));
        if (plan_run(plan) < 0)
            return; /* it has unmapped them */
        const struct exo_completion *c = (const struct exo_completion *)(void *)(known.memory + 2 * PAGE);
        for (unsigned k = 0; k < PAGE / sizeof(*c); k++)
            if (c[k].status <= 0 && c[k].status > -EXO_E_NOT_BUILT && c[k].tag > EXO_MORE && c[k].tag < EXO_CODE_END && c[k].operation != EXO_PLAN_SELF)
                tally_add((unsigned)c[k].tag, c[k].status);
    }
}

/* Waits until it has stopped, but not long, and asks for some of its memory meanwhile; whether it has. */
static bool child_watch(uint32_t child)
{
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    uint64_t now = __builtin_ia32_rdtsc(), us = PLAN_INFO->tick_hz / 1000000;
    plan_unordered(plan, true);
    struct env_wait_refs wait = plan_env_wait(plan, handle_number(child));
    struct tick_ref late = plan_timer(plan, tick_number(now + below(4000) * us));
    uint64_t all = plan_bit(wait.reason) | plan_bit(late);
    if (below(2))
        all |= plan_bit(plan_reclaim(plan, handle_number(child), 1 + (uint32_t)below(QUOTA), tick_number(now + below(2000) * us)).returned);
    plan_after(plan, plan_bit(wait.reason) | plan_bit(late), EXO_START_ANY);
    plan_cancel(plan, word_number(0), all);
    (void)plan_run(plan);
    for (unsigned i = 0; all >> i; i++)
        if (i == 2)
            tally_add(EXO_RECLAIM, plan->results[i].status);
    return plan_status(plan, wait.reason) == 0;
}

void child_round(void)
{
    uint64_t run = frames_fill();
    uint32_t child = run ? child_make(run) : 0;
    if (!run)
        return; /* all that there is, is in use: the next sweep brings it back */
    if (!child) {
        frames_note(run, CHILD_RUN);
        return;
    }
    children++;
    if (child_watch(child)) {
        exits++;
        completions_count(child);
    }
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    plan_env_kill(plan, handle_number(child));
    must("a child can be killed", plan_run(plan) == 0);
}
