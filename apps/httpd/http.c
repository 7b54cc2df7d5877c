/* SPDX-License-Identifier: MIT */
/*
 * The request parser: one pass over the bytes, a line at a time. What could be
 * understood in two ways by two parsers (a bare CR, folded lines, a space before
 * a colon, two lengths) is refused, so that nothing can be smuggled past a proxy.
 */
#include "http.h"

#include <string.h>

struct head {
    struct http_request *request;
    unsigned hosts;
    bool has_length;
};

static bool is_token_char(unsigned char c)
{
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
        return true;
    return c && strchr("!#$%&'*+-.^_`|~", c);
}

/* Compares with a lower-case literal, whatever the case. */
static bool same_word(const char *text, size_t length, const char *word)
{
    if (strlen(word) != length)
        return false;
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        if ((c >= 'A' && c <= 'Z' ? c | 0x20 : c) != (unsigned char)word[i])
            return false;
    }
    return true;
}

/* Is `word` one of a comma-separated list's elements? */
static bool list_has(const char *list, size_t length, const char *word)
{
    const char *end = list + length;
    while (list < end) {
        const char *comma = memchr(list, ',', (size_t)(end - list));
        const char *stop = comma ? comma : end, *last = stop;
        while (list < last && (*list == ' ' || *list == '\t'))
            list++;
        while (last > list && (last[-1] == ' ' || last[-1] == '\t'))
            last--;
        if (same_word(list, (size_t)(last - list), word))
            return true;
        list = stop + 1;
    }
    return false;
}

static int length_field(struct head *head, const char *value, size_t length)
{
    uint64_t n = 0;
    if (length == 0 || length > 18)
        return -400;
    for (size_t i = 0; i < length; i++) {
        if (value[i] < '0' || value[i] > '9')
            return -400;
        n = n * 10 + (uint64_t)(value[i] - '0');
    }
    if (head->has_length && head->request->body_length != n)
        return -400;
    head->has_length = true;
    head->request->body_length = n;
    return 0;
}

static int field_known(struct head *head, const char *name, size_t name_length, const char *value,
                       size_t length)
{
    struct http_request *request = head->request;
    /* Most fields of a browser are none of ours: the length alone tells. */
    switch (name_length) {
    case 4:
        if (same_word(name, 4, "host"))
            head->hosts++;
        return 0;
    case 5:
        if (same_word(name, 5, "range"))
            http_range(value, length, request);
        return 0;
    case 8:
        if (same_word(name, 8, "if-range")) {
            request->if_range = value;
            request->if_range_length = length;
        }
        return 0;
    case 10:
        if (same_word(name, 10, "connection")) {
            if (list_has(value, length, "close"))
                request->keep_alive = false;
            else if (head->request->old && list_has(value, length, "keep-alive"))
                request->keep_alive = true;
        }
        return 0;
    case 13:
        if (same_word(name, 13, "if-none-match")) {
            request->if_none_match = value;
            request->if_none_match_length = length;
        }
        return 0;
    case 14:
        return same_word(name, 14, "content-length") ? length_field(head, value, length) : 0;
    case 17:
        return same_word(name, 17, "transfer-encoding") ? -501 : 0;
    default:
        return 0;
    }
}

static int field_parse(struct head *head, const char *line, size_t length)
{
    size_t name = 0;
    while (name < length && is_token_char((unsigned char)line[name]))
        name++;
    if (name == 0 || name == length || line[name] != ':')
        return -400;
    const char *value = line + name + 1, *end = line + length;
    if (memchr(value, '\r', (size_t)(end - value)) || memchr(value, '\0', (size_t)(end - value)))
        return -400;
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    return field_known(head, line, name, value, (size_t)(end - value));
}

static int version_parse(struct head *head, const char *version, size_t length)
{
    if (length != 8 || memcmp(version, "HTTP/", 5) != 0 || version[6] != '.')
        return -400;
    if (version[5] != '1')
        return version[5] >= '0' && version[5] <= '9' ? -505 : -400;
    if (version[7] < '0' || version[7] > '9')
        return -400;
    head->request->old = version[7] == '0';
    head->request->keep_alive = !head->request->old;
    return 0;
}

/* METHOD SP target SP HTTP/1.x */
static int line_parse(struct head *head, const char *line, size_t length)
{
    const char *end = line + length;
    const char *target = memchr(line, ' ', length);
    if (!target || target == line)
        return -400;
    size_t method = (size_t)(target++ - line);
    const char *version = memchr(target, ' ', (size_t)(end - target));
    if (!version || version == target)
        return -400;
    if (method == 3 && !memcmp(line, "GET", 3))
        head->request->method = HTTP_GET;
    else if (method == 4 && !memcmp(line, "HEAD", 4))
        head->request->method = HTTP_HEAD;
    else
        head->request->method = HTTP_OTHER;
    for (size_t i = 0; head->request->method == HTTP_OTHER && i < method; i++)
        if (!is_token_char((unsigned char)line[i]))
            return -400;
    int error = version_parse(head, version + 1, (size_t)(end - version - 1));
    if (error)
        return error;
    /* A method of no interest may have a target of another form: OPTIONS *, CONNECT host:port. */
    if (head->request->method == HTTP_OTHER)
        return 0;
    return http_target(target, (size_t)(version - target), head->request);
}

/* The line at `at` without its end; moves `at` behind it. NULL: not complete. */
static const char *line_take(const char *bytes, size_t length, size_t *at, size_t *line_length)
{
    const char *line = bytes + *at;
    const char *newline = memchr(line, '\n', length - *at);
    if (!newline)
        return NULL;
    *at = (size_t)(newline - bytes) + 1;
    *line_length = (size_t)(newline - line);
    if (*line_length && line[*line_length - 1] == '\r')
        --*line_length;
    return line;
}

int http_parse(const char *bytes, size_t length, struct http_request *request)
{
    struct head head = {.request = request};
    size_t at = 0, line_length;
    const char *line;
    int error;

    memset(request, 0, offsetof(struct http_request, path));
    /* An empty line in front is tolerated: some clients send one behind a body. */
    while (at + 1 < length && at < 4 && bytes[at] == '\r' && bytes[at + 1] == '\n')
        at += 2;
    line = line_take(bytes, length, &at, &line_length);
    if (line ? line_length > HTTP_LINE_MAX : length - at > HTTP_LINE_MAX)
        return -414;
    if (!line)
        return 0;
    error = line_parse(&head, line, line_length);
    while (!error) {
        line = line_take(bytes, length, &at, &line_length);
        if (line ? at > HTTP_HEAD_MAX : length > HTTP_HEAD_MAX)
            return -431;
        if (!line)
            return 0;
        if (line_length == 0)
            break;
        error = field_parse(&head, line, line_length);
    }
    if (!error && (head.hosts > 1 || (!head.hosts && !request->old)))
        error = -400;
    return error ? error : (int)at;
}
