/* SPDX-License-Identifier: MIT */
/* Threads that are told to end, at every place that waits and at none; and signals from one to another. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "../check.h"

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

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        { "cancelled", cancelled },
        { "cancel-state", cancel_state },
        { "signals", signals },
        { NULL, NULL },
    };
    return check_main(cases, argc, argv);
}
