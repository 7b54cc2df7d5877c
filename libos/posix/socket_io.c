/* SPDX-License-Identifier: MIT */
/*
 * BSD sockets: moving bytes. A blocking call is the stack's non-blocking one,
 * repeated when socket_notify() says that it is worth it.
 */
#include <sys/sendfile.h>

#include "socket_internal.h"

#define PIECES 16 /* of a scattered buffer, at a time */
#define MESSAGE_FLAGS_STACK (MSG_PEEK | MSG_TRUNC | MSG_MORE | MSG_DONTWAIT | MSG_NOSIGNAL | MSG_OOB)

/* ---- sending ----------------------------------------------------------------------- */

/* What is left of `iov` behind its first `skip` bytes, at most PIECES of it. */
static int iov_rest(const struct iovec *iov, int count, size_t skip, struct iovec *rest)
{
    int pieces = 0;
    for (int i = 0; i < count && pieces < PIECES; i++) {
        if (skip >= iov[i].iov_len) {
            skip -= iov[i].iov_len;
            continue;
        }
        rest[pieces].iov_base = (char *)iov[i].iov_base + skip;
        rest[pieces++].iov_len = iov[i].iov_len - skip;
        skip = 0;
    }
    return pieces;
}

static size_t iov_bytes(const struct iovec *iov, int count)
{
    size_t bytes = 0;
    for (int i = 0; i < count; i++)
        bytes += iov[i].iov_len;
    return bytes;
}

static long send_stream(struct socket *socket, const struct iovec *iov, int count, int flags)
{
    struct patience patience = socket_patience(socket, flags, socket->send_timeout);
    size_t done = 0, wanted = iov_bytes(iov, count);
    long sent = socket->stack->send(socket->endpoint, iov, count, flags, NULL, 0);
    for (;;) {
        if (sent > 0)
            done += (size_t)sent;
        if (done == wanted || (sent < 0 && sent != -EAGAIN))
            break;
        /* After part of it, waiting is worth it only for those who block. */
        if (patience.none || (sent == -EAGAIN && (sent = socket_wait(&socket->writers, &patience)) != 0))
            break;
        struct iovec rest[PIECES];
        int pieces = iov_rest(iov, count, done, rest);
        sent = socket->stack->send(socket->endpoint, rest, pieces, flags, NULL, 0);
    }
    return done || wanted == 0 ? (long)done : sent;
}

long socket_send(struct socket *socket, const struct iovec *iov, int count, int flags,
                 const struct sockaddr *to, socklen_t length)
{
    flags &= MESSAGE_FLAGS_STACK;
    if (socket->type == SOCK_STREAM)
        return send_stream(socket, iov, count, flags);
    struct patience patience = socket_patience(socket, flags, socket->send_timeout);
    long sent;
    while ((sent = socket->stack->send(socket->endpoint, iov, count, flags, to, length)) == -EAGAIN) {
        int error = socket_wait(&socket->writers, &patience);
        if (error)
            return error;
    }
    return sent;
}

SYSCALL(sendto)
{
    int error;
    struct socket *socket = socket_get(a, &error);
    if (!socket)
        return error;
    struct iovec iov = { (void *)b, (size_t)c };
    long sent = socket_send(socket, &iov, 1, (int)d, (const struct sockaddr *)e, (socklen_t)f);
    socket_put(socket);
    return sent;
}

static long send_message(struct socket *socket, const struct msghdr *message, int flags)
{
    return socket_send(socket, message->msg_iov, (int)message->msg_iovlen, flags,
                       message->msg_namelen ? message->msg_name : NULL, message->msg_namelen);
}

SYSCALL(sendmsg)
{
    SYSCALL_UNUSED(d, e, f);
    int error;
    struct socket *socket = socket_get(a, &error);
    if (!socket)
        return error;
    long sent = send_message(socket, (const struct msghdr *)b, (int)c);
    socket_put(socket);
    return sent;
}

SYSCALL(sendmmsg)
{
    SYSCALL_UNUSED(e, f);
    int error;
    struct socket *socket = socket_get(a, &error);
    if (!socket)
        return error;
    struct mmsghdr *messages = (struct mmsghdr *)b;
    long done = 0, sent = 0;
    for (; done < c && done < 1024; done++) {
        sent = send_message(socket, &messages[done].msg_hdr, (int)d);
        if (sent < 0)
            break;
        messages[done].msg_len = (unsigned)sent;
    }
    socket_put(socket);
    return done ? done : sent;
}

/* ---- receiving -------------------------------------------------------------------------- */

static long receive_once(struct socket *socket, struct patience *patience, const struct iovec *iov,
                         int count, int flags, struct sockaddr *from, socklen_t *length)
{
    long got;
    while ((got = socket->stack->receive(socket->endpoint, iov, count, flags, from, length)) == -EAGAIN) {
        int error = socket_wait(&socket->readers, patience);
        if (error)
            return error;
    }
    return got;
}

long socket_receive(struct socket *socket, const struct iovec *iov, int count, int flags,
                    struct sockaddr *from, socklen_t *length)
{
    struct patience patience = socket_patience(socket, flags, socket->receive_timeout);
    bool all = flags & MSG_WAITALL && socket->type == SOCK_STREAM && !(flags & MSG_PEEK);
    flags &= MESSAGE_FLAGS_STACK;
    if (socket->type == SOCK_STREAM && iov_bytes(iov, count) == 0)
        return 0;
    long got = receive_once(socket, &patience, iov, count, flags, from, length);
    if (!all || got <= 0)
        return got;
    size_t wanted = iov_bytes(iov, count), done = (size_t)got;
    while (done < wanted) {
        struct iovec rest[PIECES];
        int pieces = iov_rest(iov, count, done, rest);
        got = receive_once(socket, &patience, rest, pieces, flags, NULL, NULL);
        if (got <= 0)
            break;
        done += (size_t)got;
    }
    return (long)done;
}

SYSCALL(recvfrom)
{
    int error;
    struct socket *socket = socket_get(a, &error);
    if (!socket)
        return error;
    struct iovec iov = { (void *)b, (size_t)c };
    long got = socket_receive(socket, &iov, 1, (int)d, (struct sockaddr *)e, (socklen_t *)f);
    socket_put(socket);
    return got;
}

static long receive_message(struct socket *socket, struct msghdr *message, int flags)
{
    socklen_t length = message->msg_name ? message->msg_namelen : 0;
    size_t room = iov_bytes(message->msg_iov, (int)message->msg_iovlen);
    bool datagram = socket->type != SOCK_STREAM;
    /* Asking for the whole length tells whether it was cut. */
    long got = socket_receive(socket, message->msg_iov, (int)message->msg_iovlen,
                              datagram ? flags | MSG_TRUNC : flags, message->msg_name, &length);
    if (got < 0)
        return got;
    message->msg_namelen = length;
    message->msg_controllen = 0;
    message->msg_flags = 0;
    if (datagram && (size_t)got > room) {
        message->msg_flags = MSG_TRUNC;
        if (!(flags & MSG_TRUNC))
            got = (long)room;
    }
    return got;
}

SYSCALL(recvmsg)
{
    SYSCALL_UNUSED(d, e, f);
    int error;
    struct socket *socket = socket_get(a, &error);
    if (!socket)
        return error;
    long got = receive_message(socket, (struct msghdr *)b, (int)c);
    socket_put(socket);
    return got;
}

/* The timeout (argument 5) is not looked at; the first message may wait, the others do not. */
SYSCALL(recvmmsg)
{
    SYSCALL_UNUSED(e, f);
    int error;
    struct socket *socket = socket_get(a, &error);
    if (!socket)
        return error;
    struct mmsghdr *messages = (struct mmsghdr *)b;
    long done = 0, got = 0;
    for (; done < c && done < 1024; done++) {
        got = receive_message(socket, &messages[done].msg_hdr, (int)d | (done ? MSG_DONTWAIT : 0));
        if (got < 0)
            break;
        messages[done].msg_len = (unsigned)got;
    }
    socket_put(socket);
    return done ? done : got;
}
