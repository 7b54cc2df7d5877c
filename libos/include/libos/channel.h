/* SPDX-License-Identifier: MIT */
/*
 * Channels between programs, for those who wait for one message at a time. Whoever wants more writes plans:
 * plan_send() and plan_recv() (plan_ops.h) say all of it, standing plans included.
 *
 *   uint32_t full = channel_sender("full");      an end, as the manifest calls it
 *   char *page = channel_page();                 a place for a page that comes and goes
 *   channel_fill_page(page); strcpy(page, ...);  a fresh page
 *   channel_send_page(full, page, 7, 0);         it is the receiver's now; nothing is mapped here any more
 *
 * Errors are minus kernel errors (exo_error_text()). -EXO_E_DEAD: the other side has gone.
 */
#ifndef LIBOS_CHANNEL_H
#define LIBOS_CHANNEL_H

#include <stdint.h>

/* The handle of the channel's sending or receiving end that this program was given; 0 if it was not. */
uint32_t channel_sender(const char *name);
uint32_t channel_receiver(const char *name);

struct channel_message {
    uint64_t buffer;  /* EXO_BUF(): the frames that come with it, or a word if its frame is 0 */
    uint64_t word[2];
    uint64_t frame;   /* received: the first frame that moved; 0: none */
};

/* Both wait as threads do: until there is room, until there is a message. Frames of `buffer` must not be mapped. */
int channel_send(uint32_t sender, uint64_t buffer, uint64_t first, uint64_t second);
int channel_receive(uint32_t receiver, struct channel_message *message);

/* Address space for one page that this program maps and unmaps by itself, nothing mapped yet. NULL: no memory. */
void *channel_page(void);
/* A zeroed frame there. */
int channel_fill_page(void *page);
/* Takes the page's frame away and sends it. -EXO_E_DEAD leaves a frame that is not mapped. */
int channel_send_page(uint32_t sender, void *page, uint64_t first, uint64_t second);
/* The next message, with its frame mapped there, readable and writable. */
int channel_receive_page(uint32_t receiver, void *page, struct channel_message *message);

/* Sends the message and takes the next one, which takes its place: both in one plan, so a question and its answer, or an answer and
 * the next question, are one crossing. After an error it is zeros, unless a message came and its page could not be mapped. */
int channel_call(uint32_t sender, uint32_t receiver, struct channel_message *message);
/* The same with the frame of a page there, and the frame that comes in its place; `message->buffer` is not looked at. */
int channel_call_page(uint32_t sender, uint32_t receiver, void *page, struct channel_message *message);

#endif
