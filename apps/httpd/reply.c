/* SPDX-License-Identifier: MIT */
/* Makes answers and sends them. A cached file on a kept connection costs two pieces and no copy. */
#include "reply.h"

#include <stdio.h>
#include <string.h>

static void piece_add(struct reply *reply, const char *bytes, size_t length, bool stable)
{
    if (!length)
        return;
    reply->piece[reply->count] = (struct iovec){(void *)(uintptr_t)bytes, length};
    reply->stable |= (uint32_t)stable << reply->count;
    reply->count++;
}

/* Formats into the shared text and adds that as a piece. */
__attribute__((format(printf, 2, 3)))
static void text_add(struct reply *reply, const char *format, ...)
{
    size_t room = REPLY_TEXT - reply->text_used;
    char *text = reply->text + reply->text_used;
    __builtin_va_list list;
    __builtin_va_start(list, format);
    int length = vsnprintf(text, room, format, list);
    __builtin_va_end(list);
    size_t used = length < 0 ? 0 : (size_t)length < room ? (size_t)length : room - 1;
    reply->text_used += used;
    piece_add(reply, text, used, false);
}

static const char *connection_field(const struct http_request *request)
{
    if (!request->keep_alive)
        return "Connection: close\r\n";
    return request->old ? "Connection: keep-alive\r\n" : "";
}

static void body_add(struct reply *reply, struct file *file, uint64_t at, uint64_t length)
{
    if (length >= FILE_LARGE && file->fd >= 0) {
        reply->file = file;
        reply->file_at = at;
        reply->file_left = length;
    } else {
        piece_add(reply, file->bytes + at, length, true);
    }
}

static void reply_whole(struct reply *reply, const struct http_request *request, struct file *file,
                        uint64_t second)
{
    const char *field = connection_field(request);
    file_date(file, second);
    if (!*field) {
        piece_add(reply, file->head, file->head_length, false);
    } else { /* one more line goes in front of the empty one */
        piece_add(reply, file->head, file->head_length - 2, false);
        piece_add(reply, field, strlen(field), true);
        piece_add(reply, "\r\n", 2, true);
    }
    if (request->method == HTTP_GET)
        body_add(reply, file, 0, file->size);
}

static void reply_range(struct reply *reply, const struct http_request *request, struct file *file,
                        uint64_t second)
{
    uint64_t first, length;
    if (!http_range_resolve(request, file->size, &first, &length)) {
        text_add(reply,
                 "HTTP/1.1 416 %s\r\nServer: exo\r\nContent-Range: bytes */%llu\r\nContent-Length: 0\r\n"
                 "%sDate: %s\r\n\r\n",
                 http_status_text(416), (unsigned long long)file->size, connection_field(request),
                 date_text(second));
        return;
    }
    text_add(reply,
             "HTTP/1.1 206 %s\r\nServer: exo\r\nContent-Type: %s\r\nContent-Length: %llu\r\n"
             "Content-Range: bytes %llu-%llu/%llu\r\n%s%s%s%sDate: %s\r\n\r\n",
             http_status_text(206), file->type, (unsigned long long)length, (unsigned long long)first,
             (unsigned long long)(first + length - 1), (unsigned long long)file->size,
             *file->tag ? "ETag: " : "", file->tag, *file->tag ? "\r\n" : "", connection_field(request),
             date_text(second));
    body_add(reply, file, first, length);
}

/* A page about a status; `field` is one more header line or "". */
static void reply_page(struct reply *reply, int status, const char *field, const char *connection,
                       bool head_only, uint64_t second)
{
    static const char page[] = "<!doctype html><title>%d %s</title><h1>%d %s</h1>\n";
    const char *text = http_status_text(status);
    char body[160];
    int length = snprintf(body, sizeof(body), page, status, text, status, text);
    text_add(reply,
             "HTTP/1.1 %d %s\r\nServer: exo\r\nContent-Type: text/html; charset=utf-8\r\n"
             "Content-Length: %d\r\n%s%sDate: %s\r\n\r\n%s",
             status, text, length, field, connection, date_text(second),
             head_only ? "" : body);
}

void reply_error(struct reply *reply, int status, bool head_only, uint64_t second)
{
    reply_page(reply, status, "", "Connection: close\r\n", head_only, second);
}

/* A path as a URL again: a folder's name may hold anything but a slash. */
static void reply_redirect(struct reply *reply, const struct http_request *request, uint64_t second)
{
    char field[1024] = "Location: ";
    size_t out = strlen(field);
    for (size_t i = 0; i < request->path_length && out + 8 < sizeof(field); i++) {
        unsigned char c = (unsigned char)request->path[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     strchr("/-_.~", c);
        out += (size_t)snprintf(field + out, 4, plain ? "%c" : "%%%02X", c);
    }
    memcpy(field + out, "/\r\n", 4);
    reply_page(reply, 301, field, connection_field(request), request->method == HTTP_HEAD, second);
}

static bool range_wanted(const struct http_request *request, const struct file *file)
{
    if (!request->has_range || request->method != HTTP_GET)
        return false;
    return !request->if_range || (request->if_range_length == strlen(file->tag) && *file->tag &&
                                  !memcmp(request->if_range, file->tag, request->if_range_length));
}

void reply_request(struct reply *reply, const struct http_request *request, uint64_t second)
{
    bool head_only = request->method == HTTP_HEAD;
    if (request->method == HTTP_OTHER) {
        reply_page(reply, 405, "Allow: GET, HEAD\r\n", connection_field(request), false, second);
        return;
    }
    struct file *file = file_find(request->path, request->path_length);
    if (!file)
        reply_page(reply, 404, "", connection_field(request), head_only, second);
    else if (file->folder)
        reply_redirect(reply, request, second);
    else if (request->if_none_match && *file->tag &&
             http_tag_listed(request->if_none_match, request->if_none_match_length, file->tag))
        text_add(reply, "HTTP/1.1 304 %s\r\nServer: exo\r\nETag: %s\r\n%sDate: %s\r\n\r\n",
                 http_status_text(304), file->tag, connection_field(request), date_text(second));
    else if (range_wanted(request, file))
        reply_range(reply, request, file, second);
    else
        reply_whole(reply, request, file, second);
}
