/* SPDX-License-Identifier: MIT */
/*
 * Channels: see channel.h. Every message passes through a place, in order; nothing here runs longer
 * than one message takes, but for channel_reap(), which is a step of a walk.
 */
#include "channel.h"

#include <string.h>

#include "buffer.h"
#include "flush.h"
#include "ops.h"
#include "space.h"

#define REAP_MESSAGES 4u /* a step: 16 frames */

struct channel *channel_at(const struct handle *handle)
{
    const struct frame *frame = &frames[handle->frame];
    bool lives = frame->state == FRAME_KERNEL && frame->kind == KIND_CHANNEL &&
                 frame->generation == handle->object_generation;
    struct channel *channel = lives ? frame_memory((frame_t){handle->frame}) : NULL;
    return channel && !channel->ended ? channel : NULL;
}

static int channel_named(struct plan *plan, struct op *op, enum op_kind kind, struct channel **channel)
{
    struct handle *handle = handle_find(plan->env, op_handle(op), kind);
    if (!handle)
        return -EXO_E_HANDLE;
    *channel = channel_at(handle);
    return *channel ? 0 : -EXO_E_DEAD;
}

/* ---- CHANNEL_CREATE ------------------------------------------------------------ */

static void channel_build(struct channel *channel, struct env *receiver, frame_t frame,
                          unsigned places, unsigned carry)
{
    frame_entry(frame)->state = FRAME_KERNEL; /* stays on the receiver's list and charged to it */
    frame_entry(frame)->kind = KIND_CHANNEL;
    memset(channel, 0, sizeof *channel);
    channel->receiver = receiver;
    channel->frame = frame;
    channel->places = (uint8_t)places;
    channel->carry = (uint8_t)carry;
    list_init(&channel->sending);
    list_init(&channel->receiving);
}

int op_channel_create(struct plan *plan, struct op *op)
{
    struct env *receiver = handle_env(plan->env, op_handle(op), true);
    uint32_t places = op_constant(op, 1), carry = op_constant(op, 2);
    frame_t frame;
    if (!receiver || receiver->state == ENV_DYING)
        return -EXO_E_HANDLE;
    if (places < 1 || places > EXO_CHANNEL_PLACES || carry > EXO_CHANNEL_FRAMES)
        return -EXO_E_RANGE;
    int error = frame_owned(receiver, op_arg(op, 0), 1, &frame);
    if (error)
        return error;
    error = flush_idle(op, frame, 1);
    if (error)
        return error;
    uint32_t sender = handle_add(plan->env, K_SENDER, frame);
    uint32_t end = sender ? handle_add(receiver, K_RECEIVER, frame) : 0;
    if (!end || !env_charge(receiver, places * carry)) {
        if (end)
            handle_drop(handle_find(receiver, number_of(end), K_RECEIVER));
        if (sender)
            handle_drop(handle_find(plan->env, number_of(sender), K_SENDER));
        return end ? -EXO_E_QUOTA : -EXO_E_FULL;
    }
    channel_build(frame_memory(frame), receiver, frame, places, carry);
    channel_hold(handle_find(plan->env, number_of(sender), K_SENDER));
    op->result[0] = sender;
    op->result[1] = end;
    return 0;
}

/* ---- frames of a message ---------------------------------------------------------- */

/* How many frames a buffer word lies in; frame 0 is no program's, and says that there are none. */
static unsigned buffer_frames(uint64_t word)
{
    if (EXO_BUF_FRAME(word) == 0)
        return 0;
    return (EXO_BUF_OFFSET(word) + EXO_BUF_LENGTH(word) - 1) / EXO_PAGE_SIZE + 1;
}

static int capture_owned(struct env *env, struct op *op, struct message *message)
{
    frame_t first;
    int error = frame_owned(env, number_of(EXO_BUF_FRAME(message->buffer)), message->count, &first);
    if (!error)
        error = flush_idle(op, first, message->count);
    if (error)
        return error;
    for (unsigned i = 0; i < message->count; i++) {
        message->frame[i] = first.number + i;
        frames[first.number + i].state = FRAME_KERNEL;
        frames[first.number + i].kind = KIND_SENT;
    }
    return 0;
}

static int capture_frozen(struct env *env, struct message *message)
{
    page_t page;
    if (!pages_checked(number_of(EXO_BUF_FRAME(message->buffer) << EXO_PAGE_SHIFT), message->count, &page))
        return -EXO_E_ABSENT;
    for (unsigned i = 0; i < message->count; i++) {
        frame_t frame;
        unsigned perm;
        int error = space_lookup(env, page_behind(page, i), &frame, &perm);
        if (!error && frame_entry(frame)->state != FRAME_FROZEN)
            error = -EXO_E_STATE;
        if (!error)
            error = frame_pin(env, frame);
        if (error) {
            while (i-- > 0)
                frame_unpin(env, (frame_t){message->frame[i]});
            return error;
        }
        message->frame[i] = frame.number;
    }
    return 0;
}

/* Takes the message's frames from the sender's hands. What was taken is kept in the operation's result words until it has
 * gone into a place: arguments can be references to what did not end yet (EXO_START_ANY), and change. */
static int message_capture(struct plan *plan, struct op *op, unsigned carry)
{
    struct message message = {.buffer = number_any(op_arg(op, 0))};
    unsigned count = buffer_frames(message.buffer);
    if (count > carry)
        return -EXO_E_RANGE;
    message.count = (uint8_t)count;
    int error = op->cell.flags & EXO_VPAGE ? capture_frozen(plan->env, &message)
                                           : capture_owned(plan->env, op, &message);
    if (error)
        return error;
    op->result[0] = message.buffer;
    memcpy(&op->result[2], message.frame, sizeof message.frame);
    return 0;
}

/* The captured message, out of the operation. */
static struct message message_of(struct op *op)
{
    struct message message = {
        .buffer = op->result[0],
        .word = {number_any(op_arg(op, 1)), number_any(op_arg(op, 2))},
        .count = (uint8_t)buffer_frames(op->result[0]),
        .frozen = op->cell.flags & EXO_VPAGE,
    };
    memcpy(message.frame, &op->result[2], sizeof message.frame);
    op->result[0] = op->result[2] = op->result[3] = 0;
    return message;
}

/* A captured message goes back to its sender. */
static void message_return(struct op *op)
{
    struct message message = message_of(op);
    struct env *env = op_plan(op)->env;
    for (unsigned i = 0; i < message.count; i++) {
        frame_t frame = {message.frame[i]};
        if (message.frozen) {
            frame_unpin(env, frame);
            continue;
        }
        frame_entry(frame)->state = FRAME_OWNED;
        frame_entry(frame)->kind = KIND_NONE;
    }
}

/* ---- SEND ---------------------------------------------------------------------------- */

static void wake_receiver(struct channel *channel)
{
    struct op *op = op_unpark(&channel->receiving);
    if (op)
        op_wake(op);
    channel->woken = (uint8_t)(channel->woken + (op != NULL));
}

/* Puts a captured message into a free place: from the sender's account into what the receiver set aside. */
static void message_put(struct channel *channel, struct op *op)
{
    struct env *sender = op_plan(op)->env;
    struct message *message = &channel->place[(channel->first + channel->used) % channel->places];
    *message = message_of(op);
    for (unsigned i = 0; i < message->count && !message->frozen; i++)
        frame_disown(sender, (frame_t){message->frame[i]});
    env_uncharge(sender, message->count);
    channel->used++;
    wake_receiver(channel);
}

int op_send(struct plan *plan, struct op *op)
{
    struct channel *channel;
    int error = channel_named(plan, op, K_SENDER, &channel);
    if (!error)
        error = message_capture(plan, op, channel->carry);
    if (error)
        return error;
    if (channel->used == channel->places) {
        op_park(op, &channel->sending);
        return OP_PARK;
    }
    message_put(channel, op);
    return 0;
}

void op_send_cancel(struct plan *plan, struct op *op)
{
    (void)plan;
    if (op->state == OP_PARKED)
        message_return(op);
}

/* ---- RECV ---------------------------------------------------------------------------- */

static int receive_owned(struct env *env, const struct message *message, struct op *op)
{
    if (!env_charge(env, message->count))
        return -EXO_E_QUOTA;
    for (unsigned i = 0; i < message->count; i++)
        frame_own(env, (frame_t){message->frame[i]}, FRAME_OWNED, KIND_NONE);
    op->result[0] = message->buffer;
    op->result[3] = message->count ? message->frame[0] : 0;
    return 0;
}

/* Each right goes from the place to a mapping of the receiver's own. */
static int receive_frozen(struct env *env, const struct message *message, struct op *op)
{
    page_t page;
    frame_t gone;
    unsigned level = 0;
    if (number_is(op_arg(op, 0), 0))
        return -EXO_E_STATE;
    if (!pages_checked(op_arg(op, 0), message->count, &page))
        return -EXO_E_RANGE;
    for (unsigned i = 0; i < message->count; i++) {
        frame_t frame = {message->frame[i]};
        int error = env_charge(env, 1) ? 0 : -EXO_E_QUOTA;
        if (!error) {
            error = space_map(env, page_behind(page, i), frame, EXO_READ, &level);
            if (error)
                env_uncharge(env, 1);
        }
        if (error) {
            while (i-- > 0)
                (void)space_unmap(env, page_behind(page, i), 1, &gone);
            op->result[0] = level;
            return error;
        }
    }
    for (unsigned i = 0; i < message->count; i++) {
        frames[message->frame[i]].pins--;
        frames[message->frame[i]].rights--;
    }
    op->result[0] = (message->buffer & ~0xfffffffffull) | page.address >> EXO_PAGE_SHIFT;
    return 0;
}

static int receive(struct channel *channel, struct env *env, struct op *op)
{
    struct message *message = &channel->place[channel->first];
    int error = message->frozen && message->count ? receive_frozen(env, message, op)
                                                  : receive_owned(env, message, op);
    if (error)
        return error;
    op->result[1] = message->word[0];
    op->result[2] = message->word[1];
    channel->first = (uint8_t)((channel->first + 1) % channel->places);
    channel->used--;
    struct op *next = op_unpark(&channel->sending);
    if (next) {
        message_put(channel, next);
        op_end(next, 0);
    }
    return 0;
}

/* result[3] of a RECV says that it was parked: when it runs, it was woken. */
static bool was_woken(struct op *op)
{
    bool woken = op->result[3];
    op->result[3] = 0;
    return woken;
}

static bool is_dead(const struct channel *channel) { return !channel->senders && !channel->used; }

int op_recv(struct plan *plan, struct op *op)
{
    struct channel *channel;
    bool woken = was_woken(op);
    int error = channel_named(plan, op, K_RECEIVER, &channel);
    if (error)
        return error;
    if (woken)
        channel->woken--;
    if (is_dead(channel)) {
        error = -EXO_E_DEAD;
    } else if (channel->used > channel->woken) {
        error = receive(channel, plan->env, op);
    } else {
        op->result[3] = true;
        op_park(op, &channel->receiving);
        return OP_PARK;
    }
    if (error || is_dead(channel)) /* who waits behind it may fare better, or is to learn the same */
        wake_receiver(channel);
    return error;
}

void op_recv_cancel(struct plan *plan, struct op *op)
{
    struct channel *channel;
    if (was_woken(op) && op->state == OP_READY &&
        channel_named(plan, op, K_RECEIVER, &channel) == 0) {
        channel->woken--;
        wake_receiver(channel);
    }
}

/* ---- the end -------------------------------------------------------------------------- */

void channel_hold(const struct handle *handle)
{
    struct channel *channel = channel_at(handle);
    if (channel)
        channel->senders++;
}

void channel_drop(const struct handle *handle)
{
    struct channel *channel = channel_at(handle);
    if (!channel)
        return;
    if (handle->kind == K_RECEIVER)
        channel->ended = true;
    else if (--channel->senders == 0 && is_dead(channel))
        wake_receiver(channel);
}

static void message_free(const struct message *message)
{
    for (unsigned i = 0; i < message->count; i++) {
        frame_t frame = {message->frame[i]};
        struct frame *entry = frame_entry(frame);
        if (message->frozen) {
            entry->pins--;
            if (--entry->rights)
                continue;
        }
        frame_release(frame, 1);
    }
}

static void channel_free(struct channel *channel)
{
    struct env *receiver = channel->receiver;
    frame_t frame = channel->frame;
    env_uncharge(receiver, 1u + channel->places * channel->carry);
    frame_entry(frame)->generation = ++flush_epoch;
    frame_disown(receiver, frame);
    frame_release(frame, 1);
}

bool channel_reap(frame_t frame)
{
    struct channel *channel = frame_memory(frame);
    struct op *op;
    channel->ended = true;
    for (unsigned budget = REAP_MESSAGES; budget; budget--) {
        if ((op = op_unpark(&channel->sending))) {
            message_return(op);
            op_end(op, -EXO_E_DEAD);
        } else if ((op = op_unpark(&channel->receiving))) {
            op->result[3] = 0;
            op_end(op, -EXO_E_DEAD);
        } else if (channel->used) {
            message_free(&channel->place[channel->first]);
            channel->first = (uint8_t)((channel->first + 1) % channel->places);
            channel->used--;
        } else {
            channel_free(channel);
            return true;
        }
    }
    return false;
}
