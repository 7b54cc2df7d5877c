/* SPDX-License-Identifier: MIT */
/* The request parser of httpd: what it understands, what it refuses, and that pieces make no difference. */
#include <stdlib.h>
#include <string.h>

#include "suite.h"
#include "../../apps/httpd/http.h"

static struct http_request request;

static int parse(const char *text)
{
    size_t length = strlen(text);
    char *exact = malloc(length + 1); /* one more, so that nothing is a string by luck */
    memcpy(exact, text, length);
    exact[length] = 'x';
    int result = http_parse(exact, length, &request);
    request.if_none_match = request.if_range = NULL;
    free(exact);
    return result;
}

#define H "Host: a\r\n"

START_TEST(simple)
{
    const char *text = "GET /a/b.txt?q=1 HTTP/1.1\r\n" H "User-Agent: x\r\n\r\n";
    ck_assert_int_eq(parse(text), (int)strlen(text));
    ck_assert_str_eq(request.path, "/a/b.txt");
    ck_assert(request.keep_alive && request.method == HTTP_GET && !request.has_range && !request.old);
    ck_assert_int_gt(parse("HEAD / HTTP/1.0\r\n\r\n"), 0);
    ck_assert(!request.keep_alive && request.method == HTTP_HEAD && request.old);
    ck_assert_int_gt(parse("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"), 0);
    ck_assert(request.keep_alive);
    ck_assert_int_gt(parse("GET / HTTP/1.1\r\n" H "Connection: x , Close\r\n\r\n"), 0);
    ck_assert(!request.keep_alive);
    ck_assert_int_gt(parse("POST /x HTTP/1.1\r\n" H "Content-Length: 12\r\n\r\n"), 0);
    ck_assert(request.method == HTTP_OTHER && request.body_length == 12);
    ck_assert_int_gt(parse("OPTIONS * HTTP/1.1\r\n" H "\r\n"), 0);
    ck_assert_int_gt(parse("\r\n\r\nGET / HTTP/1.1\n" "Host: a\n\n"), 0);
}
END_TEST

START_TEST(refusals)
{
    static const struct {
        const char *text;
        int status;
    } cases[] = {
        {"GET  / HTTP/1.1\r\n" H "\r\n", -400},
        {"GET /\r\n\r\n", -400},
        {" / HTTP/1.1\r\n" H "\r\n", -400},
        {"GET / HTTP/2.0\r\n" H "\r\n", -505},
        {"GET / http/1.1\r\n" H "\r\n", -400},
        {"GET / HTTP/1.1 \r\n" H "\r\n", -400},
        {"GET / HTTP/1.1\r\n\r\n", -400},
        {"GET / HTTP/1.1\r\n" H H "\r\n", -400},
        {"GET / HTTP/1.1\r\n" H " folded\r\n\r\n", -400},
        {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", -400},
        {"GET / HTTP/1.1\r\nHost\r\n\r\n", -400},
        {"GET / HTTP/1.1\r\n" H "X: a\rb\r\n\r\n", -400},
        {"GET / HTTP/1.1\r\n" H "Content-Length: 1\r\nContent-Length: 2\r\n\r\n", -400},
        {"GET / HTTP/1.1\r\n" H "Content-Length: +1\r\n\r\n", -400},
        {"GET / HTTP/1.1\r\n" H "Content-Length: 1, 1\r\n\r\n", -400},
        {"GET / HTTP/1.1\r\n" H "Content-Length:\r\n\r\n", -400},
        {"GET / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n", -501},
        {"GET a HTTP/1.1\r\n" H "\r\n", -400},
        {"GET /.. HTTP/1.1\r\n" H "\r\n", -400},
        {"GET /a/../../b HTTP/1.1\r\n" H "\r\n", -400},
        {"GET /%2e%2E/b HTTP/1.1\r\n" H "\r\n", -400},
        {"GET /a%2f..%2fb HTTP/1.1\r\n" H "\r\n", -400},
        {"GET /%00 HTTP/1.1\r\n" H "\r\n", -400},
        {"GET /%4 HTTP/1.1\r\n" H "\r\n", -400},
        {"GET /%zz HTTP/1.1\r\n" H "\r\n", -400},
        {"G(T / HTTP/1.1\r\n" H "\r\n", -400},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        ck_assert_msg(parse(cases[i].text) == cases[i].status, "case %zu: %d", i, parse(cases[i].text));
}
END_TEST

START_TEST(limits)
{
    static char text[20000];
    memset(text, 'a', sizeof(text) - 1);
    memcpy(text, "GET /", 5);
    ck_assert_int_eq(parse(text), -414);
    text[1500] = '\0';
    strcat(text, " HTTP/1.1\r\n" H "\r\n");
    ck_assert_int_eq(parse(text), -414); /* a path that no file can have */
    memset(text, 'a', sizeof(text) - 1);
    memcpy(text, "GET / HTTP/1.1\r\n" H "X: ", 28);
    ck_assert_int_eq(parse(text), -431);
    memcpy(text + 10000, "\r\n\r\n", 5);
    ck_assert_int_eq(parse(text), -431);
}
END_TEST

static void path_is(const char *target, const char *path)
{
    ck_assert_int_eq(http_target(target, strlen(target), &request), 0);
    ck_assert_str_eq(request.path, path);
    ck_assert_uint_eq(request.path_length, strlen(path));
}

START_TEST(paths)
{
    path_is("/", "/");
    path_is("//", "/");
    path_is("/a//b/./c/", "/a/b/c/");
    path_is("/a/.", "/a/");
    path_is("/./", "/");
    path_is("/a%20b%2Bc", "/a b+c");
    path_is("/...", "/...");
    path_is("/.hidden/..x", "/.hidden/..x");
    path_is("http://host:80/x?y", "/x");
    path_is("http://host", "/");
    path_is("/a?/../..", "/a");
}
END_TEST

static void range_is(const char *value, uint64_t size, int good, uint64_t first, uint64_t length)
{
    uint64_t got_first = 0, got_length = 0;
    http_range(value, strlen(value), &request);
    ck_assert_msg(request.has_range == (good >= 0), "%s", value);
    if (good < 0)
        return;
    ck_assert_int_eq(http_range_resolve(&request, size, &got_first, &got_length), good);
    if (good)
        ck_assert_msg(got_first == first && got_length == length, "%s: %lu %lu", value, got_first, got_length);
}

START_TEST(ranges)
{
    range_is("bytes=0-0", 10, 1, 0, 1);
    range_is("bytes=2-5", 10, 1, 2, 4);
    range_is("bytes=2-", 10, 1, 2, 8);
    range_is("bytes=2-99", 10, 1, 2, 8);
    range_is("bytes=0-9223372036854775807", 10, -1, 0, 0);
    range_is("bytes=-3", 10, 1, 7, 3);
    range_is("bytes=-30", 10, 1, 0, 10);
    range_is("bytes=-0", 10, 0, 0, 0);
    range_is("bytes=10-", 10, 0, 0, 0);
    range_is("bytes=0-", 0, 0, 0, 0);
    range_is("bytes=5-2", 10, -1, 0, 0);
    range_is("bytes=0-1,3-4", 10, -1, 0, 0);
    range_is("lines=0-1", 10, -1, 0, 0);
    range_is("bytes=", 10, -1, 0, 0);
    range_is("bytes=-", 10, -1, 0, 0);
    range_is("bytes=a-", 10, -1, 0, 0);
}
END_TEST

START_TEST(tags)
{
    ck_assert(http_tag_listed("\"a\", W/\"b\"", 10, "\"b\""));
    ck_assert(http_tag_listed("*", 1, "\"b\""));
    ck_assert(!http_tag_listed("\"ab\"", 4, "\"a\""));
    ck_assert(!http_tag_listed("", 0, "\"a\""));
}
END_TEST

/* Byte by byte the answer is always "more", until it is what the whole gives. */
START_TEST(pieces)
{
    const char *text = "GET /index.html HTTP/1.1\r\n" H "Accept: */*\r\nRange: bytes=1-2\r\n\r\n";
    char part[200];
    for (size_t i = 0; i < strlen(text); i++) {
        memcpy(part, text, i);
        part[i] = '\0';
        ck_assert_int_eq(parse(part), 0);
    }
    ck_assert_int_eq(parse(text), (int)strlen(text));
    ck_assert(request.has_range);
}
END_TEST

START_TEST(noise)
{
    static const char *const words[] = {"GET ", "/", " HTTP/1.1", "\r\n", "\n", "Host: a", "%2e", "..", "\r", ":", " ",
                                        "Range: bytes=", "Content-Length: 9", "HEAD", "?", "a", "http://", "-"};
    char text[1000];
    srand(1);
    for (unsigned round = 0; round < 50000; round++) {
        strcpy(text, rand() % 2 ? "GET /" : "");
        for (unsigned i = 0; i < 30; i++)
            strcat(text, words[(unsigned)rand() % (sizeof(words) / sizeof(words[0]))]);
        if (parse(text) > 0 && request.method != HTTP_OTHER)
            ck_assert(request.path[0] == '/' && !strstr(request.path, "/../"));
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("http");
    TCase *tests = tcase_create("http");
    tcase_add_test(tests, simple);
    tcase_add_test(tests, refusals);
    tcase_add_test(tests, limits);
    tcase_add_test(tests, paths);
    tcase_add_test(tests, ranges);
    tcase_add_test(tests, tags);
    tcase_add_test(tests, pieces);
    tcase_add_test(tests, noise);
    tcase_set_timeout(tests, 60);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
