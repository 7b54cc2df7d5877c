/* SPDX-License-Identifier: MIT */
/* Building children: see child.h. */
#include "child.h"

#include <elf.h>

#include "../../../libos/plan/ring.h"

#define WINDOW (5ull << 39) /* where a child's frame is seen before it is given away; in nobody's way */
#define STACK_PAGES 8u
#define START_PAGES ((LIBOS_STACK - LIBOS_START) / PAGE)

extern const Elf64_Ehdr __ehdr_start __attribute__((visibility("hidden")));

static bool good(int error, const char *what)
{
    if (error < 0) {
        printf("FAILED to build a child: %s: %s\n", what, exo_error_text(error));
        check_failures++;
    }
    return error == 0;
}

bool child_create(struct child *child, uint32_t quota)
{
    return child_create_parent(child, quota, 0);
}

bool child_create_parent(struct child *child, uint32_t quota, uint16_t places)
{
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    *child = (struct child){ .quota = quota, .places = places };
    struct frame_ref frame = plan_alloc(plan, EXO_ENV_FRAMES, 0);
    struct handle_ref env = plan_env_create(plan, frame, quota, places);
    bool made = good(plan_run(plan), "its environment");
    child->env = (uint32_t)plan_value(plan, env);
    return made;
}

static uint64_t span_of(unsigned level)
{
    return PAGE << (9 * level);
}

bool child_tables(struct child *child, uint64_t address, uint64_t pages)
{
    for (unsigned level = 3; level >= 1; level--) {
        uint64_t at = address & ~(span_of(level) - 1);
        if (at < child->tables_end[level])
            at = child->tables_end[level];
        for (; at < address + pages * PAGE; at += span_of(level)) {
            struct plan_buffer buffer;
            struct plan *plan = plan_begin(&buffer);
            struct frame_ref frame = plan_alloc(plan, 1, 0);
            plan_table(plan, handle_number(child->env), frame, at, level);
            if (!good(plan_run(plan), "its tables"))
                return false;
            child->tables_end[level] = at + span_of(level);
        }
    }
    return true;
}

/* This program's own tables under the window, once. */
static void window_make(void)
{
    static bool made;
    if (!made)
        tables_make(WINDOW);
    made = true;
}

bool child_fill(struct child *child, uint64_t address, uint32_t pages, unsigned perm,
                const void *content, size_t bytes)
{
    struct plan_buffer buffer;
    struct handle_ref env = handle_number(child->env);
    window_make();
    struct plan *plan = plan_begin(&buffer);
    struct frame_ref frame = plan_alloc(plan, pages, 0);
    plan_map(plan, env_self(), WINDOW, frame, pages, EXO_READ | EXO_WRITE);
    if (!good(plan_run(plan), "memory"))
        return false;
    frame = frame_number(plan_value(plan, frame));
    if (bytes > 0)
        memcpy((void *)WINDOW, content, bytes);
    plan = plan_begin(&buffer);
    plan_unmap(plan, env_self(), WINDOW, pages);
    plan_give(plan, env, frame, pages);
    plan_map(plan, env, address, frame, pages, perm);
    return good(plan_run(plan), "giving it memory");
}

/* Frames given to the child and not mapped; the first one's number. */
static uint64_t give(struct child *child, uint32_t count)
{
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    struct frame_ref frame = plan_alloc(plan, count, 0);
    plan_give(plan, handle_number(child->env), frame, count);
    good(plan_run(plan), "giving it frames");
    return plan_value(plan, frame);
}

/* One segment of this program: shared where it is frozen, copied where it can be written. */
static bool segment_copy(struct child *child, const Elf64_Phdr *segment)
{
    uint64_t start = segment->p_vaddr & ~(PAGE - 1);
    uint64_t pages = (segment->p_vaddr + segment->p_memsz - start + PAGE - 1) / PAGE;
    if (!child_tables(child, start, pages))
        return false;
    if ((segment->p_flags & PF_W) == 0) {
        unsigned perm = EXO_READ | ((segment->p_flags & PF_X) != 0 ? EXO_EXEC : 0);
        struct plan_buffer buffer;
        struct plan *plan = plan_begin(&buffer);
        plan_share(plan, handle_number(child->env), start, start, (uint32_t)pages, perm);
        return good(plan_run(plan), "sharing code");
    }
    bool all = true;
    for (uint64_t i = 0; i < pages && all; i += 16) {
        uint32_t now = pages - i < 16 ? (uint32_t)(pages - i) : 16;
        uint64_t at = start + i * PAGE;
        all = child_fill(child, at, now, EXO_READ | EXO_WRITE, (const void *)at, now * PAGE);
    }
    return all;
}

static bool rings_make(struct child *child, uint32_t count)
{
    struct handle_ref env = handle_number(child->env);
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    child->control = give(child, 1);
    child->sq = give(child, count);
    child->cq = give(child, count);
    plan_env_rings(plan, child->env, frame_number(child->control), frame_number(child->sq), count,
                   frame_number(child->cq), count);
    plan_map(plan, env, LIBOS_CONTROL, frame_number(child->control), 1, EXO_READ | EXO_WRITE);
    plan_map(plan, env, LIBOS_INFO, frame_number(EXO_INFO_FRAME), 1, EXO_READ);
    plan_map(plan, env, LIBOS_SQ, frame_number(child->sq), count, EXO_READ | EXO_WRITE);
    plan_map(plan, env, LIBOS_CQ, frame_number(child->cq), count, EXO_READ);
    return good(plan_run(plan), "its rings");
}

static bool slots_give(struct child *child, uint32_t frames, unsigned cells)
{
    return good(OP_ON(child->env, SLOTS, give(child, frames), frames, cells), "its plan slots");
}

bool child_copy(struct child *child, uint32_t ring_frames, uint32_t slots)
{
    const Elf64_Phdr *header = (const Elf64_Phdr *)((uint64_t)&__ehdr_start + __ehdr_start.e_phoff);
    for (unsigned i = 0; i < __ehdr_start.e_phnum; i++)
        if (header[i].p_type == PT_LOAD && !segment_copy(child, &header[i]))
            return false;
    return child_tables(child, LIBOS_START, START_PAGES) &&
           child_fill(child, LIBOS_START, 1, EXO_READ | EXO_WRITE, start_info(), PAGE) &&
           child_fill(child, LIBOS_STACK - STACK_PAGES * PAGE, STACK_PAGES, EXO_READ | EXO_WRITE, NULL, 0) &&
           rings_make(child, ring_frames) && slots_give(child, 1, 4) && slots_give(child, 3, 16) &&
           (slots == 0 || slots_give(child, slots, 64));
}

/* The child's first function. The copy of the data says what the parent's rings were like. */
static void child_main(const uint64_t *call)
{
    ring_init();
    libos_nesting = 1;
    ((void (*)(uint64_t))call[0])(call[1]);
    child_exit(0);
}

bool child_start(struct child *child, void (*run)(uint64_t), uint64_t argument)
{
    /* The call lies in a page of its own below the stack, behind a guard page. */
    uint64_t call[2] = { (uint64_t)run, argument }, at = LIBOS_STACK - (STACK_PAGES + 2) * PAGE;
    return child_fill(child, at, 1, EXO_READ, call, sizeof(call)) &&
           good(OP_ON(child->env, ENV_START, (uint64_t)child_main, LIBOS_STACK - 8, at), "its start");
}

struct child child_spawn(void (*run)(uint64_t), uint64_t argument, uint32_t quota)
{
    struct child child;
    if (!child_create(&child, quota) || !child_copy(&child, 1, 0) || !child_start(&child, run, argument))
        printf("FAILED: no child\n");
    return child;
}

void child_wait(const struct child *child, uint64_t stop[3])
{
    OK(OP_ON(child->env, ENV_WAIT, 0));
    memcpy(stop, op_result, 3 * sizeof(stop[0]));
}

void child_stopped(const struct child *child, uint64_t reason, uint64_t word)
{
    uint64_t stop[3];
    child_wait(child, stop);
    if (stop[0] == reason && stop[1] == word)
        return;
    printf("FAILED: the child stopped with reason %llu, %llu, %#llx and not %llu, %llu\n",
           (unsigned long long)stop[0], (unsigned long long)stop[1], (unsigned long long)stop[2],
           (unsigned long long)reason, (unsigned long long)word);
    check_failures++;
}

size_t child_read(const struct child *child, uint64_t address, void *to, size_t bytes)
{
    static uint64_t frame;
    window_make();
    if (frame == 0) {
        frame = frames_take(1);
        OK(OP(MAP, WINDOW + 100 * PAGE, frame, 1, EXO_READ));
    }
    OK(OP_ON(child->env, ENV_READ, address, EXO_BUF(frame, 0, bytes)));
    size_t got = op_result[0];
    memcpy(to, (const void *)(WINDOW + 100 * PAGE), got);
    return got;
}

void child_kill(struct child *child)
{
    uint64_t limit = PLAN_INFO->frames_limit, places = PLAN_INFO->places;
    OK(OP_ON(child->env, ENV_KILL, 0));
    CHECK(PLAN_INFO->frames_limit == limit + child->quota);
    CHECK(PLAN_INFO->places == places + child->places + 1);
}

void child_exit(uint64_t status)
{
    struct plan_buffer buffer;
    for (;;) {
        struct plan *plan = plan_begin(&buffer);
        plan_env_exit(plan, EXO_STOP_EXIT, status, 0);
        plan_run(plan);
    }
}
