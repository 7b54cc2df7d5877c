/* SPDX-License-Identifier: MIT */
/*
 * socketpair(): a network stack of two endpoints and nothing between them. What one
 * sends lies in the other's ring until it is received. Streams only; no descriptors
 * are passed.
 */
#include <poll.h>
#include <string.h>

#include "socket_internal.h"

#define RING_BYTES 16384u

struct endpoint {
    void *cookie;
    struct endpoint *peer; /* NULL: it was closed */
    bool shut_read, shut_write;
    size_t head, tail; /* bytes received and sent to it, ever */
    uint8_t ring[RING_BYTES];
};

static unsigned pair_ready(struct endpoint *endpoint)
{
    const struct endpoint *peer = endpoint->peer;
    bool ended = !peer || peer->shut_write || endpoint->shut_read;
    unsigned ready = 0;
    if (endpoint->tail != endpoint->head || ended)
        ready |= POLLIN | POLLRDNORM;
    if (!peer || endpoint->shut_write || peer->tail - peer->head < RING_BYTES)
        ready |= POLLOUT | POLLWRNORM;
    if (ended)
        ready |= POLLRDHUP;
    if (!peer || (ended && endpoint->shut_write))
        ready |= POLLHUP;
    return ready;
}

static void pair_tell(struct endpoint *endpoint)
{
    if (endpoint)
        socket_notify(endpoint->cookie, pair_ready(endpoint));
}

static void pair_close(struct endpoint *endpoint)
{
    struct endpoint *peer = endpoint->peer;
    if (peer)
        peer->peer = NULL;
    pair_tell(peer);
    libos_free(endpoint, sizeof *endpoint);
}

/* Bytes of `size` that were copied to or from the ring at `at` (`room` is how many may be). */
static size_t ring_copy(struct endpoint *endpoint, size_t at, void *bytes, size_t size, size_t room, bool in)
{
    size_t now = size < room ? size : room, offset = at % RING_BYTES;
    size_t first = now < RING_BYTES - offset ? now : RING_BYTES - offset;
    if (in) {
        memcpy(endpoint->ring + offset, bytes, first);
        memcpy(endpoint->ring, (const uint8_t *)bytes + first, now - first);
    } else {
        memcpy(bytes, endpoint->ring + offset, first);
        memcpy((uint8_t *)bytes + first, endpoint->ring, now - first);
    }
    return now;
}

static long pair_send(struct endpoint *endpoint, const struct iovec *iov, int count, int flags,
                      const struct sockaddr *to, socklen_t length)
{
    (void)flags, (void)to, (void)length;
    struct endpoint *peer = endpoint->peer;
    if (!peer || endpoint->shut_write || peer->shut_read)
        return -EPIPE;
    size_t done = 0, wanted = 0;
    for (int i = 0; i < count; i++) {
        size_t now = ring_copy(peer, peer->tail, iov[i].iov_base, iov[i].iov_len,
                               RING_BYTES - (peer->tail - peer->head), true);
        peer->tail += now;
        done += now;
        wanted += iov[i].iov_len;
        if (done < wanted)
            break;
    }
    if (done)
        pair_tell(peer);
    return done || wanted == 0 ? (long)done : -EAGAIN;
}

static long pair_receive(struct endpoint *endpoint, const struct iovec *iov, int count, int flags,
                         struct sockaddr *from, socklen_t *length)
{
    (void)from;
    if (length)
        *length = 0;
    if (endpoint->tail == endpoint->head)
        return !endpoint->peer || endpoint->peer->shut_write || endpoint->shut_read ? 0 : -EAGAIN;
    size_t at = endpoint->head;
    for (int i = 0; i < count && at != endpoint->tail; i++)
        at += ring_copy(endpoint, at, iov[i].iov_base, iov[i].iov_len, endpoint->tail - at, false);
    long done = (long)(at - endpoint->head);
    if (!(flags & MSG_PEEK)) {
        endpoint->head = at;
        pair_tell(endpoint->peer);
    }
    return done;
}

static int pair_shutdown(struct endpoint *endpoint, int how)
{
    if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR)
        return -EINVAL;
    endpoint->shut_read |= how != SHUT_WR;
    endpoint->shut_write |= how != SHUT_RD;
    pair_tell(endpoint->peer);
    pair_tell(endpoint);
    return 0;
}

static int pair_name_of(struct endpoint *endpoint, int peer, struct sockaddr *address, socklen_t *length)
{
    (void)endpoint, (void)peer;
    sa_family_t family = AF_UNIX;
    memcpy(address, &family, *length < sizeof family ? *length : sizeof family);
    *length = sizeof family;
    return 0;
}

static int pair_set_option(struct endpoint *endpoint, int level, int name, const void *value, socklen_t length)
{
    (void)endpoint, (void)name, (void)value, (void)length;
    return level == SOL_SOCKET ? 0 : -EOPNOTSUPP;
}

static int pair_get_option(struct endpoint *endpoint, int level, int name, void *value, socklen_t *length)
{
    (void)endpoint;
    if (level != SOL_SOCKET)
        return -EOPNOTSUPP;
    int number = name == SO_TYPE ? SOCK_STREAM : name == SO_DOMAIN ? AF_UNIX
                 : name == SO_SNDBUF || name == SO_RCVBUF ? (int)RING_BYTES : 0;
    *length = *length < sizeof number ? *length : sizeof number;
    memcpy(value, &number, *length);
    return 0;
}

static int pair_refuse_name(struct endpoint *endpoint, const struct sockaddr *address, socklen_t length)
{
    (void)endpoint, (void)address, (void)length;
    return -EINVAL;
}

static int pair_refuse_listen(struct endpoint *endpoint, int backlog)
{
    (void)endpoint, (void)backlog;
    return -EINVAL;
}

static int pair_refuse_accept(struct endpoint *endpoint, void *cookie, struct endpoint **accepted)
{
    (void)endpoint, (void)cookie, (void)accepted;
    return -EINVAL;
}

static const struct netstack netstack_pair = {
    .name = "pair",
    .close = pair_close,
    .bind = pair_refuse_name,
    .connect = pair_refuse_name,
    .listen = pair_refuse_listen,
    .accept = pair_refuse_accept,
    .send = pair_send,
    .receive = pair_receive,
    .shutdown = pair_shutdown,
    .name_of = pair_name_of,
    .set_option = pair_set_option,
    .get_option = pair_get_option,
    .ready = pair_ready,
};

static struct socket *half_new(int flags)
{
    struct socket *socket = socket_new(&netstack_pair, SOCK_STREAM, flags);
    if (!socket)
        return NULL;
    socket->endpoint = libos_alloc(sizeof *socket->endpoint);
    if (!socket->endpoint) {
        socket_put(socket);
        return NULL;
    }
    socket->endpoint->cookie = socket;
    return socket;
}

SYSCALL(socketpair)
{
    SYSCALL_UNUSED(e, f);
    int *fds = (int *)d, flags = (int)b & (SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (a != AF_UNIX)
        return -EAFNOSUPPORT;
    if (((int)b & ~flags) != SOCK_STREAM || c != 0)
        return -EPROTONOSUPPORT;
    struct socket *one = half_new(flags), *other = one ? half_new(flags) : NULL;
    if (!other) {
        if (one)
            socket_put(one);
        return -ENOBUFS;
    }
    one->endpoint->peer = other->endpoint;
    other->endpoint->peer = one->endpoint;
    int first = fd_install(&one->file, 0, flags & SOCK_CLOEXEC);
    if (first < 0) {
        socket_put(other);
        return first;
    }
    int second = fd_install(&other->file, 0, flags & SOCK_CLOEXEC);
    if (second < 0) {
        fd_close(first);
        return second;
    }
    fds[0] = first;
    fds[1] = second;
    return 0;
}
