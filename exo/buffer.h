/* SPDX-License-Identifier: MIT */
/*
 * Buffers that operations name: turned into pieces of frames that were checked,
 * and pinned while a device or a waiting operation uses them. The only door from a
 * program's buffer words to memory.
 */
#ifndef EXO_BUFFER_H
#define EXO_BUFFER_H

#include <stdbool.h>
#include <stdint.h>

#include "env.h"

#define BUFFER_PIECES 17u /* 64 KiB at any offset */

struct piece { /* within one frame */
    frame_t frame;
    uint32_t offset, length;
};

struct buffer {
    unsigned count;
    uint32_t length; /* of all pieces */
    struct piece piece[BUFFER_PIECES];
};

/* Empties it. The pieces need no zeroing, which costs more than looking at one. */
static inline void buffer_clear(struct buffer *buffer)
{
    buffer->count = 0;
    buffer->length = 0;
}

/* Appends what a buffer word names. Every frame must be OWNED by the plan's environment; with
 * EXO_VPAGE the word names virtual pages of it, and unless `written` they may be FROZEN too. 0,
 * -EXO_E_FRAME, or -EXO_E_RANGE when there are too many pieces. */
int buffer_pieces(struct plan *plan, struct op *op, number_t word, bool written,
                  struct buffer *buffer);

static inline uint64_t piece_physical(const struct piece *piece)
{
    return (uint64_t)piece->frame.number << EXO_PAGE_SHIFT | piece->offset;
}

static inline uint8_t *piece_memory(const struct piece *piece)
{
    return (uint8_t *)frame_memory(piece->frame) + piece->offset;
}

/* Copies the first bytes out; the buffer is at least that long. */
void buffer_read(const struct buffer *buffer, void *to, uint32_t length);

/* Keeps a frame from being freed, given, frozen or thawed. A pin on a frozen frame is a right to
 * it and charged like one. 0, -EXO_E_BUSY (too many pins), -EXO_E_QUOTA. */
int frame_pin(struct env *env, frame_t frame);
void frame_unpin(struct env *env, frame_t frame);

#endif
