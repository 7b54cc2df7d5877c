/* SPDX-License-Identifier: MIT */
/*
 * HTTP load: `-c` connections, each with one request outstanding, kept alive or (-x) one
 * request each. Counts whole answers with status 200; anything else is an error.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client.h"

#define HEAD_MAX 4096
#define DRAIN_NS 1000000000ull

struct connection {
    int fd;
    uint64_t started;
    size_t head_bytes;   /* of the answer's head so far, without its end */
    bool in_body;
    bool waiting;        /* for an answer */
    uint64_t body_left;
    char head[HEAD_MAX + 1];
};

static struct options options;
static struct result result;
static char request[512];
static int epoll;
static uint64_t issued, limit; /* requests of this phase */
static unsigned active;        /* connections with a request on its way */
static bool stopping;

/* True when another request may begin. */
static bool issue(void)
{
    if (stopping || (limit && issued >= limit))
        return false;
    issued++;
    active++;
    return true;
}

static void request_send(struct connection *connection)
{
    size_t length = strlen(request);
    connection->head_bytes = 0;
    connection->in_body = false;
    if (send(connection->fd, request, length, MSG_NOSIGNAL) != (ssize_t)length)
        die("send");
}

static void connection_end(struct connection *connection)
{
    close(connection->fd);
    connection->fd = -1;
}

static void connection_start(struct connection *connection)
{
    int one = 1;
    connection->started = now_ns();
    connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection->fd < 0)
        die("socket");
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    fcntl(connection->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event event = {.events = EPOLLOUT, .data.ptr = connection};
    if (connect(connection->fd, (struct sockaddr *)&options.server, sizeof(options.server)) &&
        errno != EINPROGRESS)
        die("connect");
    epoll_ctl(epoll, EPOLL_CTL_ADD, connection->fd, &event);
}

static void request_start(struct connection *connection)
{
    connection->waiting = true;
    if (connection->fd < 0) {
        connection_start(connection);
        return;
    }
    connection->started = now_ns();
    request_send(connection);
}

static void answer_done(struct connection *connection, bool good)
{
    result.done += good;
    result.errors += !good;
    active--;
    connection->waiting = false;
    if (!stopping && (!limit || result.done + result.errors <= limit))
        latency_add(now_ns() - connection->started);
    if (!good || options.close)
        connection_end(connection);
    if (issue())
        request_start(connection);
}

/* The head is complete: status and length of the body. */
static bool head_judge(struct connection *connection)
{
    connection->head[connection->head_bytes] = 0;
    const char *length = strcasestr(connection->head, "\r\nContent-Length:");
    if (strncmp(connection->head, "HTTP/1.1 200 ", 13) || !length)
        return false;
    connection->body_left = strtoull(length + 17, NULL, 10);
    connection->in_body = true;
    return true;
}

/* Takes bytes of an answer; false if it is not one. */
static bool bytes_take(struct connection *connection, const char *bytes, size_t count)
{
    result.bytes += count;
    while (count && !connection->in_body) {
        if (connection->head_bytes == HEAD_MAX)
            return false;
        connection->head[connection->head_bytes++] = *bytes++;
        count--;
        if (connection->head_bytes >= 4 &&
            !memcmp(connection->head + connection->head_bytes - 4, "\r\n\r\n", 4) && !head_judge(connection))
            return false;
    }
    if (count > connection->body_left)
        return false;
    connection->body_left -= count;
    return true;
}

static void connection_read(struct connection *connection)
{
    static char buffer[262144];
    for (;;) {
        ssize_t got = recv(connection->fd, buffer, sizeof(buffer), 0);
        if (got < 0 && errno == EAGAIN)
            return;
        bool whole = connection->in_body && !connection->body_left;
        if (got <= 0) {
            bool good = got == 0 && whole && options.close;
            if (!good)
                result.trouble = got < 0 ? strerror(errno) : "closed before the end of an answer";
            answer_done(connection, good);
            return;
        }
        if (!bytes_take(connection, buffer, (size_t)got)) {
            result.trouble = "not an answer with status 200 and a length";
            answer_done(connection, false);
            return;
        }
        whole = connection->in_body && !connection->body_left;
        if (whole && !options.close) {
            answer_done(connection, true);
            return;
        }
    }
}

static void connection_event(struct connection *connection, uint32_t events)
{
    if (connection->fd < 0)
        return;
    if (!(events & EPOLLOUT)) {
        connection_read(connection);
        return;
    }
    int error = 0;
    socklen_t size = sizeof(error);
    getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error) {
        result.trouble = strerror(error);
        usleep(1000); /* a server that refuses is not to be hammered */
        answer_done(connection, false);
        return;
    }
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    epoll_ctl(epoll, EPOLL_CTL_MOD, connection->fd, &event);
    request_send(connection);
}

/* Waits for events until `end` or until `limit` answers are in, or for what is on its way. */
static void events_until(uint64_t end)
{
    uint64_t now;
    while ((now = now_ns()) < end && active && !(limit && result.done + result.errors >= limit)) {
        struct epoll_event events[64];
        int count = epoll_wait(epoll, events, 64, (int)((end - now) / 1000000 + 1));
        for (int i = 0; i < count; i++)
            connection_event(events[i].data.ptr, events[i].events);
    }
}

/* A request on every connection, a new one for each answer; until `count` are answered or
 * `seconds` over. Afterwards the connections are idle. */
static void phase(struct connection *connections, double seconds, uint64_t count)
{
    uint64_t start = now_ns(), end = start + (uint64_t)(seconds * 1e9);
    memset(&result, 0, sizeof(result));
    latency_clear();
    limit = count;
    issued = 0;
    stopping = false;
    active = 0;
    for (unsigned i = 0; i < options.parallel; i++) {
        if (connections[i].waiting) /* the pause was too short for its answer */
            connection_end(&connections[i]);
        if (issue())
            request_start(&connections[i]);
    }
    events_until(end);
    result.seconds = (double)(now_ns() - start) / 1e9;
    if (limit && result.done + result.errors < limit) {
        result.errors += limit - result.done - result.errors;
        result.trouble = "never answered";
    }
    struct result measured = result;
    stopping = true;
    limit = 0;
    events_until(now_ns() + DRAIN_NS);
    result = measured;
}

int main(int argc, char **argv)
{
    options_read(&options, argc, argv);
    snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: bench\r\n%s\r\n", options.path,
             options.close ? "Connection: close\r\n" : "");
    struct connection *connections = calloc(options.parallel, sizeof(*connections));
    epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!connections || epoll < 0)
        die("start");
    for (unsigned i = 0; i < options.parallel; i++)
        connections[i].fd = -1;
    if (options.warm > 0)
        phase(connections, options.warm, 0);
    gate_wait(&options);
    phase(connections, options.seconds, options.count);
    result_print(&result);
    return result.done ? 0 : 1;
}
