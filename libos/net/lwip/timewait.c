/* SPDX-License-Identifier: MIT */
/*
 * TIME_WAIT: see timewait.h. Records in a list by age, found through a hash of chains;
 * memory for them is taken as they come. Nothing ticks: age is looked at when a
 * record is met or a new one wanted.
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
#include "heap.h"
#include "hooks.h"
#include "random.h"

#define CHAINS 4096u
#define NONE 0u /* no record has index 0 */
#define GROUP 63u /* records that fit one block of the heap */
#define GROUPS (TIMEWAIT_MAX / GROUP)

struct record {
    uint32_t local_ip, remote_ip;
    uint16_t local_port, remote_port;
    uint32_t sent_next, received_next;
    uint32_t since;
    uint16_t window;
    uint16_t chain_next; /* of the hash, or of the free ones */
    uint16_t older, younger;
};

_Static_assert(sizeof(struct record) == 32, "as promised");
_Static_assert(GROUP * sizeof(struct record) <= 2032, "a usual block");

static struct record *groups[GROUPS];
static unsigned group_count;
static uint16_t chains[CHAINS];
static uint16_t oldest, youngest, free_first;

struct timewait_counts timewait_counts;

static struct record *record_at(unsigned index)
{
    return &groups[(index - 1) / GROUP][(index - 1) % GROUP];
}

static uint16_t *chain_of(uint32_t remote_ip, uint16_t remote_port, uint16_t local_port)
{
    return &chains[random_table(remote_ip, remote_port, local_port) % CHAINS];
}

static void record_drop(uint16_t index)
{
    struct record *record = record_at(index);
    uint16_t *at = chain_of(record->remote_ip, record->remote_port, record->local_port);
    while (*at != index)
        at = &record_at(*at)->chain_next;
    *at = record->chain_next;
    *(record->older ? &record_at(record->older)->younger : &oldest) = record->younger;
    *(record->younger ? &record_at(record->younger)->older : &youngest) = record->older;
    record->chain_next = free_first;
    free_first = index;
    timewait_counts.now--;
}

static bool records_grow(void)
{
    if (group_count == GROUPS)
        return false;
    struct record *group = heap_alloc(GROUP * sizeof(struct record));
    if (!group)
        return false;
    groups[group_count] = group;
    for (unsigned i = GROUP; i-- > 0;) {
        group[i].chain_next = free_first;
        free_first = (uint16_t)(group_count * GROUP + i + 1);
    }
    group_count++;
    return true;
}

/* Makes sure that there is a free one; false only without any memory at all. */
static bool record_free(uint32_t now)
{
    while (oldest && now - record_at(oldest)->since >= TIMEWAIT_SECONDS)
        record_drop(oldest);
    if (free_first || records_grow())
        return true;
    if (!oldest)
        return false;
    timewait_counts.forgotten++;
    record_drop(oldest);
    return true;
}

static void record_add(const struct record *from)
{
    uint32_t now = timewait_clock();
    if (!record_free(now))
        return;
    uint16_t index = free_first;
    struct record *record = record_at(index);
    uint16_t *chain = chain_of(from->remote_ip, from->remote_port, from->local_port);
    free_first = record->chain_next;
    *record = *from;
    record->since = now;
    record->chain_next = *chain;
    *chain = index;
    record->older = youngest;
    record->younger = NONE;
    *(youngest ? &record_at(youngest)->younger : &oldest) = index;
    youngest = index;
    timewait_counts.now++;
}

/* The index of a connection's record, or NONE. */
static uint16_t record_find(uint32_t local_ip, uint16_t local_port, uint32_t remote_ip,
                            uint16_t remote_port)
{
    if (timewait_counts.now == 0)
        return NONE;
    uint16_t at = *chain_of(remote_ip, remote_port, local_port);
    for (; at != NONE; at = record_at(at)->chain_next) {
        const struct record *record = record_at(at);
        if (record->remote_ip == remote_ip && record->remote_port == remote_port &&
            record->local_port == local_port && record->local_ip == local_ip)
            break;
    }
    return at;
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
    uint16_t same = record_find(record.local_ip, record.local_port, record.remote_ip,
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
    uint16_t index = record_find(ip4_addr_get_u32(ip_current_dest_addr()), header->dest,
                                 ip4_addr_get_u32(ip_current_src_addr()), header->src);
    if (index == NONE)
        return false;
    struct record record = *record_at(index);
    if (timewait_clock() - record.since >= TIMEWAIT_SECONDS) {
        record_drop(index);
        return false;
    }
    if (flags & TCP_RST) {
        if (header->seqno == record.received_next) {
            record_drop(index);
            timewait_counts.reset++;
        }
        return true;
    }
    if ((flags & (TCP_SYN | TCP_ACK)) == TCP_SYN && TCP_SEQ_GT(header->seqno, record.received_next)) {
        tcp_isn_beyond(record.sent_next);
        record_drop(index);
        timewait_counts.recycled++;
        return false;
    }
    if (flags & TCP_FIN && header->seqno + length == record.received_next) {
        record_drop(index);
        record_add(&record);
    }
    if (length)
        acknowledge(&record);
    return true;
}
