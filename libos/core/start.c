/* SPDX-License-Identifier: MIT */
/*
 * From the first instruction to the C library's: upcalls, rings, memory, the first
 * thread, files, and a stack with arguments, environment and auxiliary vector. Runs
 * once, on the start stack, inside the libos.
 */
#include <elf.h>
#include <fcntl.h>
#include <libos/log.h>
#include <libos/mem.h>
#include <libos/plan.h>
#include <libos/random.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

#include "../fs/fs_internal.h"
#include "../mem/mem_internal.h"
#include "../plan/ring.h"
#include "../posix/posix_internal.h"
#include "../thread/thread_internal.h"
#include "core.h"

#define MAIN_STACK_BYTES (8ull << 20)
#define AUX_MAX 16u
#define STRINGS_MAX 512u

_Static_assert(LIBOS_STACK == 0x700000200000ull, "start.S has the number too");
_Static_assert(LIBOS_CONTROL == 0x700000001000ull && offsetof(struct exo_control, depth) == 40 &&
                   offsetof(struct exo_control, pending) == 44 &&
                   offsetof(struct exo_control, want) == 48,
               "upcall.S has the numbers too");

extern const Elf64_Ehdr __ehdr_start __attribute__((visibility("hidden"))); /* the linker's */
void _start(void); /* crt1's */

static struct start_info first_info; /* of the first program, whose start page is zero */

const struct start_info *program_info(void)
{
    return start_info()->magic == START_MAGIC ? start_info() : &first_info;
}

uint32_t program_console(void)
{
    return program_info()->console;
}

static void first_info_fill(void)
{
    first_info.console = EXO_BOOT_CONSOLE;
    first_info.queue = EXO_BOOT_NIC;
    first_info.has_archive = PLAN_INFO->archive != 0;
    first_info.archive_bytes = PLAN_INFO->archive_bytes;
    memcpy(first_info.name, "init", 5);
}

/* ---- the stack that the C library finds ------------------------------------------- */

struct image {
    uint64_t *word;  /* grows up */
    char *string;    /* grows up, above the words */
};

static void push_string(struct image *image, const char *s, size_t length)
{
    *image->word++ = (uint64_t)image->string;
    memcpy(image->string, s, length);
    image->string[length] = '\0';
    image->string += length + 1;
}

static void push_pair(struct image *image, uint64_t key, uint64_t value)
{
    *image->word++ = key;
    *image->word++ = value;
}

static void push_auxiliary(struct image *image)
{
    const Elf64_Ehdr *elf = &__ehdr_start;
    push_pair(image, AT_PHDR, (uint64_t)elf + elf->e_phoff);
    push_pair(image, AT_PHENT, elf->e_phentsize);
    push_pair(image, AT_PHNUM, elf->e_phnum);
    push_pair(image, AT_ENTRY, elf->e_entry);
    push_pair(image, AT_PAGESZ, EXO_PAGE_SIZE);
    push_pair(image, AT_CLKTCK, 100);
    push_pair(image, AT_MINSIGSTKSZ, 16384); /* the smallest stack that libos code fits on */
    push_pair(image, AT_RANDOM, (uint64_t)image->string);
    random_bytes(image->string, 16);
    image->string += 16;
    push_pair(image, AT_NULL, 0);
}

/* `count` NUL-terminated strings from the start page; returns where the next ones begin. */
static const char *push_strings(struct image *image, const char *s, const char *end, uint32_t count)
{
    for (; count > 0 && s < end; count--) {
        size_t length = strnlen(s, (size_t)(end - s));
        push_string(image, s, length);
        s += length + 1;
    }
    return s;
}

static uint64_t *stack_build(char *top)
{
    const struct start_info *info = program_info();
    const char *s = (const char *)info + info->strings;
    const char *end = s + info->strings_bytes;
    if (info->strings > EXO_PAGE_SIZE || info->strings_bytes > EXO_PAGE_SIZE - info->strings)
        libos_panic("the start page's strings lie outside of it");
    uint64_t words = 1 + 1 + info->argc + 1 + info->envc + 1 + 2 * AUX_MAX;
    uint64_t bytes = words * 8 + info->strings_bytes + STRINGS_MAX;
    uint64_t *start = (uint64_t *)(((uint64_t)top - bytes) & ~15ull);
    struct image image = { start + 1, (char *)(start + words) };
    if (info->argc > 0)
        s = push_strings(&image, s, end, info->argc);
    else
        push_string(&image, info->name, strnlen(info->name, sizeof(info->name)));
    *start = (uint64_t)(image.word - start) - 1;
    *image.word++ = 0;
    push_strings(&image, s, end, info->envc);
    *image.word++ = 0;
    push_auxiliary(&image);
    return start;
}

void start_main(void)
{
    upcall_init();
    ring_init();
    if (start_info()->magic != START_MAGIC)
        first_info_fill();
    int error = plan_slots_add(16, 3); /* what the libos itself needs; others add theirs */
    if (error < 0)
        libos_log("cannot donate plan slots: %s", exo_error_text(error));
    thread_init();
    reclaim_init();
    const struct start_info *info = program_info();
    if (info->has_archive)
        archive_mount((const void *)LIBOS_ARCHIVE, info->archive_bytes);
    console_open();
    long stack = mem_mmap(MEM_DEMAND - MAIN_STACK_BYTES, MAIN_STACK_BYTES, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, NULL, 0);
    if (stack < 0 || mem_mprotect((uint64_t)stack, EXO_PAGE_SIZE, PROT_NONE) < 0)
        libos_panic("no address space for the stack");
    uint64_t *words = stack_build((char *)stack + MAIN_STACK_BYTES);
    libos_nesting = 0;
    start_jump(words, _start);
}
