/* SPDX-License-Identifier: MIT */
/*
 * sendfile(): from a file that lies in frozen memory (the boot archive) to a stream
 * without a copy; otherwise through a buffer.
 */
#include <unistd.h>

#include "socket_internal.h"

#define COPY_BYTES 16384u

/* Bytes sent, as many as the stack takes or, for a blocking socket, all. */
static long send_view(struct socket *socket, const char *bytes, size_t length)
{
    struct patience patience = socket_patience(socket, 0, socket->send_timeout);
    size_t done = 0;
    long sent = 0;
    while (done < length) {
        struct iovec iov = { (char *)(uintptr_t)(bytes + done), length - done };
        sent = socket->stack->send_frozen
                   ? socket->stack->send_frozen(socket->endpoint, bytes + done, length - done, 0)
                   : socket->stack->send(socket->endpoint, &iov, 1, 0, NULL, 0);
        if (sent > 0)
            done += (size_t)sent;
        else if (sent != -EAGAIN || (sent = socket_wait(&socket->writers, &patience)) != 0)
            break;
        if (patience.none && done < length && sent > 0)
            break;
    }
    return done || length == 0 ? (long)done : sent;
}

static long send_copied(struct socket *socket, struct file *file, int64_t offset, size_t length)
{
    char *buffer = libos_alloc(COPY_BYTES);
    if (!buffer)
        return -ENOMEM;
    long sent = 0;
    size_t done = 0;
    while (done < length) {
        struct iovec iov = { buffer, length - done < COPY_BYTES ? length - done : COPY_BYTES };
        long got = file->ops->preadv(file, &iov, 1, offset + (int64_t)done);
        if (got <= 0) {
            sent = got;
            break;
        }
        iov.iov_len = (size_t)got;
        sent = socket_send(socket, &iov, 1, 0, NULL, 0);
        if (sent < 0)
            break;
        done += (size_t)sent;
        if (sent < got)
            break;
    }
    libos_free(buffer, COPY_BYTES);
    return done ? (long)done : sent;
}

static long send_from(struct socket *socket, struct file *file, int64_t offset, size_t length)
{
    const void *bytes;
    size_t size;
    if (!file->ops->view || file->ops->view(file, &bytes, &size) < 0)
        return file->ops->preadv ? send_copied(socket, file, offset, length) : -EINVAL;
    if ((uint64_t)offset >= size)
        return 0;
    size_t rest = size - (size_t)offset;
    return send_view(socket, (const char *)bytes + offset, length < rest ? length : rest);
}

static long sendfile_files(struct socket *socket, struct file *file, int64_t *position, size_t length)
{
    int64_t offset = position        ? *position
                     : file->ops->seek ? file->ops->seek(file, 0, SEEK_CUR)
                                       : -ESPIPE;
    if (offset < 0)
        return position ? -EINVAL : (long)offset;
    long sent = send_from(socket, file, offset, length);
    if (sent > 0 && position)
        *position += sent;
    else if (sent > 0)
        file->ops->seek(file, offset + sent, SEEK_SET);
    return sent;
}

SYSCALL(sendfile)
{
    SYSCALL_UNUSED(e, f);
    int error;
    struct socket *socket = socket_get(a, &error);
    if (!socket)
        return error == -ENOTSOCK ? -EINVAL : error;
    struct file *file = fd_get((int)b);
    long sent = file ? sendfile_files(socket, file, (int64_t *)c, (size_t)d) : -EBADF;
    if (file)
        file_release(file);
    socket_put(socket);
    return sent;
}
