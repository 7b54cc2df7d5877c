/* SPDX-License-Identifier: MIT */
/*
 * TIME_WAIT: connections beyond counting, from a client whose ports come round, cost no
 * more at the end than at the start, and late segments of old ones do what the RFCs say.
 */
#include <stdlib.h>
#include <string.h>

#include "suite.h"
#include "host_lwip.h"
#include "random.h"
#include "timewait.h"

#define PORT 80

static struct endpoint *listener;
static struct host_cookie listener_cookie;

static void setup(void)
{
    host_start();
    listener = host_listen(PORT, &listener_cookie);
}

static void teardown(void)
{
    connection_close(listener);
    host_round();
    ck_assert_uint_eq(host_pcbs(), 0);
}

/* One request and answer, the server closing first, as HTTP/1.0 does. Leaves TIME_WAIT. */
static void one_connection(struct client *client, uint16_t port, uint32_t first)
{
    static const char answer[500];
    struct host_cookie cookie = { 0, 0 };
    struct segment segment;
    struct endpoint *accepted;
    char request[64];
    struct iovec in = { request, sizeof request }, out = { (void *)(uintptr_t)answer, sizeof answer };

    EXPECT(client_open(client, port, PORT, first, &segment));
    client_send(client, ACK | PSH, "GET", 3);
    EXPECT(connection_accept(listener, &cookie, &accepted) == 0);
    EXPECT(stream_receive(accepted, &in, 1, 0) == 3);
    EXPECT(stream_send(accepted, &out, 1, 0) == (long)sizeof answer);
    connection_close(accepted);
    host_round();
    EXPECT(client_take(client, &segment) == (int)sizeof answer);
    EXPECT(segment.flags & FIN); /* in the same segment */
    client_send(client, ACK, NULL, 0);
    client_send(client, ACK | FIN, NULL, 0);
    EXPECT(host_take(&segment));
    EXPECT(segment.flags == ACK);
    EXPECT(segment.acknowledged == client->sequence);
    EXPECT(host_waiting() == 0);
}

START_TEST(twenty_thousand)
{
    struct client client;
    uint32_t first = 1;
    one_connection(&client, 999, 1); /* warms the heap's free lists */
    uint64_t blocks = host_blocks();
    uint64_t recycled = timewait_counts.recycled;
    for (unsigned i = 0; i < 20000; i++, first += 64000) {
        one_connection(&client, (uint16_t)(20000 + i % 7000), first);
        host_clock_skip(5); /* 100 seconds in all */
        EXPECT(host_pcbs() == 0);
        EXPECT(host_blocks() <= blocks + timewait_counts.now / 63 + 1); /* the records' own */
    }
    ck_assert_uint_gt(timewait_counts.recycled, recycled);
    ck_assert_uint_le(timewait_counts.now, TIMEWAIT_MAX);
}
END_TEST

START_TEST(table_bounded)
{
    struct client client;
    uint64_t forgotten = timewait_counts.forgotten;
    for (unsigned i = 0; i < TIMEWAIT_MAX + 500; i++)
        one_connection(&client, (uint16_t)(1000 + i), 5);
    ck_assert_uint_le(timewait_counts.now, TIMEWAIT_MAX);
    ck_assert_uint_ge(timewait_counts.forgotten, forgotten + 400);
    /* After its time nothing is left of any. */
    host_clock_skip(61000);
    one_connection(&client, 900, 5);
    EXPECT(timewait_counts.now == 1);
}
END_TEST

START_TEST(new_incarnation)
{
    struct client client, again;
    struct segment segment;
    one_connection(&client, 3000, 1000000);
    uint32_t before = client.acknowledged;
    ck_assert(client_open(&again, 3000, PORT, client.sequence + 1, &segment));
    ck_assert_int_gt((int32_t)(segment.sequence - before), 0); /* RFC 1122, 4.2.2.13 */
    client_send(&again, RST, NULL, 0);
}
END_TEST

START_TEST(old_syn_acknowledged)
{
    struct client client, old;
    struct segment segment;
    one_connection(&client, 3001, 1000000);
    /* A late duplicate, or a client whose numbers went back. */
    ck_assert(!client_open(&old, 3001, PORT, 500000, &segment));
    ck_assert_uint_eq(segment.flags, ACK);
    ck_assert_uint_eq(segment.acknowledged, client.sequence);
    ck_assert_uint_eq(host_pcbs(), 0);
    /* A guessed RST does nothing... */
    struct segment reset = { .from = 3001, .to = PORT, .sequence = client.sequence + 1, .flags = RST };
    host_segment(&reset);
    ck_assert(!client_open(&old, 3001, PORT, 500000, &segment));
    /* ...the one that our ACK provokes ends it, and the client's next SYN is welcome. */
    reset.sequence = segment.acknowledged;
    host_segment(&reset);
    ck_assert_uint_eq(host_waiting(), 0);
    ck_assert(client_open(&old, 3001, PORT, 500000, &segment));
    client_send(&old, RST | ACK, NULL, 0);
    host_round();
}
END_TEST

START_TEST(fin_again)
{
    struct client client;
    struct segment segment;
    one_connection(&client, 3002, 77);
    client.sequence--;
    host_clock_skip(40000);
    client_send(&client, ACK | FIN, NULL, 0); /* our ACK was lost */
    ck_assert(host_take(&segment));
    ck_assert_uint_eq(segment.flags, ACK);
    ck_assert_uint_eq(segment.acknowledged, client.sequence);
    ck_assert_uint_eq(segment.sequence, client.acknowledged);
    /* The time began again. */
    host_clock_skip(40000);
    client.sequence--;
    client_send(&client, ACK | FIN, NULL, 0);
    ck_assert(host_take(&segment));
    ck_assert_uint_eq(segment.flags, ACK);
    host_clock_skip(61000);
    client.sequence--;
    client_send(&client, ACK | FIN, NULL, 0);
    ck_assert(host_take(&segment));
    ck_assert_uint_eq(segment.flags & RST, RST);
}
END_TEST

START_TEST(half_closed_keeps_data)
{
    struct client client;
    struct segment segment;
    struct endpoint *accepted;
    struct host_cookie cookie = { 0, 0 };
    char bytes[16];
    struct iovec in = { bytes, sizeof bytes };
    ck_assert(client_open(&client, 3003, PORT, 9, &segment));
    ck_assert_int_eq(connection_accept(listener, &cookie, &accepted), 0);
    ck_assert_int_eq(connection_shutdown(accepted, SHUT_WR), 0);
    host_round();
    ck_assert_int_eq(client_take(&client, &segment), 0);
    ck_assert_uint_eq(segment.flags & FIN, FIN);
    client_send(&client, ACK | PSH, "late", 4);
    client_send(&client, ACK | FIN, NULL, 0);
    /* The control block is gone, what came is not. */
    ck_assert_uint_eq(host_pcbs(), 0);
    ck_assert_int_eq(stream_receive(accepted, &in, 1, 0), 4);
    ck_assert_mem_eq(bytes, "late", 4);
    ck_assert_int_eq(stream_receive(accepted, &in, 1, 0), 0);
    connection_close(accepted);
    host_round();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("lwip_timewait");
    TCase *all = tcase_create("all");
    tcase_add_checked_fixture(all, setup, teardown);
    tcase_set_timeout(all, 60);
    tcase_add_test(all, twenty_thousand);
    tcase_add_test(all, table_bounded);
    tcase_add_test(all, new_incarnation);
    tcase_add_test(all, old_syn_acknowledged);
    tcase_add_test(all, fin_again);
    tcase_add_test(all, half_closed_keeps_data);
    suite_add_tcase(suite, all);
    return suite_run(suite);
}
