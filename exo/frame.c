/* SPDX-License-Identifier: MIT */
/* The frame table and its buddy allocator. Bounded work a call; no hardware. */
#include "frame.h"

#include <exo/abi.h>

#include "env.h"

struct frame *frames;
uint32_t frame_count;
uint32_t frames_free;

static uint32_t free_runs[FRAME_ORDERS]; /* first of each list, FRAME_NONE: empty */

void frame_table_init(struct frame *memory, uint32_t count)
{
    frames = memory;
    frame_count = count;
    frames_free = 0;
    for (uint32_t i = 0; i < count; i++)
        frames[i] = (struct frame){.state = FRAME_ABSENT};
    for (unsigned order = 0; order < FRAME_ORDERS; order++)
        free_runs[order] = FRAME_NONE;
}

/* ---- lists of free runs ---------------------------------------------------- */

static void run_insert(uint32_t first, unsigned order)
{
    struct frame *frame = &frames[first];
    frame->kind = (uint8_t)(order + 1);
    frame->prev = FRAME_NONE;
    frame->next = free_runs[order];
    if (frame->next != FRAME_NONE)
        frames[frame->next].prev = first;
    free_runs[order] = first;
}

static void run_remove(uint32_t first, unsigned order)
{
    struct frame *frame = &frames[first];
    if (frame->prev != FRAME_NONE)
        frames[frame->prev].next = frame->next;
    else
        free_runs[order] = frame->next;
    if (frame->next != FRAME_NONE)
        frames[frame->next].prev = frame->prev;
    frame->kind = KIND_NONE;
    frame->next = frame->prev = FRAME_NONE;
}

static bool run_is_free(uint32_t first, unsigned order)
{
    return first < frame_count && frames[first].state == FRAME_FREE &&
           frames[first].kind == order + 1;
}

/* Puts a run back and joins it with its buddies. */
static void run_release(uint32_t first, unsigned order)
{
    while (order + 1 < FRAME_ORDERS) {
        uint32_t buddy = first ^ 1u << order;
        if (!run_is_free(buddy, order))
            break;
        run_remove(buddy, order);
        first &= ~(1u << order);
        order++;
    }
    run_insert(first, order);
}

/* Puts [first, end) back as the fewest aligned runs. */
static void span_release(uint32_t first, uint32_t end)
{
    while (first < end) {
        unsigned order = 0;
        while (order + 1 < FRAME_ORDERS && !(first & ((2u << order) - 1)) &&
               first + (2u << order) <= end)
            order++;
        run_release(first, order);
        first += 1u << order;
    }
}

void frame_add_free(uint32_t first, uint32_t count)
{
    for (uint32_t i = first; i < first + count; i++)
        frames[i].state = FRAME_FREE;
    span_release(first, first + count);
    frames_free += count;
}

void frame_reserve(uint32_t first, uint32_t count)
{
    for (uint32_t i = first; i < first + count && i < frame_count; i++) {
        frames[i].state = FRAME_KERNEL;
        frames[i].kind = KIND_BOOT;
    }
}

/* ---- taking ------------------------------------------------------------------ */

static int take_any(uint32_t count, unsigned order, uint32_t *first)
{
    unsigned found = order;
    while (found < FRAME_ORDERS && free_runs[found] == FRAME_NONE)
        found++;
    if (found == FRAME_ORDERS)
        return -EXO_E_NO_FRAMES;
    *first = free_runs[found];
    run_remove(*first, found);
    span_release(*first + count, *first + (1u << found));
    return 0;
}

/* Takes one frame out of the middle of whatever free run holds it. */
static int take_one(uint32_t number)
{
    for (unsigned order = 0; order < FRAME_ORDERS; order++) {
        uint32_t head = number & ~((1u << order) - 1);
        if (!run_is_free(head, order))
            continue;
        run_remove(head, order);
        span_release(head, number);
        span_release(number + 1, head + (1u << order));
        return 0;
    }
    return -EXO_E_NO_FRAMES;
}

static int take_wanted(uint32_t count, uint32_t wanted)
{
    for (uint32_t i = 0; i < count; i++)
        if (take_one(wanted + i) < 0) {
            span_release(wanted, wanted + i);
            return -EXO_E_NO_FRAMES;
        }
    return 0;
}

int frame_take(uint32_t count, unsigned align, number_t wanted, frame_t *first)
{
    if (align >= FRAME_ORDERS || count == 0 || count > 1u << (FRAME_ORDERS - 1))
        return -EXO_E_RANGE;
    unsigned order = align;
    while (1u << order < count)
        order++;
    int error;
    if (number_is(wanted, EXO_ANY)) {
        error = take_any(count, order, &first->number);
    } else {
        frame_t checked;
        if (count > 16 || number_any(wanted) & ((1u << align) - 1))
            return -EXO_E_RANGE;
        if (!frame_checked(wanted, count, &checked))
            return -EXO_E_FRAME;
        error = take_wanted(count, checked.number);
        *first = checked;
    }
    if (error == 0)
        frames_free -= count;
    return error;
}

void frame_release(frame_t first, uint32_t count)
{
    for (uint32_t i = first.number; i < first.number + count; i++) {
        struct frame *entry = &frames[i];
        entry->state = FRAME_FREE;
        entry->kind = KIND_NONE;
        entry->owner = 0;
        entry->pins = entry->writable = 0;
        entry->rights = 0;
    }
    if (count == 1)
        run_release(first.number, 0);
    else
        span_release(first.number, first.number + count);
    frames_free += count;
}

/* ---- owners -------------------------------------------------------------------- */

void frame_own(struct env *env, frame_t frame, enum frame_state state, enum frame_kind kind)
{
    struct frame *entry = frame_entry(frame);
    entry->state = (uint8_t)state;
    entry->kind = (uint8_t)kind;
    entry->owner = env->index;
    entry->prev = FRAME_NONE;
    entry->next = env->owned;
    if (entry->next != FRAME_NONE)
        frames[entry->next].prev = frame.number;
    env->owned = frame.number;
}

void frame_disown(struct env *env, frame_t frame)
{
    struct frame *entry = frame_entry(frame);
    if (entry->prev != FRAME_NONE)
        frames[entry->prev].next = entry->next;
    else
        env->owned = entry->next;
    if (entry->next != FRAME_NONE)
        frames[entry->next].prev = entry->prev;
    entry->next = entry->prev = FRAME_NONE;
    entry->owner = 0;
}

bool frame_checked(number_t number, uint64_t count, frame_t *first)
{
    return number_below(number, frame_count, &first->number) && count <= frame_count - first->number;
}

int frame_owned(const struct env *env, number_t number, uint64_t count, frame_t *first)
{
    if (!frame_checked(number, count, first))
        return -EXO_E_FRAME;
    for (uint32_t i = 0; i < count; i++) {
        const struct frame *entry = &frames[first->number + i];
        if (entry->state != FRAME_OWNED || entry->owner != env->index)
            return -EXO_E_FRAME;
    }
    return 0;
}
