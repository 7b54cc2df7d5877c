/* SPDX-License-Identifier: MIT */
/* The pieces of lwIP's port that stand alone: checksum, heap, first sequence numbers, deadlines. */
#include <exo/abi.h>
#include <stdlib.h>
#include <string.h>

#include "suite.h"
#include "checksum.h"
#include "heap.h"
#include "hooks.h"
#include "host_lwip.h"
#include "random.h"
#include "timers.h"

static uint16_t checksum_plainly(const uint8_t *bytes, int length)
{
    uint32_t sum = 0;
    for (int i = 0; i < length; i++)
        sum += (uint32_t)bytes[i] << (i % 2 ? 8 : 0);
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

START_TEST(checksum_all_lengths)
{
    static uint8_t bytes[1600];
    for (unsigned round = 0; round < 4; round++) {
        for (unsigned i = 0; i < sizeof bytes; i++)
            bytes[i] = round == 0 ? 0xff : round == 1 ? 0 : (uint8_t)lwip_random();
        for (int length = 0; length < 1500; length++)
            ck_assert_uint_eq(net_checksum(bytes + length % 9, length),
                              checksum_plainly(bytes + length % 9, length));
    }
}
END_TEST

START_TEST(heap_blocks)
{
    void *block[16];
    uint64_t before = heap_usage.blocks;
    for (size_t size = 1; size <= HEAP_LARGEST; size += size < 2100 ? 13 : 4999) {
        for (unsigned i = 0; i < 16; i++) {
            block[i] = heap_alloc(size);
            ck_assert_ptr_nonnull(block[i]);
            ck_assert_uint_eq((uint64_t)block[i] % 16, 0);
            ck_assert_uint_eq(heap_physical(block[i]), (uint64_t)block[i]); /* so is mem_map_run() here */
            memset(block[i], (int)i, size);
        }
        for (unsigned i = 0; i < 16; i++) {
            ck_assert_uint_eq(((uint8_t *)block[i])[size - 1], i);
            heap_free(block[i]);
        }
    }
    ck_assert_uint_eq(heap_usage.blocks, before);
    ck_assert_ptr_null(heap_alloc(HEAP_LARGEST + 1));
    heap_free(NULL);
}
END_TEST

START_TEST(heap_limit)
{
    heap_frames_limit = heap_usage.frames + 8;
    unsigned count = 0;
    void *last = NULL, *block;
    while ((block = heap_alloc(2000)) != NULL) {
        *(void **)block = last;
        last = block;
        count++;
    }
    ck_assert_uint_ge(count, 16);
    ck_assert_uint_lt(count, 32);
    while (last) {
        block = *(void **)last;
        heap_free(last);
        last = block;
    }
    ck_assert_ptr_nonnull(heap_alloc(2000));
}
END_TEST

START_TEST(isn)
{
    ip_addr_t local = { SERVER_IP }, remote = { CLIENT_IP };
    uint32_t first = tcp_isn(&local, 80, &remote, 1000);
    ck_assert_uint_eq(tcp_isn(&local, 80, &remote, 1000), first);
    uint32_t other = tcp_isn(&local, 80, &remote, 1001);
    ck_assert_uint_gt(other - first + 1000000, 2000000); /* far apart, either way */
    host_clock_skip(1000);
    uint32_t later = tcp_isn(&local, 80, &remote, 1000);
    ck_assert_uint_ge(later - first, 200000); /* 250,000 a second */
    ck_assert_uint_le(later - first, 300000);
    tcp_isn_beyond(later + 5000000);
    ck_assert_int_gt((int32_t)(tcp_isn(&local, 80, &remote, 1000) - (later + 5000000)), 0);
    ck_assert_uint_eq(tcp_isn(&local, 80, &remote, 1000), later); /* once */
}
END_TEST

START_TEST(nothing_ticks_when_idle)
{
    struct host_cookie cookie = { 0, 0 };
    struct client client;
    struct segment segment;
    struct endpoint *accepted;
    struct netif none = { 0 };
    struct endpoint *listener = host_listen(80, &cookie);
    host_pass(20000);
    ck_assert_uint_eq(timers_deadline(&none), EXO_NEVER);
    ck_assert(client_open(&client, 4000, 80, 1, &segment));
    ck_assert_int_eq(connection_accept(listener, &cookie, &accepted), 0);
    ck_assert_uint_ne(timers_deadline(&none), EXO_NEVER);
    host_pass(20000);
    ck_assert_uint_eq(timers_deadline(&none), EXO_NEVER); /* established and idle */
    client_send(&client, ACK | PSH, "x", 1);
    ck_assert_uint_ne(timers_deadline(&none), EXO_NEVER);
    host_pass(100);
    ck_assert(host_take(&segment)); /* the delayed acknowledgement, within 100 ms */
    ck_assert_uint_eq(segment.flags, ACK);
    connection_close(accepted);
    connection_close(listener);
    host_round();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("lwip_parts");
    TCase *all = tcase_create("all");
    tcase_add_checked_fixture(all, host_start, NULL);
    tcase_add_test(all, checksum_all_lengths);
    tcase_add_test(all, heap_blocks);
    tcase_add_test(all, heap_limit);
    tcase_add_test(all, isn);
    tcase_add_test(all, nothing_ticks_when_idle);
    suite_add_tcase(suite, all);
    return suite_run(suite);
}
