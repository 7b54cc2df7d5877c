/* SPDX-License-Identifier: MIT */
/*
 * One TCP stream against test/bench/guest/stream.c: `-p s` sends to it, `-p g` takes from it;
 * until `-n` bytes are through or `-t` seconds over. What was sent counts until the guest
 * has said that it read all of it.
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "client.h"

static char bytes[262144];

static struct result stream(int fd, const struct options *options, double seconds, uint64_t most,
                            bool last)
{
    struct result result = {0};
    uint64_t start = now_ns(), end = start + (uint64_t)(seconds * 1e9);
    bool sends = options->path[0] == 's';
    while (now_ns() < end && (!most || result.bytes < most)) {
        size_t want = !most || most - result.bytes > sizeof(bytes) ? sizeof(bytes) : most - result.bytes;
        ssize_t got = sends ? send(fd, bytes, want, MSG_NOSIGNAL) : recv(fd, bytes, want, 0);
        if (got <= 0) {
            result.errors++;
            break;
        }
        result.bytes += (uint64_t)got;
    }
    if (sends && last) { /* all of it has to arrive */
        shutdown(fd, SHUT_WR);
        while (recv(fd, bytes, sizeof(bytes), 0) > 0)
            continue;
    }
    result.seconds = (double)(now_ns() - start) / 1e9;
    result.done = result.bytes;
    return result;
}

int main(int argc, char **argv)
{
    struct options options;
    struct timeval patience = {.tv_sec = 10};
    options_read(&options, argc, argv);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    if (fd < 0 || connect(fd, (struct sockaddr *)&options.server, sizeof(options.server)))
        die("connect");
    if (send(fd, options.path, 1, MSG_NOSIGNAL) != 1)
        die("send");
    if (options.warm > 0)
        stream(fd, &options, options.warm, 0, false);
    gate_wait(&options);
    struct result result = stream(fd, &options, options.seconds, options.count, true);
    result_print(&result);
    return result.done ? 0 : 1;
}
