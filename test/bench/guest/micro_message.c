/* SPDX-License-Identifier: MIT */
/* A message to another program (partner.c) and its answer, in each of the ways that there are. */
#include "message.h"
#include "micro.h"

#include <libos/channel.h>
#include <libos/plan.h>
#include <stdint.h>
#include <unistd.h>

static uint32_t there, back;
static volatile uint64_t *page;

/* Three words there, and the same back: a plan to send and a plan to receive, in both programs. */
static void words_trip(uint64_t first)
{
    struct channel_message message;
    micro_check(channel_send(there, 3ull << 36, first, 2));
    micro_check(channel_receive(back, &message));
    if (message.buffer != 3ull << 36 || message.word[0] != first || message.word[1] != 2)
        micro_fail("another answer");
}

static void message_words(void)
{
    words_trip(0);
}

/* A page that is written here, moves there, is written there, and moves back. */
static void page_trip(uint64_t first)
{
    struct channel_message message;
    uint64_t before = ++*page;
    micro_check(channel_send_page(there, (void *)page, first, 0));
    micro_check(channel_receive_page(back, (void *)page, &message));
    if (*page != before + 1)
        micro_fail("another page");
}

static void message_page(void)
{
    page_trip(0);
}

static void page_call_trip(uint64_t first)
{
    struct channel_message message = {.word = {first, 0}};
    uint64_t before = ++*page;
    micro_check(channel_call_page(there, back, (void *)page, &message));
    if (*page != before + 1)
        micro_fail("another page");
}

static void message_call_page(void)
{
    page_call_trip(0);
}

/* SEND and RECV in one plan. */
static void call_trip(uint64_t first)
{
    struct channel_message message = {.buffer = 3ull << 36, .word = {first, 2}};
    micro_check(channel_call(there, back, &message));
    if (message.buffer != 3ull << 36 || message.word[0] != first || message.word[1] != 2)
        micro_fail("another answer");
}

static void message_call_words(void)
{
    call_trip(0);
}

/* The same, answered by a standing plan. */
static void message_standing(void)
{
    call_trip(0);
}

MICRO(message_words, 500)
MICRO(message_page, 500)
MICRO(message_call_words, 500)
MICRO(message_call_page, 500)
MICRO(message_standing, 500)

void micro_messages(void)
{
    there = channel_sender("there");
    back = channel_receiver("back");
    usleep(200000); /* both programs have credit from here on, and run as soon as a message comes */
    micro_run_message_words();
    words_trip(MESSAGE_LAST);
    page = channel_page();
    micro_check(channel_fill_page((void *)page));
    micro_run_message_page();
    page_trip(MESSAGE_LAST);
    micro_run_message_call_words();
    call_trip(MESSAGE_LAST);
    micro_run_message_call_page();
    page_call_trip(MESSAGE_LAST);
    micro_run_message_standing();
}
