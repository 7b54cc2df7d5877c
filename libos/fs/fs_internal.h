/* SPDX-License-Identifier: MIT */
/*
 * What the filesystem layer offers to the start code and the POSIX layer.
 */
#ifndef LIBOS_FS_INTERNAL_H
#define LIBOS_FS_INTERNAL_H

#include <libos/fs.h>

/* Indexes the boot archive and puts it at "/". */
void archive_mount(const void *bytes, size_t size);

/* Paths: absolute or relative to the working directory. */
int fs_open(const char *path, int flags, mode_t mode, struct file **file);
int fs_stat(const char *path, struct stat *stat);
int fs_readlink(const char *path, char *buffer, size_t size);
int fs_chdir(const char *path);
const char *fs_cwd(void);

#define FS_PATH_MAX 1024

/* Makes "/a/b" of a path seen from `directory`: no ".", "..", "//". 0 or -ENAMETOOLONG, -ENOENT. */
int path_normalize(const char *directory, const char *path, char out[FS_PATH_MAX]);

#endif
