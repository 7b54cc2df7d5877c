/* SPDX-License-Identifier: MIT */
/*
 * Memory for lwIP: see heap.h. Blocks of one size are cut from runs of frames and
 * go back to that size's free list. In front of every block stand its physical
 * address and its size class:
 *
 *   | physical address, 8 | class, 8 | the block ... |
 */
#include "heap.h"

#include <libos/mem.h>
#include <string.h>

#define HEADER 16u
#define RUN_FRAMES 4u
#define RUN_BYTES (RUN_FRAMES * 4096u)

/* Headers included. 1600: a full segment with all headers; 2048: two a page. */
static const uint32_t class_bytes[] = { 64, 96, 128, 192, 320, 512, 1024, 1632, 2048,
                                        /* datagrams over the loopback */ 4096, 16384, 69632 };
#define CLASSES (sizeof class_bytes / sizeof class_bytes[0])
#define SMALL_BYTES 2048u
#define FIRST_LARGE 9u

struct block {
    uint64_t physical, class_index;
    struct block *next; /* while free */
};

static struct block *free_blocks[CLASSES];
static uint8_t small_class[SMALL_BYTES / 32 + 1]; /* of (bytes + 31) / 32 */

struct heap_usage heap_usage;
uint64_t heap_frames_limit = 2048;

static void classes_fill(void)
{
    unsigned class_index = 0;
    for (unsigned i = 0; i < sizeof small_class; i++) {
        if (i * 32 > class_bytes[class_index])
            class_index++;
        small_class[i] = (uint8_t)class_index;
    }
}

static unsigned class_of(size_t bytes)
{
    if (bytes <= SMALL_BYTES)
        return small_class[(bytes + 31) / 32];
    unsigned class_index = FIRST_LARGE;
    while (bytes > class_bytes[class_index])
        class_index++;
    return class_index;
}

static struct block *run_cut(unsigned class_index)
{
    uint32_t bytes = class_bytes[class_index];
    uint32_t run_bytes = bytes > RUN_BYTES ? bytes : RUN_BYTES;
    if (heap_usage.frames + run_bytes / 4096 > heap_frames_limit)
        return NULL;
    uint64_t frame;
    uint8_t *run = mem_map_run(run_bytes / 4096, &frame);
    if (!run)
        return NULL;
    heap_usage.frames += run_bytes / 4096;
    struct block *first = NULL;
    for (uint32_t at = run_bytes / bytes * bytes; at; at -= bytes) {
        struct block *block = (struct block *)(void *)(run + at - bytes);
        block->physical = (frame << 12) + at - bytes + HEADER;
        block->class_index = class_index;
        block->next = first;
        first = block;
    }
    free_blocks[class_index] = first;
    return first;
}

void *heap_alloc(size_t size)
{
    if (size > HEAP_LARGEST) {
        heap_usage.refused++;
        return NULL;
    }
    if (heap_usage.frames == 0)
        classes_fill();
    unsigned class_index = class_of(size + HEADER);
    struct block *block = free_blocks[class_index];
    if (!block && !(block = run_cut(class_index))) {
        heap_usage.refused++;
        return NULL;
    }
    free_blocks[class_index] = block->next;
    heap_usage.blocks++;
    return (uint8_t *)block + HEADER;
}

void *heap_alloc_zeroed(size_t count, size_t size)
{
    void *memory = heap_alloc(count * size);
    if (memory)
        memset(memory, 0, count * size);
    return memory;
}

void heap_free(void *memory)
{
    if (!memory)
        return;
    struct block *block = (struct block *)(void *)((uint8_t *)memory - HEADER);
    block->next = free_blocks[block->class_index];
    free_blocks[block->class_index] = block;
    heap_usage.blocks--;
}
