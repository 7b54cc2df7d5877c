/* SPDX-License-Identifier: MIT */
/*
 * Taking a dead environment apart, in bounded steps: its plans, its handles and queues, its mappings, its
 * frames, then itself. Children go first. Frames that a device still reads or
 * writes are waited for.
 */
#include "arch/arch.h"
#include "channel.h"
#include "core.h"
#include "flush.h"
#include "net/nic.h"
#include "net/queue.h"
#include "space.h"

enum phase { PHASE_PLANS, PHASE_HANDLES, PHASE_DEVICE, PHASE_RIGHTS, PHASE_FRAMES };

#define STEP_FRAMES 16u

static void begin(struct env *env)
{
    struct core *core = core_this();
    env_stop(env, EXO_STOP_KILLED, 0, 0);
    reclaim_abort(env);
    core_forget(env);
    env->state = ENV_DYING;
    arch_forget(core, env);
    if (core->space == env)
        arch_leave_space(core);
}

/* Abandons the plans in a run of slots; false while a device holds one. */
static bool abandon_run(frame_t first, unsigned slot_class, uint32_t run_frames)
{
    char *at = frame_memory(first);
    uint64_t size = plan_slot_bytes(slot_class);
    uint64_t bytes = (uint64_t)run_frames * EXO_PAGE_SIZE;
    bool gone = true;
    for (; bytes >= size; at += size, bytes -= size)
        gone &= plan_abandon((struct plan *)(void *)at);
    return gone;
}

/* The cursor is the frame to look at next on the owner's list; the walk begins anew when that has left the
 * list, which a queue does by itself when the last that waited for it has ended. */
static bool abandon_plans(struct env *env, uint64_t *cursor)
{
    uint32_t number = (uint32_t)*cursor;
    if (frames[number].owner != env->index)
        number = env->owned;
    for (unsigned i = 0; i < STEP_FRAMES && number != FRAME_NONE; i++) {
        struct frame *entry = &frames[number];
        if (entry->kind == KIND_SLOTS && slots_base(entry) == number) {
            (void)abandon_run((frame_t){number}, slots_class(entry),
                              slots_frames(entry));
            number = entry->next;
            break; /* one run a step */
        }
        number = entry->next;
    }
    *cursor = number;
    return number == FRAME_NONE;
}

static bool drop_handles(struct env *env, uint64_t *cursor)
{
    _Static_assert(HANDLES_MAX % STEP_FRAMES == 0, "steps end where the table does");
    for (unsigned i = 0; i < STEP_FRAMES; i++, (*cursor)++)
        if (env->handles[*cursor].kind != K_NONE)
            handle_drop(&env->handles[*cursor]);
    return *cursor >= HANDLES_MAX;
}

static bool is_own_part(const struct env *env, uint32_t number)
{
    return number - env->frame.number < EXO_ENV_FRAMES;
}

/* Frees what is on its list, newest first; its own five frames are the oldest. */
static bool free_frames(struct env *env)
{
    for (unsigned i = 0; i < STEP_FRAMES; i++) {
        frame_t frame = {env->owned};
        if (is_own_part(env, frame.number))
            return true;
        uint8_t kind = frame_entry(frame)->state == FRAME_KERNEL ? frame_entry(frame)->kind : KIND_NONE;
        if (kind == KIND_QUEUE || kind == KIND_CHANNEL) {
            if (kind == KIND_QUEUE ? !queue_kill(frame, STEP_FRAMES) : !channel_reap(frame))
                return false;
            continue;
        }
        frame_disown(env, frame);
        frame_release(frame, 1);
        env_uncharge(env, 1);
    }
    return false;
}

static void unlink(struct env *env)
{
    struct env **at = &env->parent->children;
    while (*at != env)
        at = &(*at)->sibling;
    *at = env->sibling;
}

static void finish(struct env *env)
{
    frame_t first = env->frame;
    core_forget(env); /* CPU slots of its children came to it meanwhile */
    unlink(env);
    envs[env->index] = NULL;
    while (!envs[env_end - 1]) /* the first program stays */
        env_end--;
    env->parent->places = (uint16_t)(env->parent->places + env->places + 1);
    env->parent->frames_limit += env->frames_limit;
    account_show(env->parent);
    env_account_fell(env->parent);
    frame_entry(first)->generation = ++flush_epoch;
    for (unsigned i = 0; i < EXO_ENV_FRAMES; i++) {
        frame_t frame = {first.number + i};
        frame_disown(env, frame);
        frame_release(frame, 1);
    }
}

/* True when nothing of it is left. */
static bool step(struct env *env)
{
    uint64_t *cursor = &env->kill_cursor;
    bool done = true;
    switch (env->kill_phase) {
    case PHASE_PLANS: done = abandon_plans(env, cursor); break;
    case PHASE_HANDLES: done = drop_handles(env, cursor); break;
    case PHASE_DEVICE: done = nic_env_quiet(env); break;
    case PHASE_RIGHTS: done = space_drop_rights(env, cursor, STEP_FRAMES); break;
    default: /* PHASE_FRAMES */
        if (!free_frames(env))
            return false;
        finish(env);
        return true;
    }
    if (done) {
        env->kill_phase++;
        *cursor = 0;
    }
    return false;
}

bool env_destroy_step(struct env *env)
{
    if (env->state != ENV_DYING) {
        begin(env);
        return false;
    }
    struct env *deepest = env;
    while (deepest->children) /* at most ENV_MAX */
        deepest = deepest->children;
    if (deepest->state != ENV_DYING) {
        begin(deepest);
        return false;
    }
    return step(deepest) && deepest == env;
}
