/* SPDX-License-Identifier: MIT */
/*
 * Answers on their way out: small pieces gathered for one send, then perhaps a
 * part of a large file that the network takes from where it lies.
 */
#ifndef HTTPD_REPLY_H
#define HTTPD_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "files.h"
#include "http.h"

#define REPLY_PIECES 32u
#define REPLY_TEXT 8192u /* heads and error pages that are not ready-made */
#define REPLY_ROOM_PIECES 4u   /* one answer takes at most so many pieces */
#define REPLY_ROOM_TEXT 1536u  /* and so much text */

struct reply {
    struct iovec piece[REPLY_PIECES];
    unsigned at, count;
    uint32_t stable;    /* bit i: piece i lies in a mapped file and need not be copied to be kept */
    struct file *file;  /* what follows the pieces: file_left bytes from file_at */
    uint64_t file_at, file_left;
    size_t text_used;
    char *text;
};

static inline void reply_reset(struct reply *reply, char *text)
{
    reply->at = reply->count = 0;
    reply->stable = 0;
    reply->file_left = 0;
    reply->text_used = 0;
    reply->text = text; /* REPLY_TEXT bytes */
}

/* Appends the answer to a request. */
void reply_request(struct reply *reply, const struct http_request *request, uint64_t second);
/* Appends an error answer, which announces the end of the connection. */
void reply_error(struct reply *reply, int status, bool head_only, uint64_t second);

/* True if another answer fits behind what is there. */
static inline bool reply_has_room(const struct reply *reply)
{
    return !reply->file_left && reply->count + REPLY_ROOM_PIECES <= REPLY_PIECES &&
           reply->text_used + REPLY_ROOM_TEXT <= REPLY_TEXT;
}

/* Sends: 1 when all of it went, 0 when the socket is full, -1 when the connection is gone. */
int reply_send(struct reply *reply, int fd);

/* A copy of what is left, which does not depend on the shared text; NULL without memory. */
struct reply *reply_keep(const struct reply *reply);

#endif
