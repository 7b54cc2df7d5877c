/* SPDX-License-Identifier: MIT */
/*
 * Programs that use CPU time in one way each and say what they got; test_cpu.py runs them side by side where
 * time is exact (QEMU's -icount) and judges.
 *
 *   spin MS            computes for so long: how much of it was charged, how many slots ended
 *   sleep COUNT US     sleeps again and again: how late it woke
 *   work MS MS MS      computes, thrice: how much it got done and how much of its time it was charged
 *   frames MS          takes and gives back a thousand frames at a time, for so long
 *   timers US COUNT PERIOD  leaves so many timers behind after a while, and computes nothing
 *   ticking US COUNT   the same with a period of one tick: each standing plan starts over as fast as it can
 *   restless US COUNT  the same with a tick that is always past: standing plans that never wait
 *   gaps MS            looks at the clock all the time: what it misses inside its slots and between them
 *   alarm COUNT        computes, while so many timers come due at one tick, again and again
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tally.h"

static uint64_t now(void)
{
    return __builtin_ia32_rdtsc();
}

static unsigned long long us_of(uint64_t ticks)
{
    return ticks * 1000000 / PLAN_INFO->tick_hz;
}

/* The time that was charged until now: a crossing brings it up to date only at the end of a slice. */
static uint64_t charged(void)
{
    OK(OP(YIELD, 0));
    return PLAN_INFO->ticks_used;
}

static void spin(uint64_t us)
{
    uint64_t from = now(), used = charged();
    while (now() - from < ticks_of_us(us))
        continue;
    uint64_t to = now();
    printf("spun for %llu us, charged %llu us\n", us_of(to - from), us_of(charged() - used));
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

#define SLEEPS 1000u

static void sleep_often(unsigned count, uint64_t us)
{
    static uint64_t late[SLEEPS];
    count = count < SLEEPS ? count : SLEEPS;
    for (unsigned i = 0; i < count; i++) {
        uint64_t tick = tick_after_us(us + i % 7 * 100);
        exo_enter(ring_tail, PLAN_INFO->cq_tail + 1, tick);
        late[i] = now() - tick;
    }
    qsort(late, count, sizeof(late[0]), compare);
    printf("woke %u times, late by %llu us in the middle, %llu us at most\n", count, us_of(late[count / 2]),
           us_of(late[count - 1]));
}

static uint64_t units;

static void work_until(uint64_t tick)
{
    while (now() < tick) {
        for (volatile unsigned i = 0; i < 200; i++)
            continue;
        units++;
    }
}

static void work(const char *name, uint64_t us)
{
    uint64_t from = now(), used = charged();
    units = 0;
    work_until(from + ticks_of_us(us));
    printf("%s: %llu units in %llu us charged\n", name, (unsigned long long)units, us_of(charged() - used));
}

static void frames(uint64_t us)
{
    uint64_t from = now(), rounds = 0;
    for (; now() - from < ticks_of_us(us); rounds++) {
        struct plan *plan = tally_plan(EXO_PLAN_QUIET);
        plan_quiet(plan, true);
        struct frame_ref frame = plan_alloc(plan, 1000, 0);
        plan_free(plan, frame, 1000);
        CHECK(plan_submit(plan) == 0);
    }
    printf("%llu rounds of a thousand frames\n", (unsigned long long)rounds);
}

#define PAST UINT64_MAX

/* `period` in ticks, 0: they sleep; PAST: they never do. */
static void timers(uint64_t us, unsigned count, uint64_t period)
{
    static struct plan_buffer buffer;
    uint64_t crossings = PLAN_INFO->crossings;
    OK(plan_slots_add(4, count));
    exo_enter(ring_tail, PLAN_INFO->cq_tail + 1, tick_after_us(us));
    for (unsigned i = 0; i < count; i++) {
        struct plan *plan = plan_begin(&buffer);
        plan_flags(plan, period != 0 ? EXO_PLAN_STANDING | EXO_PLAN_QUIET : EXO_PLAN_QUIET, NULL);
        plan_quiet(plan, true);
        if (period == PAST)
            plan_timer(plan, tick_number(1));
        else
            plan_timer_every(plan, tick_number(period != 0 ? now() + period : tick_after_us(3600000000)), period);
        plan_push(plan);
    }
    OK((int)plan_flush());
    printf("left %u timers behind, %llu crossings\n", count, (unsigned long long)(PLAN_INFO->crossings - crossings));
    uint64_t from = now(), used = charged();
    for (;;) {
        exo_enter(ring_tail, PLAN_INFO->cq_tail + 1000, tick_after_us(100000));
        printf("charged %llu us of %llu us\n", us_of(charged() - used), us_of(now() - from));
    }
}

/* What is shorter than half a slot was taken out of a slot of ours, the rest are others' slots. */
static void gaps(uint64_t us)
{
    uint64_t from = now(), last = from, inside = 0, between = 0, count = 0;
    while (last - from < ticks_of_us(us)) {
        uint64_t tick = now(), gap = tick - last;
        last = tick;
        if (gap < 200) /* ticks, of one look at the clock */
            continue;
        count++;
        if (gap < ticks_of_us(EXO_CPU_SLOT_US / 2))
            inside = gap > inside ? gap : inside;
        else
            between = gap > between ? gap : between;
    }
    printf("missed %llu times, %llu ticks inside, %llu ticks between\n", (unsigned long long)count,
           (unsigned long long)inside, (unsigned long long)between);
}

static void alarm_at(unsigned count, uint64_t tick)
{
    static struct plan_buffer buffer;
    for (unsigned left = count; left > 0;) {
        struct plan *plan = plan_begin(&buffer);
        plan_flags(plan, EXO_PLAN_QUIET, NULL);
        plan_quiet(plan, true);
        plan_unordered(plan, true);
        for (unsigned i = 0; i < 64 && left > 0; i++, left--)
            plan_timer(plan, tick_number(tick));
        CHECK(plan_submit(plan) == 0);
    }
}

/* The next slot of ours begins; it is somebody else's turn now or soon. */
static uint64_t slot_begins(void)
{
    uint64_t last = now();
    for (;;) {
        uint64_t tick = now();
        if (tick - last > ticks_of_us(EXO_CPU_SLOT_US / 2))
            return tick;
        last = tick;
    }
}

/* Never sleeps, so that it has no credit: its timers end in its own slots. They come due where the core's cycle
 * comes round to the end of one, so that what is not done in small pieces runs into the next. */
static void alarms(unsigned count)
{
    OK(plan_slots_add(64, (count + 63) / 64));
    for (unsigned round = 1;; round++) {
        uint64_t tick = slot_begins() + ticks_of_us(EXO_CPU_SLOTS * EXO_CPU_SLOT_US + EXO_CPU_SLOT_US - 100);
        alarm_at(count, tick);
        if (round <= 2)
            printf("%u timers at one tick, %lld us before it\n", count, ((long long)(tick - now())) / 1000);
        while (now() < tick + ticks_of_us(100000)) /* and all of them end */
            continue;
    }
}

static unsigned argument(int argc, char **argv, int i)
{
    return i < argc ? (unsigned)atoi(argv[i]) : 0;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    unsigned a = argument(argc, argv, 2), b = argument(argc, argv, 3), c = argument(argc, argv, 4);
    setvbuf(stdout, NULL, _IOLBF, 0);
    tally_begin();
    if (strcmp(what, "spin") == 0)
        spin(a * 1000ull);
    else if (strcmp(what, "sleep") == 0)
        sleep_often(a, b);
    else if (strcmp(what, "work") == 0)
        work("before", a * 1000ull), work("between", b * 1000ull), work("after", c * 1000ull);
    else if (strcmp(what, "frames") == 0)
        frames(a * 1000ull);
    else if (strcmp(what, "timers") == 0)
        timers(a, b, ticks_of_us(c));
    else if (strcmp(what, "ticking") == 0)
        timers(a, b, 1);
    else if (strcmp(what, "restless") == 0)
        timers(a, b, PAST);
    else if (strcmp(what, "gaps") == 0)
        gaps(a * 1000ull);
    else if (strcmp(what, "alarm") == 0)
        alarms(a);
    else
        return 2;
    return check_failures;
}
