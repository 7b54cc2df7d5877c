/* SPDX-License-Identifier: MIT */
/*
 * What pthreads promise and threads.c one folder up does not ask for: kinds of mutexes, keys, errors, many of them,
 * fairness among threads that never wait, and a floating-point environment for each. Cancellation
 * and signals are in cancel.c.
 */
#include <errno.h>
#include <fenv.h>
#include <libos/plan.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#include "../check.h"

static uint64_t frames_used(void)
{
    exo_enter(PLAN_INFO->sq_head, 0, 0);
    return PLAN_INFO->frames_used;
}

static struct timespec after_ms(clockid_t clock, long ms)
{
    struct timespec t;
    clock_gettime(clock, &t);
    t.tv_nsec += ms * 1000000;
    t.tv_sec += t.tv_nsec / 1000000000;
    t.tv_nsec %= 1000000000;
    return t;
}

static void *nothing(void *argument)
{
    return argument;
}

/* ---- mutexes ------------------------------------------------------------------------------------------ */

static pthread_mutex_t mutex_of(int kind)
{
    pthread_mutexattr_t attr;
    pthread_mutex_t mutex;
    pthread_mutexattr_init(&attr);
    CHECK(pthread_mutexattr_settype(&attr, kind) == 0);
    CHECK(pthread_mutex_init(&mutex, &attr) == 0);
    return mutex;
}

static pthread_mutex_t held;

static void *try_held(void *argument)
{
    (void)argument;
    struct timespec soon = after_ms(CLOCK_REALTIME, 5);
    int first = pthread_mutex_trylock(&held);
    int second = pthread_mutex_timedlock(&held, &soon);
    int third = pthread_mutex_unlock(&held);
    return (void *)(intptr_t)(first == EBUSY && second == ETIMEDOUT && third == EPERM);
}

static void mutexes(void)
{
    pthread_t thread;
    void *right;
    pthread_mutex_t recursive = mutex_of(PTHREAD_MUTEX_RECURSIVE);
    held = mutex_of(PTHREAD_MUTEX_ERRORCHECK);
    for (unsigned i = 0; i < 5; i++)
        CHECK(pthread_mutex_lock(&recursive) == 0);
    for (unsigned i = 0; i < 5; i++)
        CHECK(pthread_mutex_unlock(&recursive) == 0);
    CHECK(pthread_mutex_unlock(&recursive) == EPERM);
    CHECK(pthread_mutex_lock(&held) == 0 && pthread_mutex_lock(&held) == EDEADLK);
    CHECK(pthread_create(&thread, NULL, try_held, NULL) == 0);
    CHECK(pthread_join(thread, &right) == 0 && right == (void *)1);
    CHECK(pthread_mutex_unlock(&held) == 0 && pthread_mutex_unlock(&held) == EPERM);
}

static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;

static void *reader(void *argument)
{
    (void)argument;
    struct timespec soon = after_ms(CLOCK_REALTIME, 5);
    intptr_t right = pthread_rwlock_tryrdlock(&rwlock) == EBUSY;
    right += pthread_rwlock_timedrdlock(&rwlock, &soon) == ETIMEDOUT;
    return (void *)right;
}

static void *writer(void *argument)
{
    (void)argument;
    intptr_t right = pthread_rwlock_trywrlock(&rwlock) == EBUSY;
    right += pthread_rwlock_tryrdlock(&rwlock) == 0;
    pthread_rwlock_unlock(&rwlock);
    return (void *)right;
}

static void rwlocks(void)
{
    pthread_t thread;
    void *right;
    CHECK(pthread_rwlock_wrlock(&rwlock) == 0);
    pthread_create(&thread, NULL, reader, NULL);
    CHECK(pthread_join(thread, &right) == 0 && right == (void *)2);
    CHECK(pthread_rwlock_unlock(&rwlock) == 0);
    CHECK(pthread_rwlock_rdlock(&rwlock) == 0 && pthread_rwlock_rdlock(&rwlock) == 0);
    pthread_create(&thread, NULL, writer, NULL);
    CHECK(pthread_join(thread, &right) == 0 && right == (void *)2);
    CHECK(pthread_rwlock_unlock(&rwlock) == 0 && pthread_rwlock_unlock(&rwlock) == 0);
    CHECK(pthread_rwlock_trywrlock(&rwlock) == 0 && pthread_rwlock_unlock(&rwlock) == 0);
}

/* What all of them are made of: a word that is waited for only while it has that value. */
static void futexes(void)
{
    enum { WAIT = 0, WAKE = 1, PRIVATE = 128 };
    int word = 1;
    struct timespec soon = { 0, 2000000 };
    for (int private = 0; private <= PRIVATE; private += PRIVATE) {
        CHECK(syscall(SYS_futex, &word, WAIT | private, 2, NULL) == -1 && errno == EAGAIN);
        CHECK(syscall(SYS_futex, &word, WAIT | private, 1, &soon) == -1 && errno == ETIMEDOUT);
        CHECK(syscall(SYS_futex, &word, WAKE | private, 10) == 0);
    }
    CHECK(syscall(SYS_futex, &word, 77, 0) == -1 && errno == ENOSYS);
}

/* ---- keys, errno, once ------------------------------------------------------------------------------------ */

static pthread_key_t key, second_key;
static atomic_int destroyed;

static void destroy(void *value)
{
    destroyed += (int)(intptr_t)value;
    if ((intptr_t)value == 1)
        pthread_setspecific(second_key, (void *)100); /* seen in the next round */
}

static void *keys_thread(void *argument)
{
    errno = (int)(intptr_t)argument;
    pthread_setspecific(key, argument);
    for (unsigned i = 0; i < 20; i++) {
        sched_yield();
        if (errno != (int)(intptr_t)argument || pthread_getspecific(key) != argument)
            return (void *)1;
        close(-1); /* EBADF, for this thread alone */
        if (errno != EBADF)
            return (void *)2;
        errno = (int)(intptr_t)argument;
    }
    return NULL;
}

static void keys(void)
{
    pthread_t thread[10];
    int total = 0;
    CHECK(pthread_key_create(&key, destroy) == 0 && pthread_key_create(&second_key, destroy) == 0);
    for (intptr_t i = 0; i < 10; i++) {
        CHECK(pthread_create(&thread[i], NULL, keys_thread, (void *)(i + 1)) == 0);
        total += (int)i + 1;
    }
    for (unsigned i = 0; i < 10; i++) {
        void *bad;
        CHECK(pthread_join(thread[i], &bad) == 0 && bad == NULL);
    }
    CHECK(destroyed == total + 100);
    CHECK(pthread_getspecific(key) == NULL);
    CHECK(pthread_key_delete(key) == 0 && pthread_key_delete(second_key) == 0);
}

/* ---- many --------------------------------------------------------------------------------------------------- */

static atomic_int alive, ran;

static void *stay(void *go)
{
    alive++;
    ran++;
    sem_wait(go);
    alive--;
    return NULL;
}

/* 200 at once, three times; each time everything is given back. */
static void many(void)
{
    static pthread_t thread[200];
    pthread_attr_t attr;
    sem_t go;
    uint64_t after[3] = { 0 };
    sem_init(&go, 0, 0);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 32768);
    for (unsigned round = 0; round < 3; round++) {
        ran = 0;
        for (unsigned i = 0; i < 200; i++)
            CHECK(pthread_create(&thread[i], &attr, stay, &go) == 0);
        while (ran < 200)
            sched_yield();
        CHECK(alive == 200);
        for (unsigned i = 0; i < 200; i++)
            sem_post(&go);
        for (unsigned i = 0; i < 200; i++)
            CHECK(pthread_join(thread[i], NULL) == 0);
        CHECK(alive == 0);
        after[round] = frames_used();
    }
    CHECK(after[2] <= after[0] + 4);
    sem_destroy(&go);
}

/* One after the other, nobody joins them. */
static void detached(void)
{
    pthread_attr_t attr;
    pthread_t thread;
    uint64_t before = 0;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    for (unsigned i = 0; i < 300; i++) {
        CHECK(pthread_create(&thread, i % 2 == 0 ? &attr : NULL, nothing, NULL) == 0);
        if (i % 2 != 0)
            CHECK(pthread_detach(thread) == 0);
        if (i % 10 == 0)
            usleep(100);
        if (i == 50)
            before = frames_used();
    }
    usleep(5000);
    CHECK(frames_used() <= before + 50);
}

/* ---- fairness -------------------------------------------------------------------------------------------------- */

#define SPINNERS 5
static atomic_bool stop;
static _Atomic uint64_t progress[SPINNERS];

static void *spin(void *argument)
{
    while (!stop)
        progress[(intptr_t)argument]++;
    return NULL;
}

/* Threads that never call anything get about the same; and a sleeper wakes beside them. */
static void fairness(void)
{
    pthread_t thread[SPINNERS];
    for (intptr_t i = 0; i < SPINNERS; i++)
        CHECK(pthread_create(&thread[i], NULL, spin, (void *)i) == 0);
    unsigned wakes = 0;
    struct timespec end = after_ms(CLOCK_MONOTONIC, 1000), now;
    do {
        usleep(1000);
        wakes++;
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while (now.tv_sec < end.tv_sec || (now.tv_sec == end.tv_sec && now.tv_nsec < end.tv_nsec));
    stop = true;
    uint64_t least = UINT64_MAX, most = 0;
    for (unsigned i = 0; i < SPINNERS; i++) {
        pthread_join(thread[i], NULL);
        least = progress[i] < least ? progress[i] : least;
        most = progress[i] > most ? progress[i] : most;
    }
    CHECK(least > 0 && most / least < 4);
    CHECK(wakes >= 10);
}

/* ---- floating point ---------------------------------------------------------------------------------------------------- */

/* printf() of floats uses vector registers and wants its stack aligned; rounding is each thread's own. */
static void *print_floats(void *argument)
{
    int mode = (int)(intptr_t)argument % 2 == 0 ? FE_UPWARD : FE_DOWNWARD;
    const char *third = mode == FE_UPWARD ? "0.334" : "0.333";
    uintptr_t bad = fesetround(mode) != 0;
    for (unsigned i = 0; i < 300; i++) {
        char text[100];
        volatile double one = 1, three = 3;
        volatile long double big = 123456789.0L;
        snprintf(text, sizeof(text), "%.3f %a %g %.1Lf", one / three, 1.5, 1e-7 * (double)i, big);
        bad += strncmp(text, third, 5) != 0 || strstr(text, "0x1.8p+0") == NULL || strstr(text, "123456789.0") == NULL;
        bad += fegetround() != mode;
        if (i % 7 == 0)
            sched_yield();
        bad += ((uintptr_t)__builtin_frame_address(0) & 15) != 0;
    }
    return (void *)bad;
}

static void floats(void)
{
    pthread_t thread[6];
    for (intptr_t i = 0; i < 6; i++)
        CHECK(pthread_create(&thread[i], NULL, print_floats, (void *)i) == 0);
    for (unsigned i = 0; i < 6; i++) {
        void *bad;
        CHECK(pthread_join(thread[i], &bad) == 0 && bad == NULL);
    }
    CHECK(fegetround() == FE_TONEAREST);
}

/* ---- the others' interface --------------------------------------------------------------------------------------------- */

static int c11_thread(void *argument)
{
    mtx_lock(argument);
    mtx_unlock(argument);
    return 33;
}

static void c11(void)
{
    mtx_t lock;
    thrd_t thread;
    int result = 0;
    CHECK(mtx_init(&lock, mtx_plain) == thrd_success && mtx_lock(&lock) == thrd_success);
    CHECK(thrd_create(&thread, c11_thread, &lock) == thrd_success);
    thrd_yield();
    CHECK(mtx_unlock(&lock) == thrd_success);
    CHECK(thrd_join(thread, &result) == thrd_success && result == 33);
    mtx_destroy(&lock);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        { "mutexes", mutexes },
        { "rwlocks", rwlocks },
        { "futexes", futexes },
        { "keys", keys },
        { "many", many },
        { "detached", detached },
        { "fairness", fairness },
        { "floats", floats },
        { "c11", c11 },
        { NULL, NULL },
    };
    return check_main(cases, argc, argv);
}
