/* SPDX-License-Identifier: MIT */
/*
 * What pthreads promise and threads.c beside this folder does not ask for: kinds of mutexes, keys, errors,
 * cancellation at every place that waits, fairness among threads that never wait, and a
 * floating-point environment for each.
 */
#include <errno.h>
#include <fenv.h>
#include <libos/plan.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
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

/* ---- cancellation ------------------------------------------------------------------------------------------------ */

static int fds[2];
static sem_t never;
static pthread_mutex_t plain = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static pthread_t sleeper;

static void wait_read(void) { char c; (void)!read(fds[0], &c, 1); }
static void wait_sem(void) { sem_wait(&never); }
static void wait_nanosleep(void) { struct timespec t = { 1000, 0 }; nanosleep(&t, NULL); }
static void wait_pause(void) { pause(); }
static void wait_join(void) { pthread_join(sleeper, NULL); }
static void wait_poll(void) { struct pollfd p = { fds[0], POLLIN, 0 }; poll(&p, 1, -1); }
static void unlock(void *mutex)
{
    pthread_mutex_unlock(mutex);
}

static void wait_cond(void)
{
    pthread_mutex_lock(&plain);
    pthread_cleanup_push(unlock, &plain);
    for (;;)
        pthread_cond_wait(&cond, &plain);
    pthread_cleanup_pop(1);
}

static void wait_write(void)
{
    static char much[65536];
    int full[2];
    if (pipe(full) == 0)
        for (;;)
            if (write(full[1], much, sizeof(much)) < 0)
                return;
}

static void wait_event(void)
{
    uint64_t n;
    int event = eventfd(0, 0);
    (void)!read(event, &n, 8);
}

static int cleaned;

static void clean(void *argument)
{
    cleaned = cleaned * 10 + (int)(intptr_t)argument;
}

static void *wait_in(void *place)
{
    void (*wait)(void);
    memcpy(&wait, place, sizeof(wait));
    pthread_cleanup_push(clean, (void *)1);
    pthread_cleanup_push(clean, (void *)2);
    wait();
    pthread_cleanup_pop(0);
    pthread_cleanup_pop(0);
    return NULL;
}

static void *sleep_on(void *argument)
{
    sleep(1000);
    return argument;
}

/* Asked before it gets there, and asked while it waits. */
static void cancelled(void)
{
    static void (*const places[])(void) = { wait_read, wait_sem, wait_nanosleep, wait_pause, wait_join,
                                            wait_poll, wait_cond, wait_write, wait_event };
    CHECK(pipe(fds) == 0);
    sem_init(&never, 0, 0);
    pthread_create(&sleeper, NULL, sleep_on, NULL);
    for (unsigned i = 0; i < 2 * sizeof(places) / sizeof(places[0]); i++) {
        pthread_t thread;
        void *result = NULL;
        cleaned = 0;
        CHECK(pthread_create(&thread, NULL, wait_in, (void *)(uintptr_t)&places[i / 2]) == 0);
        if (i % 2 == 0)
            usleep(3000);
        CHECK(pthread_cancel(thread) == 0);
        CHECK(pthread_join(thread, &result) == 0 && result == PTHREAD_CANCELED);
        if (cleaned != 21)
            printf("FAILED: place %u: cleaned %d\n", i / 2, cleaned);
        CHECK(cleaned == 21);
    }
    pthread_cancel(sleeper);
    CHECK(pthread_join(sleeper, NULL) == 0);
    CHECK(pthread_mutex_trylock(&plain) == 0 && pthread_mutex_unlock(&plain) == 0);
    close(fds[0]);
    close(fds[1]);
}

static atomic_bool spinning;

static void *spin_for_ever(void *argument)
{
    int old;
    (void)argument;
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &old);
    for (spinning = true; spinning;)
        continue;
    return NULL;
}

static void *refuse_then_allow(void *argument)
{
    int old;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
    spinning = true;
    for (unsigned i = 0; i < 5; i++)
        usleep(2000);
    *(int *)argument = 5;
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &old);
    pthread_testcancel();
    *(int *)argument = 6;
    return NULL;
}

static void cancel_state(void)
{
    pthread_t thread;
    void *result;
    int reached = 0;
    spinning = false;
    pthread_create(&thread, NULL, refuse_then_allow, &reached);
    while (!spinning)
        sched_yield();
    pthread_cancel(thread);
    CHECK(pthread_join(thread, &result) == 0 && result == PTHREAD_CANCELED && reached == 5);
    spinning = false;
    pthread_create(&thread, NULL, spin_for_ever, NULL);
    while (!spinning)
        sched_yield();
    CHECK(pthread_cancel(thread) == 0);
    CHECK(pthread_join(thread, &result) == 0 && result == PTHREAD_CANCELED);
}

/* ---- signals between threads --------------------------------------------------------------------------------------- */

static atomic_int caught;
static pthread_t catcher;

static void catch(int signal)
{
    if (pthread_equal(pthread_self(), catcher))
        caught += signal;
}

static void *wait_for_signal(void *argument)
{
    struct timespec t = { 1000, 0 };
    spinning = true;
    while (caught == 0)
        if (nanosleep(&t, NULL) == -1 && errno != EINTR)
            return argument;
    return NULL;
}

static void signals(void)
{
    struct sigaction action = { .sa_handler = catch };
    sigset_t set, old;
    sigaction(SIGUSR2, &action, NULL);
    spinning = false;
    CHECK(pthread_create(&catcher, NULL, wait_for_signal, (void *)1) == 0);
    while (!spinning)
        sched_yield();
    usleep(2000);
    CHECK(pthread_kill(catcher, 0) == 0 && pthread_kill(catcher, SIGUSR2) == 0);
    void *bad;
    CHECK(pthread_join(catcher, &bad) == 0 && bad == NULL && caught == SIGUSR2);
    catcher = pthread_self();
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    CHECK(pthread_sigmask(SIG_BLOCK, &set, &old) == 0 && !sigismember(&old, SIGUSR2));
    CHECK(pthread_kill(catcher, SIGUSR2) == 0 && caught == SIGUSR2);
    sigset_t pending;
    CHECK(sigpending(&pending) == 0 && sigismember(&pending, SIGUSR2));
    CHECK(pthread_sigmask(SIG_SETMASK, &old, NULL) == 0);
    getpid(); /* delivered when a call ends at the latest */
    CHECK(caught == 2 * SIGUSR2);
    signal(SIGUSR2, SIG_DFL);
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
        { "mutexes", mutexes },   { "rwlocks", rwlocks },     { "keys", keys },           { "many", many },
        { "detached", detached }, { "fairness", fairness },   { "cancelled", cancelled }, { "cancel-state", cancel_state },
        { "signals", signals },   { "floats", floats },       { "c11", c11 },             { NULL, NULL },
    };
    return check_main(cases, argc, argv);
}
