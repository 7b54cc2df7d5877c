/* SPDX-License-Identifier: MIT */
/* Console, queue and CPU time for a child. */
#include "grant.h"

#include <libos/mem.h>
#include <libos/plan.h>
#include <string.h>

#include "child.h"

#define ETHERNET_SOURCE 6u /* offsets in a frame: destination, then source */
#define ETHERNET_ADDRESS 6u

int grant_console(uint32_t env, const char *label, uint32_t *handle)
{
    struct plan_buffer buffer;
    uint64_t words[2] = {0, 0};
    memcpy(words, label, strlen(label));
    struct plan *plan = plan_begin(&buffer);
    struct handle_ref granted = plan_console_grant(plan, handle_number(env),
                                                   handle_number(EXO_BOOT_CONSOLE), words);
    int error = plan_run(plan);
    *handle = (uint32_t)plan_value(plan, granted);
    return error;
}

/* Receives what is sent to its MAC address and sends only what says it comes from there. */
static void queue_spec_fill(struct exo_queue_spec *spec, const struct manifest_net *net)
{
    memset(spec, 0, sizeof(*spec));
    spec->rx_count = spec->tx_count = 1;
    spec->flags = net->broadcast ? EXO_QUEUE_BROADCAST : 0;
    memset(spec->rx[0].mask, 0xff, ETHERNET_ADDRESS);
    memcpy(spec->rx[0].value, net->mac, ETHERNET_ADDRESS);
    memset(spec->tx[0].mask + ETHERNET_SOURCE, 0xff, ETHERNET_ADDRESS);
    memcpy(spec->tx[0].value + ETHERNET_SOURCE, net->mac, ETHERNET_ADDRESS);
}

/* Init drops its own handle, so that the queue ends with the child. */
int grant_queue(uint32_t env, const struct manifest_net *net, uint32_t *handle)
{
    static struct exo_queue_spec *spec;
    static uint64_t spec_frame;
    struct plan_buffer buffer;
    if (!spec)
        spec = mem_map_run(1, &spec_frame);
    if (!spec)
        return -EXO_E_NO_FRAMES;
    queue_spec_fill(spec, net);
    struct plan *plan = plan_begin(&buffer);
    struct frame_ref frame = plan_alloc(plan, 1, 0);
    struct handle_ref queue = plan_queue_create(plan, handle_number(EXO_BOOT_NIC), frame,
                                                EXO_BUF(spec_frame, 0, sizeof(*spec)));
    struct handle_ref copy = plan_handle_copy(plan, handle_number(env), queue);
    plan_handle_drop(plan, queue);
    int error = plan_run(plan);
    *handle = (uint32_t)plan_value(plan, copy);
    return error;
}

static void end_note(struct child *child, const struct manifest_channel *channel, uint64_t handle,
                     bool receives)
{
    struct start_channel *end = &child->channel[child->channel_count++];
    memcpy(end->name, channel->name, sizeof(end->name));
    end->handle = (uint32_t)handle;
    end->receives = receives;
    end->places = (uint8_t)channel->places;
    end->frames = (uint8_t)channel->frames;
}

/* Init keeps no end, so that each side learns when the other has gone. */
int grant_channel(const struct manifest_channel *channel, struct child *sender, struct child *receiver)
{
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    struct handle_ref env = handle_number(receiver->env);
    struct frame_ref frame = plan_alloc(plan, 1, 0);
    plan_give(plan, env, frame, 1);
    struct channel_refs made = plan_channel_create(plan, env, frame, channel->places, channel->frames);
    struct handle_ref copy = plan_handle_copy(plan, handle_number(sender->env), made.sender);
    plan_handle_drop(plan, made.sender);
    int error = plan_run(plan);
    if (error)
        return error;
    end_note(sender, channel, plan_value(plan, copy), false);
    end_note(receiver, channel, plan_value(plan, made.receiver), true);
    return 0;
}

/* Whose turn a slot is: who is furthest behind its share of those dealt so far. */
static struct child *slot_next(struct child *children, unsigned count, const unsigned *given,
                               unsigned dealt)
{
    struct child *next = NULL;
    int most = 0;
    for (unsigned i = 0; i < count; i++) {
        int slots = (int)children[i].program->slots;
        int behind = slots * (int)(dealt + 1) - (int)given[i] * (int)GRANT_SLOTS;
        if ((int)given[i] < slots && (!next || behind > most)) {
            next = &children[i];
            most = behind;
        }
    }
    return next;
}

int grant_slots(struct child *children, unsigned count)
{
    unsigned given[MANIFEST_PROGRAMS] = {0};
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    for (unsigned slot = 1; slot <= GRANT_SLOTS; slot++) {
        struct child *child = slot_next(children, count, given, slot - 1);
        if (!child)
            break;
        given[child - children]++;
        plan_cpu_give(plan, handle_number(child->env), slot, 1);
    }
    return plan_run(plan);
}
