/* SPDX-License-Identifier: MIT */
/*
 * The boot archive's index and the paths that lead into it: every header field that can
 * be wrong is made wrong, every length is cut, and random damage must never be believed
 * or read beyond the end (the archive lies at the end of its own allocation).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "suite.h"
#include "../../libos/fs/path.c"
#include "../../libos/fs/ustar.c"

#define MAX (64u * 1024)

static unsigned char build[MAX];
static size_t build_size;

static void seal(unsigned char *h)
{
    unsigned sum = 0;
    memset(h + 148, ' ', 8);
    for (unsigned i = 0; i < 512; i++)
        sum += h[i];
    snprintf((char *)h + 148, 8, "%06o", sum);
}

static unsigned char *put(const char *name, char type, const char *content, size_t size)
{
    unsigned char *h = build + build_size;
    memset(h, 0, 512);
    strncpy((char *)h, name, 100);
    memcpy(h + 100, "0000644", 8);
    snprintf((char *)h + 124, 12, "%011o", (unsigned)size);
    snprintf((char *)h + 136, 12, "%011o", 1234567);
    h[156] = (unsigned char)type;
    memcpy(h + 257, "ustar\00000", 8);
    seal(h);
    if (content != NULL)
        memcpy(h + 512, content, size);
    build_size += 512 + (size + 511) / 512 * 512;
    return h;
}

static void finish(void)
{
    memset(build + build_size, 0, 1024);
    build_size += 1024;
}

static void begin(void)
{
    memset(build, 0, sizeof(build));
    build_size = 0;
}

static struct ustar ustar;
static unsigned char *copy;
static const char *reason;

static void drop(void)
{
    free(ustar.entries);
    free(ustar.names);
    free(copy);
    ustar.entries = NULL;
    ustar.names = NULL;
    copy = NULL;
}

static bool load(const unsigned char *bytes, size_t size)
{
    size_t entries, names;
    copy = malloc(size > 0 ? size : 1);
    memcpy(copy, bytes, size);
    ustar.entries = NULL;
    ustar.names = NULL;
    if (!ustar_measure(&ustar, copy, size, &entries, &names, &reason))
        return false;
    ustar.entries = calloc(entries, sizeof(*ustar.entries));
    ustar.names = malloc(names);
    ustar.capacity = entries;
    ustar.names_capacity = names;
    ustar_index(&ustar);
    return true;
}

static void sample(void)
{
    begin();
    put("init", '0', "program", 7);
    put(".pad", '0', NULL, 100);
    put("www/index.html", '0', "<html>", 6);
    put("www/img/", '5', NULL, 0);
    put("./www.txt", '0', "", 0);
    put("link", '2', NULL, 0);
    put("www/img/a.png", '\0', "png", 3);
    put("www/index.html", '0', "second", 6);
    finish();
}

static bool has(const char *name, const char *content)
{
    const struct ustar_entry *e = ustar_find(&ustar, name);
    return e != NULL && !e->directory && e->size == strlen(content) &&
           memcmp(e->data, content, e->size) == 0;
}

START_TEST(test_sample)
{
    sample();
    ck_assert(load(build, build_size));
    ck_assert(has("init", "program") && has("www.txt", "") && has("www/img/a.png", "png"));
    ck_assert(has("www/index.html", "<html>")); /* the first of two */
    ck_assert(ustar_find(&ustar, ".pad") == NULL && ustar_find(&ustar, "link") == NULL);
    ck_assert(ustar_find(&ustar, "ww") == NULL && ustar_find(&ustar, "www/") == NULL);
    ck_assert(ustar_find(&ustar, "")->directory && ustar_find(&ustar, "www")->directory);
    ck_assert(ustar_find(&ustar, "www/img")->directory && ustar_find(&ustar, "www/img")->time == 1234567);
    ck_assert_uint_eq(ustar_find(&ustar, "init")->mode, 0644);
    drop();
}
END_TEST

static void children(const char *directory, const char *wanted)
{
    char found[256] = "";
    const struct ustar_entry *d = ustar_find(&ustar, directory);
    for (size_t i = ustar_child(&ustar, d, 0); i < ustar.count; i = ustar_child(&ustar, d, i + 1)) {
        strcat(found, ustar_base(&ustar, &ustar.entries[i]));
        strcat(found, " ");
    }
    ck_assert_str_eq(found, wanted);
}

START_TEST(test_listing)
{
    sample();
    ck_assert(load(build, build_size));
    children("", "init www www.txt ");
    children("www", "img index.html ");
    children("www/img", "a.png ");
    drop();
    begin();
    finish();
    ck_assert(load(build, build_size));
    children("", "");
    drop();
}
END_TEST

START_TEST(test_long_name)
{
    char name[101], prefix[156];
    begin();
    memset(name, 'n', 100);
    memset(prefix, 'p', 155);
    name[100] = prefix[155] = '\0';
    unsigned char *h = put(name, '0', "x", 1);
    memcpy(h + 345, prefix, 155);
    seal(h);
    finish();
    ck_assert(load(build, build_size));
    char full[300];
    snprintf(full, sizeof(full), "%s/%s", prefix, name);
    ck_assert(has(full, "x"));
    drop();
}
END_TEST

static void refused(const char *why)
{
    finish();
    ck_assert(!load(build, build_size));
    ck_assert_ptr_nonnull(strstr(reason, why));
    ck_assert_uint_eq(ustar.bad_offset, 1024);
    drop();
}

START_TEST(test_bad_headers)
{
    unsigned char *h;
    begin(), put("a", '0', "a", 1), h = put("b", '0', "b", 1), h[0] ^= 1;
    refused("checksum");
    begin(), put("a", '0', "a", 1), h = put("b", '0', "b", 1), h[257] = 'x', seal(h);
    refused("not a ustar");
    begin(), put("a", '0', "a", 1), h = put("b", '0', "b", 1), h[130] = '9', seal(h);
    refused("size");
    begin(), put("a", '0', "a", 1), h = put("b", '0', "b", 1), memset(h + 124, '7', 11), seal(h);
    refused("behind");
    begin(), put("a", '0', "a", 1), h = put("b", '0', "b", 1), memset(h + 124, 0, 12), seal(h);
    refused("size");
    const char *names[] = { "a//b", "a/../b", "..", "a/.", "x/.." };
    for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++) {
        begin(), put("a", '0', "a", 1), put(names[i], '0', "b", 1);
        refused("name");
    }
}
END_TEST

START_TEST(test_cut)
{
    sample();
    size_t whole = build_size;
    for (size_t size = 0; size < whole; size += 61) {
        /* Only the last of the two end blocks may be missing. */
        ck_assert_int_eq(load(build, size), size >= whole - 512);
        drop();
    }
}
END_TEST

START_TEST(test_damage)
{
    srand((unsigned)_i + 1);
    sample();
    for (int i = 0; i < 2000; i++) {
        for (int k = 0; k < 4; k++) {
            size_t where = (size_t)rand() % build_size;
            build[where] = (unsigned char)rand();
            if (rand() % 2)
                seal(build + where / 512 * 512);
        }
        if (load(build, build_size))
            for (size_t e = 0; e < ustar.count; e++)
                ck_assert_uint_le((size_t)(ustar.entries[e].data - copy) + ustar.entries[e].size,
                                  ustar.entries[e].data == NULL ? SIZE_MAX : build_size);
        drop();
        sample();
    }
}
END_TEST

START_TEST(test_paths)
{
    static const struct { const char *directory, *path, *result; } cases[] = {
        { "/", "a", "/a" },           { "/", "/", "/" },            { "/x", ".", "/x" },
        { "/x/y", "../z", "/x/z" },   { "/", "../..", "/" },        { "/", "//a///b/", "/a/b" },
        { "/x", "/a/./b/../c", "/a/c" }, { "/x", "...", "/x/..." }, { "/x", ".hidden", "/x/.hidden" },
    };
    char out[FS_PATH_MAX];
    for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        ck_assert_int_eq(path_normalize(cases[i].directory, cases[i].path, out), 0);
        ck_assert_str_eq(out, cases[i].result);
    }
    ck_assert_int_eq(path_normalize("/", "", out), -ENOENT);
    char *longest = malloc(5000);
    memset(longest, 'a', 4999);
    longest[4999] = '\0';
    ck_assert_int_eq(path_normalize("/", longest, out), -ENAMETOOLONG);
    for (int i = 1; i < 4999; i += 2)
        longest[i] = '/';
    ck_assert_int_eq(path_normalize("/", longest, out), -ENAMETOOLONG);
    free(longest);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("archive");
    TCase *cases = tcase_create("archive");
    tcase_add_test(cases, test_sample);
    tcase_add_test(cases, test_listing);
    tcase_add_test(cases, test_long_name);
    tcase_add_test(cases, test_bad_headers);
    tcase_add_test(cases, test_cut);
    tcase_add_loop_test(cases, test_damage, 0, 4);
    tcase_add_test(cases, test_paths);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
