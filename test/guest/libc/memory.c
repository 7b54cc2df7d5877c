/* SPDX-License-Identifier: MIT */
/*
 * Memory as a program sees it: pages come when they are touched and go when they are given back (counted by the
 * kernel, in the info page), guards are guards, allocators under threads, and an honest no at the end.
 */
#include <errno.h>
#include <libos/plan.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../check.h"

#define PAGE 4096u
#define MIB (1u << 20)
#define ANONYMOUS (MAP_PRIVATE | MAP_ANONYMOUS)
#define RW (PROT_READ | PROT_WRITE)
#define AROUND 16u /* pages that the pager may give for one touch */

/* What the kernel charges, as of now. */
static uint64_t used(void)
{
    exo_enter(PLAN_INFO->sq_head, 0, 0);
    return PLAN_INFO->frames_used;
}

/* ---- faults that are meant ------------------------------------------------------------------------- */

static sigjmp_buf back;
static siginfo_t told;

static void on_fault(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)context;
    told = *info;
    siglongjmp(back, 1);
}

static bool faults(volatile char *address, bool write)
{
    struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO }, old;
    sigaction(SIGSEGV, &action, &old);
    memset(&told, 0, sizeof(told));
    volatile bool faulted = true;
    if (sigsetjmp(back, 1) == 0) {
        if (write)
            *address = 1;
        else
            (void)*address;
        faulted = false;
    }
    sigaction(SIGSEGV, &old, NULL);
    return faulted && told.si_addr == (void *)address && told.si_signo == SIGSEGV;
}

/* ---- demand paging ---------------------------------------------------------------------------------- */

static void demand(void)
{
    size_t size = 8 * MIB, pages = size / PAGE;
    uint64_t start = used();
    char *m = mmap(NULL, size, RW, ANONYMOUS, -1, 0);
    CHECK(m != MAP_FAILED);
    CHECK(used() - start <= 2);
    for (unsigned i = 0; i < 10; i++)
        m[i * (size / 10)] = (char)i;
    CHECK(used() - start >= 10 && used() - start <= 10 * AROUND + 12);
    for (size_t i = 0; i < pages; i++)
        CHECK(m[i * PAGE + 1] == 0 && (m[i * PAGE + 2] = 1) == 1);
    CHECK(used() - start >= pages && used() - start <= pages + 12);
    /* Half of it, every second page: only then are the frames back. */
    for (size_t i = 0; i < pages; i += 2)
        CHECK(madvise(m + i * PAGE, PAGE, MADV_DONTNEED) == 0);
    CHECK(used() - start >= pages / 2 && used() - start <= pages / 2 + 12);
    CHECK(m[1] == 0 && m[2] == 0 && m[PAGE + 2] == 1);
    CHECK(munmap(m, size) == 0);
    CHECK(used() - start <= 12); /* tables may stay */
    /* Again and again: nothing adds up. */
    uint64_t before = used();
    for (unsigned i = 0; i < 50; i++) {
        m = mmap(NULL, MIB, RW, ANONYMOUS, -1, 0);
        memset(m, 1, MIB);
        munmap(m, MIB);
    }
    CHECK(used() <= before + 2);
}

/* Reading gives a page, too, and it is zero even if somebody had it before. */
static void recycled(void)
{
    for (unsigned round = 0; round < 20; round++) {
        unsigned char *m = mmap(NULL, MIB, RW, ANONYMOUS, -1, 0);
        size_t dirty = 0;
        for (size_t i = 0; i < MIB; i += 8)
            dirty += m[i] != 0;
        CHECK(dirty == 0);
        memset(m, 0xa5, MIB);
        munmap(m, MIB);
        unsigned char *c = calloc(1, 300000);
        for (size_t i = 0; i < 300000; i++)
            dirty += c[i] != 0;
        CHECK(dirty == 0);
        memset(c, 0x5a, 300000);
        free(c);
    }
}

static void guards(void)
{
    char *m = mmap(NULL, 3 * PAGE, PROT_NONE, ANONYMOUS, -1, 0);
    CHECK(mprotect(m + PAGE, PAGE, RW) == 0);
    m[PAGE] = m[2 * PAGE - 1] = 1;
    CHECK(faults(m + PAGE - 1, false) && faults(m + PAGE - 1, true));
    CHECK(faults(m + 2 * PAGE, false) && faults(m + 2 * PAGE, true));
    CHECK(mprotect(m + PAGE, PAGE, PROT_READ) == 0);
    CHECK(m[PAGE] == 1 && faults(m + PAGE, true));
    CHECK(munmap(m + PAGE, PAGE) == 0 && faults(m + PAGE, false));
    CHECK(mprotect(m + PAGE, PAGE, RW) == -1 && errno == ENOMEM);
    CHECK(munmap(m, 3 * PAGE) == 0 && faults(m, false));
    CHECK(munmap(m + 1, PAGE) == -1 && errno == EINVAL);
    CHECK(mmap(m + 1, PAGE, RW, ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED && errno == EINVAL);
    CHECK(mmap(NULL, PAGE, RW, MAP_PRIVATE, 99, 0) == MAP_FAILED && errno == EBADF);
    /* Where a program has nothing to look for. */
    CHECK(faults((char *)0x8000, false) && faults((char *)0x7ffffffff000, false));
    CHECK(faults((char *)(uintptr_t)guards, true));
    CHECK(faults((char *)(uintptr_t)"constant", true));
}

/* MAP_FIXED takes the place of what was there, and nothing beside it. */
static void fixed(void)
{
    char *m = mmap(NULL, 16 * PAGE, RW, ANONYMOUS, -1, 0);
    memset(m, 7, 16 * PAGE);
    CHECK(mmap(m + 4 * PAGE, 4 * PAGE, RW, ANONYMOUS | MAP_FIXED, -1, 0) == m + 4 * PAGE);
    for (unsigned i = 0; i < 16; i++)
        CHECK(m[i * PAGE] == (i >= 4 && i < 8 ? 0 : 7));
    CHECK(mmap(m, PAGE, RW, ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED && errno == EEXIST);
    CHECK(munmap(m + PAGE, 14 * PAGE) == 0);
    CHECK(m[0] == 7 && m[15 * PAGE] == 7 && faults(m + PAGE, false) && faults(m + 14 * PAGE, false));
    CHECK(munmap(m, 16 * PAGE) == 0); /* over the hole */
    m = mmap(NULL, 4 * PAGE, RW, ANONYMOUS, -1, 0);
    memset(m, 9, 4 * PAGE);
    char *n = mremap(m, 4 * PAGE, 64 * PAGE, MREMAP_MAYMOVE);
    CHECK(n != MAP_FAILED && n[3 * PAGE] == 9 && n[63 * PAGE] == 0);
    CHECK(n == MAP_FAILED || munmap(n, 64 * PAGE) == 0);
}

/* ---- stacks -------------------------------------------------------------------------------------------- */

static __attribute__((noinline)) size_t descend(size_t bytes, uintptr_t top)
{
    volatile char room[1024];
    room[0] = 1;
    uintptr_t here = (uintptr_t)room;
    if (top - here > bytes)
        return top - here;
    return descend(bytes, top) + (size_t)(room[0] - 1);
}

static void *descend_thread(void *bytes)
{
    char here;
    return (void *)descend((size_t)(uintptr_t)bytes, (uintptr_t)&here);
}

static void stacks(void)
{
    uint64_t start = used();
    char here;
    CHECK(descend(100 * 1024, (uintptr_t)&here) > 100 * 1024);
    CHECK(descend(4 * MIB, (uintptr_t)&here) > 4 * MIB); /* grows as it is used */
    uint64_t grown = used();
    CHECK(grown - start >= 900 && grown - start <= 4 * MIB / PAGE + 50);
    pthread_attr_t attr;
    pthread_t thread;
    void *depth;
    pthread_attr_init(&attr);
    for (size_t size = 128 * 1024; size <= 2 * MIB; size *= 4) {
        pthread_attr_setstacksize(&attr, size);
        CHECK(pthread_create(&thread, &attr, descend_thread, (void *)(size - 32 * 1024)) == 0);
        CHECK(pthread_join(thread, &depth) == 0 && (size_t)depth > size - 32 * 1024);
    }
    CHECK(used() <= grown + 20);
}

/* ---- allocators under threads ---------------------------------------------------------------------------- */

#define THREADS 6
#define PIECES 64

static uint64_t next(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* Pieces are handed from thread to thread, so that one frees what another has allocated. */
static struct piece {
    unsigned char *at;
    size_t size;
    unsigned char mark;
} shared[PIECES];
static pthread_mutex_t shared_lock[PIECES];

static unsigned piece_bad(const struct piece *piece)
{
    unsigned bad = 0;
    for (size_t i = 0; i < piece->size; i++)
        bad += piece->at[i] != piece->mark;
    return bad;
}

static void *churn(void *argument)
{
    uint64_t seed = (uint64_t)(uintptr_t)argument * 0x9e3779b97f4a7c15ull + 1;
    uintptr_t bad = 0;
    for (unsigned i = 0; i < 4000; i++) {
        unsigned k = (unsigned)(next(&seed) % PIECES);
        pthread_mutex_lock(&shared_lock[k]);
        struct piece *p = &shared[k];
        size_t size = 1 + next(&seed) % (next(&seed) % 64 == 0 ? 200000 : 3000);
        bad += p->at != NULL && piece_bad(p) != 0;
        if (next(&seed) % 3 == 0 && p->at != NULL) {
            size_t kept = size < p->size ? size : p->size;
            p->at = realloc(p->at, size);
            p->size = kept;
            bad += p->at == NULL || piece_bad(p) != 0;
        } else {
            free(p->at);
            p->at = next(&seed) % 4 == 0 ? aligned_alloc(64, (size + 63) & ~63ull) : malloc(size);
            bad += p->at == NULL || (uintptr_t)p->at % 16 != 0;
        }
        p->size = size;
        p->mark = (unsigned char)next(&seed);
        memset(p->at, p->mark, size);
        pthread_mutex_unlock(&shared_lock[k]);
    }
    return (void *)bad;
}

static void churning(void)
{
    pthread_t thread[THREADS];
    uint64_t before = 0;
    for (unsigned i = 0; i < PIECES; i++)
        pthread_mutex_init(&shared_lock[i], NULL);
    for (unsigned round = 0; round < 3; round++) {
        for (uintptr_t i = 0; i < THREADS; i++)
            CHECK(pthread_create(&thread[i], NULL, churn, (void *)(i + round * THREADS + 1)) == 0);
        for (unsigned i = 0; i < THREADS; i++) {
            void *bad = NULL;
            CHECK(pthread_join(thread[i], &bad) == 0 && bad == NULL);
        }
        for (unsigned i = 0; i < PIECES; i++) {
            free(shared[i].at);
            shared[i] = (struct piece){ 0 };
        }
        if (round == 0)
            before = used();
    }
    CHECK(used() <= before + 200); /* fragments differ; a leak would be thousands */
}

/* ---- the end of it ------------------------------------------------------------------------------------------ */

static void no_more(void)
{
    uint64_t limit = PLAN_INFO->frames_limit;
    CHECK(malloc((size_t)limit * PAGE) == NULL && errno == ENOMEM);
    volatile size_t half = SIZE_MAX / 2; /* the compiler would warn of what is meant here */
    CHECK(malloc(half) == NULL && errno == ENOMEM);
    CHECK(calloc(half, 4) == NULL && errno == ENOMEM);
    CHECK(mmap(NULL, 1ull << 46, RW, ANONYMOUS, -1, 0) == MAP_FAILED && errno == ENOMEM);
    CHECK(mmap(NULL, 1ull << 62, PROT_NONE, ANONYMOUS, -1, 0) == MAP_FAILED && errno == ENOMEM);
    /* Address space is not memory. */
    char *reserve = mmap(NULL, 1ull << 35, PROT_NONE, ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(reserve != MAP_FAILED && munmap(reserve, 1ull << 35) == 0);
    uint64_t before = used();
    /* Until it says no, and then it goes on with what it has. */
    static char *piece[4096];
    unsigned count = 0;
    while (count < 4096 && (piece[count] = malloc(100000)) != NULL)
        memset(piece[count++], 1, 100000);
    CHECK(count > 20 && count < 4096 && errno == ENOMEM);
    pthread_t thread;
    int error = pthread_create(&thread, NULL, descend_thread, NULL);
    CHECK(error == 0 || error == EAGAIN);
    if (error == 0)
        pthread_join(thread, NULL);
    for (unsigned i = 0; i < count; i++)
        free(piece[i]);
    CHECK(used() <= before + 200);
    char *again = malloc(1000000);
    CHECK(again != NULL);
    free(again);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        { "demand", demand },     { "recycled", recycled }, { "guards", guards }, { "fixed", fixed },
        { "stacks", stacks },     { "churning", churning }, { "no-more", no_more }, { NULL, NULL },
    };
    return check_main(cases, argc, argv);
}
