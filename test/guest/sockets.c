/* SPDX-License-Identifier: MIT */
/* BSD sockets, poll and epoll over the loopback, by the calls that programs use. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

static struct sockaddr_in loopback(uint16_t port)
{
    return (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static int listen_at(uint16_t port, int flags)
{
    struct sockaddr_in name = loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM | flags, 0), on = 1;
    CHECK(fd >= 0);
    CHECK(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0);
    CHECK(bind(fd, (struct sockaddr *)&name, sizeof name) == 0);
    CHECK(listen(fd, 16) == 0);
    return fd;
}

/* Both ends of a connection through a listener that is closed again. */
static void pair(uint16_t port, int *client, int *server)
{
    struct sockaddr_in name = loopback(port);
    int listener = listen_at(port, 0);
    *client = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(connect(*client, (struct sockaddr *)&name, sizeof name) == 0);
    *server = accept(listener, NULL, NULL);
    CHECK(*server >= 0);
    close(listener);
}

static int64_t milliseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- streams ------------------------------------------------------------------------ */

static void stream(void)
{
    int client, server;
    char bytes[32] = "";
    struct sockaddr_in name, peer;
    socklen_t length = sizeof name;
    pair(1001, &client, &server);
    CHECK(getsockname(client, (struct sockaddr *)&name, &length) == 0);
    length = sizeof peer;
    CHECK(getpeername(server, (struct sockaddr *)&peer, &length) == 0 && length == sizeof peer);
    CHECK(name.sin_port == peer.sin_port && name.sin_addr.s_addr == peer.sin_addr.s_addr);
    CHECK(write(client, "hello", 5) == 5);
    CHECK(recv(server, bytes, sizeof bytes, MSG_PEEK) == 5);
    CHECK(recv(server, bytes, 2, 0) == 2);
    CHECK(read(server, bytes + 2, sizeof bytes - 2) == 3 && memcmp(bytes, "hello", 5) == 0);
    CHECK(recv(server, bytes, sizeof bytes, MSG_DONTWAIT) == -1 && errno == EAGAIN);
    char one[] = "one ", two[] = "two ", three[] = "three";
    struct iovec out[3] = { { one, 4 }, { two, 4 }, { three, 5 } };
    struct msghdr message = { .msg_iov = out, .msg_iovlen = 3 };
    CHECK(sendmsg(server, &message, 0) == 13);
    CHECK(recv(client, bytes, 13, MSG_WAITALL) == 13 && memcmp(bytes, "one two three", 13) == 0);
    CHECK(shutdown(client, SHUT_WR) == 0);
    CHECK(read(server, bytes, 1) == 0);
    CHECK(write(server, "still", 5) == 5);
    CHECK(read(client, bytes, sizeof bytes) == 5);
    close(server);
    CHECK(read(client, bytes, 1) == 0);
    CHECK(send(client, "x", 1, MSG_NOSIGNAL) == -1 && errno == EPIPE);
    close(client);
}

static void *sink(void *argument)
{
    int fd = *(int *)argument;
    static uint8_t bytes[10000];
    uint64_t total = 0, sum = 0;
    long n;
    while ((n = read(fd, bytes, sizeof bytes)) > 0) {
        for (long i = 0; i < n; i++)
            sum += bytes[i] * ((total + (uint64_t)i) % 251 + 1);
        total += (uint64_t)n;
    }
    CHECK(n == 0);
    uint64_t *result = malloc(2 * sizeof *result);
    result[0] = total;
    result[1] = sum;
    return result;
}

/* More than any buffer holds: both sides have to wait for each other. */
static void bulk(void)
{
    enum { TOTAL = 3000000 };
    int client, server;
    pthread_t thread;
    uint64_t sum = 0, *result;
    uint8_t *bytes = malloc(TOTAL);
    pair(1002, &client, &server);
    for (uint64_t i = 0; i < TOTAL; i++) {
        bytes[i] = (uint8_t)(i * 31 + (i >> 9));
        sum += bytes[i] * (i % 251 + 1);
    }
    CHECK(pthread_create(&thread, NULL, sink, &server) == 0);
    CHECK(send(client, bytes, TOTAL, 0) == TOTAL);
    close(client);
    pthread_join(thread, (void **)&result);
    CHECK(result[0] == TOTAL && result[1] == sum);
    free(result);
    free(bytes);
    close(server);
}

static void sends_files(void)
{
    int client, server, file = open("/data/a.txt", O_RDONLY);
    struct stat stat;
    off_t offset = 10;
    pair(1003, &client, &server);
    CHECK(file >= 0 && fstat(file, &stat) == 0 && stat.st_size > 100);
    char *sent = malloc((size_t)stat.st_size), *read_back = malloc((size_t)stat.st_size);
    CHECK(sendfile(client, file, &offset, 1 << 20) == stat.st_size - 10 && offset == stat.st_size);
    CHECK(recv(server, sent, (size_t)stat.st_size - 10, MSG_WAITALL) == stat.st_size - 10);
    CHECK(pread(file, read_back, (size_t)stat.st_size, 10) == stat.st_size - 10);
    CHECK(memcmp(sent, read_back, (size_t)stat.st_size - 10) == 0);
    CHECK(sendfile(client, file, NULL, 7) == 7 && lseek(file, 0, SEEK_CUR) == 7);
    CHECK(sendfile(client, file, &offset, 5) == 0);
    free(sent);
    free(read_back);
    close(file);
    close(client);
    close(server);
}

static void refused(void)
{
    struct sockaddr_in name = loopback(9);
    int fd = socket(AF_INET, SOCK_STREAM, 0), error = 0;
    socklen_t length = sizeof error;
    CHECK(connect(fd, (struct sockaddr *)&name, sizeof name) == -1 && errno == ECONNREFUSED);
    close(fd);
    fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    CHECK(connect(fd, (struct sockaddr *)&name, sizeof name) == -1 && errno == EINPROGRESS);
    struct pollfd poll_fd = { .fd = fd, .events = POLLOUT };
    CHECK(poll(&poll_fd, 1, 2000) == 1 && (poll_fd.revents & (POLLERR | POLLHUP)));
    CHECK(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) == 0 && error == ECONNREFUSED);
    CHECK(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) == 0 && error == 0);
    close(fd);
    CHECK(socket(AF_INET6, SOCK_STREAM, 0) == -1 && errno == EAFNOSUPPORT);
    CHECK(read(-1, &error, 1) == -1 && errno == EBADF);
    CHECK(listen(0, 5) == -1 && errno == ENOTSOCK);
}

static void reset(void)
{
    int client, server;
    struct linger now = { 1, 0 };
    char byte;
    pair(1004, &client, &server);
    CHECK(setsockopt(client, SOL_SOCKET, SO_LINGER, &now, sizeof now) == 0);
    close(client);
    CHECK(read(server, &byte, 1) == -1 && errno == ECONNRESET);
    CHECK(read(server, &byte, 1) == 0);
    close(server);
}

static void timeouts(void)
{
    int client, server;
    struct timeval timeout = { 0, 60000 };
    char byte;
    pair(1005, &client, &server);
    CHECK(setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout) == 0);
    int64_t before = milliseconds();
    CHECK(read(client, &byte, 1) == -1 && errno == EAGAIN);
    CHECK(milliseconds() - before >= 59 && milliseconds() - before < 1000);
    struct pollfd fd = { .fd = client, .events = POLLIN };
    before = milliseconds();
    CHECK(poll(&fd, 1, 50) == 0 && milliseconds() - before >= 49);
    close(client);
    close(server);
}

static void pairs(void)
{
    int fd[2];
    char bytes[8];
    pthread_t thread;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fd) == 0);
    CHECK(write(fd[0], "there", 5) == 5 && read(fd[1], bytes, 8) == 5);
    CHECK(write(fd[1], "back", 4) == 4 && recv(fd[0], bytes, 8, MSG_PEEK) == 4);
    struct pollfd in = { .fd = fd[0], .events = POLLIN };
    CHECK(poll(&in, 1, 0) == 1 && read(fd[0], bytes, 8) == 4 && poll(&in, 1, 0) == 0);
    CHECK(pthread_create(&thread, NULL, sink, &fd[1]) == 0);
    static uint8_t much[200000]; /* more than fits: the writer has to wait */
    uint64_t *result;
    CHECK(write(fd[0], much, sizeof much) == sizeof much);
    CHECK(shutdown(fd[0], SHUT_WR) == 0);
    pthread_join(thread, (void **)&result);
    CHECK(result[0] == sizeof much);
    free(result);
    close(fd[0]);
    CHECK(send(fd[1], "x", 1, MSG_NOSIGNAL) == -1 && errno == EPIPE);
    close(fd[1]);
    CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, fd) == -1 && errno == EPROTONOSUPPORT);
}

/* ---- datagrams ------------------------------------------------------------------------- */

static void datagrams(void)
{
    struct sockaddr_in at = loopback(2001), from;
    socklen_t length = sizeof from;
    char bytes[3000];
    int a = socket(AF_INET, SOCK_DGRAM, 0), b = socket(AF_INET, SOCK_DGRAM, 0);
    CHECK(bind(a, (struct sockaddr *)&at, sizeof at) == 0);
    CHECK(sendto(b, "ping", 4, 0, (struct sockaddr *)&at, sizeof at) == 4);
    CHECK(recvfrom(a, bytes, sizeof bytes, 0, (struct sockaddr *)&from, &length) == 4);
    CHECK(sendto(a, "pong!", 5, 0, (struct sockaddr *)&from, length) == 5);
    CHECK(recv(b, bytes, 3, MSG_TRUNC) == 5 && memcmp(bytes, "pon", 3) == 0);
    CHECK(recv(b, bytes, 3, MSG_DONTWAIT) == -1 && errno == EAGAIN);
    CHECK(connect(b, (struct sockaddr *)&at, sizeof at) == 0);
    memset(bytes, 'x', sizeof bytes);
    CHECK(send(b, bytes, sizeof bytes, 0) == sizeof bytes); /* in fragments */
    char back[4000];
    struct iovec in = { back, sizeof back };
    struct msghdr message = { .msg_iov = &in, .msg_iovlen = 1, .msg_name = &from, .msg_namelen = sizeof from };
    CHECK(recvmsg(a, &message, 0) == sizeof bytes && memcmp(back, bytes, sizeof bytes) == 0);
    CHECK(message.msg_namelen == sizeof from && message.msg_flags == 0);
    CHECK(send(b, "", 0, 0) == 0);
    CHECK(recv(a, back, sizeof back, 0) == 0);
    CHECK(sendto(b, bytes, 70000, 0, NULL, 0) == -1 && errno == EMSGSIZE);
    close(a);
    close(b);
}

/* ---- readiness ---------------------------------------------------------------------------- */

static int ready_now(int epoll, struct epoll_event *event)
{
    return epoll_wait(epoll, event, 1, 0);
}

static void epoll_modes(void)
{
    int client, server, epoll = epoll_create1(0);
    char bytes[8];
    struct epoll_event event = { .events = EPOLLIN, .data.u64 = 42 };
    pair(1006, &client, &server);
    CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, server, &event) == 0);
    CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, server, &event) == -1 && errno == EEXIST);
    CHECK(ready_now(epoll, &event) == 0);
    CHECK(write(client, "ab", 2) == 2);
    CHECK(epoll_wait(epoll, &event, 1, 1000) == 1 && event.events == EPOLLIN && event.data.u64 == 42);
    CHECK(ready_now(epoll, &event) == 1); /* level: still */
    CHECK(read(server, bytes, 8) == 2);
    CHECK(ready_now(epoll, &event) == 0);
    event = (struct epoll_event){ .events = EPOLLIN | EPOLLOUT | EPOLLET | EPOLLRDHUP, .data.u64 = 43 };
    CHECK(epoll_ctl(epoll, EPOLL_CTL_MOD, server, &event) == 0);
    CHECK(ready_now(epoll, &event) == 1 && event.events == EPOLLOUT);
    CHECK(ready_now(epoll, &event) == 0); /* edge: once */
    CHECK(write(client, "c", 1) == 1);
    CHECK(epoll_wait(epoll, &event, 1, 1000) == 1 && (event.events & EPOLLIN) && event.data.u64 == 43);
    CHECK(ready_now(epoll, &event) == 0);
    CHECK(write(client, "d", 1) == 1);
    CHECK(epoll_wait(epoll, &event, 1, 1000) == 1); /* again, unread or not */
    CHECK(read(server, bytes, 8) == 2);
    event = (struct epoll_event){ .events = EPOLLIN | EPOLLONESHOT };
    CHECK(epoll_ctl(epoll, EPOLL_CTL_MOD, server, &event) == 0);
    CHECK(write(client, "e", 1) == 1);
    CHECK(epoll_wait(epoll, &event, 1, 1000) == 1);
    CHECK(write(client, "f", 1) == 1);
    CHECK(epoll_wait(epoll, &event, 1, 20) == 0); /* disarmed */
    event = (struct epoll_event){ .events = EPOLLIN | EPOLLRDHUP };
    CHECK(epoll_ctl(epoll, EPOLL_CTL_MOD, server, &event) == 0);
    close(client);
    CHECK(epoll_wait(epoll, &event, 1, 1000) == 1 && (event.events & EPOLLIN));
    close(server); /* leaves the set */
    CHECK(ready_now(epoll, &event) == 0);
    CHECK(epoll_ctl(epoll, EPOLL_CTL_DEL, server, NULL) == -1);
    close(epoll);
}

static void selects(void)
{
    int client, server;
    fd_set in, out;
    struct timeval timeout = { 1, 0 };
    pair(1007, &client, &server);
    FD_ZERO(&in);
    FD_ZERO(&out);
    FD_SET((unsigned)server, &in);
    FD_SET((unsigned)server, &out);
    CHECK(select(server + 1, &in, &out, NULL, &timeout) == 1);
    CHECK(!FD_ISSET((unsigned)server, &in) && FD_ISSET((unsigned)server, &out));
    CHECK(write(client, "x", 1) == 1);
    FD_SET((unsigned)server, &in);
    CHECK(select(server + 1, &in, NULL, NULL, NULL) == 1 && FD_ISSET((unsigned)server, &in));
    close(client);
    close(server);
}

/* An echo server of many connections on one epoll, and as many blocking clients in threads. */
static void *serve(void *argument)
{
    int listener = *(int *)argument, epoll = epoll_create1(0), left = 40;
    struct epoll_event event = { .events = EPOLLIN, .data.fd = listener }, events[8];
    CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) == 0);
    while (left) {
        int count = epoll_wait(epoll, events, 8, 5000);
        CHECK(count > 0);
        if (count <= 0)
            break;
        for (int i = 0; i < count; i++) {
            char bytes[256];
            int fd = events[i].data.fd;
            if (fd == listener) {
                event.data.fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
                CHECK(event.data.fd < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, event.data.fd, &event) == 0);
                continue;
            }
            long n = read(fd, bytes, sizeof bytes);
            if (n > 0) {
                CHECK(write(fd, bytes, (size_t)n) == n);
            } else if (n == 0) {
                close(fd);
                left--;
            }
        }
    }
    close(epoll);
    return NULL;
}

static void *ask(void *argument)
{
    struct sockaddr_in name = loopback(1008);
    uint64_t number = (uint64_t)argument, back = 0;
    for (int round = 0; round < 10; round++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
        CHECK(connect(fd, (struct sockaddr *)&name, sizeof name) == 0);
        CHECK(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0);
        for (int i = 0; i < 5; i++, number += 1000) {
            CHECK(write(fd, &number, sizeof number) == sizeof number);
            CHECK(recv(fd, &back, sizeof back, MSG_WAITALL) == sizeof back && back == number);
        }
        close(fd);
    }
    return NULL;
}

static void many(void)
{
    pthread_t server, client[4];
    int listener = listen_at(1008, SOCK_NONBLOCK);
    CHECK(pthread_create(&server, NULL, serve, &listener) == 0);
    for (uint64_t i = 0; i < 4; i++)
        CHECK(pthread_create(&client[i], NULL, ask, (void *)i) == 0);
    for (int i = 0; i < 4; i++)
        pthread_join(client[i], NULL);
    pthread_join(server, NULL);
    close(listener);
}

static void names(void)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST }, *list = NULL;
    CHECK(getaddrinfo("127.0.0.1", "80", &hints, &list) == 0);
    CHECK(list && ((struct sockaddr_in *)list->ai_addr)->sin_port == htons(80));
    freeaddrinfo(list);
}

static const struct check_case cases[] = {
    { "stream", stream },     { "bulk", bulk },           { "sends_files", sends_files },
    { "refused", refused },   { "reset", reset },         { "timeouts", timeouts },
    { "datagrams", datagrams }, { "epoll_modes", epoll_modes }, { "selects", selects },
    { "many", many },         { "names", names },         { "pairs", pairs },
    { NULL, NULL },
};

int main(int argc, char **argv)
{
    return check_main(cases, argc, argv);
}
