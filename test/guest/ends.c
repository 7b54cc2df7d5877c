/* SPDX-License-Identifier: MIT */
/* Ways for a program to end, one for each argument; the manifest says how init must see it. */
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int __attribute__((noinline)) recurse(int n)
{
    volatile char room[512];
    room[0] = (char)n;
    return n < 0 ? room[0] : recurse(n + 1) + room[0];
}

static void *recurse_thread(void *argument)
{
    return (char *)argument + recurse(0);
}

/* More than there is, page by page, of memory that was never promised. */
static void *eat(void *argument)
{
    size_t size = 256u << 20;
    char *m = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    for (size_t i = 0; i < size; i += 4096)
        m[i] = 1;
    return argument;
}

/* malloc() until it says no: then everything goes on. */
static int hoard(void)
{
    char *first = NULL, *piece;
    size_t total = 0, size = 3000;
    while ((piece = malloc(size)) != NULL) {
        memset(piece, 7, size);
        memcpy(piece, &first, sizeof(first));
        first = piece;
        total += size;
        size = size < 100000 ? size + 1000 : size;
    }
    printf("malloc() said no after %zu KiB\n", total >> 10);
    while (first != NULL) {
        memcpy(&piece, first, sizeof(piece));
        free(first);
        first = piece;
    }
    piece = malloc(total / 2);
    if (piece == NULL)
        return 1;
    memset(piece, 1, total / 2);
    return total > 1u << 20 ? 0 : 2;
}

static void *late(void *argument)
{
    usleep(20000);
    printf("the last thread ends the program\n");
    return argument;
}

static void at_exit(void)
{
    printf("atexit() was called, and this line has no end");
}

int main(int argc, char **argv)
{
    const char *how = argc > 1 ? argv[1] : "";
    pthread_t thread;
    if (strcmp(how, "status") == 0) {
        atexit(at_exit);
        return 42;
    }
    if (strcmp(how, "abort") == 0)
        abort();
    if (strcmp(how, "raise") == 0)
        raise(SIGTERM);
    if (strcmp(how, "overflow") == 0)
        return recurse(0);
    if (strcmp(how, "thread-overflow") == 0) {
        pthread_create(&thread, NULL, recurse_thread, NULL);
        pthread_join(thread, NULL);
    }
    if (strcmp(how, "eat") == 0)
        eat(NULL);
    if (strcmp(how, "hoard") == 0)
        return hoard();
    if (strcmp(how, "bad-pointer") == 0)
        write(1, (const void *)8, 5);
    if (strcmp(how, "pthread-exit") == 0) {
        pthread_create(&thread, NULL, late, NULL);
        pthread_exit(NULL);
    }
    void (*volatile nowhere)(void) = NULL;
    if (strcmp(how, "null-call") == 0)
        nowhere();
    return 1;
}
