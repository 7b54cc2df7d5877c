/* SPDX-License-Identifier: MIT */
/*
 * Pipes: a ring of bytes with two ends.
 */
#include <fcntl.h>
#include <libos/thread.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>

#include "posix_internal.h"

#define UNUSED6 SYSCALL_UNUSED(a, b, c, d, e, f)
#define PIPE_BYTES 16384u /* a power of two */

struct pipe_end {
    struct file file;
    struct pipe *pipe;
};

struct pipe {
    struct pipe_end reader, writer;
    bool reader_open, writer_open;
    struct wait_queue readable, writable;
    size_t head, tail; /* bytes taken and put, ever */
    char bytes[PIPE_BYTES];
};

static size_t pipe_copy(struct pipe *pipe, size_t at, char *bytes, size_t size, bool in)
{
    size_t offset = at % PIPE_BYTES;
    size_t first = size < PIPE_BYTES - offset ? size : PIPE_BYTES - offset;
    if (in) {
        memcpy(pipe->bytes + offset, bytes, first);
        memcpy(pipe->bytes, bytes + first, size - first);
    } else {
        memcpy(bytes, pipe->bytes + offset, first);
        memcpy(bytes + first, pipe->bytes, size - first);
    }
    return size;
}

static unsigned reader_ready(struct file *file)
{
    struct pipe *pipe = ((struct pipe_end *)file)->pipe;
    return (pipe->tail != pipe->head ? POLLIN : 0u) | (pipe->writer_open ? 0u : POLLHUP);
}

static unsigned writer_ready(struct file *file)
{
    struct pipe *pipe = ((struct pipe_end *)file)->pipe;
    if (!pipe->reader_open)
        return POLLOUT | POLLERR;
    return pipe->tail - pipe->head < PIPE_BYTES ? POLLOUT : 0u;
}

static void tell_writer(struct pipe *pipe)
{
    thread_wake(&pipe->writable, 1);
    if (pipe->writer_open)
        file_notify(&pipe->writer.file, writer_ready(&pipe->writer.file));
}

static void tell_reader(struct pipe *pipe)
{
    thread_wake(&pipe->readable, 1);
    if (pipe->reader_open)
        file_notify(&pipe->reader.file, reader_ready(&pipe->reader.file));
}

static long pipe_readv(struct file *file, const struct iovec *iov, int count)
{
    struct pipe *pipe = ((struct pipe_end *)file)->pipe;
    while (pipe->tail == pipe->head) {
        if (!pipe->writer_open)
            return 0;
        if ((file->flags & O_NONBLOCK) != 0)
            return -EAGAIN;
        int error = thread_wait(&pipe->readable, UINT64_MAX);
        if (error < 0)
            return error;
    }
    long total = 0;
    for (int i = 0; i < count; i++) {
        size_t there = pipe->tail - pipe->head;
        size_t now = iov[i].iov_len < there ? iov[i].iov_len : there;
        pipe->head += pipe_copy(pipe, pipe->head, iov[i].iov_base, now, false);
        total += (long)now;
    }
    tell_writer(pipe);
    return total;
}

/* All of one piece, waiting for room as often as it takes. */
static long piece_write(struct file *file, char *bytes, size_t size)
{
    struct pipe *pipe = ((struct pipe_end *)file)->pipe;
    size_t done = 0;
    while (done < size) {
        size_t room = PIPE_BYTES - (pipe->tail - pipe->head);
        int error = !pipe->reader_open ? -EPIPE : 0;
        if (error == 0 && room == 0)
            error = (file->flags & O_NONBLOCK) != 0 ? -EAGAIN : thread_wait(&pipe->writable, UINT64_MAX);
        if (error < 0)
            return done > 0 ? (long)done : error;
        size_t now = size - done < room ? size - done : room;
        pipe->tail += pipe_copy(pipe, pipe->tail, bytes + done, now, true);
        done += now;
        if (now > 0)
            tell_reader(pipe);
    }
    return (long)done;
}

static long pipe_writev(struct file *file, const struct iovec *iov, int count)
{
    long total = 0;
    for (int i = 0; i < count; i++) {
        long now = piece_write(file, iov[i].iov_base, iov[i].iov_len);
        if (now < 0)
            return total > 0 ? total : now;
        total += now;
        if ((size_t)now < iov[i].iov_len)
            break;
    }
    return total;
}

static int pipe_stat(struct file *file, struct stat *stat)
{
    (void)file;
    memset(stat, 0, sizeof(*stat));
    stat->st_mode = S_IFIFO | 0600;
    stat->st_blksize = 4096;
    return 0;
}

static int pipe_ioctl(struct file *file, unsigned long request, void *argument)
{
    struct pipe *pipe = ((struct pipe_end *)file)->pipe;
    if (request != FIONREAD)
        return -ENOTTY;
    *(int *)argument = (int)(pipe->tail - pipe->head);
    return 0;
}

static void pipe_close(struct file *file)
{
    struct pipe *pipe = ((struct pipe_end *)file)->pipe;
    if (file == &pipe->reader.file) {
        pipe->reader_open = false;
        thread_wake(&pipe->writable, UINT32_MAX);
        tell_writer(pipe);
    } else {
        pipe->writer_open = false;
        thread_wake(&pipe->readable, UINT32_MAX);
        tell_reader(pipe);
    }
    if (!pipe->reader_open && !pipe->writer_open)
        libos_free(pipe, sizeof(*pipe));
}

static const struct file_ops reader_ops = {
    .readv = pipe_readv, .stat = pipe_stat, .ready = reader_ready, .ioctl = pipe_ioctl, .close = pipe_close,
};
static const struct file_ops writer_ops = {
    .writev = pipe_writev, .stat = pipe_stat, .ready = writer_ready, .ioctl = pipe_ioctl, .close = pipe_close,
};

SYSCALL(pipe2)
{
    UNUSED6;
    int *fds = (int *)a, flags = (int)b & O_NONBLOCK;
    struct pipe *pipe = libos_alloc(sizeof(*pipe));
    if (pipe == NULL)
        return -ENOMEM;
    pipe->reader_open = pipe->writer_open = true;
    pipe->reader.pipe = pipe->writer.pipe = pipe;
    file_init(&pipe->reader.file, &reader_ops, O_RDONLY | flags);
    file_init(&pipe->writer.file, &writer_ops, O_WRONLY | flags);
    int reader = fd_install(&pipe->reader.file, 0, false);
    if (reader < 0) {
        file_release(&pipe->writer.file);
        return reader;
    }
    int writer = fd_install(&pipe->writer.file, 0, false);
    if (writer < 0) {
        fd_close(reader);
        return writer;
    }
    fds[0] = reader;
    fds[1] = writer;
    return 0;
}

SYSCALL(pipe)
{
    UNUSED6;
    return sys_pipe2(a, 0, 0, 0, 0, 0);
}
