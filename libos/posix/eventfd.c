/* SPDX-License-Identifier: MIT */
/*
 * eventfd: a number that can be waited for.
 */
#include <fcntl.h>
#include <libos/thread.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>

#include "posix_internal.h"

#define UNUSED6 SYSCALL_UNUSED(a, b, c, d, e, f)

struct event {
    struct file file;
    uint64_t value;
    bool semaphore;
    struct wait_queue readable, writable;
};

static unsigned event_ready(struct file *file)
{
    uint64_t value = ((struct event *)file)->value;
    return (value > 0 ? POLLIN : 0u) | (value < UINT64_MAX - 1 ? POLLOUT : 0u);
}

static int event_wait(struct file *file, struct wait_queue *queue)
{
    return (file->flags & O_NONBLOCK) != 0 ? -EAGAIN : thread_wait(queue, UINT64_MAX);
}

static long event_readv(struct file *file, const struct iovec *iov, int count)
{
    struct event *event = (struct event *)file;
    if (count < 1 || iov->iov_len < sizeof(uint64_t))
        return -EINVAL;
    while (event->value == 0) {
        int error = event_wait(file, &event->readable);
        if (error < 0)
            return error;
    }
    uint64_t value = event->semaphore ? 1 : event->value;
    event->value -= value;
    memcpy(iov->iov_base, &value, sizeof(value));
    thread_wake(&event->writable, UINT32_MAX);
    file_notify(file, event_ready(file));
    return sizeof(value);
}

static long event_writev(struct file *file, const struct iovec *iov, int count)
{
    struct event *event = (struct event *)file;
    uint64_t added;
    if (count < 1 || iov->iov_len < sizeof(added))
        return -EINVAL;
    memcpy(&added, iov->iov_base, sizeof(added));
    if (added == UINT64_MAX)
        return -EINVAL;
    while (added > UINT64_MAX - 1 - event->value) {
        int error = event_wait(file, &event->writable);
        if (error < 0)
            return error;
    }
    event->value += added;
    thread_wake(&event->readable, UINT32_MAX);
    file_notify(file, event_ready(file));
    return sizeof(added);
}

static void event_close(struct file *file)
{
    libos_free(file, sizeof(struct event));
}

static const struct file_ops event_ops = {
    .readv = event_readv, .writev = event_writev, .ready = event_ready, .close = event_close,
};

SYSCALL(eventfd2)
{
    UNUSED6;
    struct event *event = libos_alloc(sizeof(*event));
    if (event == NULL)
        return -ENOMEM;
    file_init(&event->file, &event_ops, O_RDWR | ((int)b & EFD_NONBLOCK));
    event->value = (unsigned)a;
    event->semaphore = ((int)b & EFD_SEMAPHORE) != 0;
    return fd_install(&event->file, 0, false);
}

SYSCALL(eventfd)
{
    UNUSED6;
    return sys_eventfd2(a, 0, 0, 0, 0, 0);
}
