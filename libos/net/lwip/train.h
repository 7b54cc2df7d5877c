/* SPDX-License-Identifier: MIT */
/*
 * Trains: TCP segments that follow each other, given to the device as one packet that it cuts again. Where
 * the device can do that, full segments are kept until something else is to be sent or the round ends.
 */
#ifndef LIBOS_LWIP_TRAIN_H
#define LIBOS_LWIP_TRAIN_H

#include <lwip/pbuf.h>
#include <stdbool.h>
#include <stdint.h>

/* What a packet consists of: bytes of one pbuf. */
struct piece {
    const struct pbuf *pbuf;
    const uint8_t *bytes;
    uint32_t length;
};

#define TRAIN_SEGMENTS 34u
#define TRAIN_PIECES 10u /* buffer words of a NET_TX with one EXO_MORE */

struct train {
    struct train *next; /* free */
    unsigned segments, pieces, frames;
    uint32_t payload;  /* of all segments */
    uint16_t size;     /* of each but the last */
    bool closed;       /* the last was shorter, or asks to be pushed */
    uint32_t sequence; /* of what may follow */
    struct pbuf *segment[TRAIN_SEGMENTS];
    struct piece piece[TRAIN_PIECES]; /* the headers and first payload first */
};

/* The packet joins the train that waits, or begins one when none does. False: it does not fit that one or
 * is no full segment, and has to go by itself, behind the train. */
bool train_join(struct pbuf *p);

/* The train that waits with its headers made ready, or NULL. It stays until train_left(). */
struct train *train_waiting(void);
void train_left(void);

/* The device has its bytes: its pbufs are freed. */
void train_free(struct train *train);

/* Appends what a packet consists of behind its first `skip` bytes to `piece`, of which `count` are used and
 * TRAIN_PIECES may be; the new count, or 0 if it is more than that. */
unsigned pieces_add(struct piece *piece, unsigned count, const struct pbuf *p, uint32_t skip);

#endif
