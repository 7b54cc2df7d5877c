/* SPDX-License-Identifier: MIT */
/*
 * Open files and the descriptor table.
 */
#include <errno.h>
#include <fcntl.h>
#include <libos/file.h>
#include <libos/thread.h>
#include <poll.h>

#define WORD_BITS 64u

static struct file *table[FD_MAX];
static uint64_t used[FD_MAX / WORD_BITS];

void file_release(struct file *file)
{
    if (--file->refs > 0)
        return;
    while (file->watches != NULL) {
        struct file_watch *watch = file->watches;
        file_watch_remove(watch);
        watch->notify(watch, POLLNVAL);
    }
    file->ops->close(file);
}

void file_notify(struct file *file, unsigned ready)
{
    struct file_watch *next;
    for (struct file_watch *watch = file->watches; watch != NULL; watch = next) {
        next = watch->next; /* it may take itself off */
        watch->notify(watch, ready);
    }
}

void file_watch_add(struct file *file, struct file_watch *watch)
{
    watch->file = file;
    watch->previous = NULL;
    watch->next = file->watches;
    if (watch->next != NULL)
        watch->next->previous = watch;
    file->watches = watch;
}

void file_watch_remove(struct file_watch *watch)
{
    if (watch->file == NULL)
        return;
    if (watch->previous != NULL)
        watch->previous->next = watch->next;
    else
        watch->file->watches = watch->next;
    if (watch->next != NULL)
        watch->next->previous = watch->previous;
    watch->file = NULL;
}

unsigned file_ready(struct file *file)
{
    return file->ops->ready != NULL ? file->ops->ready(file) : POLLIN | POLLOUT;
}

long file_read(struct file *file, void *buffer, size_t size)
{
    struct iovec iov = { buffer, size };
    if (file->ops->readv == NULL)
        return -EINVAL;
    return (file->flags & O_ACCMODE) == O_WRONLY ? -EBADF : file->ops->readv(file, &iov, 1);
}

long file_write(struct file *file, const void *bytes, size_t size)
{
    struct iovec iov = { (void *)(uintptr_t)bytes, size };
    if ((file->flags & O_ACCMODE) == O_RDONLY)
        return -EBADF;
    return file->ops->writev == NULL ? -EINVAL : file->ops->writev(file, &iov, 1);
}

/* ---- descriptors ---------------------------------------------------------------- */

/* The lowest free one from `lowest` on, FD_MAX if there is none. */
static unsigned fd_lowest(unsigned lowest)
{
    for (unsigned word = lowest / WORD_BITS; word < FD_MAX / WORD_BITS; word++) {
        uint64_t free = ~used[word];
        if (word == lowest / WORD_BITS)
            free &= UINT64_MAX << lowest % WORD_BITS;
        if (free != 0)
            return word * WORD_BITS + (unsigned)__builtin_ctzll(free);
    }
    return FD_MAX;
}

/* There is no exec(), so FD_CLOEXEC is accepted and means nothing. */
int fd_install(struct file *file, int lowest, bool cloexec)
{
    (void)cloexec;
    unsigned fd = lowest < 0 ? FD_MAX : fd_lowest((unsigned)lowest < FD_MAX ? (unsigned)lowest : FD_MAX);
    if (fd >= FD_MAX) {
        file_release(file);
        return -EMFILE;
    }
    table[fd] = file;
    used[fd / WORD_BITS] |= 1ull << fd % WORD_BITS;
    return (int)fd;
}

struct file *fd_peek(int fd)
{
    return (unsigned)fd < FD_MAX ? table[fd] : NULL;
}

struct file *fd_get(int fd)
{
    struct file *file = fd_peek(fd);
    if (file != NULL)
        file->refs++;
    return file;
}

int fd_close(int fd)
{
    struct file *file = fd_peek(fd);
    if (file == NULL)
        return -EBADF;
    table[fd] = NULL;
    used[(unsigned)fd / WORD_BITS] &= ~(1ull << (unsigned)fd % WORD_BITS);
    file_release(file);
    return 0;
}

int fs_view(int fd, const void **bytes, size_t *size)
{
    libos_enter();
    struct file *file = fd_peek(fd);
    int result = file == NULL             ? -EBADF
                 : file->ops->view == NULL ? -EINVAL
                                           : file->ops->view(file, bytes, size);
    libos_leave();
    return result;
}
