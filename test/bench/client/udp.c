/* SPDX-License-Identifier: MIT */
/*
 * UDP ping-pong: `-c` datagrams of `-s` bytes outstanding, a new one for each answer. One
 * that is not answered within a second counts as an error and is replaced. With -r: an
 * open loop that offers so many a second whatever comes back, and counts what does.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "client.h"

#define SIZE_MAX_BYTES 1472
#define WINDOW 65536u /* remembers when a datagram was sent */
#define LOST_NS 1000000000ull

static struct options options;
static struct result result;
static int fd;
static uint64_t sequence;
static uint64_t sent_at[WINDOW]; /* 0: answered or lost */
static uint64_t outstanding;

static void datagram_send(void)
{
    char bytes[SIZE_MAX_BYTES] = {0};
    memcpy(bytes, &sequence, sizeof(sequence));
    sent_at[sequence % WINDOW] = now_ns();
    if (send(fd, bytes, options.size, 0) == (ssize_t)options.size)
        result.offered++;
    outstanding++;
    sequence++;
}

/* Takes all answers that are there; how many. */
static unsigned answers_take(void)
{
    char bytes[SIZE_MAX_BYTES];
    unsigned taken = 0;
    while (recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) == (ssize_t)options.size) {
        uint64_t number;
        memcpy(&number, bytes, sizeof(number));
        if (number >= sequence || sequence - number > WINDOW || !sent_at[number % WINDOW])
            continue;
        latency_add(now_ns() - sent_at[number % WINDOW]);
        sent_at[number % WINDOW] = 0;
        result.done++;
        result.bytes += options.size;
        outstanding--;
        taken++;
    }
    return taken;
}

/* Gives up on datagrams that are too old. */
static void lost_find(void)
{
    static uint64_t oldest;
    uint64_t now = now_ns();
    if (sequence - oldest > WINDOW)
        oldest = sequence - WINDOW;
    for (; oldest < sequence; oldest++) {
        uint64_t *at = &sent_at[oldest % WINDOW];
        if (*at && now - *at < LOST_NS)
            return;
        if (*at) {
            *at = 0;
            outstanding--;
            result.errors++;
        }
    }
}

static bool over(uint64_t end, uint64_t count)
{
    return now_ns() >= end || (count && result.done + result.errors >= count);
}

static void ping_pong(double seconds, uint64_t count)
{
    uint64_t start = now_ns(), end = start + (uint64_t)(seconds * 1e9), first = sequence, looked = start;
    memset(&result, 0, sizeof(result));
    latency_clear();
    while (!over(end, count)) {
        struct pollfd poller = {.fd = fd, .events = POLLIN};
        while (outstanding < options.parallel && (!count || sequence - first < count))
            datagram_send();
        if (poll(&poller, 1, 100) == 0 || now_ns() - looked > LOST_NS / 10) {
            lost_find();
            looked = now_ns();
        }
        answers_take();
    }
    result.seconds = (double)(now_ns() - start) / 1e9;
    struct result measured = result;
    struct pollfd poller = {.fd = fd, .events = POLLIN};
    while (outstanding && poll(&poller, 1, 100) > 0)
        answers_take();
    result = measured;
}

/* Offers `rate` a second in small bursts; late answers are waited for, but not measured in. */
static void flood(double seconds)
{
    uint64_t start = now_ns(), end = start + (uint64_t)(seconds * 1e9), first = sequence;
    memset(&result, 0, sizeof(result));
    latency_clear();
    for (uint64_t now = start; now < end; now = now_ns()) {
        uint64_t due = first + (uint64_t)((double)(now - start) * 1e-9 * options.rate);
        for (unsigned burst = 0; sequence < due && burst < 32; burst++)
            datagram_send();
        if (sequence < due)
            answers_take();
        else if (!answers_take())
            nanosleep(&(struct timespec){0, 50000}, NULL);
    }
    result.seconds = (double)(now_ns() - start) / 1e9;
    result.errors = result.offered - (result.done < result.offered ? result.done : result.offered);
}

int main(int argc, char **argv)
{
    int room = 4 << 20;
    options_read(&options, argc, argv);
    if (options.size < sizeof(sequence) || options.size > SIZE_MAX_BYTES)
        die("size");
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&options.server, sizeof(options.server)))
        die("socket");
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
    if (options.warm > 0)
        ping_pong(options.warm, 0);
    gate_wait(&options);
    if (options.rate > 0)
        flood(options.seconds);
    else
        ping_pong(options.seconds, options.count);
    result_print(&result);
    return result.done ? 0 : 1;
}
