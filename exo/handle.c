/* SPDX-License-Identifier: MIT */
/* Handle tables. A handle names an object by frame and generation, compared at every use, so an object's
 * end needs no search for its handles. */
#include "channel.h"
#include "env.h"
#include "net/queue.h"

/* One to a channel that has ended stays, so that its holder learns DEAD. */
static bool object_lives(const struct handle *entry)
{
    if (entry->kind != K_ENV && entry->kind != K_QUEUE)
        return true;
    const struct frame *frame = &frames[entry->frame];
    uint8_t kind = entry->kind == K_ENV ? KIND_ENV : KIND_QUEUE;
    return frame->state == FRAME_KERNEL && frame->kind == kind &&
           frame->generation == entry->object_generation;
}

struct handle *handle_find(struct env *env, number_t number, enum op_kind kind)
{
    uint32_t handle, place;
    if (!number_below(number, 1ull << 32, &handle))
        return NULL;
    place = handle & 0xffff;
    if (place == 0 || place >= HANDLES_MAX)
        return NULL;
    struct handle *entry = &env->handles[place];
    if (entry->kind == K_NONE || entry->generation != handle >> 16)
        return NULL;
    if (kind != K_HANDLE && entry->kind != kind)
        return NULL;
    return object_lives(entry) ? entry : NULL;
}

struct env *handle_env(struct env *caller, number_t handle, bool allow_self)
{
    if (number_is(handle, EXO_SELF))
        return allow_self ? caller : NULL;
    struct handle *entry = handle_find(caller, handle, K_ENV);
    return entry ? frame_memory((frame_t){entry->frame}) : NULL;
}

uint32_t handle_add(struct env *env, enum op_kind kind, frame_t object)
{
    for (uint32_t place = 1; place < HANDLES_MAX; place++) {
        struct handle *entry = &env->handles[place];
        if (entry->kind != K_NONE)
            continue;
        uint16_t generation = entry->generation;
        *entry = (struct handle){
            .kind = (uint8_t)kind,
            .generation = generation,
            .frame = object.number,
            .object_generation = frames[object.number].generation,
        };
        if (kind == K_QUEUE)
            queue_hold(object, entry->object_generation);
        if (kind == K_SENDER)
            channel_hold(entry);
        return place | (uint32_t)generation << 16;
    }
    return 0;
}

void handle_drop(struct handle *entry)
{
    if (entry->kind == K_QUEUE)
        queue_drop((frame_t){entry->frame}, entry->object_generation);
    if (entry->kind == K_SENDER || entry->kind == K_RECEIVER)
        channel_drop(entry);
    entry->kind = K_NONE;
    entry->generation++;
}
