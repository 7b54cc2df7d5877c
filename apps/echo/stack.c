/* SPDX-License-Identifier: MIT */
/* Ethernet and ARP (RFC 826, RFC 5227). */
#include "stack.h"

#include <string.h>

#define ETHERNET_HEADER 14u
#define TYPE_IPV4 0x0800u
#define TYPE_ARP 0x0806u
#define ARP_REQUEST 1u
#define ARP_REPLY 2u

/* Ethernet, IPv4, addresses of 6 and 4 bytes: the first bytes of every ARP packet of ours. */
static const uint8_t arp_kind[6] = {0, 1, 8, 0, 6, 4};

/* Offsets in an ARP frame. */
enum { ARP_KIND = 14, ARP_OPERATION = 20, SENDER_MAC = 22, SENDER_IP = 28, TARGET_MAC = 32, TARGET_IP = 38 };

static void ethernet_fill(uint8_t *frame, const uint8_t to[6], const struct stack *stack, uint16_t type)
{
    memcpy(frame, to, 6);
    memcpy(frame + 6, stack->mac, 6);
    store16(frame + 12, type);
}

static void arp_fill(uint8_t *frame, const struct stack *stack, uint16_t operation)
{
    memcpy(frame + ARP_KIND, arp_kind, sizeof(arp_kind));
    store16(frame + ARP_OPERATION, operation);
    memcpy(frame + SENDER_MAC, stack->mac, 6);
    memcpy(frame + SENDER_IP, stack->address, 4);
}

bool arp_answer(struct stack *stack, struct packet *packet)
{
    uint8_t *frame = packet->bytes;
    if (packet->length < ARP_FRAME || memcmp(frame + ARP_KIND, arp_kind, sizeof(arp_kind)) != 0)
        return false;
    if (load16(frame + ARP_OPERATION) != ARP_REQUEST || memcmp(frame + TARGET_IP, stack->address, 4) != 0)
        return false;
    /* From our own address: a neighbour claims it too. Answering would help nobody. */
    if (!memcmp(frame + SENDER_IP, stack->address, 4) || (frame[SENDER_MAC] & 1))
        return false;
    memcpy(frame + TARGET_MAC, frame + SENDER_MAC, 10);
    arp_fill(frame, stack, ARP_REPLY);
    ethernet_fill(frame, frame + TARGET_MAC, stack, TYPE_ARP);
    packet->answer_at = 0;
    packet->answer_length = ARP_FRAME;
    stack->arp++;
    return true;
}

void arp_announce(const struct stack *stack, uint8_t *frame)
{
    static const uint8_t everybody[6] = {255, 255, 255, 255, 255, 255};
    memset(frame, 0, ARP_FRAME);
    ethernet_fill(frame, everybody, stack, TYPE_ARP);
    arp_fill(frame, stack, ARP_REQUEST);
    memcpy(frame + TARGET_IP, stack->address, 4);
}

/* Sent to us or to everybody, by one station. */
static bool ethernet_ours(const struct stack *stack, const uint8_t *frame)
{
    static const uint8_t everybody[6] = {255, 255, 255, 255, 255, 255};
    if (frame[6] & 1)
        return false;
    return !memcmp(frame, stack->mac, 6) || !memcmp(frame, everybody, 6);
}

bool stack_answer(struct stack *stack, struct packet *packet)
{
    const uint8_t *frame = packet->bytes;
    bool answer = false;
    packet->sum_start = 0;
    if (packet->length >= ETHERNET_HEADER && ethernet_ours(stack, frame)) {
        uint16_t type = load16(frame + 12);
        if (type == TYPE_ARP)
            answer = arp_answer(stack, packet);
        else if (type == TYPE_IPV4 && !memcmp(frame, stack->mac, 6)) /* echoes to everybody amplify */
            answer = ipv4_answer(stack, packet);
    }
    stack->dropped += !answer;
    return answer;
}
