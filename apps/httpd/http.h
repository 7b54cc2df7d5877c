/* SPDX-License-Identifier: MIT */
/*
 * Reads HTTP/1.x requests out of bytes. Hardware-free: no sockets, no files, no
 * allocation. RFC 9112 for the framing, RFC 9110 for ranges and conditions.
 */
#ifndef HTTPD_HTTP_H
#define HTTPD_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_PATH_MAX 1024u  /* of a decoded path, with its NUL */
#define HTTP_LINE_MAX 4096u  /* of a request line; longer: 414 */
#define HTTP_HEAD_MAX 8192u  /* of a whole request head; longer: 431 */

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_OTHER };

struct http_request {
    enum http_method method;
    bool keep_alive, old;                /* old: HTTP/1.0, which has to be told of keep-alive */
    bool has_range, range_suffix;        /* bytes=first-last, or the last `range_first` bytes */
    uint64_t range_first, range_last;    /* inclusive; UINT64_MAX: to the end */
    uint64_t body_length;                /* bytes of a body that follows and has to be skipped */
    const char *if_none_match, *if_range; /* in the input; NULL if absent */
    size_t if_none_match_length, if_range_length;
    size_t path_length;
    char path[HTTP_PATH_MAX]; /* decoded, NUL-terminated, begins with '/', no "." or ".." or empty parts */
};

/*
 * Reads one request head from `length` bytes. Returns its length when it is complete,
 * 0 when more bytes are needed, or minus the status to answer with (the
 * connection can't be used further then).
 */
int http_parse(const char *bytes, size_t length, struct http_request *request);

/* Decodes and checks a request target into request->path: 0, or minus a status. */
int http_target(const char *target, size_t length, struct http_request *request);

/* Reads a Range field's value; anything but one byte range leaves has_range false. */
void http_range(const char *value, size_t length, struct http_request *request);

/* The part of a file of `size` bytes that the range means; false: 416. */
bool http_range_resolve(const struct http_request *request, uint64_t size, uint64_t *first,
                        uint64_t *length);

/* Is `tag` in a list of entity tags (or the list "*")? */
bool http_tag_listed(const char *list, size_t length, const char *tag);

const char *http_status_text(int status);

#endif
