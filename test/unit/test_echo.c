/* SPDX-License-Identifier: MIT */
/* The network stack of apps/echo: what it answers, byte by byte, and all that it must not answer. */
#include <stdlib.h>
#include <string.h>

#include "suite.h"
#include "../../apps/echo/stack.h"

static struct stack stack;
static uint8_t frame[1514];
static struct packet packet;

static const uint8_t peer_mac[6] = {0x52, 0x55, 10, 0, 2, 2}, peer[4] = {10, 0, 2, 2};

static void setup(void)
{
    stack = (struct stack){.mac = {0x52, 0x54, 0, 0x12, 0x34, 0x57}, .address = {10, 0, 2, 16}, .port = 7};
}

static void sum_ip(unsigned options)
{
    store16(frame + 24, 0);
    store16(frame + 24, (uint16_t)~sum_bytes(frame + 14, 20 + options, 0));
}

/* An IPv4 packet to us; the payload is filled in behind it. Returns the payload. */
static uint8_t *ip_make(uint8_t protocol, unsigned options, unsigned payload)
{
    memset(frame, 0, sizeof(frame));
    memcpy(frame, stack.mac, 6);
    memcpy(frame + 6, peer_mac, 6);
    store16(frame + 12, 0x0800);
    frame[14] = (uint8_t)(0x45 + options / 4);
    store16(frame + 16, (uint16_t)(20 + options + payload));
    frame[22] = 64;
    frame[23] = protocol;
    memcpy(frame + 26, peer, 4);
    memcpy(frame + 30, stack.address, 4);
    memset(frame + 34, 1, options); /* no-operation */
    sum_ip(options);
    packet = (struct packet){.bytes = frame, .length = 34 + options + payload};
    return frame + 34 + options;
}

static void sum_udp(uint8_t *udp, unsigned length)
{
    uint8_t pseudo[12] = {10, 0, 2, 2, 10, 0, 2, 16, 0, 17};
    store16(pseudo + 10, (uint16_t)length);
    store16(udp + 6, 0);
    store16(udp + 6, (uint16_t)~sum_bytes(udp, length, sum_bytes(pseudo, 12, 0)));
}

static uint8_t *udp_make(unsigned options, unsigned data)
{
    uint8_t *udp = ip_make(17, options, 8 + data);
    store16(udp, 4000);
    store16(udp + 2, 7);
    store16(udp + 4, (uint16_t)(8 + data));
    for (unsigned i = 0; i < data; i++)
        udp[8 + i] = (uint8_t)(i * 7);
    sum_udp(udp, 8 + data);
    return udp;
}

static uint8_t *ping_make(unsigned data)
{
    uint8_t *icmp = ip_make(1, 0, 8 + data);
    icmp[0] = 8;
    store16(icmp + 4, 0x1234);
    for (unsigned i = 0; i < data; i++)
        icmp[8 + i] = (uint8_t)i;
    store16(icmp + 2, (uint16_t)~sum_bytes(icmp, 8 + data, 0));
    return icmp;
}

static void arp_make(void)
{
    memset(frame, 0, 60);
    memset(frame, 0xff, 6);
    memcpy(frame + 6, peer_mac, 6);
    memcpy(frame + 12, "\x08\x06\0\1\x08\0\6\4\0\1", 10);
    memcpy(frame + 22, peer_mac, 6);
    memcpy(frame + 28, peer, 4);
    memcpy(frame + 38, stack.address, 4);
    packet = (struct packet){.bytes = frame, .length = 60};
}

START_TEST(arp)
{
    arp_make();
    ck_assert(stack_answer(&stack, &packet));
    ck_assert_uint_eq(packet.answer_length, 42);
    ck_assert_mem_eq(frame, peer_mac, 6);
    ck_assert_mem_eq(frame + 6, stack.mac, 6);
    ck_assert_uint_eq(load16(frame + 20), 2);
    ck_assert_mem_eq(frame + 22, stack.mac, 6);
    ck_assert_mem_eq(frame + 28, stack.address, 4);
    ck_assert_mem_eq(frame + 32, peer_mac, 6);
    ck_assert_mem_eq(frame + 38, peer, 4);
    static const unsigned changed[] = {15, 17, 18, 19, 21, 38, 41};
    for (unsigned i = 0; i < sizeof(changed) / sizeof(changed[0]); i++) {
        arp_make();
        frame[changed[i]] ^= 4;
        ck_assert_msg(!stack_answer(&stack, &packet), "byte %u", changed[i]);
    }
    arp_make();
    packet.length = 41;
    ck_assert(!stack_answer(&stack, &packet));
    arp_make();
    memcpy(frame + 28, stack.address, 4);
    ck_assert(!stack_answer(&stack, &packet));
}
END_TEST

START_TEST(udp)
{
    for (unsigned options = 0; options <= 40; options += 4)
        for (unsigned data = 0; data < 64; data++) {
            uint8_t *datagram = udp_make(options, data);
            ck_assert(stack_answer(&stack, &packet));
            ck_assert_uint_eq(packet.answer_at, options);
            ck_assert_uint_eq(packet.answer_length, 42 + data);
            const uint8_t *out = frame + packet.answer_at;
            ck_assert_mem_eq(out, peer_mac, 6);
            ck_assert_uint_eq(out[14], 0x45);
            ck_assert_uint_eq(sum_bytes(out + 14, 20, 0), 0xffff);
            ck_assert_mem_eq(out + 26, stack.address, 4);
            ck_assert_mem_eq(out + 30, peer, 4);
            ck_assert_uint_eq(load16(datagram), 7);
            ck_assert_uint_eq(load16(datagram + 2), 4000);
            uint8_t pseudo[12] = {10, 0, 2, 16, 10, 0, 2, 2, 0, 17};
            store16(pseudo + 10, (uint16_t)(8 + data));
            ck_assert_uint_eq(sum_bytes(datagram, 8 + data, sum_bytes(pseudo, 12, 0)), 0xffff);
        }
}
END_TEST

START_TEST(udp_sums)
{
    uint8_t *datagram = udp_make(0, 9);
    datagram[8] ^= 1;
    ck_assert(!stack_answer(&stack, &packet)); /* damaged */
    datagram = udp_make(0, 9);
    store16(datagram + 6, 0);
    ck_assert(stack_answer(&stack, &packet)); /* none was made */
    ck_assert_uint_eq(load16(datagram + 6), 0);
    datagram = udp_make(0, 9);
    uint16_t right = load16(datagram + 6);
    store16(datagram + 6, 0x5555); /* only partly made */
    packet.sum_partial = true;
    ck_assert(stack_answer(&stack, &packet));
    ck_assert_uint_eq(load16(datagram + 6), right);
    ck_assert_uint_eq(packet.sum_start, 0);
    datagram = udp_make(0, 9);
    packet.sum_partial = true;
    stack.device_sums = true;
    ck_assert(stack_answer(&stack, &packet));
    ck_assert_uint_eq(packet.sum_start, 34);
    ck_assert_uint_eq(packet.sum_offset, 6);
}
END_TEST

START_TEST(ping)
{
    for (unsigned data = 0; data < 100; data++) {
        uint8_t *icmp = ping_make(data);
        ck_assert(stack_answer(&stack, &packet));
        ck_assert_uint_eq(icmp[0], 0);
        ck_assert_uint_eq(load16(icmp + 4), 0x1234);
        ck_assert_uint_eq(sum_bytes(icmp, 8 + data, 0), 0xffff);
        icmp = ping_make(data);
        icmp[3] ^= 1;
        ck_assert(!stack_answer(&stack, &packet));
    }
}
END_TEST

static void ignored(const char *what)
{
    ck_assert_msg(!stack_answer(&stack, &packet), "answered: %s", what);
    udp_make(0, 20);
}

START_TEST(silence)
{
    udp_make(0, 20);
    packet.length = 13, ignored("shorter than Ethernet");
    packet.length = 33, ignored("shorter than IPv4");
    packet.length -= 1, ignored("cut");
    frame[0] ^= 2, ignored("another's MAC");
    memset(frame, 0xff, 6), ignored("a broadcast");
    frame[6] |= 1, ignored("from a group");
    store16(frame + 12, 0x86dd), ignored("IPv6");
    frame[14] = 0x65, sum_ip(0), ignored("version 6");
    frame[14] = 0x44, sum_ip(0), ignored("a header of 16 bytes");
    frame[14] = 0x4f, ignored("options past the end");
    frame[24] ^= 1, ignored("a wrong header sum");
    store16(frame + 20, 0x2000), sum_ip(0), ignored("a first fragment");
    store16(frame + 20, 1), sum_ip(0), ignored("a later fragment");
    store16(frame + 16, 10), sum_ip(0), ignored("a length below the header's");
    store16(frame + 16, 2000), sum_ip(0), ignored("a length past the end");
    frame[33] ^= 1, sum_ip(0), ignored("another's address");
    memcpy(frame + 26, stack.address, 4), sum_ip(0), ignored("from ourselves");
    memset(frame + 26, 0xff, 4), sum_ip(0), ignored("from everybody");
    memset(frame + 26, 0, 4), sum_ip(0), ignored("from nobody");
    frame[23] = 6, sum_ip(0), ignored("TCP");
    store16(frame + 38, 7), ignored("a UDP length below its header's");
    store16(frame + 38, 29), ignored("a UDP length past the end");
    store16(frame + 36, 8), sum_udp(frame + 34, 28), ignored("another port");
    store16(frame + 34, 7), sum_udp(frame + 34, 28), ignored("from an echo server");
    store16(frame + 34, 0), sum_udp(frame + 34, 28), ignored("from port 0");
    ck_assert(stack_answer(&stack, &packet)); /* and as it was, it is answered */
}
END_TEST

/* Anything: never a byte outside the frame (the sanitizers watch). */
START_TEST(noise)
{
    srand(1);
    for (unsigned round = 0; round < 300000; round++) {
        switch (rand() % 3) {
        case 0: udp_make(4u * ((unsigned)rand() % 11), (unsigned)rand() % 60); break;
        case 1: ping_make((unsigned)rand() % 60); break;
        default: arp_make(); break;
        }
        uint32_t length = (uint32_t)rand() % (packet.length + 1);
        uint8_t *exact = malloc(length ? length : 1);
        memcpy(exact, frame, length);
        for (unsigned i = 0; length && i < 2; i++)
            exact[(unsigned)rand() % length] = (uint8_t)rand();
        struct packet cut = {.bytes = exact, .length = length, .sum_known = rand() % 2};
        if (stack_answer(&stack, &cut))
            ck_assert(cut.answer_at + cut.answer_length <= length);
        free(exact);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("echo");
    TCase *tests = tcase_create("echo");
    tcase_add_checked_fixture(tests, setup, NULL);
    tcase_add_test(tests, arp);
    tcase_add_test(tests, udp);
    tcase_add_test(tests, udp_sums);
    tcase_add_test(tests, ping);
    tcase_add_test(tests, silence);
    tcase_add_test(tests, noise);
    tcase_set_timeout(tests, 60);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
