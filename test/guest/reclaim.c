/* SPDX-License-Identifier: MIT */
/*
 * A program that init takes memory from while it works. It keeps tables that it checks all the time, and
 * besides them, as the first argument says,
 *
 *   zeros    pages of zeros, which the libos gives by itself
 *   cache    a cache, which a thread gives up when it is asked to
 *   slow     the same, so slowly that the deadline passes
 *   refuse   nothing that it would give; what force takes it finds by a signal, and does without
 *   careless the same, without a handler
 *   drop-all the same; all of it goes unseen
 *   drop     the same, but it asks for the list before it touches anything, and then throws all of it away
 *
 * With "large" behind it all of that is in large pages, as far as it fits.
 */
#include <libos/mem.h>
#include <libos/plan.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define PAGE ((size_t)EXO_PAGE_SIZE)
#define CACHE_PAGES 1200u
#define TABLE_PAGES 100u
#define LARGE (EXO_LARGE_PAGES * PAGE)

static unsigned char *cache;
static uint64_t *table;
static volatile unsigned given;
static bool large;

static uint64_t pattern(uint64_t i)
{
    return (i + 1) * 0x9e3779b97f4a7c15ull;
}

static void rest(long ms)
{
    struct timespec time = { ms / 1000, ms % 1000 * 1000000 };
    nanosleep(&time, NULL);
}

static void *memory(size_t pages)
{
    size_t bytes = pages * PAGE;
    char *at = mmap(NULL, large ? bytes + LARGE : bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | (large ? MAP_NORESERVE : 0), -1, 0);
    if (at != MAP_FAILED && large)
        at += -(uintptr_t)at & (LARGE - 1);
    if (at == MAP_FAILED || (large && madvise(at, bytes, MADV_HUGEPAGE) != 0)) {
        printf("FAILED: no memory\n");
        exit(1);
    }
    return at;
}

/* What neither pages nor their tables use: it is the same before and after, or something was lost on the way. */
static uint64_t other(void)
{
    struct mem_usage now;
    mem_usage(&now);
    return PLAN_INFO->frames_used - now.frames - now.tables;
}

/* The rest of the limit, so that whatever is given back must have been in use. */
static void fill(unsigned char value)
{
    cache = memory(CACHE_PAGES);
    mem_spare(cache);
    for (unsigned i = 0; i < CACHE_PAGES; i++)
        memset(cache + i * PAGE, value, PAGE);
    size_t left = PLAN_INFO->frames_limit - PLAN_INFO->frames_used;
    unsigned char *more = left > 20 ? memory(left - 16) : cache;
    for (size_t i = 0; left > 20 && i < left - 16; i++)
        more[i * PAGE] = 1;
}

static void *giver(void *argument)
{
    bool slow = argument != NULL;
    unsigned page = CACHE_PAGES;
    while (page > 0) {
        uint64_t deadline;
        uint64_t wanted = mem_reclaim_wait(&deadline);
        unsigned now = slow ? 8 : wanted < page ? (unsigned)wanted : page;
        now = now < page ? now : page;
        page -= now;
        madvise(cache + page * PAGE, now * PAGE, MADV_DONTNEED);
        given += now;
        if (slow)
            rest(20);
    }
    return NULL;
}

static sigjmp_buf back;
static volatile unsigned buses;

static void on_bus(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)context;
    unsigned char *at = info->si_addr;
    if (info->si_code != BUS_ADRERR || at < cache || at >= cache + CACHE_PAGES * PAGE)
        _Exit(3);
    buses++;
    siglongjmp(back, 1);
}

static bool page_lost[CACHE_PAGES];

static unsigned list_read(void)
{
    uint64_t start, bytes;
    unsigned lost = 0;
    while (mem_lost(&start, &bytes)) {
        memset(page_lost + (start - (uint64_t)cache) / PAGE, 1, bytes / PAGE);
        lost += (unsigned)(bytes / PAGE);
    }
    return lost;
}

/* Reads what is left of the cache. How many pages were found to be lost, by the list. */
static unsigned look(void)
{
    static volatile unsigned lost;
    lost = 0;
    if (sigsetjmp(back, 1) != 0)
        lost += list_read();
    for (size_t i = 0; i < CACHE_PAGES * PAGE; i += page_lost[i / PAGE] ? PAGE : 64)
        if (!page_lost[i / PAGE] && cache[i] != 7) {
            printf("FAILED: byte %zu of the cache is %u\n", i, cache[i]);
            exit(1);
        }
    return lost;
}

/* Nothing of it was touched since force came. */
static unsigned drop(void)
{
    size_t bytes = CACHE_PAGES * PAGE;
    unsigned lost = list_read();
    bool good = mprotect(cache, bytes, PROT_READ) == 0 && mprotect(cache, bytes, PROT_READ | PROT_WRITE) == 0;
    lost += look();
    good = good && madvise(cache, bytes, MADV_DONTNEED) == 0;
    for (size_t i = 0; i < 100 * PAGE; i += 64)
        good = good && cache[i] == 0;
    if (!good)
        printf("FAILED: the cache is not what it should be\n");
    return lost;
}

static bool table_good(void)
{
    for (uint64_t i = 0; i < TABLE_PAGES * PAGE / 8; i++)
        if (table[i] != pattern(i))
            return false;
    return true;
}

static void work(const char *how)
{
    uint64_t limit = PLAN_INFO->frames_limit;
    unsigned lost = 0;
    bool looks = strcmp(how, "refuse") == 0 || strcmp(how, "careless") == 0;
    for (unsigned turn = 0; turn < 4000; turn++) {
        if (!table_good()) {
            printf("FAILED: the tables changed\n");
            exit(1);
        }
        if (looks)
            lost += look();
        if (PLAN_INFO->frames_limit < limit && turn > 20)
            break;
        rest(5);
    }
    if (looks) /* it may have happened after the last look */
        lost += look();
    if (strcmp(how, "drop") == 0)
        lost += drop();
    if (strcmp(how, "drop-all") == 0 && munmap(cache, CACHE_PAGES * PAGE) != 0)
        printf("FAILED: munmap\n");
    struct mem_usage now;
    mem_usage(&now);
    printf("%s: %llu frames less, %u given, %u signals, %u pages lost, %u large\n", how,
           (unsigned long long)(limit - PLAN_INFO->frames_limit), given, buses, lost, (unsigned)now.large);
}

int main(int argc, char **argv)
{
    const char *how = argc > 1 ? argv[1] : "zeros";
    large = argc > 2;
    static unsigned char stack[65536]; /* there is no memory left when the handler needs one */
    pthread_t thread;
    bool gives = strcmp(how, "cache") == 0 || strcmp(how, "slow") == 0;
    if (gives && pthread_create(&thread, NULL, giver, how[0] == 's' ? (void *)how : NULL) != 0)
        return 4;
    table = memory(TABLE_PAGES);
    for (uint64_t i = 0; i < TABLE_PAGES * PAGE / 8; i++)
        table[i] = pattern(i);
    fill(strcmp(how, "zeros") == 0 ? 0 : 7);
    if (strcmp(how, "refuse") == 0) {
        struct sigaction action = { .sa_sigaction = on_bus, .sa_flags = SA_SIGINFO | SA_ONSTACK };
        sigaltstack(&(stack_t){ .ss_sp = stack, .ss_size = sizeof(stack) }, NULL);
        sigaction(SIGBUS, &action, NULL);
    }
    uint64_t rest = other();
    work(how);
    /* What is left is good for something: memory comes and goes as before. */
    for (unsigned i = 0; i < 50; i++) {
        unsigned char *piece = malloc(200000);
        if (piece == NULL)
            continue;
        memset(piece, (int)i, 200000);
        free(piece);
    }
    if (other() != rest)
        printf("FAILED: %lld frames are nowhere\n", (long long)(other() - rest));
    return table_good() ? 0 : 2;
}
