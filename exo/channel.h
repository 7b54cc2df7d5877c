/* SPDX-License-Identifier: MIT */
/*
 * A channel: a bounded queue of messages from whoever holds its sending end to the one environment that
 * paid for it. An object in one KERNEL frame of the receiver's, which lies in PLACES messages.
 *
 *   SEND ──► captured ──► place ──► RECV        captured: off the sender's hands, in his account
 *            (parked       (of the               place:   in nobody's hands, in the receiver's account,
 *             while full)   receiver)                     which was charged for all places at once
 *
 * Why no program can make another pay: a message lies either with the operation that sends it, charged
 * to its sender, or in a place, whose frames the receiver was charged for when the channel was made; taking it out is
 * the receiver's own act, with his own quota. Why none can make another wait: SEND waits for the receiver, which
 * is what a channel is; RECV that cannot take a message fails and leaves it; an event moves one
 * message (at most EXO_CHANNEL_FRAMES frames) and wakes one operation; who parks is first in, first out. Why none can see what
 * was not sent: the words and frames were the sender's to give, and what comes out of a channel that
 * ends goes back to him or to the free frames, which are zeroed when they are taken.
 *
 *            sending end gone             receiver gone
 *   live ──────────────────────► live, ──────────────────► ended: senders learn DEAD, messages are
 *                                RECV: DEAD once empty     freed in steps, then the frame
 */
#ifndef EXO_CHANNEL_H
#define EXO_CHANNEL_H

#include <exo/abi.h>
#include <stdbool.h>

#include "env.h"

struct message {
    uint64_t buffer; /* as it was sent */
    uint64_t word[2];
    uint32_t frame[EXO_CHANNEL_FRAMES]; /* the first `count` */
    uint8_t count;
    bool frozen; /* rights to frozen frames (pins); else KIND_SENT frames on nobody's list */
};

struct channel {
    struct env *receiver;
    frame_t frame;     /* of this object */
    uint32_t senders;  /* handles to the sending end */
    uint8_t places, carry;
    uint8_t first, used; /* messages: place[first], and so on around */
    uint8_t woken;     /* messages that a woken RECV will come for: a later RECV leaves them alone */
    bool ended;
    struct list sending;   /* SENDs, only while all places are used */
    struct list receiving; /* RECVs, only while each message has its woken RECV */
    struct message place[EXO_CHANNEL_PLACES];
};

_Static_assert(sizeof(struct channel) <= EXO_PAGE_SIZE, "one frame");

/* What a SENDER or RECEIVER handle names, or NULL when that has ended. */
struct channel *channel_at(const struct handle *handle);
/* A handle to the sending end was made. */
void channel_hold(const struct handle *handle);
/* A handle to either end goes: RECV learns when it was the last sending end, SEND when it is the receiver's. O(1). */
void channel_drop(const struct handle *handle);

/* Takes an ended channel apart, at most 16 frames a call; true once `frame` is free. */
bool channel_reap(frame_t frame);

#endif
