/* SPDX-License-Identifier: MIT */
/* The Linux guest's half of what has to do with other processes, and with pages that are there already. */
#include "micro.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
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

static int pages_hold(unsigned count)
{
    int fd = memfd_create("pages", 0);
    if (fd < 0 || ftruncate(fd, (off_t)count * PAGE) || fallocate(fd, 0, 0, (off_t)count * PAGE))
        micro_fail("memfd");
    return fd;
}

static void maps_run(void)
{
    held = pages_hold(MAPS);
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

void micro_programs(void)
{
    maps_run();
    messages_run();
}
