/* SPDX-License-Identifier: MIT */
/*
 * Everything at once for some seconds: threads that map and unmap, allocate, talk through
 * pipes, sleep, spin with vector registers, come and go, while slots end at random
 * places. Then nothing may be lost: not a byte, not a wake-up, not a frame.
 */
#include <fcntl.h>
#include <libos/file.h>
#include <libos/mem.h>
#include <libos/plan.h>
#include <libos/thread.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

#define SECONDS 4
#define PAGE 4096u

static volatile int stop;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static unsigned long done[8]; /* rounds of each kind */

static void count(int kind)
{
    pthread_mutex_lock(&mutex);
    done[kind]++;
    pthread_mutex_unlock(&mutex);
}

static unsigned next(unsigned *seed)
{
    return (*seed = *seed * 1103515245 + 12345) >> 8;
}

static void *mapper(void *argument)
{
    unsigned seed = (unsigned)(uintptr_t)argument;
    while (!stop) {
        size_t pages = 1 + next(&seed) % 100;
        unsigned char *m = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(m != MAP_FAILED);
        unsigned char mark = (unsigned char)next(&seed);
        for (size_t i = 0; i < pages; i += 1 + next(&seed) % 4)
            m[i * PAGE + 17] = mark;
        size_t hole = next(&seed) % pages;
        if (m[hole * PAGE + 17] != 0)
            CHECK(m[hole * PAGE + 17] == mark);
        CHECK(mprotect(m + hole * PAGE, PAGE, PROT_READ) == 0);
        CHECK(m[hole * PAGE + 17] == 0 || m[hole * PAGE + 17] == mark);
        CHECK(munmap(m + hole * PAGE, PAGE) == 0);
        /* Not over the hole: somebody may have something there by now. */
        CHECK(hole == 0 || munmap(m, hole * PAGE) == 0);
        CHECK(hole == pages - 1 || munmap(m + (hole + 1) * PAGE, (pages - hole - 1) * PAGE) == 0);
        count(0);
    }
    return NULL;
}

static void *allocator(void *argument)
{
    unsigned seed = (unsigned)(uintptr_t)argument;
    unsigned char *piece[64] = { NULL };
    size_t size[64] = { 0 };
    while (!stop) {
        unsigned k = next(&seed) % 64;
        for (size_t i = 0; i < size[k]; i += 100)
            CHECK(piece[k][i] == (unsigned char)(k + i));
        free(piece[k]);
        size[k] = next(&seed) % (next(&seed) % 50 == 0 ? 200000 : 4000);
        piece[k] = malloc(size[k]);
        CHECK(piece[k] != NULL);
        for (size_t i = 0; i < size[k]; i += 100)
            piece[k][i] = (unsigned char)(k + i);
        count(1);
    }
    for (unsigned k = 0; k < 64; k++)
        free(piece[k]);
    return NULL;
}

static int pipes[2][2];

/* A number goes round through two pipes. */
static void *runner(void *argument)
{
    int me = (int)(uintptr_t)argument;
    uint64_t number, expected = (uint64_t)me;
    if (me == 0)
        CHECK(write(pipes[0][1], &(uint64_t){ 1 }, 8) == 8);
    for (;;) {
        if (read(pipes[!me][0], &number, 8) != 8)
            break;
        if (me == 1) {
            CHECK(number == expected);
            expected += 2;
        }
        number++;
        if (me == 0 && stop)
            break;
        if (write(pipes[me][1], &number, 8) != 8)
            break;
        count(2);
    }
    close(pipes[me][1]);
    return NULL;
}

static void *spinner(void *argument)
{
    double seed = (double)(uintptr_t)argument, wanted = 0;
    for (int round = 0; !stop; round++) {
        double a = seed;
        for (int i = 0; i < 20000; i++)
            a = a * 1.0000001 + 0.25;
        if (round == 0)
            wanted = a;
        CHECK(a == wanted);
        count(3);
    }
    return NULL;
}

static void *sleeper(void *argument)
{
    unsigned seed = (unsigned)(uintptr_t)argument;
    while (!stop) {
        usleep(next(&seed) % 3000);
        count(4);
    }
    return NULL;
}

static void *short_lived(void *argument)
{
    char *m = malloc(5000);
    memset(m, 1, 5000);
    free(m);
    return argument;
}

static void *parent(void *argument)
{
    (void)argument;
    while (!stop) {
        pthread_t thread;
        void *result;
        CHECK(pthread_create(&thread, NULL, short_lived, (void *)3) == 0);
        if (done[5] % 3 == 0)
            CHECK(pthread_detach(thread) == 0);
        else
            CHECK(pthread_join(thread, &result) == 0 && result == (void *)3);
        count(5);
    }
    return NULL;
}

/* Plans from outside the libos, from several threads. */
static void *planner(void *argument)
{
    struct plan_buffer buffer;
    uint64_t seed = (uint64_t)(uintptr_t)argument;
    while (!stop) {
        struct plan *plan = plan_begin(&buffer);
        struct word_ref a = plan_nop(plan, word_number(seed));
        struct word_ref b = plan_nop(plan, a);
        struct frame_ref frame = plan_alloc(plan, 2, 0);
        plan_free(plan, frame, 2);
        CHECK(plan_run(plan) == 0 && plan_value(plan, b) == seed);
        plan = plan_begin(&buffer);
        plan_timer(plan, tick_number(0));
        plan_nop(plan, word_number(seed));
        CHECK(thread_run(plan) == 0);
        seed++;
        count(6);
    }
    return NULL;
}

static uint64_t frames(void)
{
    struct mem_usage usage;
    mem_usage(&usage);
    return usage.frames;
}

static void all(void)
{
    static void *(*const kinds[])(void *) = {
        mapper, mapper, allocator, allocator, runner, runner, spinner, spinner,
        sleeper, sleeper, sleeper, parent, planner, planner,
    };
    static const uintptr_t arguments[] = { 11, 22, 33, 44, 0, 1, 5, 6, 77, 88, 99, 0, 1000, 2000 };
    enum { KINDS = sizeof(kinds) / sizeof(*kinds) };
    pthread_t thread[KINDS];
    CHECK(pipe(pipes[0]) == 0 && pipe(pipes[1]) == 0);
    stop = 0;
    for (int i = 0; i < KINDS; i++)
        CHECK(pthread_create(&thread[i], NULL, kinds[i], (void *)arguments[i]) == 0);
    sleep(SECONDS);
    stop = 1;
    for (int i = 0; i < KINDS; i++)
        CHECK(pthread_join(thread[i], NULL) == 0);
    close(pipes[0][0]);
    close(pipes[1][0]);
}

static void stress(void)
{
    all();
    for (int i = 0; i < 7; i++)
        CHECK(done[i] > 3);
    printf("rounds: map %lu, malloc %lu, pipe %lu, spin %lu, sleep %lu, thread %lu, plan %lu\n", done[0],
           done[1], done[2], done[3], done[4], done[5], done[6]);
    usleep(10000);
    uint64_t before = frames();
    all();
    usleep(10000);
    CHECK(frames() <= before + 64);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = { { "stress", stress }, { NULL, NULL } };
    return check_main(cases, argc, argv);
}
