/* SPDX-License-Identifier: MIT */
/* Children that go on using memory that is taken from them: see lives.h. */
#include "lives.h"

#define LARGE_AT (LIFE_MEMORY + (4ull << 21))
#define TABLES 44u

static struct {
    uint64_t base, stride, pages;
    bool reads, lies;
    uint64_t at, lost, until;
    bool gone[EXO_LARGE_PAGES];
} touched = { .base = LIFE_MEMORY, .stride = PAGE, .pages = LIFE_PAGES };

static void lie(void)
{
    static const uint64_t lies[] = {0, 1, UINT64_MAX, EXO_USER_END, EXO_USER_END - 1, 1ull << 47, 0xffff800000000000ull,
                                    LIBOS_CONTROL, LIFE_MEMORY - PAGE, LIFE_MEMORY + 63 * PAGE + 9};
    static unsigned next;
    CONTROL->spare = lies[next++ % (sizeof(lies) / sizeof(lies[0]))];
}

/* In a tight loop, for a while behind its loss. Where a page is gone it is entered anew. */
static _Noreturn void touch_on(void)
{
    if (CONTROL->depth > 0) {
        CONTROL->depth = 0;
        touched.lost += !touched.gone[touched.at];
        touched.gone[touched.at] = true;
    }
    for (;;) {
        touched.at = (touched.at + 1) % touched.pages;
        if (touched.lies)
            lie();
        if (!touched.until && life_robbed())
            touched.until = tick_after_us(50000);
        if (touched.at == 0 && touched.until && __builtin_ia32_rdtsc() > touched.until)
            child_exit(touched.lost);
        volatile uint64_t *word = (volatile uint64_t *)(touched.base + touched.at * touched.stride);
        if (touched.reads)
            (void)*word;
        else
            *word = LIFE_EVIL;
    }
}

_Noreturn void life_touch(void)
{
    static _Alignas(16) uint64_t stack[2048];
    CONTROL->stack[0] = (uint64_t)&stack[2047]; /* as behind a call */
    CONTROL->entry = (uint64_t)touch_on;
    touch_on();
}

void writes_on(uint64_t n)
{
    (void)n;
    life_take();
    life_ready(LIFE_PAGES);
    life_touch();
}

void never_answers(uint64_t n)
{
    (void)n;
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    life_take();
    plan_reclaim_wait(plan);
    plan_submit(plan);
    life_ready(LIFE_PAGES);
    life_touch();
}

void lies_about_spare(uint64_t n)
{
    touched.lies = true;
    writes_on(n);
}

/* A right to each of its frames, and to half of them a second one. */
void freezes(uint64_t n)
{
    (void)n;
    life_take();
    life_wrong += OP(PROTECT, LIFE_MEMORY, LIFE_PAGES, EXO_READ) != 0 || OP(FREEZE, LIFE_MEMORY, LIFE_PAGES) != 0;
    life_wrong += OP(SHARE, SECOND, LIFE_MEMORY, LIFE_PAGES / 2, EXO_READ) != 0;
    touched.reads = true;
    touched.lost = life_wrong * 1000;
    life_ready(0);
    life_touch();
}

void large_page(uint64_t n)
{
    (void)n;
    if (OP(ALLOC, EXO_LARGE_PAGES, 9, EXO_ANY) < 0)
        child_exit(1002);
    life_frames = op_result[0];
    if (OP(MAP, LARGE_AT, life_frames, EXO_LARGE_PAGES, RW | EXO_LARGE) < 0)
        child_exit(1003);
    touched.base = CONTROL->spare = LARGE_AT;
    touched.pages = EXO_LARGE_PAGES;
    life_ready(EXO_LARGE_PAGES);
    life_touch();
}

/* A page at the far end of each of many tables: a long way to go for whoever takes them. */
void many_tables(uint64_t n)
{
    (void)n;
    life_frames = frames_take(TABLES);
    touched.base = TABLES_AT + 511 * PAGE;
    touched.stride = 512 * PAGE;
    touched.pages = TABLES;
    for (uint64_t i = 0; i < TABLES; i++) {
        uint64_t at = touched.base + i * touched.stride;
        if (OP(TABLE, frames_take(1), at, 1) < 0 || OP(MAP, at, life_frames + i, 1, RW) < 0)
            child_exit(1004);
    }
    CONTROL->spare = TABLES_AT;
    life_ready(TABLES);
    life_touch();
}

