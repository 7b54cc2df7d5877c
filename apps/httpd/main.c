/* SPDX-License-Identifier: MIT */
/*
 * httpd: serves a folder over HTTP/1.1 with BSD sockets and epoll, in one thread.
 *
 *   httpd [-r ROOT] [-p PORT]
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <exo/abi.h>
#include <libos/net.h>

#include "connection.h"
#include "files.h"

#define EVENTS 64
#define ACCEPTS 64 /* at most in a row, so that open connections get their turn */

static uint64_t seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec;
}

static int listener_open(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 256))
        return -1;
    return fd;
}

static void connections_accept(int listener, int epoll, uint64_t now)
{
    for (int i = 0; i < ACCEPTS; i++) {
        int one = 1;
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        connection_open(epoll, fd, now);
    }
}

static void serve(int listener, int epoll)
{
    for (;;) {
        struct epoll_event events[EVENTS];
        int count = epoll_wait(epoll, events, EVENTS, connection_expire(seconds_now()));
        uint64_t now = seconds_now();
        bool fresh = false;
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr)
                connection_event(events[i].data.ptr, events[i].events, now);
            else
                fresh = true;
        }
        /* Last: a new connection may take the place of one that had an event above. */
        if (fresh)
            connections_accept(listener, epoll, now);
    }
}

static int say(const char *what)
{
    fprintf(stderr, "httpd: %s: %s\n", what, strerror(errno));
    return 1;
}

static void ready_print(uint32_t address, unsigned port)
{
    char text[INET_ADDRSTRLEN];
    inet_ntop(AF_INET, &address, text, sizeof(text));
    if (port == 80)
        printf("ready http://%s/\n", text);
    else
        printf("ready http://%s:%u/\n", text, port);
    fflush(stdout);
}

static int usage(void)
{
    fputs("usage: httpd [-r ROOT] [-p PORT]\n", stderr);
    return 2;
}

int main(int argc, char **argv)
{
    const char *root = "/site";
    unsigned long port = 80;
    uint32_t address;
    int option;

    while ((option = getopt(argc, argv, "r:p:")) != -1) {
        if (option == 'r')
            root = optarg;
        else if (option == 'p')
            port = strtoul(optarg, NULL, 10);
        else
            return usage();
    }
    if (optind != argc || port < 1 || port > 65535)
        return usage();
    if (!files_root(root))
        return say(root);
    int listener = listener_open((uint16_t)port);
    if (listener < 0)
        return say("socket");
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event))
        return say("epoll");
    int error = net_wait_address(EXO_NEVER, &address);
    if (error) {
        errno = -error;
        return say("no network");
    }
    ready_print(address, (unsigned)port);
    serve(listener, epoll);
}
