/* SPDX-License-Identifier: MIT */
/* Checks buffer words and pins frames: see buffer.h. */
#include "buffer.h"

#include "space.h"

static bool frame_usable(const struct env *env, frame_t frame, bool frozen_too)
{
    const struct frame *entry = frame_entry(frame);
    if (entry->state == FRAME_OWNED)
        return entry->owner == env->index;
    return entry->state == FRAME_FROZEN && frozen_too;
}

/* The frame of page or frame `number`, checked. */
static int buffer_frame(struct env *env, uint64_t number, bool by_page, bool written,
                        frame_t *frame)
{
    if (!by_page)
        return frame_owned(env, number_of(number), 1, frame);
    unsigned perm;
    page_t page;
    if (!pages_checked(number_of(number << EXO_PAGE_SHIFT), 1, &page) ||
        space_lookup(env, page, frame, &perm) < 0 || !frame_usable(env, *frame, !written))
        return -EXO_E_FRAME;
    return 0;
}

int buffer_pieces(struct plan *plan, struct op *op, number_t given, bool written,
                  struct buffer *buffer)
{
    uint64_t word = number_any(given); /* each of its parts fits its field; the frames are checked below */
    uint64_t number = EXO_BUF_FRAME(word);
    uint32_t offset = EXO_BUF_OFFSET(word), left = EXO_BUF_LENGTH(word);
    while (left) {
        if (buffer->count == BUFFER_PIECES)
            return -EXO_E_RANGE;
        struct piece *piece = &buffer->piece[buffer->count];
        int error = buffer_frame(plan->env, number, op->cell.flags & EXO_VPAGE, written,
                                 &piece->frame);
        if (error)
            return error;
        piece->offset = offset;
        piece->length = left < EXO_PAGE_SIZE - offset ? left : EXO_PAGE_SIZE - offset;
        buffer->count++;
        buffer->length += piece->length;
        left -= piece->length;
        offset = 0;
        number++;
    }
    return 0;
}

void buffer_read(const struct buffer *buffer, void *to, uint32_t length)
{
    uint8_t *at = to;
    for (unsigned i = 0; length; i++) {
        const struct piece *piece = &buffer->piece[i];
        uint32_t part = length < piece->length ? length : piece->length;
        __builtin_memcpy(at, piece_memory(piece), part);
        at += part;
        length -= part;
    }
}

int frame_pin(struct env *env, frame_t frame)
{
    struct frame *entry = frame_entry(frame);
    if (entry->pins == UINT16_MAX)
        return -EXO_E_BUSY;
    if (entry->state == FRAME_FROZEN) {
        if (!env_charge(env, 1))
            return -EXO_E_QUOTA;
        entry->rights++;
    }
    entry->pins++;
    return 0;
}

void frame_unpin(struct env *env, frame_t frame)
{
    struct frame *entry = frame_entry(frame);
    entry->pins--;
    if (entry->state != FRAME_FROZEN)
        return;
    env_uncharge(env, 1);
    if (--entry->rights == 0)
        frame_release(frame, 1);
}
