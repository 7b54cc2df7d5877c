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

static unsigned char *cache;
static uint64_t *table;
static volatile unsigned given;
static volatile bool cache_gone;

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
    void *at = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) {
        printf("FAILED: no memory\n");
        exit(1);
    }
    return at;
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

/* Reads what is left of the cache. How many pages were found to be lost, by the list. */
static unsigned look(void)
{
    static volatile unsigned lost;
    lost = 0;
    if (sigsetjmp(back, 1) != 0) {
        uint64_t start, bytes;
        while (mem_lost(&start, &bytes)) {
            memset(page_lost + (start - (uint64_t)cache) / PAGE, 1, bytes / PAGE);
            lost += (unsigned)(bytes / PAGE);
        }
    }
    for (size_t i = 0; i < CACHE_PAGES * PAGE; i += page_lost[i / PAGE] ? PAGE : 64)
        if (!page_lost[i / PAGE] && cache[i] != 7) {
            printf("FAILED: byte %zu of the cache is %u\n", i, cache[i]);
            exit(1);
        }
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
    printf("%s: %llu frames less, %u given, %u signals, %u pages lost\n", how,
           (unsigned long long)(limit - PLAN_INFO->frames_limit), given, buses, lost);
}

int main(int argc, char **argv)
{
    const char *how = argc > 1 ? argv[1] : "zeros";
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
    work(how);
    /* What is left is good for something: memory comes and goes as before. */
    for (unsigned i = 0; i < 50; i++) {
        unsigned char *piece = malloc(200000);
        if (piece == NULL)
            continue;
        memset(piece, (int)i, 200000);
        free(piece);
    }
    return table_good() ? 0 : 2;
}
