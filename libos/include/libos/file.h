/* SPDX-License-Identifier: MIT */
/*
 * Open files and the descriptor table. A kind of file is one constant structure of
 * functions; sockets, epoll instances, pipes, the console and the boot
 * archive each supply one. Everything here is called inside the libos (thread.h).
 * This layer never looks at what a file is.
 */
#ifndef LIBOS_FILE_H
#define LIBOS_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>

struct file;
struct plan;

/*
 * Any function may be NULL: the call then fails with -EINVAL (-ENOTTY for ioctl, -ENOTDIR for
 * entries), `ready` is always readable and writable. Results are 0 or more, or a negative errno
 * value. Functions that would have to wait look at file->flags & O_NONBLOCK and either return
 * -EAGAIN or park the thread themselves (thread_wait; pass -EINTR on). The caller holds a
 * reference meanwhile.
 */
struct file_ops {
    long (*readv)(struct file *file, const struct iovec *iov, int count);
    long (*writev)(struct file *file, const struct iovec *iov, int count);
    long (*preadv)(struct file *file, const struct iovec *iov, int count, int64_t offset);
    int64_t (*seek)(struct file *file, int64_t offset, int whence);
    int (*stat)(struct file *file, struct stat *stat);
    unsigned (*ready)(struct file *file); /* POLLIN, POLLOUT, POLLERR, POLLHUP ... as they stand */
    int (*ioctl)(struct file *file, unsigned long request, void *argument);
    long (*entries)(struct file *file, void *buffer, size_t size); /* getdents64 */
    /* The bytes where they lie, page-aligned, for as long as the program runs: zero-copy sends
     * and mmap. */
    int (*view)(struct file *file, const void **bytes, size_t *size);
    int (*path)(struct file *file, char *buffer, size_t size); /* of a directory, for openat() */
    void (*close)(struct file *file); /* the last reference went; frees the file */
};

/* Somebody who wants to hear when a file's readiness may have changed: an epoll entry, a poll()
 * call. */
struct file_watch {
    void (*notify)(struct file_watch *watch, unsigned ready);
    struct file *file;
    struct file_watch *next, *previous;
};

struct file { /* the first member of every kind's own structure */
    const struct file_ops *ops;
    unsigned refs;
    int flags;                  /* O_ACCMODE, O_NONBLOCK, O_APPEND */
    struct file_watch *watches; /* newest first */
};

/* One reference, no watches. */
static inline void file_init(struct file *file, const struct file_ops *ops, int flags)
{
    *file = (struct file){ .ops = ops, .refs = 1, .flags = flags };
}

static inline struct file *file_hold(struct file *file)
{
    file->refs++;
    return file;
}

/* Drops a reference; the last one takes the watches off (after notify(POLLNVAL)) and calls
 * close(). */
void file_release(struct file *file);

/* Tells the watches. `ready` is what the file knows to be ready now, as ops->ready() would say. */
void file_notify(struct file *file, unsigned ready);
void file_watch_add(struct file *file, struct file_watch *watch);
void file_watch_remove(struct file_watch *watch);

unsigned file_ready(struct file *file);
long file_read(struct file *file, void *buffer, size_t size);
long file_write(struct file *file, const void *bytes, size_t size);

/* ---- descriptors ------------------------------------------------------------ */

#define FD_MAX 1024

/* Puts a file at the lowest free descriptor from `lowest` on; takes over the caller's reference.
 * The descriptor, or -EMFILE (and the reference is dropped). */
int fd_install(struct file *file, int lowest, bool cloexec);
/* The file with a reference for the caller (file_release() it), or NULL: -EBADF. */
struct file *fd_get(int fd);
/* The same without a reference, for code that does not wait. */
struct file *fd_peek(int fd);
int fd_close(int fd);

/* The bytes of an open file where they lie, page-aligned and frozen; -EINVAL if the file has no
 * such place. For applications too: takes and leaves the libos itself. */
int fs_view(int fd, const void **bytes, size_t *size);

/* ---- memory for files and other small things of the libos ----------------------
 * Zeroed, eagerly mapped, 16-byte aligned; NULL when there is none. Not malloc: usable inside the libos. */
void *libos_alloc(size_t size);
void libos_free(void *memory, size_t size);

#endif
