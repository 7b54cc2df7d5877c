/* SPDX-License-Identifier: MIT */
/*
 * One connection: bytes in, requests, answers out. An idle connection owns nothing
 * but its slot in the table: input is read into one shared buffer and only a
 * request that is not complete yet, or an answer that the socket did not take, is
 * kept in memory of its own.
 *
 *   reading --complete requests--> answers sent --> reading
 *      |                              |socket full
 *      |                           writing (reads nothing) --> reading
 *      +--bad request, or last one--> draining (until the peer closes)
 */
#include "connection.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "http.h"
#include "reply.h"

#define INPUT_MAX 16384u
#define SKIP_MAX 65536u /* of a request body that nobody wants; a longer one ends the connection */

_Static_assert(INPUT_MAX > HTTP_HEAD_MAX, "a partial head leaves room to read the rest");

struct connection {
    struct connection *newer, *older; /* by last activity; `newer` also links the free ones */
    int fd, epoll;
    uint64_t active;     /* second of its last progress */
    uint64_t skip;       /* body bytes still to come and to be ignored */
    char *input;         /* INPUT_MAX bytes, if something is kept */
    size_t input_length;
    struct reply *output;
    bool last;           /* close when everything is sent */
    bool draining;
};

static struct connection table[CONNECTIONS], *unused, *newest, *oldest;
static size_t table_used;
static char input[INPUT_MAX], text[REPLY_TEXT];

static void list_remove(struct connection *c)
{
    *(c->newer ? &c->newer->older : &newest) = c->older;
    *(c->older ? &c->older->newer : &oldest) = c->newer;
}

static void list_add(struct connection *c, uint64_t now)
{
    c->active = now;
    c->newer = NULL;
    c->older = newest;
    *(newest ? &newest->newer : &oldest) = c;
    newest = c;
}

static void connection_touch(struct connection *c, uint64_t now)
{
    if (c->active == now && newest == c)
        return;
    list_remove(c);
    list_add(c, now);
}

static void connection_close(struct connection *c)
{
    list_remove(c);
    close(c->fd);
    free(c->input);
    free(c->output);
    c->newer = unused;
    unused = c;
}

/* Sends an end, then ignores what the peer still says: closing with unread input would
 * reset the connection and take the answer with it. */
static void connection_drain(struct connection *c)
{
    c->draining = true;
    free(c->input);
    c->input = NULL;
    c->input_length = 0;
    shutdown(c->fd, SHUT_WR);
}

static void connection_watch(struct connection *c, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = c};
    epoll_ctl(c->epoll, EPOLL_CTL_MOD, c->fd, &event);
}

/* Keeps input for later; false without memory. */
static bool input_keep(struct connection *c, const char *bytes, size_t length)
{
    if (length && !c->input)
        c->input = malloc(INPUT_MAX);
    if (length && !c->input)
        return false;
    if (length)
        memmove(c->input, bytes, length);
    c->input_length = length;
    return true;
}

/* Sends what was gathered. 1: sent; 0: the rest is kept; -1: the connection is gone. */
static int answers_send(struct connection *c, struct reply *reply)
{
    int sent = reply_send(reply, c->fd);
    if (sent == 0) {
        c->output = reply_keep(reply);
        if (!c->output)
            sent = -1;
        else
            connection_watch(c, EPOLLOUT);
    }
    reply_reset(reply, text);
    return sent;
}

/* Answers one request; false when no further one is to be read. */
static bool request_answer(struct connection *c, const struct http_request *request,
                           struct reply *reply)
{
    uint64_t second = (uint64_t)time(NULL);
    if (request->body_length > SKIP_MAX) {
        reply_error(reply, 413, false, second);
        c->draining = true;
        return false;
    }
    c->skip = request->body_length;
    c->last = !request->keep_alive;
    reply_request(reply, request, second);
    return !c->last;
}

/* Handles as many requests as there are in the bytes. Returns -1 when the connection is gone. */
static int input_handle(struct connection *c, const char *bytes, size_t length, uint64_t now)
{
    struct reply reply;
    struct http_request request;
    int sent = 1;
    reply_reset(&reply, text);
    while (length && sent == 1) {
        size_t skip = c->skip < length ? (size_t)c->skip : length;
        c->skip -= skip;
        bytes += skip;
        length -= skip;
        int taken = length ? http_parse(bytes, length, &request) : 0;
        if (taken == 0)
            break;
        connection_touch(c, now);
        if (taken < 0) {
            reply_error(&reply, -taken, false, (uint64_t)time(NULL));
            c->draining = true;
            break;
        }
        bytes += taken;
        length -= (size_t)taken;
        if (!request_answer(c, &request, &reply))
            break;
        if (!reply_has_room(&reply))
            sent = answers_send(c, &reply);
    }
    if (sent == 1 && reply.count)
        sent = answers_send(c, &reply);
    if (sent < 0 || (!c->draining && !c->last && !input_keep(c, bytes, length)))
        return -1;
    /* Bytes behind a last request are nobody's, but closing on them would be a reset. */
    if (c->last && (length || c->skip))
        c->draining = true;
    if (sent == 1 && c->draining)
        connection_drain(c);
    return sent == 1 && c->last && !c->draining ? -1 : 0;
}

static int connection_read(struct connection *c, uint64_t now)
{
    size_t kept = c->draining ? 0 : c->input_length;
    if (kept)
        memcpy(input, c->input, kept);
    ssize_t got = read(c->fd, input + kept, INPUT_MAX - kept);
    if (got < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    if (got == 0)
        return -1;
    if (c->draining)
        return 0;
    return input_handle(c, input, kept + (size_t)got, now);
}

static int connection_write(struct connection *c, uint64_t now)
{
    uint64_t left = c->output->file_left;
    unsigned at = c->output->at;
    int sent = reply_send(c->output, c->fd);
    if (left != c->output->file_left || at != c->output->at)
        connection_touch(c, now);
    if (sent != 1)
        return sent;
    free(c->output);
    c->output = NULL;
    if (c->draining)
        connection_drain(c);
    else if (c->last)
        return -1;
    connection_watch(c, EPOLLIN);
    size_t length = c->input_length;
    if (!length)
        return 0;
    memcpy(input, c->input, length);
    return input_handle(c, input, length, now);
}

void connection_event(struct connection *c, uint32_t events, uint64_t now)
{
    int result = 0;
    if (events & EPOLLERR)
        result = -1;
    else if (c->output)
        result = events & (EPOLLOUT | EPOLLHUP) ? connection_write(c, now) : 0;
    else if (events & (EPOLLIN | EPOLLHUP | EPOLLRDHUP))
        result = connection_read(c, now);
    if (result < 0)
        connection_close(c);
}

void connection_open(int epoll, int fd, uint64_t now)
{
    struct connection *c = unused;
    if (c)
        unused = c->newer;
    else if (table_used < CONNECTIONS)
        c = &table[table_used++];
    else { /* full: the one that was idle longest makes room */
        connection_close(oldest);
        c = unused;
        unused = c->newer;
    }
    *c = (struct connection){.fd = fd, .epoll = epoll};
    list_add(c, now);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
        connection_close(c);
}

int connection_expire(uint64_t now)
{
    while (oldest && now - oldest->active >= IDLE_SECONDS)
        connection_close(oldest);
    return oldest ? (int)(IDLE_SECONDS - (now - oldest->active)) * 1000 : -1;
}
