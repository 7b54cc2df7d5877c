/* SPDX-License-Identifier: MIT */
/* pthreads over the libos: every primitive, preemption with vector state, cancellation, no leaks. */
#include <errno.h>
#include <libos/mem.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

#define MANY 50

static _Thread_local int mine = 7;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int counter, turn;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static struct timespec in_ms(clockid_t clock, long ms)
{
    struct timespec t;
    clock_gettime(clock, &t);
    t.tv_nsec += ms * 1000000;
    t.tv_sec += t.tv_nsec / 1000000000;
    t.tv_nsec %= 1000000000;
    return t;
}

/* ---- creating, joining, thread-local variables ------------------------------- */

static void *add(void *argument)
{
    for (int i = 0; i < 100; i++) {
        pthread_mutex_lock(&mutex);
        int before = counter;
        if (i % 10 == 0)
            sched_yield();
        counter = before + 1;
        pthread_mutex_unlock(&mutex);
    }
    if (mine++ != 7)
        return NULL;
    return argument;
}

static void join(void)
{
    pthread_t thread[MANY];
    counter = 0;
    for (uintptr_t i = 0; i < MANY; i++)
        CHECK(pthread_create(&thread[i], NULL, add, (void *)(i + 1)) == 0);
    for (uintptr_t i = 0; i < MANY; i++) {
        void *result;
        CHECK(pthread_join(thread[i], &result) == 0);
        CHECK(result == (void *)(i + 1));
    }
    CHECK(counter == MANY * 100);
    CHECK(mine == 7);
}

static void *nothing(void *argument)
{
    return argument;
}

static uint64_t frames(void)
{
    struct mem_usage usage;
    mem_usage(&usage);
    return usage.frames;
}

static void leaks(void)
{
    pthread_attr_t detached;
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    uint64_t before = 0;
    for (int i = 0; i < 400; i++) {
        pthread_t thread;
        CHECK(pthread_create(&thread, i % 2 ? &detached : NULL, nothing, NULL) == 0);
        if (i % 2 == 0)
            CHECK(pthread_join(thread, NULL) == 0);
        sched_yield();
        if (i == 100)
            before = frames();
    }
    usleep(1000);
    CHECK(frames() <= before + 40); /* one or two stacks that are about to go */
}

/* ---- waiting --------------------------------------------------------------------- */

static void *ping(void *argument)
{
    int me = (int)(intptr_t)argument;
    for (int i = 0; i < 1000; i++) {
        pthread_mutex_lock(&mutex);
        while (turn != me)
            pthread_cond_wait(&cond, &mutex);
        turn = !me;
        pthread_cond_broadcast(&cond);
        pthread_mutex_unlock(&mutex);
    }
    return NULL;
}

static void conditions(void)
{
    pthread_t a, b;
    turn = 0;
    pthread_create(&a, NULL, ping, (void *)0);
    pthread_create(&b, NULL, ping, (void *)1);
    CHECK(pthread_join(a, NULL) == 0 && pthread_join(b, NULL) == 0);
}

static void timeouts(void)
{
    double start = now();
    struct timespec until = in_ms(CLOCK_REALTIME, 30);
    pthread_mutex_lock(&mutex);
    CHECK(pthread_cond_timedwait(&cond, &mutex, &until) == ETIMEDOUT);
    pthread_mutex_unlock(&mutex);
    CHECK(now() - start > 0.029 && now() - start < 1);

    sem_t semaphore;
    sem_init(&semaphore, 0, 0);
    until = in_ms(CLOCK_REALTIME, 10);
    CHECK(sem_timedwait(&semaphore, &until) == -1 && errno == ETIMEDOUT);
    sem_post(&semaphore);
    CHECK(sem_timedwait(&semaphore, &until) == 0);

    start = now();
    usleep(20000);
    CHECK(now() - start > 0.0199 && now() - start < 1);
    struct timespec past = { 1, 0 };
    CHECK(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &past, NULL) == 0);
}

static pthread_barrier_t barrier;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static atomic_int onces, serial;

static void do_once(void)
{
    onces++;
}

static void *meet(void *argument)
{
    for (int i = 0; i < 20; i++) {
        pthread_once(&once, do_once);
        if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD)
            serial++;
        pthread_rwlock_rdlock(&rwlock);
        sched_yield();
        pthread_rwlock_unlock(&rwlock);
        pthread_rwlock_wrlock(&rwlock);
        counter++;
        pthread_rwlock_unlock(&rwlock);
    }
    return argument;
}

static void others(void)
{
    pthread_t thread[8];
    counter = 0;
    pthread_barrier_init(&barrier, NULL, 8);
    for (int i = 0; i < 8; i++)
        pthread_create(&thread[i], NULL, meet, NULL);
    for (int i = 0; i < 8; i++)
        pthread_join(thread[i], NULL);
    CHECK(onces == 1 && serial == 20 && counter == 160);
}

/* ---- preemption -------------------------------------------------------------------- */

static atomic_int running = 4;
static volatile int stop;

/* Never calls the libos, and keeps its sums in vector registers. */
static void *spin(void *argument)
{
    double seed = (double)(intptr_t)argument, a = seed, b = seed * 3;
    uint64_t rounds = 0;
    while (!stop) {
        a = seed, b = seed * 3;
        for (int i = 0; i < 100000; i++) {
            a = a * 1.0000001 + 0.5;
            b = b * 0.9999999 + a;
        }
        rounds++;
    }
    double *result = malloc(3 * sizeof(double));
    result[0] = a, result[1] = b, result[2] = (double)rounds;
    running--;
    return result;
}

static void preemption(void)
{
    pthread_t thread[4];
    for (intptr_t i = 0; i < 4; i++)
        pthread_create(&thread[i], NULL, spin, (void *)(i + 1));
    usleep(300000);
    stop = 1;
    for (int i = 0; i < 4; i++) {
        double *result, a = i + 1, b = (i + 1) * 3.0;
        pthread_join(thread[i], (void **)&result);
        for (int k = 0; k < 100000; k++) {
            a = a * 1.0000001 + 0.5;
            b = b * 0.9999999 + a;
        }
        CHECK(result[0] == a && result[1] == b);
        CHECK(result[2] >= 1);
        free(result);
    }
}

/* ---- cancellation ---------------------------------------------------------------------- */

static int cleaned;

static void cleanup(void *argument)
{
    cleaned += (int)(intptr_t)argument;
}

static void *sleeper(void *argument)
{
    (void)argument;
    pthread_cleanup_push(cleanup, (void *)1);
    sleep(1000);
    pthread_cleanup_pop(0);
    return NULL;
}

static void unlock(void *argument)
{
    pthread_mutex_unlock(argument);
}

static void *cond_sleeper(void *argument)
{
    (void)argument;
    pthread_mutex_lock(&mutex);
    pthread_cleanup_push(unlock, &mutex);
    for (;;)
        pthread_cond_wait(&cond, &mutex);
    pthread_cleanup_pop(1);
    return NULL;
}

static void *stubborn(void *argument)
{
    (void)argument;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    usleep(20000);
    cleaned += 100;
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
    pthread_testcancel();
    return NULL;
}

static void cancel_one(void *(*start)(void *), void *argument)
{
    pthread_t thread;
    void *result = NULL;
    pthread_create(&thread, NULL, start, argument);
    usleep(2000);
    CHECK(pthread_cancel(thread) == 0);
    CHECK(pthread_join(thread, &result) == 0);
    CHECK(result == PTHREAD_CANCELED);
}

static volatile uint64_t spun;

/* Never calls anything. */
static void *asynchronous(void *argument)
{
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
    for (;;)
        spun++;
    return argument;
}

static void *pipe_reader(void *argument)
{
    char c;
    (void)!read(*(int *)argument, &c, 1);
    return NULL;
}

static void cancellation(void)
{
    int fds[2];
    cancel_one(sleeper, NULL);
    CHECK(cleaned == 1);
    cancel_one(cond_sleeper, NULL);
    CHECK(pthread_mutex_trylock(&mutex) == 0);
    pthread_mutex_unlock(&mutex);
    cancel_one(stubborn, NULL);
    CHECK(cleaned == 101);
    cancel_one(asynchronous, NULL);
    CHECK(pipe(fds) == 0);
    cancel_one(pipe_reader, &fds[0]);
    close(fds[0]);
    close(fds[1]);
}

/* ---- signals between threads --------------------------------------------------------------- */

static volatile sig_atomic_t signalled;
static pthread_t signalled_thread;

static void on_signal(int signal)
{
    signalled_thread = pthread_self();
    double x = signal; /* a handler may use vector registers */
    for (volatile int i = 0; i < 300000; i++)
        x = x * 1.5 - x / 3;
    signalled = x != 0 ? signal : 1;
}

static void *spin_for_signal(void *argument)
{
    double a = 1.25, b = 0;
    while (!signalled)
        b = a * 3 + b * 0;
    return b == 3.75 ? argument : NULL;
}

static void *wait_for_signal(void *argument)
{
    int result = usleep(900000);
    return result == -1 && errno == EINTR ? argument : NULL;
}

static void signals(void)
{
    void *(*const kinds[])(void *) = { spin_for_signal, wait_for_signal };
    signal(SIGUSR1, on_signal);
    for (int i = 0; i < 2; i++) {
        pthread_t thread;
        void *result;
        signalled = 0;
        pthread_create(&thread, NULL, kinds[i], (void *)1);
        usleep(5000);
        CHECK(pthread_kill(thread, SIGUSR1) == 0);
        CHECK(pthread_join(thread, &result) == 0 && result == (void *)1);
        CHECK(signalled == SIGUSR1 && pthread_equal(signalled_thread, thread));
    }
}

/* ---- stacks ------------------------------------------------------------------------------- */

static int __attribute__((noinline)) deep(int levels)
{
    volatile char room[4096];
    room[0] = (char)levels;
    return levels == 0 ? 0 : 1 + deep(levels - 1) + room[1] * 0;
}

static void *deep_thread(void *argument)
{
    return (void *)(intptr_t)deep((int)(intptr_t)argument);
}

static void stacks(void)
{
    pthread_attr_t attr;
    pthread_t thread;
    void *result;
    CHECK(deep(300) == 300); /* more than a megabyte */
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 1 << 20);
    CHECK(pthread_create(&thread, &attr, deep_thread, (void *)200) == 0);
    CHECK(pthread_join(thread, &result) == 0 && result == (void *)200);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        { "join", join },           { "leaks", leaks },           { "conditions", conditions },
        { "timeouts", timeouts },   { "others", others },         { "preemption", preemption },
        { "cancellation", cancellation }, { "signals", signals }, { "stacks", stacks },   { NULL, NULL },
    };
    return check_main(cases, argc, argv);
}
