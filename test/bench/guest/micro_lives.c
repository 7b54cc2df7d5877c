/* SPDX-License-Identifier: MIT */
/*
 * Programs made, run and removed, and memory taken back from one. What is made is the least that can run: a page of code (of
 * this program's, frozen), a page of stack, a control page, rings, room for plans. It enters the kernel once with the
 * plans that its parent has written into its ring, and waits.
 */
#include "micro.h"

#include <exo/abi.h>
#include <libos/mem.h>
#include <libos/plan.h>
#include <stdint.h>
#include <string.h>

#define RW (EXO_READ | EXO_WRITE)

/* The child's address space: one page table is enough for it. */
#define CODE 0x40000000ull
#define STACK (CODE + 1 * EXO_PAGE_SIZE)
#define CONTROL (CODE + 2 * EXO_PAGE_SIZE)
#define INFO (CODE + 3 * EXO_PAGE_SIZE)
#define SQ (CODE + 4 * EXO_PAGE_SIZE)
#define CQ (CODE + 5 * EXO_PAGE_SIZE)
#define TABLES 3u
/* Its frames besides those of its environment, and the right to the code. */
enum { TABLE, STACK_FRAME = TABLES, CONTROL_FRAME, SQ_FRAME, CQ_FRAME, SLOTS_FRAME, PARTS };
#define QUOTA (EXO_ENV_FRAMES + PARTS + 1)
#define SLOT_CELLS 4u

/* Memory to be taken back: so many times so many frames. */
#define TAKEN 1000u
#define TIMES 4
#define WARM 1
#define MEMORY (2 * CODE)
#define PIECE (4ull << 20) /* from the first page of 1,000 frames to the next thousand's */
#define MEMORY_TABLES (2 * (TIMES + WARM) + 1) /* and one of level 2 */

static char *window;  /* two pages: control page and ring of a child that is being made */
static uint64_t code; /* this program's page with child_code */

/* rdi: cells in the ring. For ever, with interrupts of its waiting as they come. */
__asm__(".pushsection .text\n"
        ".balign 64\n"
        "child_code:\n"
        "    mov $-1, %rsi\n"
        "    mov $-1, %rdx\n"
        "    xor %eax, %eax\n"
        "    syscall\n"
        "    jmp child_code\n"
        ".popsection\n");
extern const char child_code[] __attribute__((visibility("hidden")));

struct child {
    struct handle_ref env;
    struct frame_ref part;
};

/* An environment and all frames that it will have, of which this program sees those that it has to write. */
static struct child child_create(uint32_t quota)
{
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    struct handle_ref env = plan_env_create(plan, plan_alloc(plan, EXO_ENV_FRAMES, 0), quota, 0);
    struct frame_ref part = plan_alloc(plan, PARTS, 0);
    plan_map(plan, env_self(), (uint64_t)window, frame_plus(part, CONTROL_FRAME), 2, RW);
    micro_check(plan_run(plan));
    return (struct child){ handle_number((uint32_t)plan_value(plan, env)), frame_number(plan_value(plan, part)) };
}

/* Appends what makes the child whole and lets it run. */
static void child_build(struct plan *plan, const struct child *child, unsigned cells)
{
    struct handle_ref env = child->env;
    plan_quiet(plan, true);
    plan_unmap(plan, env_self(), (uint64_t)window, 2);
    for (unsigned level = TABLES; level >= 1; level--)
        plan_table(plan, env, frame_plus(child->part, (int32_t)(TABLES - level)), CODE, level);
    plan_give(plan, env, frame_plus(child->part, STACK_FRAME), PARTS - STACK_FRAME);
    plan_env_rings(plan, (uint32_t)env.ref.word, frame_plus(child->part, CONTROL_FRAME), frame_plus(child->part, SQ_FRAME), 1,
                   frame_plus(child->part, CQ_FRAME), 1);
    plan_slots(plan, env, frame_plus(child->part, SLOTS_FRAME), 1, SLOT_CELLS);
    plan_share(plan, env, CODE, code, 1, EXO_READ | EXO_EXEC);
    plan_map(plan, env, STACK, frame_plus(child->part, STACK_FRAME), 1, RW);
    plan_map(plan, env, CONTROL, frame_plus(child->part, CONTROL_FRAME), 1, RW);
    plan_map(plan, env, INFO, frame_number(EXO_INFO_FRAME), 1, EXO_READ);
    plan_map(plan, env, SQ, frame_plus(child->part, SQ_FRAME), 1, RW);
    plan_map(plan, env, CQ, frame_plus(child->part, CQ_FRAME), 1, EXO_READ);
    plan_env_start(plan, env, CODE + ((uint64_t)child_code & (EXO_PAGE_SIZE - 1)), CONTROL, cells);
    plan_quiet(plan, false);
}

/* ---- create and kill ---- */

static unsigned exit_write(struct exo_op *ring)
{
    *(struct exo_plan *)(void *)ring = (struct exo_plan){ .code = EXO_PLAN, .flags = EXO_PLAN_QUIET, .cells = 1 };
    ring[1] = (struct exo_op){ .code = EXO_ENV_EXIT, .arg = { EXO_STOP_EXIT, 42 } };
    return 2;
}

static struct exo_op *ring_of_child(void)
{
    return (struct exo_op *)(void *)(window + EXO_PAGE_SIZE);
}

/* Made, started and killed; before that, if it runs, it ends by itself and is waited for. Two crossings. */
static void live(bool runs)
{
    struct plan_buffer buffer;
    struct child child = child_create(QUOTA);
    unsigned cells = exit_write(ring_of_child());
    struct env_wait_refs end;
    struct plan *plan = plan_begin(&buffer);
    child_build(plan, &child, cells);
    if (runs)
        end = plan_env_wait(plan, child.env);
    struct word_ref frames = plan_env_kill(plan, child.env).frames;
    micro_check(plan_run(plan));
    if (plan_value(plan, frames) != QUOTA)
        micro_fail("another size of a program");
    if (runs && (plan_value(plan, end.reason) != EXO_STOP_EXIT || plan_value(plan, end.first) != 42))
        micro_fail("another end of a program");
}

static void program_run(void)
{
    live(true);
}

static void program_kill(void)
{
    live(false);
}

MICRO(program_run, 100)
MICRO(program_kill, 100)

/* ---- revocation ---- */

static struct child holder;

/* For each thousand a plan that gives it back when the holder is asked. */
static unsigned gifts_write(struct exo_op *ring, const uint64_t *frame)
{
    unsigned cells = 0;
    for (unsigned i = 0; i < TIMES + WARM; i++) {
        *(struct exo_plan *)(void *)&ring[cells++] = (struct exo_plan){ .code = EXO_PLAN, .flags = EXO_PLAN_QUIET, .cells = 3 };
        ring[cells++] = (struct exo_op){ .code = EXO_RECLAIM_WAIT, .flags = EXO_QUIET };
        ring[cells++] = (struct exo_op){ .code = EXO_UNMAP, .flags = EXO_QUIET, .after = 1, .arg = { MEMORY + i * PIECE, TAKEN } };
        ring[cells++] = (struct exo_op){ .code = EXO_FREE, .flags = EXO_QUIET, .after = 2, .arg = { frame[i], TAKEN } };
    }
    return cells;
}

static void memory_map(struct plan *plan, uint64_t frame, uint64_t address)
{
    for (unsigned i = 0; i < 2; i++)
        plan_table(plan, holder.env, plan_alloc(plan, 1, 0), address + i * (PIECE / 2), 1);
    plan_map(plan, holder.env, address, frame_number(frame), TAKEN, RW);
}

/* A program that has all it may have: thousands of frames, mapped. It answers, or it does not. */
static void holder_make(bool answers)
{
    struct plan_buffer buffer;
    uint64_t frame[TIMES + WARM];
    holder = child_create(QUOTA + (TIMES + WARM) * TAKEN + MEMORY_TABLES);
    for (unsigned i = 0; i < TIMES + WARM; i++) {
        struct plan *plan = plan_begin(&buffer);
        struct frame_ref first = plan_alloc(plan, TAKEN, 0);
        plan_give(plan, holder.env, first, TAKEN);
        micro_check(plan_run(plan));
        frame[i] = plan_value(plan, first);
    }
    ((struct exo_control *)(void *)window)->spare = MEMORY;
    unsigned cells = answers ? gifts_write(ring_of_child(), frame) : 0;
    struct plan *plan = plan_begin(&buffer);
    child_build(plan, &holder, cells);
    plan_table(plan, holder.env, plan_alloc(plan, 1, 0), MEMORY, 2);
    for (unsigned i = 0; i < TIMES + WARM; i++)
        memory_map(plan, frame[i], MEMORY + i * PIECE);
    micro_check(plan_run(plan));
}

static void thousand_take(uint64_t deadline, uint64_t by_force)
{
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    struct reclaim_refs refs = plan_reclaim(plan, holder.env, TAKEN, tick_number(deadline));
    micro_check(plan_run(plan));
    if (plan_value(plan, refs.returned) != TAKEN || plan_value(plan, refs.taken) != by_force)
        micro_fail("another number of frames");
}

static void holder_end(void)
{
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    struct word_ref frames = plan_env_kill(plan, holder.env).frames;
    micro_check(plan_run(plan));
    if (plan_value(plan, frames) != QUOTA + MEMORY_TABLES)
        micro_fail("another end of the holder");
}

static void reclaim_given(void)
{
    thousand_take(EXO_NEVER, 0);
}

static void reclaim_forced(void)
{
    thousand_take(0, TAKEN);
}

MICRO_WARMED(reclaim_given, TIMES, WARM)
MICRO_WARMED(reclaim_forced, TIMES, WARM)

void micro_lives(void)
{
    window = micro_chunk();
    code = (uint64_t)child_code & ~(uint64_t)(EXO_PAGE_SIZE - 1);
    micro_run_program_run();
    micro_run_program_kill();
    holder_make(true);
    micro_run_reclaim_given();
    holder_end();
    holder_make(false);
    micro_run_reclaim_forced();
    holder_end();
}
