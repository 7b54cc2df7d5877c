/* SPDX-License-Identifier: MIT */
/* ENV_INFO: what an environment has, counted along its own list in steps. Changes nothing. */
#include <string.h>

#include "buffer.h"
#include "channel.h"
#include "ops.h"

#define STEP_FRAMES 16u

/* The counts so far, in the operation's result words. op->step[0] is the frame to look at next, step[1] the environment's
 * index (0: not begun). */
struct counts {
    uint32_t owned, tables, slots, queues, channels, places, other, plans; /* as in struct exo_account */
};

_Static_assert(sizeof(struct counts) == sizeof(((struct op *)0)->result), "fits the results");

static uint32_t plans_in(frame_t first)
{
    const struct frame *entry = frame_entry(first);
    const char *at = frame_memory(first), *end = at + (uint64_t)slots_frames(entry) * EXO_PAGE_SIZE;
    uint64_t size = plan_slot_bytes(slots_class(entry));
    uint32_t count = 0;
    for (; at + size <= end; at += size)
        count += ((const struct plan *)(const void *)at)->admitted;
    return count;
}

/* Counts one frame; true if that was a step's work. */
static bool count_frame(frame_t frame, struct counts *counts)
{
    const struct frame *entry = frame_entry(frame);
    const struct channel *channel = frame_memory(frame);
    uint8_t kind = entry->state == FRAME_KERNEL ? entry->kind : KIND_NONE;
    bool run = kind == KIND_SLOTS && slots_base(entry) == frame.number;
    counts->owned += entry->state == FRAME_OWNED;
    counts->tables += entry->state == FRAME_TABLE;
    counts->slots += kind == KIND_SLOTS;
    counts->queues += kind == KIND_QUEUE;
    counts->channels += kind == KIND_CHANNEL;
    counts->places += kind == KIND_CHANNEL ? channel->places * channel->carry : 0;
    counts->plans += run ? plans_in(frame) : 0;
    counts->other++; /* all of them, until account() */
    return run;
}

/* The walk begins anew when its place has left the list. True at the end. */
static bool count_step(const struct env *env, struct op *op, struct counts *counts)
{
    uint32_t number = (uint32_t)op->step[0];
    memcpy(counts, op->result, sizeof *counts);
    if (!op->step[1] || frames[number].owner != env->index) {
        memset(counts, 0, sizeof *counts);
        number = env->owned;
    }
    bool enough = false;
    for (unsigned i = 0; i < STEP_FRAMES && number != FRAME_NONE && !enough; i++) {
        enough = count_frame((frame_t){number}, counts);
        number = frames[number].next;
    }
    memcpy(op->result, counts, sizeof *counts);
    op->step[0] = number;
    op->step[1] = env->index;
    return number == FRAME_NONE;
}

static void account(const struct env *env, const struct counts *counts, struct exo_account *to)
{
    uint32_t listed = counts->other, rest = listed + counts->places;
    *to = (struct exo_account){
        .index = env->index, .parent = env->parent ? env->parent->index : 0, .state = env->state,
        .limit = env->frames_limit, .used = env->frames_used, .reserved = env->frames_reserved,
        .frozen = env->frames_used > rest ? env->frames_used - rest : 0,
        .plan_slots = env->pool.slots, .cpu_slots = env->cpu_slots, .children = env->places,
    };
    memcpy(&to->owned, counts, sizeof *counts);
    to->other = listed - counts->owned - counts->tables - counts->slots - counts->queues - counts->channels;
}

int op_env_info(struct plan *plan, struct op *op)
{
    const struct env *env = handle_env(plan->env, op_handle(op), true), *above = env;
    uint64_t index = number_any(op_arg(op, 0)); /* any number: past the last there is none */
    struct counts counts;
    struct buffer buffer = {0};
    if (!env)
        return -EXO_E_HANDLE;
    if (index)
        env = index < ENV_MAX ? envs[index] : NULL;
    for (const struct env *at = env; at != above; at = at->parent) /* at most ENV_MAX */
        if (!at)
            return -EXO_E_ABSENT;
    if (op->step[1] && op->step[1] != env->index)
        return -EXO_E_ABSENT;
    if (!count_step(env, op, &counts))
        return OP_AGAIN;
    memset(op->result, 0, sizeof op->result);
    int error = buffer_pieces(plan, op, op_arg(op, 1), true, &buffer);
    if (error)
        return error;
    if (buffer.length < sizeof(struct exo_account) || buffer.count != 1 || buffer.piece[0].offset % 8)
        return -EXO_E_RANGE;
    account(env, &counts, (struct exo_account *)(void *)piece_memory(&buffer.piece[0]));
    op->result[0] = env->index;
    return 0;
}
