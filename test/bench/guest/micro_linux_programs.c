/* SPDX-License-Identifier: MIT */
/* The Linux guest's half of what has to do with other processes, and with pages that are there already. */
#include "micro.h"

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096u
#define MAPS 16u
#define ROOM 1024u /* pages to map at, where nothing was */

/* ---- mappings ---- */

static int held; /* a memfd of MAPS pages that are there */
static char *room;

static void plan_16_maps(void)
{
    for (unsigned i = 0; i < MAPS; i++, room += PAGE)
        if (mmap(room, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE | MAP_POPULATE, held,
                 (off_t)(MAPS - 1 - i) * PAGE) != room)
            micro_fail("mmap of a page that is there");
}

MICRO(plan_16_maps, 20)

static int pages_hold(size_t bytes)
{
    int fd = memfd_create("pages", 0);
    if (fd < 0 || fallocate(fd, 0, 0, (off_t)bytes))
        micro_fail("memfd");
    return fd;
}

static void maps_run(void)
{
    held = pages_hold(MAPS * PAGE);
    room = mmap(NULL, ROOM * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room == MAP_FAILED || munmap(room, ROOM * PAGE))
        micro_fail("room");
    micro_run_plan_16_maps();
}

/* ---- messages ---- */

#define WORDS (3 * sizeof(uint64_t))

static int there[2], back[2];
static uint64_t buffer[PAGE / sizeof(uint64_t)];

static void trip(size_t bytes)
{
    uint64_t before = ++buffer[0];
    if (write(there[1], buffer, bytes) != (ssize_t)bytes || read(back[0], buffer, bytes) != (ssize_t)bytes ||
        buffer[0] != before + 1)
        micro_fail("a message through a pipe");
}

static void message_words(void)
{
    trip(WORDS);
}

static void message_page(void)
{
    trip(PAGE);
}

MICRO(message_words, 500)
MICRO(message_page, 500)

/* The other process, until nobody can write to it any more. */
static void answer(void)
{
    ssize_t bytes;
    close(there[1]);
    while ((bytes = read(there[0], buffer, PAGE)) > 0) {
        buffer[0]++;
        if (write(back[1], buffer, (size_t)bytes) != bytes)
            break;
    }
    _exit(0);
}

static void messages_run(void)
{
    pid_t partner;
    if (pipe(there) || pipe(back) || (partner = fork()) < 0)
        micro_fail("pipes to another process");
    if (partner == 0)
        answer();
    micro_run_message_words();
    micro_run_message_page();
    close(there[1]);
    if (waitpid(partner, NULL, 0) != partner)
        micro_fail("the partner's end");
}

/* ---- create and kill ---- */

static pid_t start(char *const words[])
{
    pid_t child = vfork();
    if (child < 0)
        micro_fail("vfork");
    if (child == 0) {
        execve(words[0], words, NULL);
        _exit(1);
    }
    return child;
}

static void program_run(void)
{
    int status;
    pid_t child = start((char *[]){"/nothing", NULL});
    if (waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 42)
        micro_fail("another end of a program");
}

static void program_kill(void)
{
    int status;
    pid_t child = start((char *[]){"/nothing", "wait", NULL});
    if (kill(child, SIGKILL) || waitpid(child, &status, 0) != child || !WIFSIGNALED(status))
        micro_fail("another end of a killed program");
}

MICRO(program_run, 100)
MICRO(program_kill, 100)

/* ---- revocation ---- */

#define TAKEN ((size_t)1000 * PAGE)
#define TIMES 4
#define WARM 1
#define MEMORY ((TIMES + WARM) * TAKEN)

static int memory; /* of the one that holds it by agreement only */
static size_t left;

static void pages_touch(volatile char *at)
{
    for (size_t i = 0; i < MEMORY; i += PAGE)
        at[i] = 1;
}

/* Answers each byte; if it has pages of its own, it gives a thousand of them back first. */
static void hold(bool own)
{
    char byte = 0;
    char *at = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, own ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED, own ? -1 : memory, 0);
    if (at == MAP_FAILED)
        _exit(1);
    madvise(at, MEMORY, MADV_NOHUGEPAGE);
    pages_touch(at);
    for (; write(back[1], &byte, 1) == 1 && read(there[0], &byte, 1) == 1; at += TAKEN)
        if (own)
            madvise(at, TAKEN, MADV_DONTNEED);
    _exit(0);
}

static void answer_take(void)
{
    char byte;
    if (read(back[0], &byte, 1) != 1)
        micro_fail("no answer from who holds memory");
}

static void reclaim_given(void)
{
    if (write(there[1], "", 1) != 1)
        micro_fail("nobody holds memory");
    answer_take();
}

/* It stays alive, and a touch of what is gone is SIGBUS. */
static void reclaim_forced(void)
{
    left -= TAKEN;
    if (ftruncate(memory, (off_t)left))
        micro_fail("ftruncate");
}

MICRO_WARMED(reclaim_given, TIMES, WARM)
MICRO_WARMED(reclaim_forced, TIMES, WARM)

static void with_holder(bool own, void (*run)(void))
{
    pid_t holder;
    if (pipe(there) || pipe(back) || (holder = fork()) < 0)
        micro_fail("pipes to another process");
    if (holder == 0)
        hold(own);
    answer_take(); /* it has touched all */
    run();
    kill(holder, SIGKILL);
    if (waitpid(holder, NULL, 0) != holder)
        micro_fail("the holder's end");
}

static void revocation_run(void)
{
    with_holder(true, micro_run_reclaim_given);
    memory = pages_hold(left = MEMORY);
    with_holder(false, micro_run_reclaim_forced);
}

void micro_programs(void)
{
    maps_run();
    messages_run();
    micro_run_program_run();
    micro_run_program_kill();
    revocation_run();
}
