/* SPDX-License-Identifier: MIT */
/* The table of served files: found by path, filled on demand, never emptied. */
#include "files.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "http.h"

#define BUCKETS 1024u
#define ROOT_MAX 256u
#define TAG_BYTES_MAX (1u << 20) /* larger files are not read through just to name their content */

static struct file *buckets[BUCKETS];
static char full[ROOT_MAX + HTTP_PATH_MAX + sizeof("index.html")];
static size_t root_length;

static uint32_t hash_bytes(const char *bytes, size_t length)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * 16777619u;
    return hash;
}

static uint64_t content_hash(const char *bytes, uint64_t length)
{
    uint64_t hash = 14695981039346656037ull;
    for (uint64_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * 1099511628211ull;
    return hash;
}

static const char *type_of(const char *path)
{
    static const char *const types[][2] = {
        {".html", "text/html; charset=utf-8"}, {".htm", "text/html; charset=utf-8"},
        {".css", "text/css; charset=utf-8"},   {".js", "text/javascript; charset=utf-8"},
        {".mjs", "text/javascript; charset=utf-8"}, {".json", "application/json"},
        {".txt", "text/plain; charset=utf-8"}, {".md", "text/markdown; charset=utf-8"},
        {".svg", "image/svg+xml"},  {".png", "image/png"},   {".jpg", "image/jpeg"},
        {".jpeg", "image/jpeg"},    {".gif", "image/gif"},   {".webp", "image/webp"},
        {".ico", "image/x-icon"},   {".woff2", "font/woff2"}, {".woff", "font/woff"},
        {".wasm", "application/wasm"}, {".pdf", "application/pdf"}, {".xml", "application/xml"},
        {".gz", "application/gzip"}, {".zip", "application/zip"}, {".mp4", "video/mp4"},
    };
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot && i < sizeof(types) / sizeof(types[0]); i++)
        if (!strcmp(dot, types[i][0]))
            return types[i][1];
    return "application/octet-stream";
}

const char *date_text(uint64_t second)
{
    static uint64_t shown = UINT64_MAX;
    static char text[DATE_LENGTH + 1];
    if (second != shown) {
        time_t now = (time_t)second;
        struct tm parts;
        gmtime_r(&now, &parts);
        strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &parts);
        shown = second;
    }
    return text;
}

void file_date(struct file *file, uint64_t second)
{
    if (file->head_second == second)
        return;
    memcpy(file->head + file->date_at, date_text(second), DATE_LENGTH);
    file->head_second = second;
}

static void head_make(struct file *file)
{
    int length = snprintf(file->head, FILE_HEAD_MAX,
                          "HTTP/1.1 200 OK\r\nServer: exo\r\nContent-Type: %s\r\nContent-Length: %llu\r\n"
                          "Accept-Ranges: bytes\r\n%s%s%sDate: ",
                          file->type, (unsigned long long)file->size, *file->tag ? "ETag: " : "", file->tag,
                          *file->tag ? "\r\n" : "");
    file->date_at = (size_t)length;
    memset(file->head + length, ' ', DATE_LENGTH);
    memcpy(file->head + length + DATE_LENGTH, "\r\n\r\n", 4);
    file->head_length = (size_t)length + DATE_LENGTH + 4;
    file->head_second = UINT64_MAX;
}

/* Maps an open regular file. */
static bool file_map(struct file *file, int fd)
{
    if (!file->size)
        return true;
    void *bytes = mmap(NULL, file->size, PROT_READ, MAP_SHARED, fd, 0);
    if (bytes == MAP_FAILED)
        return false;
    file->bytes = bytes;
    if (file->size <= TAG_BYTES_MAX)
        snprintf(file->tag, FILE_TAG_MAX, "\"%016llx\"",
                 (unsigned long long)content_hash(file->bytes, file->size));
    return true;
}

static struct file *file_new(const char *path, size_t length, uint32_t hash)
{
    struct file *file = calloc(1, sizeof(*file) + length + 1);
    if (!file)
        return NULL;
    file->path = (char *)(file + 1);
    memcpy(file->path, path, length);
    file->path_length = length;
    file->hash = hash;
    file->fd = -1;
    return file;
}

/* `full` holds the whole name. */
static struct file *file_load(const char *path, size_t length, uint32_t hash)
{
    struct stat status;
    int fd = open(full, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    struct file *file = fstat(fd, &status) ? NULL : file_new(path, length, hash);
    bool good = file != NULL;
    if (good && S_ISDIR(status.st_mode)) {
        file->folder = true;
        good = path[length - 1] != '/'; /* an index.html that is a folder */
    } else if (good) {
        file->size = (uint64_t)status.st_size;
        file->type = type_of(full);
        good = S_ISREG(status.st_mode) && file_map(file, fd);
        if (good)
            head_make(file);
    }
    if (good && file->size >= FILE_LARGE)
        file->fd = fd;
    else
        close(fd);
    if (good)
        return file;
    free(file);
    return NULL;
}

struct file *file_find(const char *path, size_t length)
{
    uint32_t hash = hash_bytes(path, length);
    struct file **bucket = &buckets[hash % BUCKETS];
    for (struct file *file = *bucket; file; file = file->next)
        if (file->hash == hash && file->path_length == length && !memcmp(file->path, path, length))
            return file;
    memcpy(full + root_length, path, length + 1);
    if (path[length - 1] == '/')
        memcpy(full + root_length + length, "index.html", sizeof("index.html"));
    struct file *file = file_load(path, length, hash);
    if (file) {
        file->next = *bucket;
        *bucket = file;
    }
    return file;
}

bool files_root(const char *root)
{
    struct stat status;
    size_t length = strlen(root);
    while (length && root[length - 1] == '/')
        length--;
    if (length >= ROOT_MAX)
        return false;
    memcpy(full, root, length);
    root_length = length;
    memcpy(full + length, "/", 2);
    return !stat(full, &status) && S_ISDIR(status.st_mode);
}
