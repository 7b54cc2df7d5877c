/* SPDX-License-Identifier: MIT */
/*
 * The boot archive as a filesystem: read-only, and nothing is copied but what
 * read() is asked to copy. The archive's frames are frozen, so what was found
 * good once stays good.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libos/log.h>
#include <libos/start.h>
#include <poll.h>
#include <string.h>

#include "../core/core.h"
#include "fs_internal.h"
#include "ustar.h"

#define PAGE 4096u

struct archive_file {
    struct file file;
    const struct ustar_entry *entry;
    uint64_t offset; /* of the next read; of a directory, the next entry to list, + 2 for "." and ".." */
};

static struct ustar archive;

/* ---- reading ------------------------------------------------------------------------ */

static long archive_preadv(struct file *file, const struct iovec *iov, int count, int64_t offset)
{
    const struct ustar_entry *entry = ((struct archive_file *)file)->entry;
    uint64_t at = (uint64_t)offset;
    if (entry->directory)
        return -EISDIR;
    for (int i = 0; i < count && at < entry->size; i++) {
        uint64_t rest = entry->size - at;
        size_t now = iov[i].iov_len < rest ? iov[i].iov_len : (size_t)rest;
        memcpy(iov[i].iov_base, entry->data + at, now);
        at += now;
    }
    return (long)(at - (uint64_t)offset);
}

static long archive_readv(struct file *file, const struct iovec *iov, int count)
{
    struct archive_file *self = (struct archive_file *)file;
    long result = archive_preadv(file, iov, count, (int64_t)self->offset);
    if (result > 0)
        self->offset += (uint64_t)result;
    return result;
}

static int64_t archive_seek(struct file *file, int64_t offset, int whence)
{
    struct archive_file *self = (struct archive_file *)file;
    int64_t base = whence == SEEK_SET   ? 0
                   : whence == SEEK_CUR ? (int64_t)self->offset
                                        : (int64_t)self->entry->size;
    if (whence < SEEK_SET || whence > SEEK_END || __builtin_add_overflow(base, offset, &offset) ||
        offset < 0)
        return -EINVAL;
    self->offset = (uint64_t)offset;
    return offset;
}

static int archive_view(struct file *file, const void **bytes, size_t *size)
{
    const struct ustar_entry *entry = ((struct archive_file *)file)->entry;
    if (entry->directory)
        return -EISDIR;
    if (((uint64_t)entry->data & (PAGE - 1)) != 0)
        return -EINVAL; /* not packed by our tool: a page would show a neighbour's bytes */
    *bytes = entry->data;
    *size = entry->size;
    return 0;
}

/* ---- what it is ------------------------------------------------------------------------ */

static void entry_stat(const struct ustar_entry *entry, struct stat *stat)
{
    memset(stat, 0, sizeof(*stat));
    stat->st_dev = 1;
    stat->st_ino = (ino_t)(entry - archive.entries) + 1;
    stat->st_nlink = entry->directory ? 2 : 1;
    stat->st_mode = (entry->directory ? S_IFDIR : S_IFREG) | (entry->mode & ~(mode_t)0222);
    stat->st_size = (off_t)entry->size;
    stat->st_blksize = PAGE;
    stat->st_blocks = (blkcnt_t)((entry->size + 511) / 512);
    stat->st_mtim.tv_sec = stat->st_ctim.tv_sec = stat->st_atim.tv_sec = (time_t)entry->time;
}

static int archive_file_stat(struct file *file, struct stat *stat)
{
    entry_stat(((struct archive_file *)file)->entry, stat);
    return 0;
}

static int archive_path(struct file *file, char *buffer, size_t size)
{
    const struct ustar_entry *entry = ((struct archive_file *)file)->entry;
    if (!entry->directory)
        return -ENOTDIR;
    if (entry->length + 2u > size)
        return -ENAMETOOLONG;
    buffer[0] = '/';
    memcpy(buffer + 1, ustar_name(&archive, entry), entry->length + 1u);
    return 0;
}

/* ---- listing ------------------------------------------------------------------------------ */

/* One record of getdents64, or 0 if it does not fit. */
static size_t record_put(char *to, size_t room, const char *name, bool directory, uint64_t inode,
                         uint64_t next)
{
    size_t name_size = strlen(name) + 1;
    size_t size = (offsetof(struct dirent, d_name) + name_size + 7) & ~(size_t)7;
    if (size > room)
        return 0;
    struct dirent *record = (struct dirent *)(void *)to;
    record->d_ino = inode;
    record->d_off = (off_t)next;
    record->d_reclen = (unsigned short)size;
    record->d_type = directory ? DT_DIR : DT_REG;
    memcpy(record->d_name, name, name_size);
    return size;
}

static long archive_entries(struct file *file, void *buffer, size_t size)
{
    struct archive_file *self = (struct archive_file *)file;
    size_t done = 0, now;
    if (!self->entry->directory)
        return -ENOTDIR;
    for (;; done += now) {
        char *to = (char *)buffer + done;
        uint64_t at = self->offset, next = at + 1;
        if (at < 2) {
            now = record_put(to, size - done, at == 0 ? "." : "..", true, 1, next);
        } else {
            size_t i = ustar_child(&archive, self->entry, at - 2);
            if (i == archive.count)
                return (long)done;
            const struct ustar_entry *entry = &archive.entries[i];
            next = i + 3;
            now = record_put(to, size - done, ustar_base(&archive, entry), entry->directory, i + 1, next);
        }
        if (now == 0)
            return done > 0 ? (long)done : -EINVAL;
        self->offset = next;
    }
}

static unsigned archive_ready(struct file *file)
{
    (void)file;
    return POLLIN | POLLOUT;
}

static void archive_close(struct file *file)
{
    libos_free(file, sizeof(struct archive_file));
}

static const struct file_ops archive_ops = {
    .readv = archive_readv,
    .preadv = archive_preadv,
    .seek = archive_seek,
    .stat = archive_file_stat,
    .ready = archive_ready,
    .entries = archive_entries,
    .view = archive_view,
    .path = archive_path,
    .close = archive_close,
};

/* ---- the filesystem ------------------------------------------------------------------------- */

static int archive_find(const char *path, const struct ustar_entry **entry)
{
    *entry = ustar_find(&archive, path + 1);
    if (*entry != NULL)
        return 0;
    /* Something under a file? */
    char name[FS_PATH_MAX];
    strcpy(name, path + 1);
    for (char *slash; (slash = strrchr(name, '/')) != NULL;) {
        *slash = '\0';
        const struct ustar_entry *above = ustar_find(&archive, name);
        if (above != NULL)
            return above->directory ? -ENOENT : -ENOTDIR;
    }
    return -ENOENT;
}

static int archive_open(void *mount, const char *path, int flags, mode_t mode, struct file **file)
{
    (void)mount, (void)mode;
    const struct ustar_entry *entry;
    int error = archive_find(path, &entry);
    if (error < 0)
        return error == -ENOENT && (flags & O_CREAT) != 0 ? -EROFS : error;
    if ((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
        return -EEXIST;
    if ((flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC) != 0)
        return entry->directory ? -EISDIR : -EROFS;
    if ((flags & O_DIRECTORY) != 0 && !entry->directory)
        return -ENOTDIR;
    struct archive_file *opened = libos_alloc(sizeof(*opened));
    if (opened == NULL)
        return -ENOMEM;
    file_init(&opened->file, &archive_ops, flags & ~(O_CREAT | O_CLOEXEC));
    opened->entry = entry;
    *file = &opened->file;
    return 0;
}

static int archive_stat(void *mount, const char *path, struct stat *stat)
{
    (void)mount;
    const struct ustar_entry *entry;
    int error = archive_find(path, &entry);
    if (error == 0)
        entry_stat(entry, stat);
    return error;
}

static int archive_readlink(void *mount, const char *path, char *buffer, size_t size)
{
    (void)mount, (void)buffer, (void)size;
    const struct ustar_entry *entry;
    int error = archive_find(path, &entry);
    return error < 0 ? error : -EINVAL; /* there are no links */
}

const struct filesystem archive_filesystem = {
    .name = "archive",
    .open = archive_open,
    .stat = archive_stat,
    .readlink = archive_readlink,
};

void archive_mount(const void *bytes, size_t size)
{
    size_t entries, names;
    const char *reason;
    if (!ustar_measure(&archive, bytes, size, &entries, &names, &reason))
        libos_panic("the boot archive is corrupt: %s, at byte %lu", reason,
                    (unsigned long)archive.bad_offset);
    archive.entries = libos_alloc(entries * sizeof(*archive.entries));
    archive.names = libos_alloc(names);
    archive.capacity = entries;
    archive.names_capacity = names;
    if (archive.entries == NULL || archive.names == NULL)
        libos_panic("no memory for the boot archive's index");
    ustar_index(&archive);
    fs_mount_root(&archive_filesystem, NULL);
}
