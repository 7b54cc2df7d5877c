/* SPDX-License-Identifier: MIT */
/*
 * Redis load: `-c` connections, on each `-d` requests at once; when all of them are answered, the
 * next ones go out. `-p get` or `-p set`, of a key with 3 bytes. An answer other than the one that
 * is expected ends its connection and counts as an error.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client.h"

#define SET "*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$3\r\nxyz\r\n"
#define GET "*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n"
#define DEPTH_MAX 64

struct connection {
    int fd; /* -1: it answered wrongly */
    uint64_t started;
    size_t got; /* bytes of the answers to what is on its way */
};

static struct options options;
static struct result result;
static const char *request = GET, *answer = "$3\r\nxyz\r\n";
static int epoll;
static uint64_t issued, limit; /* requests of this phase */
static unsigned active;        /* connections with requests on their way */

static void batch_send(struct connection *connection)
{
    char bytes[DEPTH_MAX * sizeof(SET)];
    size_t length = strlen(request), all = length * options.depth;
    for (unsigned i = 0; i < options.depth; i++)
        memcpy(bytes + i * length, request, length);
    connection->got = 0;
    connection->started = now_ns();
    if (send(connection->fd, bytes, all, MSG_NOSIGNAL) != (ssize_t)all)
        die("send");
    issued += options.depth;
    active++;
}

static void batch_done(struct connection *connection, bool more)
{
    result.done += options.depth;
    latency_add(now_ns() - connection->started);
    active--;
    if (more && (!limit || issued < limit))
        batch_send(connection);
}

static void connection_fail(struct connection *connection, const char *why)
{
    result.errors += options.depth;
    result.trouble = why;
    active--;
    close(connection->fd);
    connection->fd = -1;
}

static void connection_read(struct connection *connection, bool more)
{
    char bytes[4096];
    size_t length = strlen(answer);
    ssize_t got = recv(connection->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0) {
        connection_fail(connection, got < 0 ? strerror(errno) : "closed");
        return;
    }
    for (ssize_t i = 0; i < got; i++)
        if (bytes[i] != answer[connection->got++ % length]) {
            connection_fail(connection, "not the answer that was expected");
            return;
        }
    result.bytes += (uint64_t)got;
    if (connection->got >= length * options.depth)
        batch_done(connection, more);
}

static void events_until(uint64_t end, bool more)
{
    uint64_t now;
    while (active && (now = now_ns()) < end) {
        struct epoll_event events[64];
        int count = epoll_wait(epoll, events, 64, (int)((end - now) / 1000000 + 1));
        for (int i = 0; i < count; i++)
            connection_read(events[i].data.ptr, more);
    }
}

/* Until `count` requests are answered, or `seconds` over. Afterwards nothing is on its way. */
static void phase(struct connection *connections, double seconds, uint64_t count)
{
    uint64_t start = now_ns();
    memset(&result, 0, sizeof(result));
    latency_clear();
    limit = count;
    issued = 0;
    for (unsigned i = 0; i < options.parallel && (!limit || issued < limit); i++)
        if (connections[i].fd >= 0)
            batch_send(&connections[i]);
    events_until(start + (uint64_t)(seconds * 1e9), true);
    result.seconds = (double)(now_ns() - start) / 1e9;
    struct result measured = result;
    events_until(now_ns() + 1000000000ull, false);
    if (active)
        die("answers are missing");
    result = measured;
}

static int connected(void)
{
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&options.server, sizeof(options.server)))
        die("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return fd;
}

/* The key has to be there before somebody gets it. */
static void key_set(int fd)
{
    char bytes[16];
    if (send(fd, SET, strlen(SET), MSG_NOSIGNAL) < 0 || recv(fd, bytes, sizeof(bytes), 0) != 5 ||
        memcmp(bytes, "+OK\r\n", 5) != 0)
        die("SET");
}

int main(int argc, char **argv)
{
    options_read(&options, argc, argv);
    struct connection *connections = calloc(options.parallel, sizeof(*connections));
    epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!connections || epoll < 0 || options.depth > DEPTH_MAX)
        die("start");
    for (unsigned i = 0; i < options.parallel; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &connections[i]};
        connections[i].fd = connected();
        epoll_ctl(epoll, EPOLL_CTL_ADD, connections[i].fd, &event);
    }
    key_set(connections[0].fd);
    if (!strcmp(options.path, "set")) {
        request = SET;
        answer = "+OK\r\n";
    }
    if (options.warm > 0)
        phase(connections, options.warm, 0);
    gate_wait(&options);
    phase(connections, options.seconds, options.count);
    result_print(&result);
    return result.done ? 0 : 1;
}
