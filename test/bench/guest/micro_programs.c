/* SPDX-License-Identifier: MIT */
/* Primitives that have to do with other programs, and with frames by themselves. */
#include "micro.h"

#include <exo/abi.h>
#include <libos/plan.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAPS 16u
#define CHUNK (512ull * EXO_PAGE_SIZE) /* what a page table maps */

void micro_fail(const char *what)
{
    printf("failed: %s\n", what);
    fflush(stdout);
    exit(1);
}

void micro_check(int error)
{
    if (error)
        micro_fail(exo_error_text(error));
}

/* ---- mappings ---- */

static uint64_t spare;  /* a chunk whose tables exist and where nothing is mapped */
static uint64_t frames; /* MAPS of them */

/* Frames that are there already, the last one first so that they are no run, at pages where nothing was. */
static void plan_16_maps(void)
{
    static uint64_t next;
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    for (unsigned i = 0; i < MAPS; i++, next += EXO_PAGE_SIZE)
        plan_map(plan, env_self(), spare + next, frame_number(frames + MAPS - 1 - i), 1, EXO_READ | EXO_WRITE);
    micro_check(plan_run(plan));
}

MICRO(plan_16_maps, 20)

/* The libos makes a chunk's tables when something in it is touched. */
char *micro_chunk(void)
{
    char *pages = mmap(NULL, 2 * CHUNK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED)
        micro_fail("mmap");
    char *chunk = pages + (-(uint64_t)pages & (CHUNK - 1));
    *(volatile char *)chunk = 1;
    munmap(pages, 2 * CHUNK);
    return chunk;
}

static void maps_run(void)
{
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    struct frame_ref first = plan_alloc(plan, MAPS, 0);
    micro_check(plan_run(plan));
    frames = plan_value(plan, first);
    spare = (uint64_t)micro_chunk();
    micro_run_plan_16_maps();
    plan = plan_begin(&buffer);
    plan_unmap(plan, env_self(), spare, CHUNK / EXO_PAGE_SIZE);
    plan_free(plan, frame_number(frames), MAPS);
    micro_check(plan_run(plan));
}

int main(void)
{
    maps_run();
    micro_messages();
    micro_lives();
    printf("done\n");
    fflush(stdout);
    for (;;)
        sleep(3600);
}
