/* SPDX-License-Identifier: MIT */
/*
 * No register of a program changes under it: across page faults answered by its own pager, ends of slices, other
 * threads, other programs (the manifest runs two of these) and crossings.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "hold.h"
#include "op.h"

#define THREADS 3
#define PAGES 64
#define LOOPS 1000000u

static uint64_t seed_of_program; /* so that two programs side by side have nothing in common */
static atomic_uint failures;

static uint64_t *fresh_pages(void)
{
    return mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* The write in the middle faults, and the libos gives the page. */
static void faults(void)
{
    struct held in, out;
    uint64_t before = PLAN_INFO->upcalls, *page = fresh_pages();
    CHECK(page != MAP_FAILED);
    for (unsigned i = 0; i < PAGES; i++) {
        held_fill(&in, seed_of_program + i);
        memset(&out, 0, sizeof(out));
        hold(&in, &out, 10, page + i * PAGE / 8);
        CHECK(held_compare(&in, &out, false) == 0);
    }
    CHECK(PLAN_INFO->upcalls >= before + PAGES / 16); /* the pager gives up to 16 pages at a time */
    munmap(page, PAGES * PAGE);
}

static void *hold_on(void *argument)
{
    struct held in, out;
    uint64_t place = 0, seed = seed_of_program + (uint64_t)(uintptr_t)argument * 1000;
    for (unsigned i = 0; i < 40; i++) {
        held_fill(&in, seed + i);
        memset(&out, 0, sizeof(out));
        hold(&in, &out, LOOPS, &place);
        failures += held_compare(&in, &out, false);
    }
    return NULL;
}

/* Long enough for many ends of slices; the other threads and the other program have other values. */
static void slices(void)
{
    pthread_t thread[THREADS];
    uint64_t upcalls = PLAN_INFO->upcalls;
    for (uintptr_t i = 0; i < THREADS; i++)
        CHECK(pthread_create(&thread[i], NULL, hold_on, (void *)(i + 1)) == 0);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    CHECK(failures == 0);
    printf("%llu upcalls, %llu switches\n", (unsigned long long)(PLAN_INFO->upcalls - upcalls),
           (unsigned long long)PLAN_INFO->switches);
    CHECK(PLAN_INFO->upcalls - upcalls >= 10);
}

/* ---- on the edge of a stack --------------------------------------------------------------------- */

#define BLOCK 65536u /* more than the pager gives at a time */

static struct held edge_in, edge_out;
static unsigned edge_bad;
static uint64_t *edge_page;

/* The stack pointer is just above a block that nobody has touched: what an upcall puts below the red zone faults
 * itself, one level deeper. */
static void *hold_on_edge(void *loops)
{
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    size_t room = (here & (BLOCK - 1)) - 420;
    volatile char *space = __builtin_alloca(room);
    space[room - 1] = 1; /* touched at its upper end only */
    hold(&edge_in, &edge_out, (uintptr_t)loops, edge_page);
    return (void *)(uintptr_t)space[room - 1];
}

static void edges(void)
{
    uint64_t before = PLAN_INFO->upcalls;
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    for (unsigned i = 0; i < 24; i++) {
        size_t size = 6 * BLOCK;
        char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        char *stack = (char *)(((uintptr_t)memory + BLOCK - 1) & ~(uintptr_t)(BLOCK - 1));
        pthread_t thread;
        edge_page = fresh_pages();
        held_fill(&edge_in, seed_of_program + 9000 + i);
        memset(&edge_out, 0, sizeof(edge_out));
        CHECK(memory != MAP_FAILED && pthread_attr_setstack(&attr, stack, 4 * BLOCK) == 0);
        /* An end of a slice, or the page fault in the middle: whichever comes there first. */
        uintptr_t loops = i % 2 == 0 ? 3 * LOOPS : 1;
        CHECK(pthread_create(&thread, &attr, hold_on_edge, (void *)loops) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
        edge_bad += held_compare(&edge_in, &edge_out, false);
        munmap(edge_page, PAGES * PAGE);
        munmap(memory, size);
    }
    CHECK(edge_bad == 0);
    CHECK(PLAN_INFO->upcalls - before >= 24 * 2);
}

/* ---- crossings ------------------------------------------------------------------------------------- */

/* Also while other programs run in between; and nothing of the kernel is left in registers. */
static void crossings(void)
{
    struct held in, out;
    for (unsigned i = 0; i < 100; i++) {
        held_fill(&in, seed_of_program + 5000 + i);
        memset(&out, 0, sizeof(out));
        uint64_t wait = i % 4 == 0 ? PLAN_INFO->cq_tail + 1 : 0;
        uint64_t arguments[3] = { PLAN_INFO->sq_head, wait, tick_after_us(500) };
        hold_enter(&in, &out, arguments);
        CHECK(out.general[0] == 0); /* rax: nothing failed */
        CHECK(held_compare(&in, &out, true) == 0);
        CHECK((out.rflags & 0x400) != 0); /* DF was set before and is the program's own */
        for (unsigned k = 0; k < 14; k++)
            CHECK(out.general[k] == in.general[k] || out.general[k] < 0xffff800000000000ull);
    }
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        { "faults", faults },
        { "slices", slices },
        { "edges", edges },
        { "crossings", crossings },
        { NULL, NULL },
    };
    seed_of_program = __builtin_ia32_rdtsc();
    return check_main(cases, argc, argv);
}
