/* SPDX-License-Identifier: MIT */
/* The way out of an answer: sends as much as the socket takes and remembers the rest. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

#include "reply.h"

/* Moves past `sent` bytes of the pieces. */
static void pieces_skip(struct reply *reply, size_t sent)
{
    while (sent) {
        struct iovec *piece = &reply->piece[reply->at];
        if (sent < piece->iov_len) {
            piece->iov_base = (char *)piece->iov_base + sent;
            piece->iov_len -= sent;
            return;
        }
        sent -= piece->iov_len;
        reply->at++;
    }
}

static int send_problem(void)
{
    return errno == EAGAIN || errno == EINTR ? 0 : -1;
}

int reply_send(struct reply *reply, int fd)
{
    while (reply->at < reply->count) {
        struct msghdr message = {.msg_iov = &reply->piece[reply->at],
                                 .msg_iovlen = (int)(reply->count - reply->at)};
        ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL | (reply->file_left ? MSG_MORE : 0));
        if (sent <= 0)
            return sent ? send_problem() : 0;
        pieces_skip(reply, (size_t)sent);
    }
    while (reply->file_left) {
        off_t at = (off_t)reply->file_at;
        size_t most = reply->file_left < (1u << 30) ? (size_t)reply->file_left : 1u << 30;
        ssize_t sent = sendfile(fd, reply->file->fd, &at, most);
        if (sent <= 0)
            return sent ? send_problem() : -1; /* 0: the file ended early, the length was promised */
        reply->file_at += (uint64_t)sent;
        reply->file_left -= (uint64_t)sent;
    }
    return 1;
}

struct reply *reply_keep(const struct reply *reply)
{
    size_t bytes = 0, used = 0;
    for (unsigned i = reply->at; i < reply->count; i++)
        if (!(reply->stable >> i & 1))
            bytes += reply->piece[i].iov_len;
    struct reply *kept = malloc(sizeof(*kept) + bytes);
    if (!kept)
        return NULL;
    *kept = *reply;
    kept->text = (char *)(kept + 1);
    for (unsigned i = reply->at; i < reply->count; i++) {
        if (reply->stable >> i & 1)
            continue;
        memcpy(kept->text + used, reply->piece[i].iov_base, reply->piece[i].iov_len);
        kept->piece[i].iov_base = kept->text + used;
        used += reply->piece[i].iov_len;
    }
    kept->text_used = used;
    return kept;
}
