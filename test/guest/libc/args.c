/* SPDX-License-Identifier: MIT */
/* Says what it was started with, and ends in the way that its first argument says. */
#include <libos/start.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

extern char **environ;

static void tell(const char *what, const char *text)
{
    printf("%s ", what);
    for (; *text != '\0'; text++)
        printf("%02x", (unsigned char)*text);
    printf("\n");
}

static void first(void)
{
    printf("the first handler runs last\n");
}

static void second(void)
{
    printf("the second handler runs first\n");
    atexit(first);
}

static void *exit_here(void *status)
{
    exit((int)(intptr_t)status);
}

/* Never returns: exit() comes from another thread, while this one waits for ever. */
static void exit_from_thread(int status)
{
    pthread_t thread;
    pthread_create(&thread, NULL, exit_here, (void *)(intptr_t)status);
    for (;;)
        pause();
}

static _Thread_local int of_thread;

static __attribute__((constructor)) void before_main(void)
{
    of_thread = 77;
}

static __attribute__((destructor)) void after_main(void)
{
    write(1, "after main\n", 11);
}

int main(int argc, char **argv)
{
    if (of_thread != 77)
        return 99; /* constructors, and thread-local variables in them */
    const char *how = argc > 1 ? argv[1] : "tell";
    int status = argc > 2 ? atoi(argv[2]) : 0;
    if (strcmp(how, "return") == 0)
        return status;
    if (strcmp(how, "exit") == 0)
        exit(status);
    if (strcmp(how, "_exit") == 0) {
        atexit(first);
        printf("this is never flushed"); /* no end of line */
        _exit(status);
    }
    if (strcmp(how, "quick") == 0) {
        at_quick_exit(second);
        atexit(first);
        quick_exit(status);
    }
    if (strcmp(how, "handlers") == 0) {
        atexit(second);
        printf("no end of line");
        exit(status);
    }
    if (strcmp(how, "thread") == 0)
        exit_from_thread(status);
    for (int i = 0; i < argc; i++)
        tell("argument", argv[i]);
    for (char **e = environ; *e != NULL; e++)
        tell("environment", *e);
    if (argv[argc] != NULL || getauxval(AT_RANDOM) == 0)
        return 98;
    const char *path = getenv("PATH");
    tell("path", path != NULL ? path : "(none)");
    setenv("PATH", "/changed", 1);
    tell("path", getenv("PATH"));
    unsetenv("PATH");
    return getenv("PATH") == NULL ? 0 : 97;
}
