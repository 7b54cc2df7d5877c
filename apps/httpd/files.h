/* SPDX-License-Identifier: MIT */
/*
 * The files that are served. The boot archive never changes, so each file is
 * opened and mapped once, with its response head ready-made; serving it again
 * touches no filesystem.
 */
#ifndef HTTPD_FILES_H
#define HTTPD_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FILE_HEAD_MAX 320u
#define FILE_TAG_MAX 24u
#define DATE_LENGTH 29u /* "Sun, 06 Nov 1994 08:49:37 GMT" */

struct file {
    struct file *next;  /* in its hash bucket */
    const char *bytes;  /* mapped; NULL of a folder or an empty file */
    uint64_t size;
    const char *type;
    char *path;         /* as requested */
    size_t path_length;
    uint32_t hash;
    int fd;             /* of large files, for sendfile; else -1 */
    bool folder;        /* requested without its slash */
    char tag[FILE_TAG_MAX]; /* entity tag with quotes; empty: none */
    /* The whole head of a 200, ending in an empty line, with today's date at date_at. */
    size_t head_length, date_at;
    uint64_t head_second;
    char head[FILE_HEAD_MAX];
};

/* Large enough that mapping it into packets beats copying. */
#define FILE_LARGE 16384u

/* The folder that paths are looked up in; false if there is no such folder. */
bool files_root(const char *root);

/* The file for a path from http_target(), NULL if there is none (404). */
struct file *file_find(const char *path, size_t length);

/* The date as of `second` (Unix time), kept until the next one. */
const char *date_text(uint64_t second);
/* Brings the date in a file's head up to date. */
void file_date(struct file *file, uint64_t second);

#endif
