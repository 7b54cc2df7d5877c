/* SPDX-License-Identifier: MIT */
/*
 * Memory for lwIP: blocks of a few sizes, each physically contiguous, so that a
 * packet in one can be sent from where it lies. Constant time; grows run by run up to a limit
 * and keeps what it has.
 */
#ifndef LIBOS_LWIP_HEAP_H
#define LIBOS_LWIP_HEAP_H

#include <stddef.h>
#include <stdint.h>

#define HEAP_LARGEST 69616u /* bytes in one block; meant for up to 2032 */

void *heap_alloc(size_t size);
void *heap_alloc_zeroed(size_t count, size_t size);
void heap_free(void *memory);

/* The physical address of a block. */
static inline uint64_t heap_physical(const void *memory)
{
    return ((const uint64_t *)memory)[-2];
}

struct heap_usage {
    uint64_t frames;       /* taken */
    uint64_t blocks;       /* in use */
    uint64_t refused;      /* allocations, for want of memory */
};
extern struct heap_usage heap_usage;

/* More frames than this are not taken (default: 8 MiB). */
extern uint64_t heap_frames_limit;

#endif
