/* SPDX-License-Identifier: MIT */
/* Sending what the queue's grant does not allow: another's MAC address, in one piece or in many. */
#include "attack.h"

static uint8_t *packet;
static uint64_t frame;

static int send_from(const uint8_t mac[6], unsigned length, uint64_t checksum)
{
    memset(packet, 0xff, 6);
    memcpy(packet + 6, mac, 6);
    packet[12] = 0x88; /* an EtherType for experiments */
    packet[13] = 0xb5;
    return run_cell((struct exo_op){.code = EXO_NET_TX, .handle = start_info()->queue,
                                    .arg = {EXO_BUF(frame, 0, length), 0, checksum}});
}

/* The address is split between buffers: what is checked must be what is sent. */
static int send_split(const uint8_t mac[6], unsigned first)
{
    memset(packet, 0xff, 6);
    memcpy(packet + 6, mac, 6);
    return run_cell((struct exo_op){.code = EXO_NET_TX, .handle = start_info()->queue,
                                    .arg = {EXO_BUF(frame, 0, first), 1, 0, EXO_BUF(frame, first, 200)}});
}

/* TCP segments that the device cuts: with another's address, or with headers that it would read otherwise
 * than the kernel did. Where it can't do that at all, everything is refused. */
static int send_segments(const uint8_t mac[6], unsigned at, uint8_t value, unsigned size)
{
    static const uint8_t ip[] = {8, 0, 0x45, 0, 2000 >> 8, 2000 & 0xff, 0, 0, 0, 0, 64, 6};
    memset(packet, 0, 128);
    memset(packet, 0xff, 6);
    memcpy(packet + 6, mac, 6);
    memcpy(packet + 12, ip, sizeof ip);
    packet[46] = 0x50;
    packet[47] = 0x10;
    packet[at] = value;
    return run_cell((struct exo_op){.code = EXO_NET_TX, .handle = start_info()->queue,
                                    .arg = {EXO_BUF(frame, 0, 2014), 0,
                                            EXO_TX_CSUM(34, 16) | EXO_TX_SEGMENT(size)}});
}

static void segments(const uint8_t *own)
{
    static const struct { uint8_t at, value; } lies[] = {
        {12, 0x86}, {14, 0x46}, {16, 0}, {20, 0x20}, {23, 17}, {46, 0x40}, {47, 0x02}};
    uint8_t mac[6];
    memcpy(mac, own, 6);
    mac[3] ^= 0x40;
    refused("segments in another's name", send_segments(mac, 0, 0xff, 1000), 0);
    refused("segments of a byte", send_segments(own, 0, 0xff, 1), EXO_E_RANGE);
    refused("segments longer than a frame", send_segments(own, 0, 0xff, 1461), EXO_E_RANGE);
    for (unsigned i = 0; i < sizeof lies / sizeof lies[0]; i++)
        refused("segments with a lie", send_segments(own, lies[i].at, lies[i].value, 1000), EXO_E_RANGE);
}

int main(void)
{
    const uint8_t *own = start_info()->mac;
    uint8_t mac[6];
    packet = mem_map_run(1, &frame);
    if (!packet || !start_info()->queue)
        return 2;
    holds("its own address may send", send_from(own, 60, 0) == 0);
    holds("in two pieces too", send_split(own, 9) == 0);
    for (unsigned byte = 0; byte < 6; byte++)
        for (unsigned bit = 0; bit < 8; bit++) {
            memcpy(mac, own, 6);
            mac[byte] ^= (uint8_t)(1u << bit);
            refused("another's address", send_from(mac, 60, 0), EXO_E_REFUSED);
        }
    for (unsigned first = 1; first < 14; first++) {
        memcpy(mac, own, 6);
        mac[5] ^= 1;
        refused("another's address in pieces", send_split(mac, first), EXO_E_REFUSED);
    }
    refused("shorter than a header", send_from(own, 13, 0), EXO_E_RANGE);
    refused("longer than a frame", send_from(own, 1515, 0), EXO_E_RANGE);
    refused("a checksum over the address", send_from(own, 60, EXO_TX_CSUM(0, 6)), 0);
    refused("a checksum past the end", send_from(own, 60, EXO_TX_CSUM(14, 60)), 0);
    segments(own);
    refused("a receive buffer that is the kernel's", run_cell((struct exo_op){.code = EXO_NET_RX,
            .handle = start_info()->queue, .arg = {EXO_BUF(0x100, 0, 1514)}}), 0);
    refused("a receive buffer too small", run_cell((struct exo_op){.code = EXO_NET_RX,
            .handle = start_info()->queue, .arg = {EXO_BUF(frame, 0, 10)}}), EXO_E_RANGE);
    return attack_end();
}
