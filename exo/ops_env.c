/* SPDX-License-Identifier: MIT */
/* Operations on environments: making, starting, watching and ending programs. */
#include <string.h>

#include "arch/arch.h"
#include "buffer.h"
#include "channel.h"
#include "core.h"
#include "env.h"
#include "flush.h"
#include "ops.h"
#include "space.h"

#define RING_FRAMES_MAX 16u

static struct env *child_of(struct plan *plan, struct op *op)
{
    struct env *env = handle_env(plan->env, op_handle(op), false);
    return env && env->state != ENV_DYING ? env : NULL;
}

int op_env_create(struct plan *plan, struct op *op)
{
    struct env *env = plan->env;
    uint32_t quota = op_constant(op, 1), places = op_constant(op, 2);
    frame_t first;
    int error = frame_owned(env, op_arg(op, 0), EXO_ENV_FRAMES, &first);
    if (error)
        return error;
    error = flush_idle(op, first, EXO_ENV_FRAMES);
    if (error)
        return error;
    if (quota < EXO_ENV_FRAMES)
        return -EXO_E_RANGE;
    /* The five frames' charge goes to the child, the rest of its limit must be free here. */
    if (env->frames_used - EXO_ENV_FRAMES + env->frames_reserved + quota > env->frames_limit)
        return -EXO_E_QUOTA;
    uint32_t handle = places < env->places ? handle_add(env, K_ENV, first) : 0;
    if (!handle)
        return -EXO_E_FULL;
    for (uint32_t i = 0; i < EXO_ENV_FRAMES; i++) {
        frame_t frame = {first.number + i};
        frame_disown(env, frame);
        memset(frame_memory(frame), 0, EXO_PAGE_SIZE);
    }
    (void)env_create(env, first, quota, (uint16_t)places);
    env->places = (uint16_t)(env->places - places - 1);
    env->frames_used -= EXO_ENV_FRAMES;
    env->frames_limit -= quota;
    account_show(env);
    op->result[0] = handle;
    return 0;
}

static bool ring_count(uint32_t count)
{
    return count <= RING_FRAMES_MAX && (count & (count - 1)) == 0;
}

int op_env_rings(struct plan *plan, struct op *op)
{
    struct env *child = child_of(plan, op);
    uint32_t sq_count = op_constant(op, 2), cq_count = op_constant(op, 4);
    frame_t control, sq, cq;
    if (!child)
        return -EXO_E_HANDLE;
    if (child->control)
        return -EXO_E_STATE;
    if (!ring_count(sq_count) || !ring_count(cq_count))
        return -EXO_E_RANGE;
    int error = frame_owned(child, op_arg(op, 0), 1, &control);
    if (!error)
        error = frame_owned(child, op_arg(op, 1), sq_count, &sq);
    if (!error)
        error = frame_owned(child, op_arg(op, 3), cq_count, &cq);
    if (error)
        return error;
    /* The completion ring becomes the kernel's to write; a mapping made before could write too. */
    bool apart = cq.number > control.number || control.number >= cq.number + cq_count;
    apart &= cq.number >= sq.number + sq_count || sq.number >= cq.number + cq_count;
    if (!apart)
        return -EXO_E_BUSY;
    error = flush_idle(op, cq, cq_count);
    if (error)
        return error;
    env_set_rings(child, control, sq, sq_count, cq, cq_count);
    return 0;
}

int op_env_start(struct plan *plan, struct op *op)
{
    struct env *child = child_of(plan, op);
    if (!child)
        return -EXO_E_HANDLE;
    if (child->state != ENV_NEW || !child->control)
        return -EXO_E_STATE;
    uint64_t rip = number_any(op_arg(op, 0)), rsp = number_any(op_arg(op, 1));
    if (rip >= EXO_USER_END || rsp > EXO_USER_END)
        return -EXO_E_RANGE;
    env_start(child, rip, rsp, number_any(op_arg(op, 2)));
    return 0;
}

int op_env_kill(struct plan *plan, struct op *op)
{
    struct handle *entry = handle_find(plan->env, op_handle(op), K_ENV);
    if (!entry)
        return -EXO_E_HANDLE;
    struct env *child = frame_memory((frame_t){entry->frame});
    if (op->step[0]++ == 0)
        op->result[0] = child->frames_used;
    op->result[1] = child->frames_limit; /* its children's included, when the last step comes */
    if (!env_destroy_step(child))
        return OP_AGAIN;
    handle_drop(entry); /* its only one: ENV handles are not copied */
    return 0;
}

static bool crowded(const struct list *waiters)
{
    const struct list_node *at = waiters->head.next;
    for (unsigned i = 0; i < ENV_WAITERS; i++, at = at->next)
        if (at == &waiters->head)
            return false;
    return true;
}

int op_env_wait(struct plan *plan, struct op *op)
{
    struct env *child = child_of(plan, op);
    if (!child)
        return -EXO_E_HANDLE;
    if (child->state != ENV_STOPPED) {
        if (crowded(&child->waiters))
            return -EXO_E_FULL;
        op_park(op, &child->waiters);
        return OP_PARK;
    }
    for (unsigned i = 0; i < 3; i++)
        op->result[i] = child->stop[i];
    return 0;
}

int op_env_read(struct plan *plan, struct op *op)
{
    struct env *child = child_of(plan, op);
    uint64_t address = number_any(op_arg(op, 0)); /* each page of it is checked below */
    struct buffer buffer = {0};
    if (!child)
        return -EXO_E_HANDLE;
    if (child->state != ENV_STOPPED)
        return -EXO_E_STATE;
    int error = buffer_pieces(plan, op, op_arg(op, 1), true, &buffer);
    if (error)
        return error;
    if (buffer.length > EXO_PAGE_SIZE)
        return -EXO_E_RANGE;
    for (unsigned i = 0; i < buffer.count; i++) {
        uint8_t *to = piece_memory(&buffer.piece[i]);
        uint32_t left = buffer.piece[i].length;
        while (left) {
            frame_t frame;
            unsigned perm;
            uint32_t offset = (uint32_t)(address & (EXO_PAGE_SIZE - 1));
            uint32_t now = EXO_PAGE_SIZE - offset < left ? EXO_PAGE_SIZE - offset : left;
            page_t page;
            if (!pages_checked(number_of(address - offset), 1, &page) ||
                space_lookup(child, page, &frame, &perm))
                return 0;
            memcpy(to, (uint8_t *)frame_memory(frame) + offset, now);
            to += now;
            left -= now;
            address += now;
            op->result[0] += now;
        }
    }
    return 0;
}

int op_env_exit(struct plan *plan, struct op *op)
{
    number_t reason = op_arg(op, 0);
    if (!number_is(reason, EXO_STOP_EXIT) && !number_is(reason, EXO_STOP_CRASH))
        return -EXO_E_RANGE;
    env_stop(plan->env, number_any(reason), number_any(op_arg(op, 1)), number_any(op_arg(op, 2)));
    return 0;
}

int op_handle_copy(struct plan *plan, struct op *op)
{
    struct env *child = child_of(plan, op);
    struct handle *entry = handle_find(plan->env, op_arg(op, 0), K_HANDLE);
    if (!child || !entry)
        return -EXO_E_HANDLE;
    if (entry->kind != K_QUEUE && entry->kind != K_CONSOLE && entry->kind != K_SENDER)
        return -EXO_E_RIGHT;
    if (entry->kind == K_SENDER && !channel_at(entry))
        return -EXO_E_DEAD;
    uint32_t handle = handle_add(child, entry->kind, (frame_t){entry->frame});
    if (!handle)
        return -EXO_E_FULL;
    if (entry->kind == K_CONSOLE)
        memcpy(handle_find(child, number_of(handle), K_CONSOLE)->label, entry->label, sizeof entry->label);
    op->result[0] = handle;
    return 0;
}

int op_handle_drop(struct plan *plan, struct op *op)
{
    struct handle *entry = handle_find(plan->env, op_arg(op, 0), K_HANDLE);
    if (!entry)
        return -EXO_E_HANDLE;
    if (entry->kind == K_ENV) /* it would lose a child with everything it has: KILL */
        return -EXO_E_RIGHT;
    if (entry->kind == K_RECEIVER && !channel_reap((frame_t){entry->frame}))
        return OP_AGAIN;
    handle_drop(entry);
    return 0;
}

int op_cpu_give(struct plan *plan, struct op *op)
{
    struct env *child = child_of(plan, op), *env = plan->env;
    struct core *core = core_this();
    uint32_t first = op_constant(op, 0), count = op_constant(op, 1);
    if (!child)
        return -EXO_E_HANDLE;
    if (first >= EXO_CPU_SLOTS || count > EXO_CPU_SLOTS - first)
        return -EXO_E_RANGE;
    for (uint32_t i = first; i < first + count; i++)
        if (core->slot_owner[i] != env->index)
            return -EXO_E_RIGHT;
    for (uint32_t i = first; i < first + count; i++)
        core->slot_owner[i] = child->index;
    uint64_t now = clock_now();
    (void)env_credit(env, now);
    (void)env_credit(child, now);
    env->cpu_slots = (uint16_t)(env->cpu_slots - count);
    child->cpu_slots = (uint16_t)(child->cpu_slots + count);
    env->info->cpu_slots = env->cpu_slots;
    child->info->cpu_slots = child->cpu_slots;
    return 0;
}
