/* SPDX-License-Identifier: MIT */
/*
 * Operations on frames and page tables. Each call is one step of at most 16
 * frames; op->step[0] counts the frames that are done.
 */
#include <string.h>

#include "arch/arch.h"
#include "env.h"
#include "flush.h"
#include "ops.h"
#include "space.h"

#define STEP 16u

/* Frames [done, end of this step) of count. */
static uint64_t step_end(uint64_t done, uint64_t count)
{
    return count - done > STEP ? done + STEP : count;
}

static void zero_frame(frame_t frame) { memset(frame_memory(frame), 0, EXO_PAGE_SIZE); }

/* ---- ALLOC, FREE, GIVE ----------------------------------------------------------- */

/* step[1]: the run was taken. Its frames are on nobody's list until their step comes. */
int op_alloc(struct plan *plan, struct op *op)
{
    struct env *env = plan->env;
    uint32_t count = op_constant(op, 0);
    frame_t first = {(uint32_t)op->result[0]};
    if (!op->step[1]) {
        int error = frame_take(count, op_constant(op, 1), op_arg(op, 2), &first);
        if (error)
            return error;
        op->result[0] = first.number;
        op->step[1] = 1;
    }
    uint64_t end = step_end(op->step[0], count);
    for (uint64_t i = op->step[0]; i < end; i++)
        if (!flush_passed(&frames[first.number + i]))
            return flush_park(op);
    for (uint64_t i = op->step[0]; i < end; i++) {
        frame_t frame = {first.number + (uint32_t)i};
        zero_frame(frame);
        frame_own(env, frame, FRAME_OWNED, KIND_NONE);
    }
    uint32_t done = (uint32_t)(end - op->step[0]);
    env->frames_reserved -= done;
    plan->reserved -= done;
    env->frames_used += done;
    op->result[1] = op->step[0] = end;
    account_show(env);
    return end == count ? 0 : OP_AGAIN;
}

static int owned_idle(const struct env *env, struct op *op, number_t number, uint64_t count, frame_t *first)
{
    int error = frame_owned(env, number, count, first);
    return error ? error : flush_idle(op, *first, count);
}

/* What came on the program's list is its own and stays; giving it back could take more than a step. */
void op_alloc_cancel(struct plan *plan, struct op *op)
{
    const uint64_t *step = flush_steps(op);
    (void)plan;
    if (step[1])
        frame_release((frame_t){(uint32_t)(op->result[0] + step[0])}, (uint32_t)(op_constant(op, 0) - step[0]));
}

int op_free(struct plan *plan, struct op *op)
{
    uint64_t count = op_constant(op, 1);
    uint64_t end = step_end(op->step[0], count), now = end - op->step[0];
    frame_t first;
    int error = owned_idle(plan->env, op, number_behind(op_arg(op, 0), op->step[0]), now, &first);
    if (error)
        return error;
    for (uint32_t i = 0; i < now; i++)
        frame_disown(plan->env, (frame_t){first.number + i});
    frame_release(first, (uint32_t)now);
    env_uncharge(plan->env, now);
    op->step[0] = end;
    return end == count ? 0 : OP_AGAIN;
}

int op_give(struct plan *plan, struct op *op)
{
    struct env *child = handle_env(plan->env, op_handle(op), false);
    if (!child || child->state == ENV_DYING)
        return -EXO_E_HANDLE;
    uint64_t count = op_constant(op, 1);
    uint64_t end = step_end(op->step[0], count), now = end - op->step[0];
    frame_t first;
    int error = owned_idle(plan->env, op, number_behind(op_arg(op, 0), op->step[0]), now, &first);
    if (error)
        return error;
    if (!env_charge(child, now))
        return -EXO_E_QUOTA;
    env_uncharge(plan->env, now);
    for (uint32_t i = 0; i < now; i++) {
        frame_t frame = {first.number + i};
        frame_disown(plan->env, frame);
        frame_own(child, frame, FRAME_OWNED, KIND_NONE);
    }
    op->step[0] = end;
    return end == count ? 0 : OP_AGAIN;
}

/* ---- FREEZE, THAW ------------------------------------------------------------------ */

static int freeze_one(struct env *env, struct op *op, page_t page)
{
    frame_t frame;
    unsigned perm;
    int error = space_lookup(env, page, &frame, &perm);
    if (error)
        return error;
    struct frame *entry = frame_entry(frame);
    if (entry->state != FRAME_OWNED || entry->owner != env->index)
        return -EXO_E_FRAME;
    if (entry->writable || entry->pins)
        return -EXO_E_BUSY;
    if (!flush_passed(entry))
        return flush_park(op);
    if (!env_charge(env, entry->rights - 1))
        return -EXO_E_QUOTA;
    frame_disown(env, frame);
    entry->state = FRAME_FROZEN;
    return 0;
}

int op_freeze(struct plan *plan, struct op *op)
{
    uint64_t count = op_constant(op, 1), end = step_end(op->step[0], count);
    page_t first;
    if (!pages_checked(op_arg(op, 0), count, &first))
        return -EXO_E_RANGE;
    for (; op->step[0] < end; op->step[0]++) {
        int error = freeze_one(plan->env, op, page_behind(first, op->step[0]));
        if (error)
            return error;
    }
    return end == count ? 0 : OP_AGAIN;
}

int op_thaw(struct plan *plan, struct op *op)
{
    frame_t frame;
    unsigned perm;
    page_t page;
    if (!pages_checked(op_arg(op, 0), 1, &page))
        return -EXO_E_RANGE;
    int error = space_lookup(plan->env, page, &frame, &perm);
    if (error)
        return error;
    struct frame *entry = frame_entry(frame);
    if (entry->state != FRAME_FROZEN)
        return -EXO_E_STATE;
    if (entry->rights != 1 || entry->pins)
        return -EXO_E_BUSY;
    if (!flush_passed(entry)) /* another's mapping of it */
        return flush_park(op);
    frame_own(plan->env, frame, FRAME_OWNED, KIND_NONE);
    op->result[0] = frame.number;
    return 0;
}

/* ---- page tables ---------------------------------------------------------------------- */

static struct env *target_env(struct plan *plan, struct op *op)
{
    struct env *env = handle_env(plan->env, op_handle(op), true);
    return env && env->state != ENV_DYING ? env : NULL;
}

int op_table(struct plan *plan, struct op *op)
{
    struct env *env = target_env(plan, op);
    uint32_t level = op_constant(op, 2);
    frame_t frame;
    page_t page;
    if (!env)
        return -EXO_E_HANDLE;
    if (level < 1 || level > 3 || !pages_checked(op_arg(op, 1), 1, &page))
        return -EXO_E_RANGE;
    int error = owned_idle(plan->env, op, op_arg(op, 0), 1, &frame);
    if (error)
        return error;
    if (env != plan->env && !env_charge(env, 1))
        return -EXO_E_QUOTA;
    unsigned missing = 0;
    error = space_table_add(env, page, level, frame, &missing);
    if (error) {
        if (env != plan->env)
            env_uncharge(env, 1);
        op->result[0] = missing;
        return error;
    }
    frame_disown(plan->env, frame);
    if (env != plan->env)
        env_uncharge(plan->env, 1);
    frame_own(env, frame, FRAME_TABLE, KIND_NONE);
    return 0;
}

int op_untable(struct plan *plan, struct op *op)
{
    struct env *env = target_env(plan, op);
    uint32_t level = op_constant(op, 1);
    frame_t frame;
    page_t page;
    if (!env)
        return -EXO_E_HANDLE;
    if (level < 1 || level > 3 || !pages_checked(op_arg(op, 0), 1, &page))
        return -EXO_E_RANGE;
    int error = space_table_remove(env, page, level, &frame);
    if (error)
        return error;
    frame_entry(frame)->state = FRAME_OWNED;
    op->result[0] = frame.number;
    return 0;
}

/* May env map this frame with these rights? */
static int map_right(const struct env *env, number_t number, unsigned perm, frame_t *frame)
{
    if (!frame_checked(number, 1, frame))
        return -EXO_E_FRAME;
    const struct frame *entry = frame_entry(*frame);
    if (entry->owner != env->index)
        return -EXO_E_FRAME;
    if (entry->state == FRAME_OWNED)
        return 0;
    bool readable = entry->state == FRAME_TABLE ||
                    (entry->state == FRAME_KERNEL &&
                     (entry->kind == KIND_CQ || entry->kind == KIND_INFO));
    if (!readable)
        return -EXO_E_FRAME;
    return (perm & ~EXO_LARGE) == EXO_READ ? 0 : -EXO_E_RIGHT;
}

static uint64_t info_frame(const struct env *env) { return env->frame.number + 3u; }

int op_map(struct plan *plan, struct op *op)
{
    struct env *env = target_env(plan, op);
    number_t number = op_arg(op, 1);
    uint64_t count = op_constant(op, 2);
    unsigned perm = op_constant(op, 3);
    page_t first;
    if (!env)
        return -EXO_E_HANDLE;
    if (!pages_checked(op_arg(op, 0), count, &first))
        return -EXO_E_RANGE;
    if (number_is(number, EXO_INFO_FRAME))
        number = number_of(info_frame(env));
    uint64_t end = step_end(op->step[0], count);
    for (; op->step[0] < end; op->step[0]++) {
        frame_t frame;
        unsigned level = 0;
        int error = map_right(env, number_behind(number, op->step[0]), perm, &frame);
        if (!error && !flush_passed(frame_entry(frame))) /* it was a table, perhaps */
            return flush_park(op);
        if (!error)
            error = space_map(env, page_behind(first, op->step[0]), frame, perm, &level);
        op->result[0] = error == -EXO_E_NO_TABLE ? level : op->step[0];
        op->result[1] = op->step[0];
        if (error)
            return error;
    }
    op->result[0] = op->result[1] = op->step[0];
    return end == count ? 0 : OP_AGAIN;
}

/* Copies one mapping of a frozen frame. */
static int share_one(struct plan *plan, struct env *env, page_t to, page_t from, unsigned perm,
                     unsigned *level)
{
    frame_t frame;
    unsigned old;
    int error = space_lookup(plan->env, from, &frame, &old);
    if (error)
        return error;
    if (frame_entry(frame)->state != FRAME_FROZEN)
        return -EXO_E_STATE;
    if (!env_charge(env, 1))
        return -EXO_E_QUOTA;
    error = space_map(env, to, frame, perm, level);
    if (error)
        env_uncharge(env, 1);
    return error;
}

int op_share(struct plan *plan, struct op *op)
{
    struct env *env = target_env(plan, op);
    uint64_t count = op_constant(op, 2);
    unsigned perm = op_constant(op, 3);
    page_t to, from;
    if (!env)
        return -EXO_E_HANDLE;
    if (!pages_checked(op_arg(op, 0), count, &to) || !pages_checked(op_arg(op, 1), count, &from))
        return -EXO_E_RANGE;
    if (perm & EXO_WRITE)
        return -EXO_E_RIGHT;
    uint64_t end = step_end(op->step[0], count);
    for (; op->step[0] < end; op->step[0]++) {
        unsigned level = 0;
        int error = share_one(plan, env, page_behind(to, op->step[0]),
                              page_behind(from, op->step[0]), perm, &level);
        op->result[0] = error == -EXO_E_NO_TABLE ? level : op->step[0];
        op->result[1] = op->step[0];
        if (error)
            return error;
    }
    op->result[0] = op->result[1] = op->step[0];
    return end == count ? 0 : OP_AGAIN;
}

int op_unmap(struct plan *plan, struct op *op)
{
    struct env *env = target_env(plan, op);
    uint64_t count = op_constant(op, 1);
    page_t first;
    if (!env)
        return -EXO_E_HANDLE;
    if (!pages_checked(op_arg(op, 0), count, &first))
        return -EXO_E_RANGE;
    uint64_t end = step_end(op->step[0], count);
    for (; op->step[0] < end; op->step[0]++) {
        frame_t frame;
        int error = space_unmap(env, page_behind(first, op->step[0]), count - op->step[0], &frame);
        if (error == -EXO_E_ABSENT)
            continue;
        if (error)
            return error;
        if (op->result[1]++ == 0)
            op->result[0] = frame.number;
    }
    return end == count ? 0 : OP_AGAIN;
}

int op_protect(struct plan *plan, struct op *op)
{
    struct env *env = target_env(plan, op);
    uint64_t count = op_constant(op, 1);
    unsigned perm = op_constant(op, 2);
    page_t first;
    if (!env)
        return -EXO_E_HANDLE;
    if (perm & EXO_LARGE || !pages_checked(op_arg(op, 0), count, &first))
        return -EXO_E_RANGE;
    uint64_t end = step_end(op->step[0], count);
    for (; op->step[0] < end; op->step[0]++) {
        int error = space_protect(env, page_behind(first, op->step[0]), perm);
        if (error && error != -EXO_E_ABSENT)
            return error;
    }
    return end == count ? 0 : OP_AGAIN;
}
