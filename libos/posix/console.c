/* SPDX-License-Identifier: MIT */
/*
 * Standard input, output and error. Input is always at its end. Output is collected by
 * line, so that a line printed in pieces reaches the console (which labels
 * lines) whole; standard error and an unfinished line go out at the end of the program too.
 */
#include <fcntl.h>
#include <poll.h>
#include <string.h>

#include "../core/core.h"
#include "posix_internal.h"

#define LINE_MAX 1024u

struct console {
    struct file file;
    size_t length;
    char line[LINE_MAX];
};

static struct console output, error_output;
static struct file input;

static void line_flush(struct console *console)
{
    console_put(console->line, console->length);
    console->length = 0;
}

static void line_add(struct console *console, const char *bytes, size_t size)
{
    while (size > 0) {
        const char *end = memchr(bytes, '\n', size);
        size_t part = end != NULL ? (size_t)(end - bytes) + 1 : size;
        size_t room = LINE_MAX - console->length;
        size_t now = part < room ? part : room;
        memcpy(console->line + console->length, bytes, now);
        console->length += now;
        bytes += now;
        size -= now;
        if (console->length == LINE_MAX || (now == part && end != NULL))
            line_flush(console);
    }
}

static long console_writev(struct file *file, const struct iovec *iov, int count)
{
    long total = 0;
    for (int i = 0; i < count; i++) {
        line_add((struct console *)file, iov[i].iov_base, iov[i].iov_len);
        total += (long)iov[i].iov_len;
    }
    return total;
}

static long console_readv(struct file *file, const struct iovec *iov, int count)
{
    (void)file, (void)iov, (void)count;
    return 0;
}

static int console_stat(struct file *file, struct stat *stat)
{
    (void)file;
    memset(stat, 0, sizeof(*stat));
    stat->st_mode = S_IFCHR | 0620;
    stat->st_nlink = 1;
    stat->st_blksize = LINE_MAX;
    stat->st_rdev = 0x501;
    return 0;
}

static unsigned console_ready(struct file *file)
{
    return (file->flags & O_ACCMODE) == O_RDONLY ? POLLIN : POLLOUT;
}

static void console_close(struct file *file)
{
    if (file != &input)
        line_flush((struct console *)file);
}

static const struct file_ops console_ops = {
    .readv = console_readv,
    .writev = console_writev,
    .stat = console_stat,
    .ready = console_ready,
    .close = console_close,
};

void console_open(void)
{
    file_init(&input, &console_ops, O_RDONLY);
    file_init(&output.file, &console_ops, O_WRONLY);
    file_init(&error_output.file, &console_ops, O_WRONLY);
    fd_install(&input, 0, false);
    fd_install(&output.file, 1, false);
    fd_install(&error_output.file, 2, false);
}

void console_flush(void)
{
    line_flush(&output);
    line_flush(&error_output);
}
