/* SPDX-License-Identifier: MIT */
/* What micro_message.c and partner.c agree about. */
#ifndef MESSAGE_H
#define MESSAGE_H

#include <libos/channel.h>
#include <libos/plan.h>
#include <libos/thread.h>

#define MESSAGE_LAST 1u /* the first word of the last message of its way */

/* Sends the message and waits for the next one, in one plan; it takes the message's place. Words only. */
static inline int message_call(uint32_t sender, uint32_t receiver, struct channel_message *message)
{
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    plan_send(plan, handle_number(sender), buffer_number(message->buffer), word_number(message->word[0]),
              word_number(message->word[1]));
    struct message_refs refs = plan_recv(plan, handle_number(receiver), 0);
    struct word_ref first = plan_nop(plan, refs.first), second = plan_nop(plan, refs.second);
    int error = thread_run(plan);
    message->buffer = plan_value(plan, refs.buffer);
    message->word[0] = plan_value(plan, first);
    message->word[1] = plan_value(plan, second);
    return error;
}

#endif
