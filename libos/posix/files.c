/* SPDX-License-Identifier: MIT */
/*
 * System calls on descriptors: reading, writing, duplicating. What a file does is its
 * own business (file.h).
 */
#include <fcntl.h>
#include <limits.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "posix_internal.h"

#define UNUSED6 SYSCALL_UNUSED(a, b, c, d, e, f)

static long result_of(struct file *file, long result)
{
    file_release(file);
    return result;
}

SYSCALL(read)
{
    UNUSED6;
    FILE_OR_RETURN(file, a);
    return result_of(file, file_read(file, (void *)b, (size_t)c));
}

SYSCALL(write)
{
    UNUSED6;
    FILE_OR_RETURN(file, a);
    return result_of(file, file_write(file, (const void *)b, (size_t)c));
}

static bool iov_good(const struct iovec *iov, long count)
{
    size_t total = 0;
    if (count < 0 || count > IOV_MAX)
        return false;
    for (long i = 0; i < count; i++)
        if (__builtin_add_overflow(total, iov[i].iov_len, &total) || total > SSIZE_MAX)
            return false;
    return true;
}

SYSCALL(readv)
{
    UNUSED6;
    FILE_OR_RETURN(file, a);
    const struct iovec *iov = (const struct iovec *)b;
    if (file->ops->readv == NULL || !iov_good(iov, c))
        return result_of(file, -EINVAL);
    if ((file->flags & O_ACCMODE) == O_WRONLY)
        return result_of(file, -EBADF);
    return result_of(file, file->ops->readv(file, iov, (int)c));
}

SYSCALL(writev)
{
    UNUSED6;
    FILE_OR_RETURN(file, a);
    const struct iovec *iov = (const struct iovec *)b;
    if ((file->flags & O_ACCMODE) == O_RDONLY)
        return result_of(file, -EBADF);
    if (file->ops->writev == NULL || !iov_good(iov, c))
        return result_of(file, -EINVAL);
    return result_of(file, file->ops->writev(file, iov, (int)c));
}

SYSCALL(pread64)
{
    UNUSED6;
    FILE_OR_RETURN(file, a);
    struct iovec iov = { (void *)b, (size_t)c };
    if (file->ops->preadv == NULL)
        return result_of(file, -ESPIPE);
    return result_of(file, d < 0 ? -EINVAL : file->ops->preadv(file, &iov, 1, d));
}

SYSCALL(preadv)
{
    UNUSED6;
    FILE_OR_RETURN(file, a);
    if (file->ops->preadv == NULL)
        return result_of(file, -ESPIPE);
    if (d < 0 || !iov_good((const struct iovec *)b, c))
        return result_of(file, -EINVAL);
    return result_of(file, file->ops->preadv(file, (const struct iovec *)b, (int)c, d));
}

SYSCALL(lseek)
{
    UNUSED6;
    FILE_OR_RETURN(file, a);
    return result_of(file, file->ops->seek == NULL ? -ESPIPE : file->ops->seek(file, b, (int)c));
}

SYSCALL(close)
{
    UNUSED6;
    return fd_close((int)a);
}

SYSCALL(fsync)
{
    UNUSED6;
    return fd_peek((int)a) == NULL ? -EBADF : 0;
}

SYSCALL(fdatasync)
{
    return sys_fsync(a, b, c, d, e, f);
}

/* ---- duplicating ---------------------------------------------------------------- */

SYSCALL(dup)
{
    UNUSED6;
    FILE_OR_RETURN(file, a);
    return fd_install(file, 0, false);
}

static long dup_to(struct file *file, long to)
{
    if (to < 0 || to >= FD_MAX)
        return result_of(file, -EBADF);
    fd_close((int)to);
    return fd_install(file, (int)to, false);
}

SYSCALL(dup2)
{
    UNUSED6;
    FILE_OR_RETURN(file, a);
    return a == b ? result_of(file, b) : dup_to(file, b);
}

SYSCALL(dup3)
{
    UNUSED6;
    FILE_OR_RETURN(file, a);
    return a == b ? result_of(file, -EINVAL) : dup_to(file, b);
}

/* ---- flags -------------------------------------------------------------------------- */

#define SETTABLE (O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME | O_ASYNC)

static long fcntl_on(struct file *file, long command, long argument)
{
    switch (command) {
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
        if (argument < 0 || argument >= FD_MAX)
            return -EINVAL;
        return fd_install(file_hold(file), (int)argument, command == F_DUPFD_CLOEXEC);
    case F_GETFD:
        return FD_CLOEXEC;
    case F_SETFD:
        return 0;
    case F_GETFL:
        return file->flags;
    case F_SETFL:
        file->flags = (file->flags & ~SETTABLE) | ((int)argument & SETTABLE);
        return 0;
    case F_GETLK:
    case F_SETLK:
    case F_SETLKW:
        return 0; /* nobody else has the file */
    default:
        return -EINVAL;
    }
}

SYSCALL(fcntl)
{
    UNUSED6;
    FILE_OR_RETURN(file, a);
    return result_of(file, fcntl_on(file, b, c));
}

static int ioctl_on(struct file *file, unsigned long request, void *argument)
{
    switch (request) {
    case FIONBIO:
        file->flags = *(int *)argument != 0 ? file->flags | O_NONBLOCK : file->flags & ~O_NONBLOCK;
        return 0;
    case FIOCLEX:
    case FIONCLEX:
        return 0;
    default:
        return file->ops->ioctl == NULL ? -ENOTTY : file->ops->ioctl(file, request, argument);
    }
}

SYSCALL(ioctl)
{
    UNUSED6;
    FILE_OR_RETURN(file, a);
    return result_of(file, ioctl_on(file, (unsigned long)b, (void *)c));
}
