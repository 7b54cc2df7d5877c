/* SPDX-License-Identifier: MIT */
/*
 * A filesystem, as the POSIX layer sees one: a constant structure of functions. All are
 * called inside the libos and return 0 or more, or a negative errno value. Paths are
 * absolute, normalised ("/a/b", no "." or "..") and NUL-terminated.
 */
#ifndef LIBOS_FS_H
#define LIBOS_FS_H

#include <libos/file.h>

struct filesystem {
    const char *name;
    /* An open file with one reference, whatever it is (a directory too). */
    int (*open)(void *mount, const char *path, int flags, mode_t mode, struct file **file);
    int (*stat)(void *mount, const char *path, struct stat *stat);
    int (*readlink)(void *mount, const char *path, char *buffer, size_t size);
};

extern const struct filesystem archive_filesystem;

/* Puts a filesystem at "/". */
void fs_mount_root(const struct filesystem *filesystem, void *mount);

#endif
