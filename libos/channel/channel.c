/* SPDX-License-Identifier: MIT */
/* One message at a time: see channel.h. Every function is one plan, so a page and its message are one crossing. */
#include <libos/channel.h>
#include <libos/mem.h>
#include <libos/plan.h>
#include <libos/start.h>
#include <libos/thread.h>
#include <string.h>

static uint32_t end_find(const char *name, bool receives)
{
    const struct start_info *info = start_info();
    for (unsigned i = 0; i < info->channel_count && i < START_CHANNELS; i++)
        if (info->channel[i].receives == receives && !strcmp(info->channel[i].name, name))
            return info->channel[i].handle;
    return 0;
}

uint32_t channel_sender(const char *name) { return end_find(name, false); }
uint32_t channel_receiver(const char *name) { return end_find(name, true); }

/* SEND, of the frame that is mapped at `page` if there is one. */
static void send_write(struct plan *plan, uint32_t sender, void *page, const struct channel_message *message)
{
    struct buffer_ref buffer = buffer_number(message->buffer);
    if (page)
        buffer = buffer_frame(plan_unmap(plan, env_self(), (uint64_t)page, 1));
    plan_send(plan, handle_number(sender), buffer, word_number(message->word[0]), word_number(message->word[1]));
}

/* RECV, NOPs that carry its words out, and MAP if there is a page to map at; runs the plan. */
static int receive_run(struct plan *plan, uint32_t receiver, void *page, struct channel_message *message)
{
    struct message_refs refs = plan_recv(plan, handle_number(receiver), 0);
    struct word_ref first = plan_nop(plan, refs.first), second = plan_nop(plan, refs.second);
    if (page)
        plan_map(plan, env_self(), (uint64_t)page, refs.frame, 1, EXO_READ | EXO_WRITE);
    int error = thread_run(plan);
    message->buffer = plan_value(plan, refs.buffer);
    message->word[0] = plan_value(plan, first);
    message->word[1] = plan_value(plan, second);
    message->frame = EXO_BUF_FRAME(message->buffer); /* frozen frames, which are named by page, are not received here */
    return error;
}

static int send(uint32_t sender, void *page, const struct channel_message *message)
{
    struct plan_buffer memory;
    struct plan *plan = plan_begin(&memory);
    send_write(plan, sender, page, message);
    return thread_run(plan);
}

static int receive(uint32_t receiver, void *page, struct channel_message *message)
{
    struct plan_buffer memory;
    return receive_run(plan_begin(&memory), receiver, page, message);
}

static int call(uint32_t sender, uint32_t receiver, void *page, struct channel_message *message)
{
    struct plan_buffer memory;
    struct plan *plan = plan_begin(&memory);
    send_write(plan, sender, page, message);
    return receive_run(plan, receiver, page, message);
}

int channel_send(uint32_t sender, uint64_t buffer, uint64_t first, uint64_t second)
{
    return send(sender, NULL, &(struct channel_message){ .buffer = buffer, .word = { first, second } });
}

int channel_send_page(uint32_t sender, void *page, uint64_t first, uint64_t second)
{
    return send(sender, page, &(struct channel_message){ .word = { first, second } });
}

int channel_receive(uint32_t receiver, struct channel_message *message)
{
    return receive(receiver, NULL, message);
}

int channel_receive_page(uint32_t receiver, void *page, struct channel_message *message)
{
    return receive(receiver, page, message);
}

int channel_call(uint32_t sender, uint32_t receiver, struct channel_message *message)
{
    return call(sender, receiver, NULL, message);
}

int channel_call_page(uint32_t sender, uint32_t receiver, void *page, struct channel_message *message)
{
    return call(sender, receiver, page, message);
}

void *channel_page(void)
{
    uint64_t frame;
    void *page = mem_map_run(1, &frame); /* makes the tables; the frame is not wanted */
    if (!page)
        return NULL;
    struct plan_buffer memory;
    struct plan *plan = plan_begin(&memory);
    plan_free(plan, plan_unmap(plan, env_self(), (uint64_t)page, 1), 1);
    return plan_run(plan) ? NULL : page;
}

int channel_fill_page(void *page)
{
    struct plan_buffer memory;
    struct plan *plan = plan_begin(&memory);
    struct frame_ref frame = plan_alloc(plan, 1, 0);
    plan_map(plan, env_self(), (uint64_t)page, frame, 1, EXO_READ | EXO_WRITE);
    return plan_run(plan);
}
