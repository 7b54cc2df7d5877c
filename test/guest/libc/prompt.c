/* SPDX-License-Identifier: MIT */
/* Threads that sleep beside one that computes wake in time, not when its CPU slot ends. */
#include <errno.h>
#include <libos/clock.h>
#include <libos/plan.h>
#include <libos/plan_ops.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "../check.h"

#define ROUNDS 200
#define SLEEP_NS 300000

static volatile int stop;
static int64_t late[ROUNDS];

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static void *compute(void *count)
{
    while (!stop)
        ++*(volatile uint64_t *)count;
    return NULL;
}

static int ascending(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static void sleeps(void)
{
    static uint64_t count[2];
    pthread_t thread[2];
    stop = 0;
    for (int i = 0; i < 2; i++)
        CHECK(pthread_create(&thread[i], NULL, compute, &count[i]) == 0);
    usleep(20000);
    for (int i = 0; i < ROUNDS; i++) {
        int64_t before = now_ns();
        CHECK(nanosleep(&(struct timespec){ 0, SLEEP_NS }, NULL) == 0);
        late[i] = now_ns() - before - SLEEP_NS;
    }
    stop = 1;
    for (int i = 0; i < 2; i++)
        CHECK(pthread_join(thread[i], NULL) == 0);
    qsort(late, ROUNDS, sizeof(late[0]), ascending);
    printf("late by %lld us (median), %lld us (one of ten)\n", (long long)late[ROUNDS / 2] / 1000,
           (long long)late[ROUNDS * 9 / 10] / 1000);
    CHECK(late[0] >= 0 && late[ROUNDS / 2] < 700000); /* a slot is 2000 us */
    CHECK(count[0] > 1000 && count[1] > 1000);
}

static volatile unsigned told;

/* As compiled code would: it is told of a completion and uses vector registers. */
static void clobber(struct completion_target *self, const struct exo_completion *completion)
{
    (void)self, (void)completion;
    __asm__ volatile("pcmpeqd %%xmm8, %%xmm8" : : : "xmm8");
    told++;
}

static void *sleeper(void *unused)
{
    while (!stop)
        usleep(20000);
    return unused;
}

/* Completions that arrive while a thread computes with vector registers leave them as they were. */
static void vectors(void)
{
    static struct completion_target target = { clobber };
    struct plan_buffer buffer;
    pthread_t thread;
    stop = 0;
    CHECK(pthread_create(&thread, NULL, sleeper, NULL) == 0);
    CHECK(plan_slots_add(4, 1) >= 0);
    struct plan *plan = plan_begin(&buffer);
    plan_flags(plan, EXO_PLAN_STANDING | EXO_PLAN_QUIET, NULL);
    plan_target(plan, &target);
    plan_timer_every(plan, tick_number(clock_tick()), PLAN_INFO->tick_hz / 5000);
    CHECK(plan_submit(plan) >= 0);
    unsigned changed = 0;
    for (int64_t end = now_ns() + 300000000; now_ns() < end;) {
        uint64_t in = 0x123456789abcdef, out;
        __asm__ volatile("movq %1, %%xmm8\n\tmov $300000, %%ecx\n1:\tdec %%ecx\n\tjnz 1b\n\tmovq %%xmm8, %0"
                         : "=r"(out) : "r"(in) : "rcx", "xmm8", "cc");
        changed += out != in;
    }
    stop = 1;
    CHECK(pthread_join(thread, NULL) == 0);
    printf("told %u times, %u changed\n", told, changed);
    CHECK(told > 100 && changed == 0);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = { { "sleeps", sleeps }, { "vectors", vectors }, { NULL, NULL } };
    return check_main(cases, argc, argv);
}
