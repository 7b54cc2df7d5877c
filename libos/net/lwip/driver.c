/* SPDX-License-Identifier: MIT */
/*
 * lwIP's network interface over a raw queue: see driver.h. Nothing is copied on the
 * usual path: a received packet is a pbuf around its receive buffer, and what
 * is sent lies where TCP put it, kept by a reference until the device has it.
 */
#include "driver.h"

#include <lwip/etharp.h>
#include <lwip/inet_chksum.h>
#include <lwip/prot/ip4.h>
#include <lwip/prot/tcp.h>
#include <lwip/prot/udp.h>
#include <netif/ethernet.h>
#include <lwip/priv/tcp_priv.h>
#include <string.h>

#include "heap.h"
#include "timers.h"
#include "train.h"

#define DRIVER_BUFFERS 128u
#define DRIVER_LOW 24u /* with fewer buffers left than this, packets are copied out of them */
#define COOKIE_TRAIN 1 /* what travels with a send is a train, not a pbuf */

struct netqueue driver_queue;
struct driver_counts driver_counts;

static struct pbuf_custom rx_pbuf[DRIVER_BUFFERS];
static struct netqueue_buffer *rx_first, **rx_last = &rx_first;
static unsigned rx_held; /* buffers that lwIP or an endpoint has */
static bool tx_room;     /* sends were refused, and can go on */

/* ---- receiving --------------------------------------------------------------------- */

static void rx_arrived(struct netqueue *queue, struct netqueue_buffer *buffer)
{
    (void)queue;
    buffer->next = NULL;
    *rx_last = buffer;
    rx_last = &buffer->next;
}

static void rx_free(struct pbuf *p)
{
    rx_held--;
    netqueue_release(&driver_queue.buffer[(struct pbuf_custom *)p - rx_pbuf]);
}

static struct pbuf *rx_copy(struct netqueue_buffer *buffer)
{
    struct pbuf *p = pbuf_alloc(PBUF_RAW, (u16_t)buffer->length, PBUF_RAM);
    if (p) {
        memcpy(p->payload, buffer->bytes, buffer->length);
        driver_counts.copied++;
    } else {
        driver_counts.dropped++;
    }
    netqueue_release(buffer);
    return p;
}

static struct pbuf *rx_wrap(struct netqueue_buffer *buffer)
{
    if (rx_held > DRIVER_BUFFERS - DRIVER_LOW)
        return rx_copy(buffer);
    struct pbuf_custom *custom = &rx_pbuf[buffer - driver_queue.buffer];
    custom->custom_free_function = rx_free;
    rx_held++;
    return pbuf_alloced_custom(PBUF_RAW, (u16_t)buffer->length, PBUF_REF, custom, buffer->bytes,
                               NETQUEUE_BUFFER_BYTES);
}

static void rx_one(struct netif *netif, struct netqueue_buffer *buffer)
{
    u16_t check = NETIF_CHECKSUM_ENABLE_ALL;
    if (buffer->flags & (EXO_RX_CSUM_VALID | EXO_RX_CSUM_NEEDED))
        check &= (u16_t)~(NETIF_CHECKSUM_CHECK_TCP | NETIF_CHECKSUM_CHECK_UDP);
    if (driver_queue.features & EXO_NIC_TX_CSUM)
        check &= (u16_t)~(NETIF_CHECKSUM_GEN_TCP | NETIF_CHECKSUM_GEN_UDP);
    NETIF_SET_CHECKSUM_CTRL(netif, check);
    struct pbuf *p = rx_wrap(buffer);
    if (p && netif->input(p, netif) != ERR_OK)
        pbuf_free(p);
}

void driver_poll(struct netif *netif)
{
    struct netqueue_buffer *buffer;
    if (rx_first)
        timers_touch();
    while ((buffer = rx_first) != NULL) {
        rx_first = buffer->next;
        if (!rx_first)
            rx_last = &rx_first;
        rx_one(netif, buffer);
    }
    if (tx_room) {
        tx_room = false;
        tcp_txnow();
    }
}

/* ---- sending ------------------------------------------------------------------------- */

static void tx_done(struct netqueue *queue, void *cookie, int status)
{
    (void)queue;
    (void)status; /* counted there; a lost packet is TCP's business */
    if ((uintptr_t)cookie & COOKIE_TRAIN)
        train_free((struct train *)(void *)((char *)cookie - COOKIE_TRAIN));
    else
        pbuf_free(cookie);
}

static void tx_again(struct netqueue *queue)
{
    (void)queue;
    tx_room = true;
}

/* The device sums the transport header and what follows, beginning with what stands in the field: the sum of
 * the pseudo-header (virtio 1.1, 5.1.6.2). 0 if there is nothing to sum. */
static uint64_t tx_checksum(struct pbuf *p)
{
    const struct eth_hdr *link = p->payload;
    if (link->type != PP_HTONS(ETHTYPE_IP) || p->len < SIZEOF_ETH_HDR + IP_HLEN)
        return 0;
    struct ip_hdr *ip = (struct ip_hdr *)(void *)((u8_t *)p->payload + SIZEOF_ETH_HDR);
    unsigned start = SIZEOF_ETH_HDR + IPH_HL_BYTES(ip), field;
    if (IPH_OFFSET(ip) & PP_HTONS(IP_OFFMASK | IP_MF))
        return 0; /* a fragment: UDP without a checksum */
    if (IPH_PROTO(ip) == IP_PROTO_TCP)
        field = offsetof(struct tcp_hdr, chksum);
    else if (IPH_PROTO(ip) == IP_PROTO_UDP)
        field = offsetof(struct udp_hdr, chksum);
    else
        return 0;
    if (p->len < start + field + 2)
        return 0;
    uint32_t length = (uint32_t)lwip_ntohs(IPH_LEN(ip)) - IPH_HL_BYTES(ip);
    uint64_t sum = (uint64_t)ip->src.addr + ip->dest.addr + lwip_htons((u16_t)length) +
                   lwip_htons(IPH_PROTO(ip));
    sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    u16_t folded = (u16_t)((sum & 0xffff) + (sum >> 16));
    memcpy((u8_t *)p->payload + start + field, &folded, 2);
    return EXO_TX_CSUM(start, field);
}

/* Where a piece lies, by frame; 0 if only its page is known. */
static uint64_t tx_word(const struct piece *piece)
{
    uint64_t physical;
    const struct pbuf *p = piece->pbuf;
    if (p->type_internal & PBUF_TYPE_FLAG_STRUCT_DATA_CONTIGUOUS) {
        physical = heap_physical(p) + (uint64_t)(piece->bytes - (const u8_t *)p);
    } else {
        uint64_t at = (uint64_t)(piece->bytes - driver_queue.arena);
        if (at >= DRIVER_BUFFERS * NETQUEUE_BUFFER_BYTES)
            return 0;
        physical = (driver_queue.arena_frame << EXO_PAGE_SHIFT) + at;
    }
    return EXO_BUF(physical >> EXO_PAGE_SHIFT, physical % EXO_PAGE_SIZE, piece->length);
}

static uint64_t tx_word_by_page(const struct piece *piece)
{
    uint64_t at = (uint64_t)piece->bytes;
    return EXO_BUF(at >> EXO_PAGE_SHIFT, at % EXO_PAGE_SIZE, piece->length);
}

static int tx_send(const struct piece *piece, unsigned count, uint64_t checksum, void *cookie)
{
    uint64_t words[TRAIN_PIECES];
    uint8_t flags = 0;
    for (unsigned i = 0; i < count && !flags; i++)
        if ((words[i] = tx_word(&piece[i])) == 0)
            flags = EXO_VPAGE;
    for (unsigned i = 0; i < count && flags; i++)
        words[i] = tx_word_by_page(&piece[i]);
    return netqueue_send(&driver_queue, words, count, checksum, flags, cookie);
}

/* The train goes before anything else does. False: there is no room for it yet. */
static bool tx_train(void)
{
    struct train *train = train_waiting();
    if (!train)
        return true;
    uint64_t checksum = tx_checksum(train->segment[0]);
    if (train->segments > 1)
        checksum |= EXO_TX_SEGMENT(train->size);
    if (tx_send(train->piece, train->pieces, checksum, (char *)train + COOKIE_TRAIN) != 0)
        return false;
    train_left();
    return true;
}

static err_t tx_alone(struct pbuf *p)
{
    struct piece piece[TRAIN_PIECES];
    uint64_t checksum = driver_queue.features & EXO_NIC_TX_CSUM ? tx_checksum(p) : 0;
    unsigned count = pieces_add(piece, 0, p, 0);
    if (count) {
        pbuf_ref(p);
    } else {
        p = pbuf_clone(PBUF_RAW, PBUF_RAM, p);
        if (!p)
            return ERR_MEM;
        driver_counts.scattered++;
        count = pieces_add(piece, 0, p, 0);
    }
    if (tx_send(piece, count, checksum, p) == 0)
        return ERR_OK;
    pbuf_free(p);
    return ERR_MEM;
}

static err_t tx_link(struct netif *netif, struct pbuf *p)
{
    (void)netif;
    timers_touch();
    bool trains = driver_queue.features & EXO_NIC_TX_SEGMENT;
    if (trains && train_join(p))
        return ERR_OK;
    if (!tx_train())
        return ERR_MEM;
    return trains && train_join(p) ? ERR_OK : tx_alone(p);
}

void driver_flush(void)
{
    (void)tx_train(); /* or in a later round */
    netqueue_flush(&driver_queue);
}

/* ---- life -------------------------------------------------------------------------------- */

static err_t interface_init(struct netif *netif)
{
    netif->name[0] = 'e';
    netif->name[1] = 'n';
    netif->mtu = 1500;
    netif->hwaddr_len = ETH_HWADDR_LEN;
    netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET;
    netif->output = etharp_output;
    netif->linkoutput = tx_link;
    return ERR_OK;
}

int driver_start(struct netif *netif, uint32_t queue, const uint8_t mac[6])
{
    struct netqueue_config config = {
        .handle = queue,
        .buffers = DRIVER_BUFFERS,
        .no_replies = true,
        .receive = rx_arrived,
        .sent = tx_done,
        .room = tx_again,
    };
    int error = netqueue_open(&driver_queue, &config);
    if (error)
        return error;
    netif_add_noaddr(netif, NULL, interface_init, ethernet_input);
    memcpy(netif->hwaddr, mac, ETH_HWADDR_LEN);
    if (driver_queue.features & EXO_NIC_TX_CSUM)
        NETIF_SET_CHECKSUM_CTRL(netif, (u16_t)~(NETIF_CHECKSUM_GEN_TCP | NETIF_CHECKSUM_GEN_UDP));
    netif_set_up(netif);
    netif_set_link_up(netif);
    return 0;
}
