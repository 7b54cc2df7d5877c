/* SPDX-License-Identifier: MIT */
/*
 * BSD sockets: making them, naming them, connecting and accepting. Moving bytes is in
 * socket_io.c. Nothing here knows a protocol: the network stack does.
 */
#include <exo/abi.h>
#include <fcntl.h>
#include <libos/clock.h>
#include <libos/net.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>

#include "socket_internal.h"

/* ---- as a file ------------------------------------------------------------------- */

static long socket_readv(struct file *file, const struct iovec *iov, int count)
{
    return socket_receive((struct socket *)file, iov, count, 0, NULL, NULL);
}

static long socket_writev(struct file *file, const struct iovec *iov, int count)
{
    return socket_send((struct socket *)file, iov, count, 0, NULL, 0);
}

static int socket_stat(struct file *file, struct stat *stat)
{
    memset(stat, 0, sizeof *stat);
    stat->st_mode = S_IFSOCK | 0777;
    stat->st_ino = (uint64_t)file >> 4;
    stat->st_nlink = 1;
    stat->st_blksize = 4096;
    return 0;
}

static unsigned socket_ready(struct file *file)
{
    const struct socket *socket = (const struct socket *)file;
    return socket->stack->ready(socket->endpoint);
}

static void socket_close(struct file *file)
{
    struct socket *socket = (struct socket *)file;
    if (socket->endpoint)
        socket->stack->close(socket->endpoint);
    libos_free(socket, sizeof *socket);
}

const struct file_ops socket_ops = {
    .readv = socket_readv,
    .writev = socket_writev,
    .stat = socket_stat,
    .ready = socket_ready,
    .close = socket_close,
};

void socket_notify(void *cookie, unsigned ready)
{
    struct socket *socket = cookie;
    if (ready & (POLLIN | POLLRDHUP | POLLHUP | POLLERR))
        thread_wake(&socket->readers, UINT32_MAX);
    if (ready & (POLLOUT | POLLHUP | POLLERR))
        thread_wake(&socket->writers, UINT32_MAX);
    file_notify(&socket->file, ready);
}

struct socket *socket_new(const struct netstack *stack, int type, int flags)
{
    struct socket *socket = libos_alloc(sizeof *socket);
    if (socket) {
        file_init(&socket->file, &socket_ops, O_RDWR | (flags & SOCK_NONBLOCK ? O_NONBLOCK : 0));
        socket->stack = stack;
        socket->type = type;
    }
    return socket;
}

struct socket *socket_get(long fd, int *error)
{
    struct file *file = fd_get((int)fd);
    if (file && file->ops == &socket_ops)
        return (struct socket *)file;
    *error = file ? -ENOTSOCK : -EBADF;
    if (file)
        file_release(file);
    return NULL;
}

/* ---- waiting ------------------------------------------------------------------------ */

struct patience socket_patience(const struct socket *socket, int flags, uint64_t timeout)
{
    return (struct patience){ .none = flags & MSG_DONTWAIT || socket->file.flags & O_NONBLOCK,
                              .timeout = timeout };
}

int socket_wait(struct wait_queue *queue, struct patience *patience)
{
    if (patience->none)
        return -EAGAIN;
    if (!patience->began) {
        patience->began = true;
        patience->deadline = patience->timeout ? clock_deadline(patience->timeout) : EXO_NEVER;
    }
    int error = thread_wait(queue, patience->deadline);
    return error == -ETIMEDOUT ? -EAGAIN : error;
}

/* ---- making and naming ----------------------------------------------------------------- */

SYSCALL(socket)
{
    SYSCALL_UNUSED(d, e, f);
    int type = (int)b & ~(SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (a != AF_INET)
        return -EAFNOSUPPORT;
    int error = net_start();
    if (error)
        return error;
    struct socket *socket = socket_new(netstack_default, type, (int)b);
    if (!socket)
        return -ENOBUFS;
    error = socket->stack->open((int)a, type, (int)c, socket, &socket->endpoint);
    if (error) {
        socket_put(socket);
        return error;
    }
    return fd_install(&socket->file, 0, b & SOCK_CLOEXEC);
}

SYSCALL(bind)
{
    SYSCALL_UNUSED(d, e, f);
    SOCKET_OR_RETURN(socket, a);
    int error = socket->stack->bind(socket->endpoint, (const struct sockaddr *)b, (socklen_t)c);
    socket_put(socket);
    return error;
}

SYSCALL(listen)
{
    SYSCALL_UNUSED(c, d, e, f);
    SOCKET_OR_RETURN(socket, a);
    int error = socket->stack->listen(socket->endpoint, (int)b);
    socket_put(socket);
    return error;
}

static long name_of(long fd, int peer, struct sockaddr *address, socklen_t *length)
{
    if (!address || !length)
        return -EFAULT;
    SOCKET_OR_RETURN(socket, fd);
    int error = socket->stack->name_of(socket->endpoint, peer, address, length);
    socket_put(socket);
    return error;
}

SYSCALL(getsockname)
{
    SYSCALL_UNUSED(d, e, f);
    return name_of(a, 0, (struct sockaddr *)b, (socklen_t *)c);
}

SYSCALL(getpeername)
{
    SYSCALL_UNUSED(d, e, f);
    return name_of(a, 1, (struct sockaddr *)b, (socklen_t *)c);
}

/* ---- connections -------------------------------------------------------------------------- */

static int connect_wait(struct socket *socket, struct patience *patience)
{
    while (!(socket->stack->ready(socket->endpoint) & (POLLOUT | POLLERR | POLLHUP))) {
        int error = socket_wait(&socket->writers, patience);
        if (error)
            return error == -EAGAIN ? -EINPROGRESS : error;
    }
    int error = 0;
    socklen_t length = sizeof error;
    socket->stack->get_option(socket->endpoint, SOL_SOCKET, SO_ERROR, &error, &length);
    return -error;
}

SYSCALL(connect)
{
    SYSCALL_UNUSED(d, e, f);
    SOCKET_OR_RETURN(socket, a);
    struct patience patience = socket_patience(socket, 0, socket->send_timeout);
    int error = socket->stack->connect(socket->endpoint, (const struct sockaddr *)b, (socklen_t)c);
    if (error == -EINPROGRESS || (error == -EALREADY && !patience.none))
        error = patience.none ? error : connect_wait(socket, &patience);
    socket_put(socket);
    return error;
}

static int accept_one(struct socket *listener, int flags, struct socket **accepted)
{
    struct patience patience = socket_patience(listener, 0, listener->receive_timeout);
    struct socket *socket = socket_new(listener->stack, listener->type, flags);
    if (!socket)
        return -ENOBUFS;
    int error;
    while ((error = listener->stack->accept(listener->endpoint, socket, &socket->endpoint)) == -EAGAIN &&
           (error = socket_wait(&listener->readers, &patience)) == 0)
        ;
    if (error)
        socket_put(socket);
    *accepted = socket;
    return error;
}

static long accept_call(long fd, struct sockaddr *address, socklen_t *length, int flags)
{
    if (flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC))
        return -EINVAL;
    SOCKET_OR_RETURN(listener, fd);
    struct socket *socket;
    long result = accept_one(listener, flags, &socket);
    socket_put(listener);
    if (result)
        return result;
    if (address && length)
        socket->stack->name_of(socket->endpoint, 1, address, length);
    return fd_install(&socket->file, 0, flags & SOCK_CLOEXEC);
}

SYSCALL(accept)
{
    SYSCALL_UNUSED(d, e, f);
    return accept_call(a, (struct sockaddr *)b, (socklen_t *)c, 0);
}

SYSCALL(accept4)
{
    SYSCALL_UNUSED(e, f);
    return accept_call(a, (struct sockaddr *)b, (socklen_t *)c, (int)d);
}

SYSCALL(shutdown)
{
    SYSCALL_UNUSED(c, d, e, f);
    SOCKET_OR_RETURN(socket, a);
    int error = socket->stack->shutdown(socket->endpoint, (int)b);
    socket_put(socket);
    return error;
}
