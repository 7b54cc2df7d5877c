/* SPDX-License-Identifier: MIT */
/* Plans: what the kernel's interface itself costs. */
#include "micro.h"

#include <errno.h>
#include <exo/abi.h>
#include <libos/clock.h>
#include <libos/plan.h>
#include <libos/plan_ops.h>
#include <libos/start.h>
#include <libos/thread.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#define RAW_PLANS 14u /* of 17 cells; the ring has 256 */

static uint64_t spare; /* a page whose tables exist and where nothing is mapped */

/* Into the kernel and back with nothing to do. */
static void enter_nothing(void)
{
    exo_enter(PLAN_INFO->sq_head, 0, 0);
}

static struct plan *nops_write(struct plan_buffer *buffer, unsigned count)
{
    struct plan *plan = plan_begin(buffer);
    for (unsigned i = 0; i < count; i++)
        plan_nop(plan, word_number(i));
    return plan;
}

/* The libos's way: written, run, each result kept. */
static void nops(unsigned count)
{
    struct plan_buffer buffer;
    if (plan_run(nops_write(&buffer, count)))
        micro_fail("plan");
}

static void plan_1_nop(void)
{
    nops(1);
}

static void plan_4_nops(void)
{
    nops(4);
}

static void plan_16_nops(void)
{
    nops(16);
}

/* The kernel's share: the plans lie in the ring already, quiet and without edges, and each crossing takes the
 * next one. */
static void raw_prepare(unsigned count)
{
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    plan_quiet(plan, true);
    plan_unordered(plan, true);
    for (unsigned i = 0; i < count; i++)
        plan_nop(plan, word_number(i));
    for (unsigned i = 0; i < RAW_PLANS; i++)
        plan_push(plan);
}

static void raw_enter(unsigned count)
{
    if (exo_enter(PLAN_INFO->sq_head + count + 1, 0, 0))
        micro_fail("raw plan");
}

static void raw_1_nop(void)
{
    raw_enter(1);
}

static void raw_4_nops(void)
{
    raw_enter(4);
}

static void raw_16_nops(void)
{
    raw_enter(16);
}

/* A frame taken, mapped, unmapped and given back: four operations, one crossing. */
static void plan_map_unmap(void)
{
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    struct frame_ref frame = plan_alloc(plan, 1, 0);
    plan_map(plan, env_self(), spare, frame, 1, EXO_READ | EXO_WRITE);
    plan_unmap(plan, env_self(), spare, 1);
    plan_free(plan, frame, 1);
    int error = plan_run(plan);
    if (error) {
        errno = -error;
        micro_fail("plan of a mapping");
    }
}

/* Only this thread waits: another one could run meanwhile. */
static void timer_once(void)
{
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    plan_timer(plan, tick_number(clock_deadline(100000)));
    if (thread_run(plan))
        micro_fail("timer");
}

MICRO(enter_nothing, 2000)
MICRO(raw_1_nop, 6)
MICRO(raw_4_nops, 6)
MICRO(raw_16_nops, 6)
MICRO(plan_1_nop, 1000)
MICRO(plan_4_nops, 1000)
MICRO(plan_16_nops, 1000)
MICRO(plan_map_unmap, 1000)
MICRO(timer_once, 200)

int main(void)
{
    volatile char *pages = mmap(NULL, 2 * EXO_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED)
        micro_fail("mmap");
    pages[0] = pages[EXO_PAGE_SIZE] = 1;
    spare = (uint64_t)pages + EXO_PAGE_SIZE;
    munmap((void *)spare, EXO_PAGE_SIZE);
    micro_run_enter_nothing();
    raw_prepare(1);
    micro_run_raw_1_nop();
    raw_prepare(4);
    micro_run_raw_4_nops();
    raw_prepare(16);
    micro_run_raw_16_nops();
    micro_run_plan_1_nop();
    micro_run_plan_4_nops();
    micro_run_plan_16_nops();
    micro_run_plan_map_unmap();
    micro_posix();
    micro_touch();
    micro_signals();
    micro_run_timer_once();
    printf("done\n");
    fflush(stdout);
    for (;;) /* the machine would end, and the counts with it */
        sleep(3600);
}
