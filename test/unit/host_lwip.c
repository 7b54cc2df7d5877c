/* SPDX-License-Identifier: MIT */
/* lwIP's surroundings on the host: see host_lwip.h. */
#include "host_lwip.h"

#include <check.h>
#include <libos/clock.h>
#include <libos/log.h>
#include <libos/mem.h>
#include <libos/thread.h>
#include <lwip/inet_chksum.h>
#include <lwip/init.h>
#include <lwip/ip.h>
#include <lwip/priv/tcp_priv.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "heap.h"
#include "hooks.h"
#include "random.h"
#include "timers.h"

#define SENT_MAX 1024u

static struct netif netif;
static struct segment sent[SENT_MAX];
static unsigned sent_first, sent_count;
static uint64_t now_ns = 1000000000;

/* ---- what the libos would give -------------------------------------------------------- */

uint64_t host_tick(void)
{
    return now_ns; /* a tick is a nanosecond */
}

uint64_t clock_ns_to_tick(uint64_t ns)
{
    return ns;
}

uint64_t clock_monotonic_ns(void)
{
    return now_ns;
}

void *mem_map_run(uint32_t count, uint64_t *frame)
{
    void *run = aligned_alloc(4096, (size_t)count * 4096);
    if (run)
        memset(run, 0, (size_t)count * 4096);
    *frame = (uint64_t)run >> 12;
    return run;
}

void poller_kick(void)
{
}

void socket_notify(void *cookie, unsigned ready)
{
    struct host_cookie *mine = cookie;
    mine->notified++;
    mine->ready = ready;
}

void lwip_assert_failed(const char *what, const char *file, int line)
{
    fprintf(stderr, "lwIP: %s (%s:%d)\n", what, file, line);
    abort();
}

void dhcp_wish(struct netif *interface, struct dhcp *dhcp, unsigned state, struct dhcp_msg *message,
               unsigned type, uint16_t *length)
{
    (void)interface, (void)dhcp, (void)state, (void)message, (void)type, (void)length;
}

/* ---- the wire ---------------------------------------------------------------------------- */

static err_t wire_out(struct netif *interface, struct pbuf *p, const ip4_addr_t *to)
{
    (void)interface, (void)to;
    uint8_t bytes[2048];
    uint16_t length = pbuf_copy_partial(p, bytes, sizeof bytes, 0);
    EXPECT(length >= 40);
    EXPECT(inet_chksum(bytes, 20) == 0);
    EXPECT(bytes[9] == IP_PROTO_TCP);
    unsigned header = 20 + (bytes[32] >> 4) * 4u;
    EXPECT(sent_count < SENT_MAX);
    struct segment *segment = &sent[(sent_first + sent_count++) % SENT_MAX];
    memcpy(&segment->address, bytes + 16, 4);
    segment->from = (uint16_t)(bytes[20] << 8 | bytes[21]);
    segment->to = (uint16_t)(bytes[22] << 8 | bytes[23]);
    segment->sequence = (uint32_t)bytes[24] << 24 | (uint32_t)bytes[25] << 16 | (uint32_t)bytes[26] << 8 | bytes[27];
    segment->acknowledged = (uint32_t)bytes[28] << 24 | (uint32_t)bytes[29] << 16 | (uint32_t)bytes[30] << 8 | bytes[31];
    segment->flags = bytes[33] & 0x3f;
    segment->window = (uint16_t)(bytes[34] << 8 | bytes[35]);
    segment->length = (uint16_t)(length - header);
    memcpy(segment->bytes, bytes + header, segment->length);
    return ERR_OK;
}

static err_t wire_init(struct netif *interface)
{
    interface->mtu = 1500;
    interface->output = wire_out;
    return ERR_OK;
}

void host_start(void)
{
    static bool started;
    sent_first = sent_count = 0;
    if (started)
        return;
    started = true;
    random_key((const uint64_t[2]){ 0x0123456789abcdefull, 0xfedcba9876543210ull });
    timers_init();
    lwip_init();
    ip4_addr_t address = { SERVER_IP }, mask = { 0x00ffffffu }, gateway = { CLIENT_IP };
    netif_add(&netif, &address, &mask, &gateway, NULL, wire_init, ip_input);
    netif_set_default(&netif);
    netif_set_up(&netif);
    netif_set_link_up(&netif);
}

void host_segment(const struct segment *segment)
{
    struct pbuf *p = pbuf_alloc(PBUF_RAW, (u16_t)(40 + segment->length), PBUF_RAM);
    EXPECT(p);
    struct ip_hdr *ip = p->payload;
    memset(ip, 0, 40);
    IPH_VHL_SET(ip, 4, 5);
    IPH_LEN_SET(ip, lwip_htons(p->tot_len));
    IPH_TTL_SET(ip, 64);
    IPH_PROTO_SET(ip, IP_PROTO_TCP);
    ip->src.addr = CLIENT_IP;
    ip->dest.addr = SERVER_IP;
    IPH_CHKSUM_SET(ip, inet_chksum(ip, 20));
    struct tcp_hdr *tcp = (struct tcp_hdr *)(void *)((u8_t *)p->payload + 20);
    tcp->src = lwip_htons(segment->from);
    tcp->dest = lwip_htons(segment->to);
    tcp->seqno = lwip_htonl(segment->sequence);
    tcp->ackno = lwip_htonl(segment->acknowledged);
    tcp->wnd = lwip_htons(segment->window);
    TCPH_HDRLEN_FLAGS_SET(tcp, 5, segment->flags);
    memcpy((u8_t *)p->payload + 40, segment->bytes, segment->length);
    pbuf_remove_header(p, 20);
    ip_addr_t from = { CLIENT_IP }, to = { SERVER_IP };
    tcp->chksum = ip_chksum_pseudo(p, IP_PROTO_TCP, p->tot_len, &from, &to);
    pbuf_add_header(p, 20);
    timers_touch();
    EXPECT(netif.input(p, &netif) == ERR_OK);
    host_round();
}

bool host_take(struct segment *segment)
{
    if (sent_count == 0)
        return false;
    *segment = sent[sent_first % SENT_MAX];
    sent_first++;
    sent_count--;
    return true;
}

unsigned host_waiting(void)
{
    return sent_count;
}

void host_round(void)
{
    endpoint_flush();
    timers_run(&netif);
}

void host_clock_skip(uint64_t milliseconds)
{
    now_ns += milliseconds * 1000000;
}

void host_pass(uint64_t milliseconds)
{
    for (uint64_t i = 0; i < milliseconds; i += 50) {
        host_clock_skip(50);
        host_round();
    }
}

uint64_t host_blocks(void)
{
    return heap_usage.blocks;
}

unsigned host_pcbs(void)
{
    unsigned count = 0;
    for (const struct tcp_pcb *pcb = tcp_active_pcbs; pcb; pcb = pcb->next)
        count++;
    for (const struct tcp_pcb *pcb = tcp_tw_pcbs; pcb; pcb = pcb->next)
        count++;
    for (const struct tcp_pcb *pcb = tcp_bound_pcbs; pcb; pcb = pcb->next)
        count++;
    return count;
}

struct endpoint *host_listen(uint16_t port, struct host_cookie *cookie)
{
    struct endpoint *endpoint = endpoint_new(SOCK_STREAM, cookie);
    ck_assert_ptr_nonnull(endpoint);
    stream_adopt(endpoint, tcp_new());
    ck_assert_int_eq(tcp_bind(endpoint->tcp, IP_ADDR_ANY, port), ERR_OK);
    ck_assert_int_eq(connection_listen(endpoint, 128), 0);
    return endpoint;
}

/* ---- the client ------------------------------------------------------------------------------ */

void client_send(struct client *client, uint8_t flags, const void *bytes, uint16_t length)
{
    struct segment segment = { .from = client->port, .to = client->server_port,
                               .sequence = client->sequence, .acknowledged = client->acknowledged,
                               .flags = flags, .window = 65535, .length = length };
    if (!(flags & ACK))
        segment.acknowledged = 0;
    if (length)
        memcpy(segment.bytes, bytes, length);
    client->sequence += length + (flags & (SYN | FIN) ? 1u : 0u);
    host_segment(&segment);
}

bool client_open(struct client *client, uint16_t port, uint16_t server_port, uint32_t first,
                 struct segment *answer)
{
    *client = (struct client){ .port = port, .server_port = server_port, .sequence = first };
    client_send(client, SYN, NULL, 0);
    if (!host_take(answer) || answer->flags != (SYN | ACK) || answer->acknowledged != first + 1)
        return false;
    client->acknowledged = answer->sequence + 1;
    client_send(client, ACK, NULL, 0);
    return true;
}

int client_take(struct client *client, struct segment *segment)
{
    if (!host_take(segment) || segment->to != client->port)
        return -1;
    if (segment->sequence != client->acknowledged)
        return -1;
    client->acknowledged += segment->length + (segment->flags & FIN ? 1u : 0u);
    return segment->length;
}
