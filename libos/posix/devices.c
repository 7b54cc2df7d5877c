/* SPDX-License-Identifier: MIT */
/*
 * The few names under /dev that programs open without a thought. They are no files of any
 * filesystem and need none.
 */
#include <fcntl.h>
#include <libos/random.h>
#include <poll.h>
#include <string.h>

#include "../fs/fs_internal.h"
#include "posix_internal.h"

struct device {
    const char *path;
    struct file_ops ops;
};

static long read_nothing(struct file *file, const struct iovec *iov, int count)
{
    (void)file, (void)iov, (void)count;
    return 0;
}

static long read_zeros(struct file *file, const struct iovec *iov, int count)
{
    long total = 0;
    (void)file;
    for (int i = 0; i < count; i++) {
        memset(iov[i].iov_base, 0, iov[i].iov_len);
        total += (long)iov[i].iov_len;
    }
    return total;
}

static long read_random(struct file *file, const struct iovec *iov, int count)
{
    long total = 0;
    (void)file;
    for (int i = 0; i < count; i++) {
        random_bytes(iov[i].iov_base, iov[i].iov_len);
        total += (long)iov[i].iov_len;
    }
    return total;
}

static long write_nowhere(struct file *file, const struct iovec *iov, int count)
{
    long total = 0;
    (void)file;
    for (int i = 0; i < count; i++)
        total += (long)iov[i].iov_len;
    return total;
}

static void stat_fill(struct stat *stat)
{
    memset(stat, 0, sizeof(*stat));
    stat->st_mode = S_IFCHR | 0666;
    stat->st_nlink = 1;
    stat->st_blksize = 4096;
}

static int device_stat(struct file *file, struct stat *stat)
{
    (void)file;
    stat_fill(stat);
    return 0;
}

static void device_close(struct file *file)
{
    libos_free(file, sizeof(*file));
}

#define DEVICE(name, read)                                                                         \
    { "/dev/" name,                                                                                \
      { .readv = read, .writev = write_nowhere, .stat = device_stat, .close = device_close } }

static const struct device devices[] = {
    DEVICE("null", read_nothing),
    DEVICE("zero", read_zeros),
    DEVICE("random", read_random),
    DEVICE("urandom", read_random),
};

static const struct device *device_find(const char *path)
{
    if (strncmp(path, "/dev/", 5) != 0)
        return NULL;
    for (size_t i = 0; i < sizeof(devices) / sizeof(*devices); i++)
        if (strcmp(path, devices[i].path) == 0)
            return &devices[i];
    return NULL;
}

int device_open(const char *path, int flags, struct file **file)
{
    const struct device *device = device_find(path);
    if (device == NULL)
        return -ENOENT;
    *file = libos_alloc(sizeof(**file));
    if (*file == NULL)
        return -ENOMEM;
    file_init(*file, &device->ops, flags & (O_ACCMODE | O_NONBLOCK | O_APPEND));
    return 0;
}

int device_path_stat(const char *path, struct stat *stat)
{
    if (device_find(path) == NULL)
        return -ENOENT;
    stat_fill(stat);
    return 0;
}
