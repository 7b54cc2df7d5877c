/* SPDX-License-Identifier: MIT */
/*
 * Mistakes as programs make them, each at the end of the same chain of calls: main() calls outer() calls
 * middle() calls the mistake. What is reported must tell where it was made and how it came there.
 */
#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MISTAKE static __attribute__((noinline)) int

/* The compiler knows nothing of these, or it would not let us. */
static volatile uintptr_t nowhere = 0xdeadbeef000, null, one = 1, zero;
static const char constant[] = "constant";

MISTAKE wild_write(void)
{
    *(volatile int *)nowhere = 1;
    return 1;
}

MISTAKE wild_read(void)
{
    return *(volatile int *)(nowhere + 0x18);
}

MISTAKE null_member(void)
{
    return *(volatile int *)(null + 24);
}

MISTAKE divide_by_zero(void)
{
    return (int)((int)one / (int)zero);
}

MISTAKE call_null(void)
{
    return ((int (*)(void))null)() + 1;
}

MISTAKE call_nowhere(void)
{
    return ((int (*)(void))nowhere)() + 1;
}

MISTAKE write_constant(void)
{
    *(volatile char *)(uintptr_t)constant = 'C';
    return 1;
}

MISTAKE run_data(void)
{
    static unsigned char code[] = { 0xc3 };
    return ((int (*)(void))(uintptr_t)code)() + 1;
}

MISTAKE use_after_unmap(void)
{
    volatile char *m = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    m[4096] = 1;
    munmap((void *)(uintptr_t)m, 8192);
    return m[4096];
}

MISTAKE misaligned(void)
{
    static char bytes[64];
    __asm__ volatile("movaps %%xmm0, (%0)" : : "r"(((uintptr_t)bytes & ~15ull) + 17) : "memory");
    return 1;
}

MISTAKE privileged(void)
{
    __asm__ volatile("hlt");
    return 1;
}

MISTAKE trap(void)
{
    if (one)
        __builtin_trap();
    return 1;
}

MISTAKE call_abort(void)
{
    fprintf(stderr, "about to abort");
    if (one)
        abort();
    return 1;
}

static void *end_thread(void *thread)
{
    pthread_kill(*(pthread_t *)thread, SIGUSR1);
    return NULL;
}

/* It computes: the signal comes at the end of a CPU slot, wherever it is then. */
MISTAKE ended_by_another(void)
{
    pthread_t self = pthread_self(), other;
    pthread_create(&other, NULL, end_thread, &self);
    while (one)
        ;
    return 1;
}

MISTAKE fail_assert(void)
{
    assert(zero == one);
    return 1;
}

MISTAKE bad_pointer_in_call(void)
{
    return (int)write(1, (const void *)nowhere, 10) + 1;
}

MISTAKE bad_free(void)
{
    char *m = malloc(100);
    free(m + one * 16);
    return m[0];
}

MISTAKE smash_string(void)
{
    volatile char small[8];
    volatile char *at = small; /* the return address lies within the next hundred bytes */
    for (unsigned i = 0; i < 100; i++)
        at[i * one] = 'A';
    return small[one];
}

static __attribute__((noinline)) unsigned recurse(unsigned depth)
{
    volatile char room[2000];
    room[0] = (char)depth;
    if (depth == UINT32_MAX)
        return 0;
    return recurse(depth + 1) + (unsigned)room[0];
}

MISTAKE overflow_stack(void)
{
    return (int)recurse(0);
}

static const struct {
    const char *name;
    int (*make)(void);
} mistakes[] = {
#define M(name) { #name, name },
    M(wild_write) M(wild_read) M(null_member) M(divide_by_zero) M(call_null) M(call_nowhere) M(write_constant)
    M(run_data) M(use_after_unmap) M(misaligned) M(privileged) M(trap) M(call_abort) M(ended_by_another)
    M(fail_assert) M(bad_pointer_in_call) M(bad_free) M(smash_string) M(overflow_stack)
#undef M
};

static volatile int came_back;

static __attribute__((noinline)) int middle(int (*make)(void))
{
    int result = make();
    came_back++;
    return result;
}

static __attribute__((noinline)) int outer(int (*make)(void))
{
    int result = middle(make);
    came_back++;
    return result;
}

static void *thread_main(void *make)
{
    int (*call)(void);
    memcpy(&call, make, sizeof(call));
    outer(call);
    return NULL;
}

int main(int argc, char **argv)
{
    for (unsigned i = 0; argc > 1 && i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
        if (strcmp(argv[1], mistakes[i].name) != 0)
            continue;
        if (argc > 2) {
            pthread_t thread;
            pthread_create(&thread, NULL, thread_main, (void *)(uintptr_t)&mistakes[i].make);
            pthread_join(thread, NULL);
        } else {
            outer(mistakes[i].make);
        }
        printf("CAME BACK from %s\n", argv[1]);
        return 0;
    }
    return 99;
}
