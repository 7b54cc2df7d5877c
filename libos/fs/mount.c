/* SPDX-License-Identifier: MIT */
/*
 * Which filesystem is at "/", and the working directory. Without one, every path is
 * absent.
 */
#include <errno.h>
#include <string.h>

#include "fs_internal.h"

static const struct filesystem *root;
static void *root_mount;
static char cwd[FS_PATH_MAX] = "/";

void fs_mount_root(const struct filesystem *filesystem, void *mount)
{
    root = filesystem;
    root_mount = mount;
}

int fs_open(const char *path, int flags, mode_t mode, struct file **file)
{
    return root == NULL ? -ENOENT : root->open(root_mount, path, flags, mode, file);
}

int fs_stat(const char *path, struct stat *stat)
{
    return root == NULL ? -ENOENT : root->stat(root_mount, path, stat);
}

int fs_readlink(const char *path, char *buffer, size_t size)
{
    if (root == NULL)
        return -ENOENT;
    return root->readlink == NULL ? -EINVAL : root->readlink(root_mount, path, buffer, size);
}

int fs_chdir(const char *path)
{
    struct stat stat;
    int error = fs_stat(path, &stat);
    if (error < 0)
        return error;
    if (!S_ISDIR(stat.st_mode))
        return -ENOTDIR;
    memcpy(cwd, path, strlen(path) + 1);
    return 0;
}

const char *fs_cwd(void)
{
    return cwd;
}
