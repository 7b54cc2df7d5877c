/* SPDX-License-Identifier: MIT */
/*
 * IPv4, ICMP echo and UDP echo (RFC 791, 792, 768). An answer goes back with the same payload at
 * the same place; a header without options is put right in front of it:
 *
 *   question   | Ethernet | IPv4 | options | UDP or ICMP ... |
 *   answer               | Ethernet | IPv4 | UDP or ICMP ... |
 */
#include "stack.h"

#include <string.h>

#define ETHERNET_HEADER 14u
#define IPV4_HEADER 20u
#define PROTOCOL_ICMP 1u
#define PROTOCOL_UDP 17u
#define TTL 64u

uint16_t sum_bytes(const uint8_t *bytes, size_t length, uint16_t start)
{
    uint64_t sum = start;
    for (; length >= 2; bytes += 2, length -= 2)
        sum += load16(bytes);
    if (length)
        sum += (uint64_t)bytes[0] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

/* The payload of a packet for us, checked in every respect. */
struct payload {
    uint8_t *bytes;   /* behind the IPv4 header and its options */
    uint32_t length;
    uint8_t protocol;
    uint8_t source[4];
};

/* One machine's address, which can be answered: not 0.x, loopback, multicast, broadcast or ours. */
static bool source_good(const struct stack *stack, const uint8_t *source)
{
    return source[0] != 0 && source[0] != 127 && source[0] < 224 && memcmp(source, stack->address, 4) != 0;
}

static bool ipv4_read(const struct stack *stack, const struct packet *packet, struct payload *payload)
{
    uint8_t *ip = packet->bytes + ETHERNET_HEADER;
    uint32_t left = packet->length - ETHERNET_HEADER;
    if (left < IPV4_HEADER || ip[0] >> 4 != 4)
        return false;
    uint32_t header = (ip[0] & 15u) * 4u, total = load16(ip + 2);
    if (header < IPV4_HEADER || total < header || total > left)
        return false;
    if (sum_bytes(ip, header, 0) != 0xffff)
        return false;
    if (load16(ip + 6) & 0xbfff) /* a fragment, or the bit that must be zero; "don't fragment" is fine */
        return false;
    if (memcmp(ip + 16, stack->address, 4) != 0 || !source_good(stack, ip + 12))
        return false;
    payload->bytes = ip + header;
    payload->length = total - header;
    payload->protocol = ip[9];
    memcpy(payload->source, ip + 12, 4);
    return true;
}

/* The answer's Ethernet and IPv4 headers, in front of `length` bytes of payload. */
static void answer_fill(const struct stack *stack, struct packet *packet, const struct payload *payload,
                        uint32_t length)
{
    uint8_t *ip = payload->bytes - IPV4_HEADER, *frame = ip - ETHERNET_HEADER;
    uint8_t to[6];
    memcpy(to, packet->bytes + 6, 6);
    memset(ip, 0, IPV4_HEADER);
    ip[0] = 0x45;
    store16(ip + 2, (uint16_t)(IPV4_HEADER + length));
    store16(ip + 6, 0x4000); /* never in fragments, so it needs no identification */
    ip[8] = TTL;
    ip[9] = payload->protocol;
    memcpy(ip + 12, stack->address, 4);
    memcpy(ip + 16, payload->source, 4);
    store16(ip + 10, (uint16_t)~sum_bytes(ip, IPV4_HEADER, 0));
    memcpy(frame, to, 6);
    memcpy(frame + 6, stack->mac, 6);
    store16(frame + 12, 0x0800);
    packet->answer_at = (uint32_t)(frame - packet->bytes);
    packet->answer_length = ETHERNET_HEADER + IPV4_HEADER + length;
}

static bool ping_answer(struct stack *stack, struct packet *packet, const struct payload *payload)
{
    uint8_t *icmp = payload->bytes;
    if (payload->length < 8 || icmp[0] != 8 || icmp[1] != 0)
        return false;
    if (sum_bytes(icmp, payload->length, 0) != 0xffff)
        return false;
    /* Type 8 becomes 0: the sum of the rest is what it was (RFC 1624). */
    uint32_t sum = (uint32_t)load16(icmp + 2) + 0x0800u;
    icmp[0] = 0;
    store16(icmp + 2, (uint16_t)(sum + (sum >> 16)));
    answer_fill(stack, packet, payload, payload->length);
    stack->ping++;
    return true;
}

static uint16_t pseudo_sum(const struct stack *stack, const struct payload *payload, uint16_t length)
{
    uint8_t words[4] = {0, PROTOCOL_UDP};
    store16(words + 2, length);
    uint16_t sum = sum_bytes(words, sizeof(words), 0);
    sum = sum_bytes(stack->address, 4, sum);
    return sum_bytes(payload->source, 4, sum);
}

static bool udp_sum_good(const struct stack *stack, const struct packet *packet,
                         const struct payload *payload, uint16_t length)
{
    if (packet->sum_known || packet->sum_partial || load16(payload->bytes + 6) == 0)
        return true;
    return sum_bytes(payload->bytes, length, pseudo_sum(stack, payload, length)) == 0xffff;
}

/* Swapping ends leaves the sum as it is, so a complete checksum stays right. */
static void udp_sum_fill(const struct stack *stack, struct packet *packet,
                         const struct payload *payload, uint16_t length)
{
    uint8_t *sum = payload->bytes + 6;
    if (!packet->sum_partial)
        return;
    uint16_t pseudo = pseudo_sum(stack, payload, length);
    if (stack->device_sums) {
        store16(sum, pseudo);
        packet->sum_start = ETHERNET_HEADER + IPV4_HEADER;
        packet->sum_offset = 6;
        return;
    }
    store16(sum, 0);
    uint16_t value = (uint16_t)~sum_bytes(payload->bytes, length, pseudo);
    store16(sum, value ? value : 0xffff);
}

static bool udp_answer(struct stack *stack, struct packet *packet, const struct payload *payload)
{
    uint8_t *udp = payload->bytes;
    if (payload->length < UDP_LENGTH)
        return false;
    uint16_t from = load16(udp), length = load16(udp + 4);
    if (length < UDP_LENGTH || length > payload->length || load16(udp + 2) != stack->port)
        return false;
    /* Two echo servers would talk for ever. */
    if (from == 0 || from == stack->port)
        return false;
    if (!udp_sum_good(stack, packet, payload, length))
        return false;
    store16(udp, stack->port);
    store16(udp + 2, from);
    udp_sum_fill(stack, packet, payload, length);
    answer_fill(stack, packet, payload, length);
    stack->udp++;
    return true;
}

bool ipv4_answer(struct stack *stack, struct packet *packet)
{
    struct payload payload;
    if (!ipv4_read(stack, packet, &payload))
        return false;
    if (payload.protocol == PROTOCOL_ICMP)
        return ping_answer(stack, packet, &payload);
    if (payload.protocol == PROTOCOL_UDP)
        return udp_answer(stack, packet, &payload);
    return false;
}
