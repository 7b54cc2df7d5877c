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
static const uint16_t class_bytes[] = { 64, 96, 128, 192, 320, 512, 1024, 1632, 2048 };
#define CLASSES (sizeof class_bytes / sizeof class_bytes[0])

struct block {
    uint64_t physical, class_index;
    struct block *next; /* while free */
};

static struct block *free_blocks[CLASSES];
/* size class of (bytes + 31) / 32 */
static uint8_t class_of[2048 / 32 + 1];

struct heap_usage heap_usage;
uint64_t heap_frames_limit = 2048;

static void classes_fill(void)
{
    unsigned class_index = 0;
    for (unsigned i = 0; i < sizeof class_of; i++) {
        if (i * 32 > class_bytes[class_index])
            class_index++;
        class_of[i] = (uint8_t)class_index;
    }
}

static struct block *run_cut(unsigned class_index)
{
    if (heap_usage.frames + RUN_FRAMES > heap_frames_limit)
        return NULL;
    uint64_t frame;
    uint8_t *run = mem_map_run(RUN_FRAMES, &frame);
    if (!run)
        return NULL;
    heap_usage.frames += RUN_FRAMES;
    struct block *first = NULL;
    uint32_t bytes = class_bytes[class_index];
    for (uint32_t at = RUN_BYTES / bytes * bytes; at; at -= bytes) {
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
    unsigned class_index = class_of[(size + HEADER + 31) / 32];
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
