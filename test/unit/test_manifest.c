/* SPDX-License-Identifier: MIT */
/* The manifest: what it accepts, and the line and words of each refusal. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "suite.h"
#include "../../apps/init/manifest.h"
#include "../../apps/init/manifest_channel.h"
#include "../../apps/init/words.h"

static struct manifest manifest;
static struct manifest_error error;

static bool parse(const char *text)
{
    memset(&error, 0, sizeof(error));
    return manifest_parse(&manifest, text, strlen(text), &error);
}

static void refused(const char *text, unsigned line, const char *part)
{
    ck_assert_msg(!parse(text), "accepted: %s", text);
    ck_assert_msg(error.line == line && strstr(error.text, part),
                  "expected line %u \"%s\", got line %u \"%s\"", line, part, error.line, error.text);
}

START_TEST(everything)
{
    ck_assert_msg(parse("# comment\n"
                        "include ../guide as site\n"
                        "program httpd # the server\n"
                        "  file bin/httpd\n"
                        "  args -r \"/my site\" \"a\\\"b\" \"\"\n"
                        "  env HOME=/ \"X=y z\"\n"
                        "  memory 32M\n"
                        "  slots 16\n"
                        "  net mac=52:54:00:12:34:56 ip=10.0.2.16/24 gateway=10.0.2.2 dns=10.0.2.3 broadcast\n"
                        "  archive yes\n  console yes\n  publish tcp 80\n  publish udp 7\n  expect run\n"
                        "program second-1\n\tmemory 512K\r\n  expect exit 3\n"
                        "end-when second-1-exit"), "%u: %s", error.line, error.text);
    const struct manifest_program *p = &manifest.program[0];
    ck_assert_uint_eq(manifest.count, 2);
    ck_assert_str_eq(p->file, "bin/httpd");
    ck_assert_uint_eq(p->argc, 5);
    ck_assert_uint_eq(p->envc, 2);
    const char *strings = "httpd\0-r\0/my site\0a\"b\0\0HOME=/\0X=y z";
    ck_assert_uint_eq(p->strings_bytes, 36);
    ck_assert_mem_eq(p->strings, strings, 36);
    ck_assert_uint_eq(p->frames, 8192);
    ck_assert_uint_eq(p->slots, 16);
    ck_assert(p->net.present && p->net.broadcast && !p->net.dhcp && p->archive && p->console);
    ck_assert_mem_eq(&p->net.address, "\x0a\x00\x02\x10", 4);
    ck_assert_mem_eq(p->net.mac, "\x52\x54\x00\x12\x34\x56", 6);
    ck_assert_uint_eq(p->net.prefix, 24);
    ck_assert(!p->ends && manifest.program[1].ends && manifest.end_when);
    ck_assert_int_eq(manifest.program[1].expect, EXPECT_EXIT);
    ck_assert_int_eq(manifest.program[1].expect_status, 3);
    ck_assert(!manifest.program[1].console && !manifest.program[1].archive);
}
END_TEST

#define P "program a\nmemory 1M\n"

START_TEST(refusals)
{
    static const struct {
        const char *text;
        unsigned line;
        const char *part;
    } cases[] = {
        {"", 0, "no program"},
        {"program a\n", 1, "no memory line"},
        {"program a\n\nmemroy 1M\n", 3, "unknown word \"memroy\""},
        {"memory 1M\n", 1, "below a program"},
        {P P, 3, "line 1"},
        {"program A\n", 1, "not a program name"},
        {"program init\n", 1, "meaning"},
        {"program -a\n", 1, "not a program name"},
        {"program abcdefghijklmnop\n", 1, "not a program name"},
        {"program\n", 1, "more words"},
        {"program a b\n", 1, "too many words"},
        {P "memory 2M\n", 3, "second memory"},
        {"program a\nmemory 0\n", 2, "between"},
        {"program a\nmemory 1\n", 2, "between"},
        {"program a\nmemory 4097G\n", 2, "between"},
        {"program a\nmemory 99999999999999999999G\n", 2, "not a size"},
        {"program a\nmemory 18014398509481984K\n", 2, "not a size"},
        {"program a\nmemory -1M\n", 2, "not a size"},
        {"program a\nmemory 1m\n", 2, "not a size"},
        {"program a\nmemory M\n", 2, "not a size"},
        {P "slots 0\n", 3, "slots must be"},
        {P "slots 33\n", 3, "slots must be"},
        {P "file /etc/passwd\n", 3, "not a path"},
        {P "file a/../b\n", 3, "not a path"},
        {P "args \"open\n", 3, "closing quote"},
        {P "args a\001b\n", 3, "control"},
        {P "env =x\n", 3, "NAME=VALUE"},
        {P "env A=b\nargs c\n", 4, "before env"},
        {P "archive maybe\n", 3, "yes or no"},
        {P "publish sctp 1\n", 3, "tcp or udp"},
        {P "publish tcp 0\n", 3, "not a port"},
        {P "publish tcp 65536\n", 3, "not a port"},
        {P "expect happiness\n", 3, "expect run"},
        {P "expect run 1\n", 3, "no number"},
        {P "expect exit 256\n", 3, "exit status"},
        {P "include\n", 3, "more words"},
        {P "include a to b\n", 3, "include PATH"},
        {P "end-when b-exit\n", 3, "no program \"b\""},
        {P "end-when a\n", 3, "not all-exit"},
        {P "end-when a-exit\nend-when a-exit\n", 4, "line 3"},
        {P "net ip=dhcp broadcast\n", 3, "mac=\" is missing"},
        {P "net mac=52:54:00:12:34:56 broadcast\n", 3, "ip=\" is missing"},
        {P "net mac=52:54:00:12:34 ip=dhcp\n", 3, "not a MAC"},
        {P "net mac=52:54:00:12:34:5g ip=dhcp\n", 3, "not a MAC"},
        {P "net mac=53:54:00:12:34:56 ip=dhcp\n", 3, "multicast"},
        {P "net mac=00:00:00:00:00:00 ip=dhcp\n", 3, "all zero"},
        {P "net mac=52:54:00:12:34:56 ip=10.0.2.16\n", 3, "not dhcp"},
        {P "net mac=52:54:00:12:34:56 ip=10.0.2.256/24\n", 3, "not dhcp"},
        {P "net mac=52:54:00:12:34:56 ip=10.0.2.0/24\n", 3, "network itself"},
        {P "net mac=52:54:00:12:34:56 ip=10.0.2.255/24\n", 3, "broadcast"},
        {P "net mac=52:54:00:12:34:56 ip=10.0.2.1/31\n", 3, "not dhcp"},
        {P "net mac=52:54:00:12:34:56 ip=224.0.0.1/24\n", 3, "can't be"},
        {P "net mac=52:54:00:12:34:56 ip=10.0.2.16/24 gateway=10.0.3.2\n", 3, "outside"},
        {P "net mac=52:54:00:12:34:56 ip=dhcp dns=10.0.2.3\n", 3, "asks for"},
        {P "net mac=52:54:00:12:34:56 ip=dhcp ip=dhcp\n", 3, "second of its kind"},
        {P "net mac=52:54:00:12:34:56 colour=blue ip=dhcp\n", 3, "none of"},
        {P "net mac=52:54:00:12:34:56 ip=10.0.2.16/24\nprogram b\nmemory 1M\n"
           "net mac=52:54:00:12:34:56 ip=10.0.2.17/24\n", 6, "MAC address is also a's"},
        {P "net mac=52:54:00:12:34:56 ip=10.0.2.16/24\nprogram b\nmemory 1M\n"
           "net mac=52:54:00:12:34:57 ip=10.0.2.16/24\n", 6, "IP address is also a's"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        refused(cases[i].text, cases[i].line, cases[i].part);
}
END_TEST

START_TEST(bounds)
{
    static char text[70000];
    memset(text, 'a', sizeof(text));
    ck_assert(!manifest_parse(&manifest, text, sizeof(text), &error));
    text[1500] = '\0';
    refused(text, 1, "line longer");
    strcpy(text, P "args");
    for (unsigned i = 0; i < 40; i++)
        strcat(text, " x");
    refused(text, 3, "too many words");
    strcpy(text, P);
    for (unsigned i = 0; i < 5; i++) {
        strcat(text, "args ");
        memset(text + strlen(text) + 0, 0, 1);
        for (unsigned k = 0; k < 50; k++)
            strcat(text, "0123456789");
        strcat(text, "\n");
    }
    refused(text, 7, "longer than");
    text[0] = '\0';
    for (unsigned i = 0; i <= MANIFEST_PROGRAMS; i++)
        sprintf(text + strlen(text), "program p%u\nmemory 1M\n", i);
    refused(text, 2 * MANIFEST_PROGRAMS + 1, "more than");
    /* A text that is not a string: a NUL, no end of line. */
    ck_assert(!manifest_parse(&manifest, "prog\0am a\n", 10, &error));
    ck_assert(!manifest_parse(&manifest, "program a\nmemory 1Mxx", 19, &error) || manifest.count == 1);
}
END_TEST

static bool fit(uint64_t frames, unsigned places)
{
    struct manifest_supply supply = {frames, 31, places};
    return manifest_fit(&manifest, &supply, &error);
}

START_TEST(fitting)
{
    ck_assert(parse("program a\nmemory 1M\nslots 5\nprogram b\nmemory 2M\nprogram c\nmemory 1M\n"));
    ck_assert(fit(1024, 62));
    ck_assert_uint_eq(manifest.program[1].slots, 13);
    ck_assert_uint_eq(manifest.program[2].slots, 13);
    ck_assert(!fit(1023, 62));
    ck_assert_msg(strstr(error.text, "4096 KiB") && strstr(error.text, "4092 KiB"), "%s", error.text);
    ck_assert(parse("program a\nmemory 1M\nslots 20\nprogram b\nmemory 1M\nslots 12\n"));
    ck_assert(!fit(9999, 62));
    ck_assert_uint_eq(error.line, 4);
    ck_assert(parse("program a\nmemory 1M\nchildren 3\nprogram b\nmemory 1M\nchildren 2\n"));
    ck_assert(fit(9999, 7));
    ck_assert(!fit(9999, 6));
    ck_assert_uint_eq(error.line, 4);
    ck_assert(parse("program a\nmemory 1M\nslots 31\nprogram b\nmemory 1M\n"));
    ck_assert(!fit(9999, 62));
}
END_TEST

/* Any bytes: no crash, no hang (the sanitizers watch). */
START_TEST(noise)
{
    static const char *const words[] = {"program", "memory", "net", "args", " ", "\n", "\"", "#", "a", "1M", "=",
                                        "mac=", "ip=", "10.0.2.15/24", "end-when", "all-exit", "expect", "exit"};
    char text[600];
    srand(1);
    for (unsigned round = 0; round < 20000; round++) {
        text[0] = '\0';
        for (unsigned i = 0; i < 40; i++) {
            strcat(text, words[(unsigned)rand() % (sizeof(words) / sizeof(words[0]))]);
            if (rand() % 2)
                strcat(text, " ");
        }
        char *exact = malloc(strlen(text) ? strlen(text) : 1);
        memcpy(exact, text, strlen(text));
        (void)manifest_parse(&manifest, exact, strlen(text), &error);
        free(exact);
    }
}
END_TEST

START_TEST(channels)
{
    ck_assert_msg(parse("channel full from a to b places 8 frames 2\n"
                        "program a\n memory 1M\nprogram b\n memory 1M\n"
                        "channel back from b to a\n"), "%u: %s", error.line, error.text);
    ck_assert_uint_eq(manifest.channel_count, 2);
    const struct manifest_channel *c = manifest.channel;
    ck_assert_str_eq(c[0].name, "full");
    ck_assert(c[0].sender == 0 && c[0].receiver == 1 && c[0].places == 8 && c[0].frames == 2);
    ck_assert(c[1].sender == 1 && c[1].receiver == 0 && c[1].places == 16 && c[1].frames == 0);
    ck_assert_uint_eq(manifest_channel_frames(&manifest, 1), 17);
    ck_assert_uint_eq(manifest_channel_frames(&manifest, 0), 1);
    ck_assert(parse("table 250\nprogram a\n memory 1M"));
    ck_assert_uint_eq(manifest.table_ms, 250);
    refused("table 5\nprogram a\n memory 1M", 1, "table must be 10 to");
#define TWO "program a\n memory 1M\nprogram b\n memory 1M\n"
    refused(TWO "channel x from a to c", 5, "there is no program \"c\"");
    refused(TWO "channel x from c to a", 5, "there is no program \"c\"");
    refused(TWO "channel x from a", 5, "more words");
    refused(TWO "channel x to a from b", 5, "channel NAME from");
    refused(TWO "channel X from a to b", 5, "names have");
    refused(TWO "channel x from a to b places", 5, "channel NAME from");
    refused(TWO "channel x from a to b places 0", 5, "places must be 1 to 64");
    refused(TWO "channel x from a to b places 65", 5, "places must be 1 to 64");
    refused(TWO "channel x from a to b frames 5", 5, "frames must be 0 to 4");
    refused(TWO "channel x from a to b colour 5", 5, "unknown word");
    refused(TWO "channel x from a to b\nchannel x from b to a", 6, "there already, in line 5");
    char text[2000] = TWO;
    for (unsigned i = 0; i < 9; i++)
        sprintf(text + strlen(text), "channel c%u from a to b\n", i);
    refused(text, 13, "more than 8 ends");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("manifest");
    TCase *tests = tcase_create("manifest");
    tcase_add_test(tests, everything);
    tcase_add_test(tests, channels);
    tcase_add_test(tests, refusals);
    tcase_add_test(tests, bounds);
    tcase_add_test(tests, fitting);
    tcase_add_test(tests, noise);
    tcase_set_timeout(tests, 60);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
