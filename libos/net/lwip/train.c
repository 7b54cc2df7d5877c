/* SPDX-License-Identifier: MIT */
/* Trains of TCP segments: see train.h. What the device does with them: exo/abi.h, EXO_TX_SEGMENT. */
#include "train.h"

#include <exo/abi.h>
#include <lwip/inet_chksum.h>
#include <lwip/ip.h>
#include <lwip/prot/ethernet.h>
#include <lwip/prot/ip4.h>
#include <lwip/prot/tcp.h>
#include <string.h>

#define TRAINS 32u
#define SIZE_LEAST 1024u /* what is shorter is not kept waiting */
#define FRAMES_MAX 13u   /* that NET_TX can pin */
#define PAYLOAD_MAX (65535u - IP_HLEN - TCP_HLEN)

struct headers {
    struct eth_hdr link;
    struct ip_hdr ip;
    struct tcp_hdr tcp;
} __attribute__((packed));

static struct train trains[TRAINS], *trains_free, *waiting;
static unsigned trains_used; /* the first so many were free once */

static struct headers *headers_of(const struct pbuf *p) { return p->payload; }

/* A data segment over IPv4, neither with options, with no flag but ACK and PSH. */
static bool is_plain_segment(const struct pbuf *p)
{
    const struct headers *headers = headers_of(p);
    return p->len >= sizeof *headers && p->tot_len > sizeof *headers &&
           headers->link.type == PP_HTONS(ETHTYPE_IP) && headers->ip._v_hl == 0x45 &&
           headers->ip._proto == IP_PROTO_TCP &&
           (headers->ip._offset & PP_HTONS(IP_OFFMASK | IP_MF)) == 0 &&
           TCPH_HDRLEN_BYTES(&headers->tcp) == TCP_HLEN &&
           (TCPH_FLAGS(&headers->tcp) & ~(TCP_ACK | TCP_PSH)) == 0;
}

/* Addresses, ports, acknowledgement and window: all that a train's segments have in common. */
static bool same_flow(const struct headers *one, const struct headers *other)
{
    return memcmp(&one->ip.src, &other->ip.src, 8) == 0 && one->tcp.src == other->tcp.src &&
           one->tcp.dest == other->tcp.dest && one->tcp.ackno == other->tcp.ackno &&
           one->tcp.wnd == other->tcp.wnd &&
           memcmp(&one->link.dest, &other->link.dest, sizeof one->link.dest) == 0;
}

unsigned pieces_add(struct piece *piece, unsigned count, const struct pbuf *p, uint32_t skip)
{
    for (; p; skip = 0, p = p->next) {
        if (p->len <= skip) {
            skip -= p->len;
            if (skip)
                return 0;
            continue;
        }
        const uint8_t *bytes = (const uint8_t *)p->payload + skip;
        uint32_t length = p->len - skip;
        struct piece *last = count ? &piece[count - 1] : NULL;
        if (last && last->bytes + last->length == bytes && last->length + length <= 65536 &&
            last->pbuf->type_internal == PBUF_ROM && p->type_internal == PBUF_ROM) {
            last->length += length; /* of one file */
            continue;
        }
        if (count == TRAIN_PIECES)
            return 0;
        piece[count++] = (struct piece){ p, bytes, length };
    }
    return count;
}

static unsigned frames_of(const struct piece *piece)
{
    return (unsigned)(((uint64_t)piece->bytes % EXO_PAGE_SIZE + piece->length + EXO_PAGE_SIZE - 1) /
                      EXO_PAGE_SIZE);
}

/* With this packet behind its `skip` bytes the train's pieces are so many: changed only if they fit. */
static bool fits(struct train *train, const struct pbuf *p, uint32_t skip)
{
    struct piece last = train->pieces ? train->piece[train->pieces - 1] : (struct piece){ NULL, NULL, 0 };
    unsigned frames = train->frames - (train->pieces ? frames_of(&last) : 0);
    unsigned count = pieces_add(train->piece, train->pieces, p, skip);
    for (unsigned i = train->pieces ? train->pieces - 1 : 0; i < count; i++)
        frames += frames_of(&train->piece[i]);
    if (count && frames <= FRAMES_MAX) {
        train->pieces = count;
        train->frames = frames;
        return true;
    }
    if (train->pieces)
        train->piece[train->pieces - 1] = last;
    return false;
}

static void append(struct train *train, struct pbuf *p)
{
    uint32_t payload = p->tot_len - (uint32_t)sizeof(struct headers);
    pbuf_ref(p);
    train->segment[train->segments++] = p;
    train->payload += payload;
    train->sequence = lwip_ntohl(headers_of(p)->tcp.seqno) + payload;
    train->closed = payload < train->size || TCPH_FLAGS(&headers_of(p)->tcp) & TCP_PSH;
}

static bool begin(struct pbuf *p)
{
    struct train *train = trains_free;
    if (p->tot_len < SIZE_LEAST + sizeof(struct headers))
        return false;
    if (train)
        trains_free = train->next;
    else if (trains_used < TRAINS)
        train = &trains[trains_used++];
    else
        return false;
    train->segments = train->pieces = train->frames = 0;
    train->payload = 0;
    if (!fits(train, p, 0)) {
        train->next = trains_free;
        trains_free = train;
        return false;
    }
    train->size = (uint16_t)(p->tot_len - sizeof(struct headers));
    append(train, p);
    waiting = train;
    return true;
}

bool train_join(struct pbuf *p)
{
    if (!is_plain_segment(p))
        return false;
    struct train *train = waiting;
    if (!train)
        return begin(p);
    const struct headers *headers = headers_of(p);
    uint32_t payload = p->tot_len - (uint32_t)sizeof *headers;
    if (train->closed || payload > train->size || train->segments == TRAIN_SEGMENTS ||
        train->payload + payload > PAYLOAD_MAX ||
        lwip_ntohl(headers->tcp.seqno) != train->sequence ||
        !same_flow(headers_of(train->segment[0]), headers) || !fits(train, p, sizeof *headers))
        return false;
    append(train, p);
    return true;
}

/* The first segment's headers speak for all; its own are made anew if it has to be sent again. */
struct train *train_waiting(void)
{
    struct train *train = waiting;
    if (!train || train->segments == 1)
        return train;
    struct headers *first = headers_of(train->segment[0]);
    const struct headers *last = headers_of(train->segment[train->segments - 1]);
    IPH_LEN_SET(&first->ip, lwip_htons((u16_t)(train->payload + IP_HLEN + TCP_HLEN)));
    IPH_CHKSUM_SET(&first->ip, 0);
    IPH_CHKSUM_SET(&first->ip, inet_chksum(&first->ip, IP_HLEN));
    TCPH_SET_FLAG(&first->tcp, TCPH_FLAGS(&last->tcp) & TCP_PSH);
    return train;
}

void train_left(void) { waiting = NULL; }

void train_free(struct train *train)
{
    for (unsigned i = 0; i < train->segments; i++)
        pbuf_free(train->segment[i]);
    train->next = trains_free;
    trains_free = train;
}
