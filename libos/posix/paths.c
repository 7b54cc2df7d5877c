/* SPDX-License-Identifier: MIT */
/*
 * System calls on paths.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "../fs/fs_internal.h"
#include "posix_internal.h"

#define UNUSED6 SYSCALL_UNUSED(a, b, c, d, e, f)

/* `path` as seen from the directory `at`: absolute and normal. */
static int path_at(long at, const char *path, char out[FS_PATH_MAX])
{
    if ((int)at == AT_FDCWD || path[0] == '/')
        return path_normalize(fs_cwd(), path, out);
    struct file *file = fd_peek((int)at);
    if (file == NULL)
        return -EBADF;
    char directory[FS_PATH_MAX];
    int error = file->ops->path == NULL ? -ENOTDIR : file->ops->path(file, directory, sizeof(directory));
    return error < 0 ? error : path_normalize(directory, path, out);
}

SYSCALL(openat)
{
    UNUSED6;
    char path[FS_PATH_MAX];
    struct file *file;
    int error = path_at(a, (const char *)b, path);
    if (error == 0)
        error = device_open(path, (int)c, &file);
    if (error == -ENOENT)
        error = fs_open(path, (int)c, (mode_t)d, &file);
    return error < 0 ? error : fd_install(file, 0, ((int)c & O_CLOEXEC) != 0);
}

SYSCALL(open)
{
    UNUSED6;
    return sys_openat(AT_FDCWD, a, b, c, 0, 0);
}

SYSCALL(fstat)
{
    UNUSED6;
    struct file *file = fd_peek((int)a);
    if (file == NULL)
        return -EBADF;
    return file->ops->stat == NULL ? -EINVAL : file->ops->stat(file, (struct stat *)b);
}

SYSCALL(newfstatat)
{
    const char *name = (const char *)b;
    if (name[0] == '\0' && ((int)d & AT_EMPTY_PATH) != 0)
        return sys_fstat(a, c, 0, 0, e, f);
    char path[FS_PATH_MAX];
    int error = path_at(a, name, path);
    if (error < 0)
        return error;
    error = device_path_stat(path, (struct stat *)c);
    return error == -ENOENT ? fs_stat(path, (struct stat *)c) : error;
}

SYSCALL(stat)
{
    UNUSED6;
    return sys_newfstatat(AT_FDCWD, a, b, 0, 0, 0);
}

SYSCALL(lstat)
{
    UNUSED6;
    return sys_newfstatat(AT_FDCWD, a, b, AT_SYMLINK_NOFOLLOW, 0, 0);
}

SYSCALL(faccessat)
{
    UNUSED6;
    char path[FS_PATH_MAX];
    struct stat stat;
    int error = path_at(a, (const char *)b, path);
    if (error == 0)
        error = fs_stat(path, &stat);
    if (error < 0)
        return error;
    if (((int)c & W_OK) != 0)
        return -EROFS;
    return ((int)c & X_OK) != 0 && (stat.st_mode & 0111) == 0 ? -EACCES : 0;
}

SYSCALL(access)
{
    UNUSED6;
    return sys_faccessat(AT_FDCWD, a, b, 0, 0, 0);
}

SYSCALL(readlinkat)
{
    UNUSED6;
    char path[FS_PATH_MAX];
    int error = path_at(a, (const char *)b, path);
    return error < 0 ? error : fs_readlink(path, (char *)c, (size_t)d);
}

SYSCALL(readlink)
{
    UNUSED6;
    return sys_readlinkat(AT_FDCWD, a, b, c, 0, 0);
}

SYSCALL(getcwd)
{
    UNUSED6;
    size_t size = strlen(fs_cwd()) + 1;
    if (size > (size_t)b)
        return -ERANGE;
    memcpy((void *)a, fs_cwd(), size);
    return (long)size;
}

SYSCALL(chdir)
{
    UNUSED6;
    char path[FS_PATH_MAX];
    int error = path_at(AT_FDCWD, (const char *)a, path);
    return error < 0 ? error : fs_chdir(path);
}

SYSCALL(getdents64)
{
    UNUSED6;
    FILE_OR_RETURN(file, a);
    long result = file->ops->entries == NULL ? -ENOTDIR
                                             : file->ops->entries(file, (void *)b, (size_t)c);
    file_release(file);
    return result;
}

SYSCALL(umask)
{
    UNUSED6;
    static long mask = 022; /* nothing is ever created */
    long old = mask;
    mask = a & 0777;
    return old;
}
