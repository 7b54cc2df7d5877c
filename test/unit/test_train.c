/* SPDX-License-Identifier: MIT */
/*
 * Trains of segments: whatever is joined, what the device makes of it is what would have been sent one by
 * one. The device's part is done here, by what virtio and TCP say.
 */
#include <lwip/inet_chksum.h>
#include <lwip/prot/ethernet.h>
#include <lwip/prot/ip.h>
#include <lwip/prot/ip4.h>
#include <lwip/prot/tcp.h>
#include <stdlib.h>
#include <string.h>

#include "suite.h"
#include "host_lwip.h"
#include "train.h"

#define HEADERS 54u
#define PACKETS 64u
#define MOST 70000u

static uint8_t file[200000]; /* what is sent without a copy */

static struct pbuf *chain(const uint8_t *headers, uint32_t at, uint32_t payload, bool copied)
{
    struct pbuf *p = pbuf_alloc(PBUF_RAW, (u16_t)(HEADERS + (copied ? payload : 0)), PBUF_RAM);
    ck_assert_ptr_nonnull(p);
    memcpy(p->payload, headers, HEADERS);
    if (copied) {
        memcpy((uint8_t *)p->payload + HEADERS, file + at, payload);
    } else if (payload) {
        struct pbuf *data = pbuf_alloc(PBUF_RAW, (u16_t)payload, PBUF_ROM);
        data->payload = file + at;
        pbuf_cat(p, data);
    }
    return p;
}

/* A data segment of flow `flow` whose payload is the file from `at` on. */
static struct pbuf *segment(unsigned flow, uint32_t at, uint32_t payload, uint8_t flags, bool copied)
{
    uint8_t headers[HEADERS] = {2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 1, 8, 0, 0x45};
    struct ip_hdr *ip = (void *)(headers + 14);
    struct tcp_hdr *tcp = (void *)(headers + 34);
    IPH_LEN_SET(ip, lwip_htons((u16_t)(40 + payload)));
    IPH_PROTO_SET(ip, IP_PROTO_TCP);
    IPH_TTL_SET(ip, 64);
    ip->src.addr = lwip_htonl(0x0a000202);
    ip->dest.addr = lwip_htonl(0x0a000203 + flow);
    IPH_CHKSUM_SET(ip, inet_chksum(ip, IP_HLEN));
    tcp->src = lwip_htons(80);
    tcp->dest = lwip_htons((u16_t)(1000 + flow));
    tcp->seqno = lwip_htonl(0xfffff000u + at);
    tcp->ackno = lwip_htonl(77 + flow);
    TCPH_HDRLEN_FLAGS_SET(tcp, 5, flags);
    tcp->wnd = lwip_htons(5000);
    return chain(headers, at, payload, copied);
}

/* ---- the wire --------------------------------------------------------------------- */

static struct packet {
    uint32_t length;
    uint8_t bytes[1600];
} expected[PACKETS], arrived[PACKETS];
static unsigned expected_count, arrived_count;

/* What differs from packet to packet by the device's doing is not compared. */
static void note(struct packet *packet, const uint8_t *bytes, uint32_t length)
{
    ck_assert_uint_le(length, sizeof packet->bytes);
    packet->length = length;
    memcpy(packet->bytes, bytes, length);
    memset(packet->bytes + 18, 0, 2); /* identification */
    memset(packet->bytes + 50, 0, 2); /* checksum: by the device in any case */
}

static void device_sends(const struct piece *piece, unsigned count, unsigned size)
{
    static uint8_t bytes[MOST];
    uint32_t length = 0;
    for (unsigned i = 0; i < count; i++) {
        memcpy(bytes + length, piece[i].bytes, piece[i].length);
        length += piece[i].length;
    }
    struct ip_hdr *ip = (void *)(bytes + 14);
    struct tcp_hdr *tcp = (void *)(bytes + 34);
    ck_assert_uint_eq(lwip_ntohs(IPH_LEN(ip)), length - 14);
    ck_assert_uint_eq(inet_chksum(ip, IP_HLEN), 0);
    if (!size) {
        note(&arrived[arrived_count++], bytes, length);
        return;
    }
    uint8_t one[1600], flags = TCPH_FLAGS(tcp);
    uint32_t sequence = lwip_ntohl(tcp->seqno);
    for (uint32_t at = HEADERS; at < length; at += size) {
        uint32_t part = length - at < size ? length - at : size;
        IPH_LEN_SET(ip, lwip_htons((u16_t)(40 + part)));
        IPH_CHKSUM_SET(ip, 0);
        IPH_CHKSUM_SET(ip, inet_chksum(ip, IP_HLEN));
        tcp->seqno = lwip_htonl(sequence + at - HEADERS);
        TCPH_UNSET_FLAG(tcp, TCP_PSH);
        if (at + part == length)
            TCPH_SET_FLAG(tcp, flags & TCP_PSH);
        memcpy(one, bytes, HEADERS);
        memcpy(one + HEADERS, bytes + at, part);
        ck_assert_uint_lt(arrived_count, PACKETS);
        note(&arrived[arrived_count++], one, HEADERS + part);
    }
}

static unsigned trains_sent;

static void leave(void)
{
    struct train *train = train_waiting();
    if (!train)
        return;
    device_sends(train->piece, train->pieces, train->segments > 1 ? train->size : 0);
    trains_sent++;
    train_left();
    train_free(train);
}

/* As driver.c does. */
static void give(struct pbuf *p)
{
    static uint8_t bytes[MOST];
    pbuf_copy_partial(p, bytes, p->tot_len, 0);
    note(&expected[expected_count++], bytes, p->tot_len);
    if (!train_join(p)) {
        leave();
        if (!train_join(p)) {
            struct piece piece[TRAIN_PIECES];
            device_sends(piece, pieces_add(piece, 0, p, 0), 0);
        }
    }
    pbuf_free(p);
}

static void compare(void)
{
    leave();
    ck_assert_uint_eq(arrived_count, expected_count);
    for (unsigned i = 0; i < expected_count; i++) {
        ck_assert_uint_eq(arrived[i].length, expected[i].length);
        ck_assert_mem_eq(arrived[i].bytes, expected[i].bytes, expected[i].length);
    }
    expected_count = arrived_count = 0;
}

/* ---- tests ------------------------------------------------------------------------- */

START_TEST(full_segments_become_one_packet)
{
    trains_sent = 0;
    for (unsigned i = 0; i < 30; i++)
        give(segment(0, i * 1460, 1460, TCP_ACK | (i == 29 ? TCP_PSH : 0), false));
    compare();
    ck_assert_uint_eq(trains_sent, 1);
    for (unsigned i = 0; i < 9; i++)
        give(segment(0, i * 1460, i == 8 ? 100 : 1460, TCP_ACK, true));
    compare();
    ck_assert_uint_eq(trains_sent, 2);
}
END_TEST

START_TEST(what_does_not_follow_stays_apart)
{
    trains_sent = 0;
    give(segment(0, 0, 1460, TCP_ACK, false));
    give(segment(1, 1460, 1460, TCP_ACK, false)); /* of another */
    give(segment(1, 4380, 1460, TCP_ACK, false)); /* a gap */
    give(segment(1, 5840, 1460, TCP_ACK | TCP_FIN, false));
    give(segment(1, 0, 1200, TCP_ACK, false));
    give(segment(1, 1200, 1300, TCP_ACK, false)); /* longer than the first */
    give(segment(1, 2500, 0, TCP_ACK, false));
    compare();
    ck_assert_uint_eq(trains_sent, 5);
}
END_TEST

START_TEST(whatever_is_sent_arrives)
{
    srand(1);
    for (unsigned round = 0; round < 400; round++) {
        uint32_t at[2] = {(uint32_t)rand() % 5000, (uint32_t)rand() % 5000};
        bool copied = rand() % 2;
        unsigned flow = 0;
        for (unsigned i = 0; i < PACKETS; i++) {
            static const uint32_t sizes[] = {1460, 1460, 1460, 1460, 1460, 1460, 1024, 1023, 100, 0};
            uint32_t payload = sizes[(unsigned)rand() % 10];
            uint8_t flags = TCP_ACK | (rand() % 8 ? 0 : TCP_PSH) | (rand() % 30 ? 0 : TCP_FIN);
            if (rand() % 12 == 0)
                flow ^= 1;
            if (rand() % 20 == 0)
                copied = !copied;
            give(segment(flow, at[flow], payload, flags, copied));
            at[flow] += payload + (rand() % 25 ? 0 : 1);
            if (rand() % 40 == 0)
                leave();
        }
        compare();
    }
}
END_TEST

int main(void)
{
    host_start();
    for (unsigned i = 0; i < sizeof file; i++)
        file[i] = (uint8_t)(i * 31 + (i >> 8) * 7);
    Suite *suite = suite_create("train");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 60);
    tcase_add_test(all, full_segments_become_one_packet);
    tcase_add_test(all, what_does_not_follow_stays_apart);
    tcase_add_test(all, whatever_is_sent_arrives);
    suite_add_tcase(suite, all);
    return suite_run(suite);
}
