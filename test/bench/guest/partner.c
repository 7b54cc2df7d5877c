/* SPDX-License-Identifier: MIT */
/*
 * The other side of the message round trips in micro_message.c: answers what comes through "there" with the
 * same, through "back", in each of the ways that there are. A message whose first word is MESSAGE_LAST is the last of its way.
 */
#include "message.h"

#include <libos/channel.h>
#include <libos/plan.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static uint32_t there, back;

static void check(int error)
{
    if (!error)
        return;
    printf("%s\n", exo_error_text(error));
    exit(1);
}

static void words_answer(void)
{
    struct channel_message message;
    do {
        check(channel_receive(there, &message));
        check(channel_send(back, message.buffer, message.word[0], message.word[1]));
    } while (message.word[0] != MESSAGE_LAST);
}

static void pages_answer(void)
{
    volatile uint64_t *page = channel_page();
    struct channel_message message;
    do {
        check(channel_receive_page(there, (void *)page, &message));
        *page += 1;
        check(channel_send_page(back, (void *)page, message.word[0], message.word[1]));
    } while (message.word[0] != MESSAGE_LAST);
}

/* The answer and the wait for the next question are one plan. */
static void calls_answer(void)
{
    struct channel_message message;
    check(channel_receive(there, &message));
    while (message.word[0] != MESSAGE_LAST)
        check(channel_call(back, there, &message));
    check(channel_send(back, message.buffer, message.word[0], message.word[1]));
}

static void page_calls_answer(void)
{
    volatile uint64_t *page = channel_page();
    struct channel_message message;
    check(channel_receive_page(there, (void *)page, &message));
    for (; message.word[0] != MESSAGE_LAST; check(channel_call_page(back, there, (void *)page, &message)))
        *page += 1;
    *page += 1;
    check(channel_send_page(back, (void *)page, 0, 0));
}

/* A plan that is left behind answers; this program does not run any more. */
static void plan_answers(void)
{
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    plan_flags(plan, EXO_PLAN_STANDING | EXO_PLAN_QUIET, NULL);
    plan_quiet(plan, true);
    struct message_refs message = plan_recv(plan, handle_number(there), 0);
    plan_send(plan, handle_number(back), message.buffer, message.first, message.second);
    plan_submit(plan);
}

int main(void)
{
    there = channel_receiver("there");
    back = channel_sender("back");
    words_answer();
    pages_answer();
    calls_answer();
    page_calls_answer();
    plan_answers();
    for (;;)
        sleep(3600);
}
