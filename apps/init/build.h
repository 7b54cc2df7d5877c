/* SPDX-License-Identifier: MIT */
/*
 * Filling a child's address space: page tables, fresh memory with content, and
 * frozen memory shared in place. Everything goes by plans; every function
 * returns 0 or minus a kernel error and leaves nothing mapped in init itself.
 */
#ifndef INIT_BUILD_H
#define INIT_BUILD_H

#include <stddef.h>
#include <stdint.h>

struct build {
    uint32_t env;              /* the child's handle */
    uint64_t table_end[4];     /* by level: tables reach up to there; addresses only grow */
};

/* How many tables `pages` from `address` will need; the same walk as build_tables(). */
uint64_t build_count_tables(struct build *build, uint64_t address, uint64_t pages);
int build_tables(struct build *build, uint64_t address, uint64_t pages);

/* Zeroed memory of the child's own, with `bytes` of content `skip` bytes into it. */
int build_fresh(struct build *build, uint64_t address, uint64_t pages, unsigned perm,
                const void *content, size_t skip, size_t bytes);

/* `pages` of init's own frozen mappings at `from`. */
int build_share(struct build *build, uint64_t address, const void *from, uint64_t pages, unsigned perm);

/* `count` consecutive frames of init's, then given to the child; their first number. */
int build_give(struct build *build, uint32_t count, uint64_t *frame);

#endif
