/* SPDX-License-Identifier: MIT */
/*
 * The parts of a request that name what is wanted: target, range, entity tags.
 * A path that leaves http_target() can't climb out of the folder it is put behind.
 */
#include <string.h>

#include "http.h"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One character of a target, decoded; -1 for what can't be in one. */
static int target_char(const char **at, const char *end)
{
    unsigned char c = (unsigned char)*(*at)++;
    if (c == '%') {
        int high = end - *at >= 2 ? hex_digit((*at)[0]) : -1;
        int low = high >= 0 ? hex_digit((*at)[1]) : -1;
        if (low < 0)
            return -1;
        *at += 2;
        c = (unsigned char)(high << 4 | low);
    }
    return c < 0x20 || c == 0x7f ? -1 : c;
}

/* Ends the part that began at `start`: drops "." and empty ones. Returns the new length, -1 for "..". */
static long part_end(const char *path, size_t start, size_t length)
{
    size_t part = length - start;
    if (part == 2 && path[start] == '.' && path[start + 1] == '.')
        return -1;
    return part == 0 || (part == 1 && path[start] == '.') ? (long)start : (long)length;
}

int http_target(const char *target, size_t length, struct http_request *request)
{
    const char *at = target, *end = target + length;
    if (length > 7 && !memcmp(target, "http://", 7)) { /* absolute form: the authority is not of interest */
        at = memchr(target + 7, '/', length - 7);
        if (!at)
            at = end;
    } else if (!length || *at != '/') {
        return -400;
    }
    size_t out = 0, start = 1;
    request->path[out++] = '/';
    if (at < end)
        at++;
    while (at < end && *at != '?' && *at != '#') {
        int c = target_char(&at, end);
        if (c < 0)
            return -400;
        if (c == '/') {
            long kept = part_end(request->path, start, out);
            if (kept < 0)
                return -400;
            if (kept == (long)start) { /* nothing was added since the last slash */
                out = start;
                continue;
            }
            start = out + 1;
        }
        if (out + 1 >= HTTP_PATH_MAX)
            return -414;
        request->path[out++] = (char)c;
    }
    long kept = part_end(request->path, start, out);
    if (kept < 0)
        return -400;
    request->path[kept] = '\0';
    request->path_length = (size_t)kept;
    return 0;
}

/* Digits at *at as a number; false if there are none or too many. */
static bool number_take(const char **at, const char *end, uint64_t *value)
{
    unsigned digits = 0;
    for (*value = 0; *at < end && **at >= '0' && **at <= '9' && digits < 19; ++*at, digits++)
        *value = *value * 10 + (uint64_t)(**at - '0');
    return digits > 0 && digits < 19;
}

void http_range(const char *value, size_t length, struct http_request *request)
{
    const char *at = value + 6, *end = value + length;
    uint64_t first, last = UINT64_MAX;
    request->has_range = false;
    if (length < 8 || memcmp(value, "bytes=", 6) != 0)
        return;
    bool suffix = *at == '-';
    at += suffix;
    if (!number_take(&at, end, &first))
        return;
    if (!suffix) {
        if (at == end || *at++ != '-')
            return;
        if (at < end && (!number_take(&at, end, &last) || last < first))
            return;
    }
    if (at != end)
        return;
    request->has_range = true;
    request->range_suffix = suffix;
    request->range_first = first;
    request->range_last = last;
}

bool http_range_resolve(const struct http_request *request, uint64_t size, uint64_t *first,
                        uint64_t *length)
{
    if (request->range_suffix) {
        *length = request->range_first < size ? request->range_first : size;
        *first = size - *length;
        return *length > 0;
    }
    if (request->range_first >= size)
        return false;
    *first = request->range_first;
    *length = size - *first;
    if (request->range_last - *first < *length)
        *length = request->range_last - *first + 1;
    return true;
}

bool http_tag_listed(const char *list, size_t length, const char *tag)
{
    size_t tag_length = strlen(tag);
    const char *end = list + length;
    if (length == 1 && *list == '*')
        return true;
    while (list < end) {
        while (list < end && (*list == ' ' || *list == ',' || *list == '\t'))
            list++;
        const char *stop = list;
        while (stop < end && *stop != ',' && *stop != ' ')
            stop++;
        if (stop - list > 2 && list[0] == 'W' && list[1] == '/')
            list += 2; /* a weak comparison is what If-None-Match asks for */
        if ((size_t)(stop - list) == tag_length && !memcmp(list, tag, tag_length))
            return true;
        list = stop;
    }
    return false;
}

const char *http_status_text(int status)
{
    switch (status) {
    case 200: return "OK";
    case 206: return "Partial Content";
    case 301: return "Moved Permanently";
    case 304: return "Not Modified";
    case 400: return "Bad Request";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 416: return "Range Not Satisfiable";
    case 431: return "Request Header Fields Too Large";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 505: return "HTTP Version Not Supported";
    default: return "Internal Server Error";
    }
}
