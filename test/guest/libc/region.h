/* SPDX-License-Identifier: MIT */
/* Regions for large pages, what is written into them and found there, and what the account says. */
#ifndef TEST_GUEST_LIBC_REGION_H
#define TEST_GUEST_LIBC_REGION_H

#include <errno.h>
#include <libos/mem.h>
#include <libos/plan.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "../check.h"

#define PAGE ((size_t)4096)
#define PAGES 512u
#define LARGE (PAGES * PAGE)
#define ANONYMOUS (MAP_PRIVATE | MAP_ANONYMOUS)
#define HUGE (ANONYMOUS | MAP_HUGETLB)
#define RW (PROT_READ | PROT_WRITE)

struct mem_usage usage(void);
/* The account, as of now. */
uint64_t used(void);
/* What is neither pages nor their tables: it never changes in these tests. */
uint64_t other(void);

/* Ends the program if it can't. */
char *map(size_t bytes, int flags);
/* Address space of whole large pages, advised. */
char *region(unsigned large);

/* Writes both ends of each page. */
void fill(char *at, size_t first, size_t end);
/* How many pages in [first, end) hold something else; and how many words that are not 0. */
size_t spoiled(const char *at, size_t first, size_t end);
size_t not_zero(const char *at, size_t first, size_t end);

/* Whether the access is a SIGSEGV. A write changes nothing. */
bool faults(volatile char *address, bool write);

#endif
