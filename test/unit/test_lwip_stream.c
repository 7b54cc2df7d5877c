/* SPDX-License-Identifier: MIT */
/* Streams over lwIP: bytes in order, windows, retransmission, ends of every kind, backlog. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "suite.h"
#include "host_lwip.h"

#define PORT 80

static struct endpoint *listener, *accepted;
static struct host_cookie listener_cookie, cookie;
static struct client client;

static void setup(void)
{
    struct segment segment;
    host_start();
    listener = host_listen(PORT, &listener_cookie);
    ck_assert(client_open(&client, 4000, PORT, 100, &segment));
    ck_assert_uint_ne(endpoint_ready(listener) & POLLIN, 0);
    ck_assert_int_eq(connection_accept(listener, &cookie, &accepted), 0);
    ck_assert_int_eq(connection_accept(listener, &cookie, &accepted), -EAGAIN);
}

static void teardown(void)
{
    connection_close(listener);
    host_round();
}

static long receive(void *bytes, size_t size, int flags)
{
    struct iovec iov = { bytes, size };
    return stream_receive(accepted, &iov, 1, flags);
}

static long send_bytes(const void *bytes, size_t size)
{
    struct iovec iov = { (void *)(uintptr_t)bytes, size };
    return stream_send(accepted, &iov, 1, 0);
}

START_TEST(receives_in_pieces)
{
    char bytes[16] = { 0 };
    struct iovec two[2] = { { bytes, 3 }, { bytes + 3, 5 } };
    ck_assert_int_eq(receive(bytes, 16, 0), -EAGAIN);
    client_send(&client, ACK | PSH, "hello ", 6);
    client_send(&client, ACK | PSH, "world", 5);
    ck_assert_uint_ne(cookie.ready & POLLIN, 0);
    ck_assert_int_eq(receive(bytes, 16, MSG_PEEK), 11);
    ck_assert_mem_eq(bytes, "hello world", 11);
    ck_assert_int_eq(stream_receive(accepted, two, 2, 0), 8);
    ck_assert_mem_eq(bytes, "hello wo", 8);
    ck_assert_int_eq(receive(bytes, 16, 0), 3);
    ck_assert_mem_eq(bytes, "rld", 3);
    ck_assert_uint_eq(endpoint_ready(accepted) & POLLIN, 0);
    connection_close(accepted);
}
END_TEST

START_TEST(out_of_order)
{
    char bytes[16];
    client.sequence += 3;
    client_send(&client, ACK | PSH, "def", 3);
    ck_assert_int_eq(receive(bytes, 16, 0), -EAGAIN);
    client.sequence -= 6;
    client_send(&client, ACK | PSH, "abc", 3);
    ck_assert_int_eq(receive(bytes, 16, 0), 6);
    ck_assert_mem_eq(bytes, "abcdef", 6);
    connection_close(accepted);
}
END_TEST

START_TEST(sends_all_of_much)
{
    static uint8_t out[300000], in[300000];
    size_t sent = 0, got = 0;
    struct segment segment;
    for (size_t i = 0; i < sizeof out; i++)
        out[i] = (uint8_t)(i * 7 + (i >> 8));
    while (got < sizeof in) {
        if (sent < sizeof out) {
            long n = send_bytes(out + sent, sizeof out - sent);
            ck_assert(n > 0 || n == -EAGAIN);
            if (n > 0)
                sent += (size_t)n;
        }
        host_round();
        while (host_waiting()) {
            int n = client_take(&client, &segment);
            ck_assert_int_ge(n, 0);
            memcpy(in + got, segment.bytes, (size_t)n);
            got += (size_t)n;
        }
        client_send(&client, ACK, NULL, 0);
    }
    ck_assert_mem_eq(in, out, sizeof in);
    connection_close(accepted);
}
END_TEST

START_TEST(gathers_a_round)
{
    struct segment segment;
    ck_assert_int_eq(send_bytes("head", 4), 4);
    ck_assert_int_eq(send_bytes("body", 4), 4);
    ck_assert_uint_eq(host_waiting(), 0);
    host_round();
    ck_assert_int_eq(client_take(&client, &segment), 8); /* one segment */
    ck_assert_mem_eq(segment.bytes, "headbody", 8);
    connection_close(accepted);
}
END_TEST

START_TEST(retransmits)
{
    struct segment segment;
    ck_assert_int_eq(send_bytes("x", 1), 1);
    host_round();
    ck_assert_int_eq(client_take(&client, &segment), 1);
    host_pass(1500);
    ck_assert(host_take(&segment)); /* lost, as far as it knows */
    ck_assert_uint_eq(segment.length, 1);
    client_send(&client, ACK, NULL, 0);
    unsigned before = host_waiting();
    host_pass(10000);
    ck_assert_uint_eq(host_waiting(), before);
    connection_close(accepted);
}
END_TEST

START_TEST(reset_tells)
{
    char bytes[4];
    client_send(&client, RST | ACK, NULL, 0);
    ck_assert_uint_ne(cookie.ready & (POLLERR | POLLHUP), 0);
    ck_assert_int_eq(receive(bytes, 4, 0), -ECONNRESET);
    ck_assert_int_eq(receive(bytes, 4, 0), 0);
    ck_assert_int_eq(send_bytes("x", 1), -EPIPE);
    ck_assert_uint_eq(host_pcbs(), 0);
    connection_close(accepted);
}
END_TEST

START_TEST(unread_close_resets)
{
    struct segment segment;
    client_send(&client, ACK | PSH, "unread", 6);
    connection_close(accepted);
    host_round();
    ck_assert(host_take(&segment));
    ck_assert_uint_ne(segment.flags & RST, 0);
    ck_assert_uint_eq(host_pcbs(), 0);
}
END_TEST

START_TEST(client_closes_first)
{
    struct segment segment;
    char bytes[4];
    client_send(&client, ACK | FIN, NULL, 0);
    ck_assert_uint_eq(cookie.ready & (POLLIN | POLLRDHUP), POLLIN | POLLRDHUP);
    ck_assert_int_eq(receive(bytes, 4, 0), 0);
    ck_assert_int_eq(send_bytes("last", 4), 4); /* half closed: this side still sends */
    host_round();
    ck_assert_int_eq(client_take(&client, &segment), 0);
    ck_assert_int_eq(client_take(&client, &segment), 4);
    connection_close(accepted);
    host_round();
    ck_assert_int_eq(client_take(&client, &segment), 0);
    ck_assert_uint_ne(segment.flags & FIN, 0);
    client_send(&client, ACK, NULL, 0);
    ck_assert_uint_eq(host_pcbs(), 0);
}
END_TEST

START_TEST(backlog_holds)
{
    struct client extra;
    struct segment segment;
    struct endpoint *taken;
    ck_assert_int_eq(connection_listen(listener, 2), 0);
    ck_assert(client_open(&extra, 5001, PORT, 1, &segment));
    ck_assert(client_open(&extra, 5002, PORT, 1, &segment));
    ck_assert(!client_open(&extra, 5003, PORT, 1, &segment)); /* not answered: it asks again */
    ck_assert_uint_eq(host_waiting(), 0);
    ck_assert_int_eq(connection_accept(listener, &cookie, &taken), 0);
    connection_close(taken);
    host_round();
    while (host_take(&segment))
        ;
    ck_assert(client_open(&extra, 5003, PORT, 1, &segment));
    connection_close(accepted);
}
END_TEST

START_TEST(listener_takes_its_own_with_it)
{
    struct client extra;
    struct segment segment;
    uint64_t blocks = host_blocks();
    ck_assert(client_open(&extra, 5001, PORT, 1, &segment));
    ck_assert(client_open(&extra, 5002, PORT, 1, &segment));
    connection_close(accepted);
    host_round();
    connection_close(listener);
    unsigned resets = 0;
    while (host_take(&segment))
        resets += (segment.flags & RST) != 0;
    ck_assert_uint_eq(resets, 2);
    ck_assert_uint_lt(host_blocks(), blocks);
    listener = host_listen(81, &listener_cookie);
}
END_TEST

START_TEST(thousand_connections_found)
{
    static struct client many[1000];
    static struct endpoint *endpoints[1000];
    struct segment segment;
    char byte;
    struct iovec iov = { &byte, 1 };
    for (unsigned i = 0; i < 1000; i++) {
        ck_assert(client_open(&many[i], (uint16_t)(6000 + i), PORT, i, &segment));
        ck_assert_int_eq(connection_accept(listener, &cookie, &endpoints[i]), 0);
    }
    for (unsigned i = 0; i < 1000; i++) {
        unsigned k = i * 7 % 1000;
        char value = (char)k;
        client_send(&many[k], ACK | PSH, &value, 1);
        ck_assert_int_eq(stream_receive(endpoints[k], &iov, 1, 0), 1);
        ck_assert_int_eq(byte, value);
        while (host_take(&segment))
            ;
    }
    for (unsigned i = 0; i < 1000; i++) {
        endpoints[i * 3 % 1000]->linger_zero = true;
        connection_close(endpoints[i * 3 % 1000]);
        unsigned resets = 0;
        while (host_take(&segment)) /* behind the acknowledgement that it still owed */
            resets += (segment.flags & RST) != 0;
        ck_assert_uint_eq(resets, 1);
    }
    connection_close(accepted);
    host_round();
    ck_assert_uint_eq(host_pcbs(), 1); /* the fixture's, waiting for its FIN's acknowledgement */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("lwip_stream");
    TCase *all = tcase_create("all");
    tcase_add_checked_fixture(all, setup, teardown);
    tcase_add_test(all, receives_in_pieces);
    tcase_add_test(all, out_of_order);
    tcase_add_test(all, sends_all_of_much);
    tcase_add_test(all, gathers_a_round);
    tcase_add_test(all, retransmits);
    tcase_add_test(all, reset_tells);
    tcase_add_test(all, unread_close_resets);
    tcase_add_test(all, client_closes_first);
    tcase_add_test(all, backlog_holds);
    tcase_add_test(all, listener_takes_its_own_with_it);
    tcase_add_test(all, thousand_connections_found);
    suite_add_tcase(suite, all);
    return suite_run(suite);
}
