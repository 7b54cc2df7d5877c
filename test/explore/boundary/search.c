/* SPDX-License-Identifier: MIT */
/*
 * Every state of a machine with three environments and four frames, breadth first: from each state every move, equal
 * states once (canon.c), the rules (rules.c) checked in each. A round is a set of operations and limits; rounds go as
 * deep as time allows, one on each core. What does not hold is printed with the shortest way there.
 *
 *   boundary [--minutes N] [--round NAME] [--list]
 */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "rules.h"

#define STATES_MAX (1ull << 26)
#define STORE_BYTES (3ull << 29) /* of one level's states */

/* All that is not the machine's state lies outside of this program's variables: see machine.h. */
static struct search {
    const struct round *round;
    uint64_t *seen, seen_size, states, transitions, level, first_of_level;
    struct step {
        uint32_t from;
        struct move move;
    } *way; /* how each state was reached first */
    char *base, *at; /* images: of the first state; of the one that is looked at */
    uint64_t now[4096];
    struct store {
        char *memory;
        uint64_t bytes, states;
    } level_now, level_next;
    struct move list[MOVES];
    uint64_t current;  /* the state moves are made from; */
    struct move move;  /* the move */
    bool failing, full;
    double began;
    uint64_t outcome[EXO_CODE_END + 80][32];
} *search;

static double seconds(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec + (double)at.tv_nsec * 1e-9;
}

static void *reserve(size_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED)
        exit(77);
    return at;
}

/* ---- what went wrong ------------------------------------------------------------------------------- */

static void print_way(uint64_t state, unsigned *number)
{
    if (state == 0)
        return;
    print_way(search->way[state].from, number);
    printf("  %2u. ", ++*number);
    move_print(&search->way[state].move);
}

noreturn void violated(const char *format, ...)
{
    unsigned number = 0;
    va_list arguments;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    if (search && !search->failing) {
        search->failing = true;
        printf("\nround %s, after %llu states:\n", search->round ? search->round->name : "none", (unsigned long long)search->states);
        print_way(search->current, &number);
        printf("  %2u. ", ++number);
        move_print(&search->move);
    }
    fflush(stdout);
    _Exit(1);
}

static void crashed(int signal) { violated("signal %d", signal); }

/* ---- states that were there -------------------------------------------------------------------------- */

static bool seen_put(uint64_t hash)
{
    uint64_t mask = search->seen_size - 1, at = hash & mask;
    for (; search->seen[at]; at = (at + 1) & mask)
        if (search->seen[at] == hash)
            return false;
    search->seen[at] = hash;
    return true;
}

static void seen_grow(void)
{
    uint64_t *old = search->seen, size = search->seen_size;
    search->seen_size = size ? size * 2 : 1u << 16;
    search->seen = reserve(search->seen_size * 8);
    for (uint64_t i = 0; i < size; i++)
        if (old[i])
            (void)seen_put(old[i]);
    if (old)
        munmap(old, size * 8);
}

/* A state is kept as the words in which it differs from the first. */
static void state_keep(void)
{
    struct store *store = &search->level_next;
    size_t words = image_size() / 8;
    const uint64_t *base = (const uint64_t *)search->base;
    uint64_t *now = search->now;
    image_save(now);
    if (store->bytes + words * 10 + 8 > STORE_BYTES || search->states == STATES_MAX) {
        search->full = true;
        return;
    }
    uint16_t *head = (uint16_t *)(void *)(store->memory + store->bytes), count = 0;
    for (size_t i = 0; i < words; i++)
        if (now[i] != base[i])
            head[1 + count++] = (uint16_t)i;
    head[0] = count;
    char *values = (char *)(head + 1 + count);
    for (unsigned i = 0; i < count; i++)
        memcpy(values + 8 * i, &now[head[1 + i]], 8);
    store->bytes += (2 + 10ull * count + 7) & ~1ull;
    store->states++;
}

/* Takes the state at *place of the level out of the store. */
static void state_take(uint64_t *place)
{
    const uint16_t *head = (const uint16_t *)(const void *)(search->level_now.memory + *place);
    uint64_t *words = (uint64_t *)(void *)search->at;
    memcpy(words, search->base, image_size());
    const char *values = (const char *)(head + 1 + head[0]);
    for (unsigned i = 0; i < head[0]; i++)
        memcpy(&words[head[1 + i]], values + 8 * i, 8);
    *place += (2 + 10ull * head[0] + 7) & ~1ull;
    image_load(search->at);
}

/* ---- the search ----------------------------------------------------------------------------------------- */

static void state_found(void)
{
    if (search->states * 2 >= search->seen_size)
        seen_grow();
    if (!seen_put(state_hash(search->round)))
        return;
    rules_tails();
    state_keep();
    if (search->full)
        return;
    search->way[search->states] = (struct step){(uint32_t)search->current, search->move};
    search->states++;
}

static void state_expand(void)
{
    unsigned count = moves_list(search->round, search->list);
    image_save(search->at);
    for (unsigned i = 0; i < count; i++) {
        search->move = search->list[i];
        search->transitions++;
        move_make(search->round, &search->move);
        if (image_equal(search->at))
            continue;
        rules_check();
        state_found();
        image_load(search->at);
    }
}

/* One level deeper. False when time or room is over. */
static bool level_expand(double until)
{
    uint64_t place = 0;
    struct store *next = &search->level_next;
    next->bytes = next->states = 0;
    for (uint64_t i = 0; i < search->level_now.states; i++) {
        if ((i % 64 == 0 && seconds() > until) || search->full)
            return false;
        state_take(&place);
        search->current = search->first_of_level + i;
        state_expand();
    }
    return true;
}

static void round_begin(const struct round *round)
{
    search->round = round;
    search->states = search->transitions = search->level = search->first_of_level = search->current = 0;
    search->full = false;
    memset(search->seen, 0, search->seen_size * 8);
    memset(search->outcome, 0, sizeof search->outcome);
    search->level_next.bytes = search->level_next.states = 0;
    memset(&search->move, 0, sizeof search->move);
    moves_start(round);
    rules_check();
    image_save(search->base);
    memset(search->outcome, 0, sizeof search->outcome);
    state_found();
}

/* Every operation of the round did what it is for at least once, or the search was in vain. */
static void outcomes_check(const struct round *round)
{
    for (unsigned code = 0; code < EXO_CODE_END; code++)
        if (round->codes >> code & 1 && !search->outcome[code][0]) {
            printf("%s: %s never ended well\n", round->name, op_infos[code].name);
            exit(1);
        }
}

static void outcomes_print(void)
{
    static const char *const errors[32] = {
#define EXO_X(number, name, text) [number] = #name,
        EXO_ERRORS(EXO_X)
#undef EXO_X
    };
    for (unsigned code = 0; code < EXO_CODE_END; code++) {
        bool any = false;
        for (unsigned i = 0; i < 32; i++) {
            if (search->outcome[code][i])
                printf("%s %s %llu", any ? "," : op_infos[code].name ? op_infos[code].name : "?", errors[i], (unsigned long long)search->outcome[code][i]);
            any |= search->outcome[code][i] != 0;
        }
        if (any)
            printf("\n");
    }
}

static void round_search(const struct round *round, double until, bool verbose)
{
    double began = seconds();
    round_begin(round);
    bool on = true;
    while (on) {
        struct store swap = search->level_now;
        search->level_now = search->level_next;
        search->level_next = swap;
        search->first_of_level = search->states - search->level_now.states;
        on = search->level_now.states && level_expand(search->level < round->depth ? 1e18 : until);
        search->level += on;
    }
    double passed = seconds() - began;
    printf("%s: %llu states, %llu transitions, %s %llu, %.0f transitions/s%s\n", round->name,
           (unsigned long long)search->states, (unsigned long long)search->transitions,
           search->level_now.states ? "all up to depth" : "ALL, depth", (unsigned long long)search->level,
           (double)search->transitions / passed, search->full ? ", no more room" : "");
    if (verbose)
        outcomes_print();
    fflush(stdout);
    outcomes_check(round);
}

/* ---- rounds ------------------------------------------------------------------------------------------------ */

#define B(code) (1ull << EXO_##code)
#define MEMORY (B(ALLOC) | B(FREE) | B(GIVE) | B(FREEZE) | B(THAW) | B(MAP) | B(UNMAP) | B(PROTECT) | B(SHARE))
#define TABLES (B(TABLE) | B(UNTABLE))
#define LIVES (B(ENV_KILL) | B(ENV_WAIT) | B(ENV_EXIT))

static const struct round rounds[] = {
    {"memory", MEMORY, false, 2, false, 7, {{3, 2, 2}, FOREVER, 0, false, false, false}},
    {"tables and a grandchild", MEMORY | TABLES, false, 2, false, 6, {{3, 2, 2}, FOREVER, 0, true, false, false}},
    {"large pages", (MEMORY & ~B(GIVE)) | TABLES | B(RECLAIM) | B(ENV_KILL), false, 1, true, 5, {{3, 3, 2}, FOREVER, 0, false, false, false}},
    {"reclaim", B(ALLOC) | B(FREE) | B(MAP) | B(UNMAP) | B(FREEZE) | B(SHARE) | B(RECLAIM) | B(RECLAIM_WAIT) | B(CANCEL),
     false, 2, false, 5, {{2, 2, 2}, FOREVER, 0, false, false, false}},
    {"reclaim in a chain", B(ALLOC) | B(FREE) | B(GIVE) | B(RECLAIM) | B(RECLAIM_WAIT) | B(CANCEL) | B(ENV_KILL),
     false, 2, false, 5, {{2, 1, 1}, FOREVER, 0, true, false, false}},
    {"lives", B(ALLOC) | B(GIVE) | B(MAP) | B(FREEZE) | B(SHARE) | LIVES, true, 2, false, 5, {{3, 2, 2}, FOREVER, 0, false, false, false}},
    {"lives of a chain", B(ALLOC) | B(MAP) | B(FREEZE) | B(SHARE) | B(TABLE) | B(RECLAIM) | LIVES,
     true, 2, false, 4, {{3, 2, 2}, FOREVER, 0, true, false, false}},
    {"device", B(ALLOC) | B(FREE) | B(GIVE) | B(MAP) | B(UNMAP) | B(FREEZE) | B(THAW) | B(NET_TX) | B(NET_RX) | B(CANCEL) | B(ENV_KILL),
     true, 2, false, 5, {{3, 2, 2}, FOREVER, 0, false, true, false}},
    {"channels", B(ALLOC) | B(FREE) | B(MAP) | B(FREEZE) | B(CHANNEL_CREATE) | B(SEND) | B(RECV) | B(HANDLE_COPY) | B(HANDLE_DROP) | B(CANCEL) | B(ENV_KILL),
     true, 1, false, 5, {{4, 4, 4}, FOREVER, 0, false, false, false}},
    {"late cores", B(ALLOC) | B(FREE) | B(GIVE) | B(MAP) | B(UNMAP) | B(FREEZE) | B(THAW) | B(SHARE) | B(TABLE) | B(UNTABLE) | B(CANCEL) | B(ENV_KILL),
     false, 1, false, 7, {{3, 2, 2}, FOREVER, 0, false, false, true}},
    {"late channels", B(ALLOC) | B(MAP) | B(UNMAP) | B(CHANNEL_CREATE) | B(SEND) | B(RECV) | B(CANCEL),
     false, 1, false, 6, {{4, 3, 3}, FOREVER, 0, false, false, true}},
    {"full rings", B(ALLOC) | B(RECLAIM) | B(RECLAIM_WAIT) | B(CANCEL) | LIVES, false, 2, false, 4, {{2, 2, 2}, 2, 0, false, false, false}},
};
#define ROUNDS (sizeof rounds / sizeof rounds[0])

static void prepare(void)
{
    search = reserve(sizeof *search);
    outcomes = search->outcome;
    seen_grow();
    search->way = reserve(STATES_MAX * sizeof *search->way);
    search->level_now.memory = reserve(STORE_BYTES);
    search->level_next.memory = reserve(STORE_BYTES);
    search->base = reserve(image_size());
    search->at = reserve(image_size());
    signal(SIGSEGV, crashed);
    signal(SIGBUS, crashed);
}

/* ---- rounds beside each other ------------------------------------------------------------------------------ */

#define WORKERS_MAX 4u /* each of them may come to need some 5 GiB */

static struct totals {
    _Atomic uint64_t states, transitions;
} *totals;

static noreturn void round_run(const struct round *round, double until, bool verbose)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* once one has found something the others are of no interest */
    prepare();
    round_search(round, until, verbose);
    totals->states += search->states;
    totals->transitions += search->transitions;
    exit(0);
}

static void round_wait(void)
{
    int status = 0;
    if (wait(&status) >= 0 && status != 0)
        exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

int main(int count, char **words)
{
    double minutes = getenv("XO_MINUTES") ? atof(getenv("XO_MINUTES")) : 0, end;
    const char *only = NULL;
    for (int i = 1; i + 1 < count; i += 2) {
        minutes = !strcmp(words[i], "--minutes") ? atof(words[i + 1]) : minutes;
        only = !strcmp(words[i], "--round") ? words[i + 1] : only;
    }
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned workers = online < 1 ? 1 : online > WORKERS_MAX ? WORKERS_MAX : (unsigned)online, running = 0;
    totals = mmap(NULL, sizeof *totals, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    end = seconds() + minutes * 60;
    for (unsigned i = 0; i < ROUNDS; i++) {
        if (only && strcmp(rounds[i].name, only))
            continue;
        if (running == workers)
            round_wait(), running--;
        double share = (end - seconds()) * workers / (double)(ROUNDS - i), until = seconds() + share;
        if (fork() == 0)
            round_run(&rounds[i], only || until > end ? end : until, only != NULL);
        running++;
    }
    for (; running; running--)
        round_wait();
    printf("figures: %llu states, %llu transitions\n", (unsigned long long)totals->states, (unsigned long long)totals->transitions);
    return 0;
}
