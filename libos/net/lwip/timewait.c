/* SPDX-License-Identifier: MIT */
/*
 * TIME_WAIT: see timewait.h. A ring of records in order of age, found through a hash
 * of chains. Nothing ticks: age is looked at when a record is met or its place is
 * wanted.
 *
 * What a segment for a record means:
 *   RST whose sequence is exactly the next expected   the record goes (as Linux does;
 *         RFC 1337 would keep it, and a client that answers our ACK of its
 *         SYN so would wait a minute)
 *   SYN with a sequence beyond what was received      a new incarnation: the record goes, the
 *         listener takes the SYN, our first sequence lies beyond the old ones (RFC 1122, 4.2.2.13)
 *   FIN                                               acknowledged, the time starts again
 *   anything else that takes sequence space           acknowledged
 */
#include "timewait.h"

#include <lwip/priv/tcp_priv.h>
#include <lwip/inet_chksum.h>
#include <lwip/ip.h>
#include <string.h>

#include "endpoint.h"
#include "hooks.h"
#include "random.h"

#define CHAINS 4096u
#define NONE 0u /* index 0 is not used */

struct record {
    uint32_t local_ip, remote_ip;
    uint16_t local_port, remote_port;
    uint32_t sent_next, received_next;
    uint32_t since;
    uint16_t chain_next; /* NONE: the last */
    uint16_t window;
    uint32_t used;
};

_Static_assert(sizeof(struct record) == 32, "as promised");

static struct record records[TIMEWAIT_MAX + 1];
static uint16_t chains[CHAINS];
static uint32_t oldest = 1, youngest = TIMEWAIT_MAX; /* the ring is empty */
static uint32_t places;                             /* in the ring, used or not */

struct timewait_counts timewait_counts;

static uint16_t *chain_of(uint32_t remote_ip, uint16_t remote_port, uint16_t local_port)
{
    uint64_t hash = random_hash((uint64_t)remote_ip, (uint64_t)remote_port << 16 | local_port);
    return &chains[hash % CHAINS];
}

static uint32_t ring_next(uint32_t index)
{
    return index == TIMEWAIT_MAX ? 1 : index + 1;
}

/* Takes a record out of its chain; its place in the ring stays until it is the oldest. */
static void record_drop(struct record *record)
{
    uint16_t index = (uint16_t)(record - records);
    uint16_t *at = chain_of(record->remote_ip, record->remote_port, record->local_port);
    while (*at != index)
        at = &records[*at].chain_next;
    *at = record->chain_next;
    record->used = 0;
    timewait_counts.now--;
}

static void ring_trim(uint32_t now)
{
    while (places) {
        struct record *record = &records[oldest];
        if (record->used && now - record->since < TIMEWAIT_SECONDS && places < TIMEWAIT_MAX)
            return;
        if (record->used) {
            if (now - record->since < TIMEWAIT_SECONDS)
                timewait_counts.forgotten++;
            record_drop(record);
        }
        oldest = ring_next(oldest);
        places--;
    }
}

static void record_add(const struct record *from)
{
    uint32_t now = timewait_clock();
    ring_trim(now);
    youngest = ring_next(youngest);
    places++;
    struct record *record = &records[youngest];
    uint16_t *chain = chain_of(from->remote_ip, from->remote_port, from->local_port);
    *record = *from;
    record->since = now;
    record->used = 1;
    record->chain_next = *chain;
    *chain = (uint16_t)youngest;
    timewait_counts.now++;
}

static struct record *record_find(uint32_t local_ip, uint16_t local_port, uint32_t remote_ip,
                                  uint16_t remote_port)
{
    if (timewait_counts.now == 0)
        return NULL;
    for (uint16_t at = *chain_of(remote_ip, remote_port, local_port); at != NONE;
         at = records[at].chain_next) {
        struct record *record = &records[at];
        if (record->remote_ip == remote_ip && record->remote_port == remote_port &&
            record->local_port == local_port && record->local_ip == local_ip)
            return record;
    }
    return NULL;
}

void timewait_take(struct tcp_pcb *pcb)
{
    struct record record = {
        .local_ip = ip4_addr_get_u32(&pcb->local_ip),
        .remote_ip = ip4_addr_get_u32(&pcb->remote_ip),
        .local_port = pcb->local_port,
        .remote_port = pcb->remote_port,
        .sent_next = pcb->snd_nxt,
        .received_next = pcb->rcv_nxt,
        .window = (uint16_t)(pcb->rcv_ann_wnd >> TCP_RCV_SCALE),
    };
    struct record *same = record_find(record.local_ip, record.local_port, record.remote_ip,
                                      record.remote_port);
    if (same)
        record_drop(same);
    if (pcb->callback_arg)
        endpoint_over(pcb->callback_arg); /* it keeps what it received; the pcb goes */
    record_add(&record);
    timewait_counts.taken++;
    tcp_pcb_remove(&tcp_tw_pcbs, pcb);
    tcp_free(pcb);
}

/* An ACK as the connection would have sent it. */
static void acknowledge(const struct record *record)
{
    struct pbuf *p = pbuf_alloc(PBUF_IP, TCP_HLEN, PBUF_RAM);
    if (!p)
        return;
    ip_addr_t local, remote;
    ip_addr_set_ip4_u32(&local, record->local_ip);
    ip_addr_set_ip4_u32(&remote, record->remote_ip);
    struct tcp_hdr *header = p->payload;
    memset(header, 0, TCP_HLEN);
    header->src = lwip_htons(record->local_port);
    header->dest = lwip_htons(record->remote_port);
    header->seqno = lwip_htonl(record->sent_next);
    header->ackno = lwip_htonl(record->received_next);
    header->wnd = lwip_htons(record->window);
    TCPH_HDRLEN_FLAGS_SET(header, TCP_HLEN / 4, TCP_ACK);
    struct netif *netif = ip_route(&local, &remote);
    if (netif) {
        IF__NETIF_CHECKSUM_ENABLED(netif, NETIF_CHECKSUM_GEN_TCP)
            header->chksum = ip_chksum_pseudo(p, IP_PROTO_TCP, p->tot_len, &local, &remote);
        ip_output_if(p, &local, &remote, TCP_TTL, 0, IP_PROTO_TCP, netif);
    }
    pbuf_free(p);
}

bool timewait_input(const struct tcp_hdr *header, unsigned flags, unsigned length)
{
    struct record *record = record_find(ip4_addr_get_u32(ip_current_dest_addr()), header->dest,
                                        ip4_addr_get_u32(ip_current_src_addr()), header->src);
    if (!record)
        return false;
    if (timewait_clock() - record->since >= TIMEWAIT_SECONDS) {
        record_drop(record);
        return false;
    }
    if (flags & TCP_RST) {
        if (header->seqno == record->received_next) {
            record_drop(record);
            timewait_counts.reset++;
        }
        return true;
    }
    if ((flags & (TCP_SYN | TCP_ACK)) == TCP_SYN && TCP_SEQ_GT(header->seqno, record->received_next)) {
        tcp_isn_beyond(record->sent_next);
        record_drop(record);
        timewait_counts.recycled++;
        return false;
    }
    if (flags & TCP_FIN && header->seqno + length == record->received_next) {
        struct record again = *record;
        record_drop(record);
        acknowledge(&again);
        record_add(&again);
        return true;
    }
    if (length)
        acknowledge(record);
    return true;
}
