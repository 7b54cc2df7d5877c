/* SPDX-License-Identifier: MIT */
/* UDP endpoints. */
#include "endpoint.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "heap.h"

#define DATAGRAM_MAX 65507u
#define FIRST_PART 1472u /* behind the headers of an unfragmented one */
#define NEXT_PART 1600u

static void datagram_arrived(void *argument, struct udp_pcb *pcb, struct pbuf *p,
                             const ip_addr_t *ip, u16_t port)
{
    (void)pcb;
    struct endpoint *endpoint = argument;
    struct datagram *datagram = NULL;
    /* Small ones count as what they pin. */
    uint32_t cost = p->tot_len + 512u;
    if (!endpoint->shut_read && endpoint->in_bytes + cost <= endpoint->in_limit)
        datagram = heap_alloc(sizeof *datagram);
    if (!datagram) {
        pbuf_free(p);
        return;
    }
    *datagram = (struct datagram){ .p = p, .address = ip4_addr_get_u32(ip), .port = port };
    endpoint->in_bytes += cost;
    *endpoint->datagram_last = datagram;
    endpoint->datagram_last = &datagram->next;
    endpoint_notify(endpoint, POLLIN | POLLRDNORM);
}

void datagram_adopt(struct endpoint *endpoint, struct udp_pcb *pcb)
{
    endpoint->udp = pcb;
    udp_recv(pcb, datagram_arrived, endpoint);
}

static void datagram_drop(struct endpoint *endpoint)
{
    struct datagram *datagram = endpoint->datagram_first;
    endpoint->datagram_first = datagram->next;
    if (!datagram->next)
        endpoint->datagram_last = &endpoint->datagram_first;
    endpoint->in_bytes -= datagram->p->tot_len + 512u;
    pbuf_free(datagram->p);
    heap_free(datagram);
}

void datagram_drain(struct endpoint *endpoint)
{
    while (endpoint->datagram_first)
        datagram_drop(endpoint);
}

/* ---- sending ---------------------------------------------------------------------- */

/* Room for `length` bytes, in parts that the heap has blocks for. */
static struct pbuf *parts_alloc(size_t length)
{
    struct pbuf *first = pbuf_alloc(PBUF_TRANSPORT, (u16_t)(length < FIRST_PART ? length : FIRST_PART),
                                    PBUF_RAM);
    for (size_t have = FIRST_PART; first && have < length; have += NEXT_PART) {
        size_t part = length - have < NEXT_PART ? length - have : NEXT_PART;
        struct pbuf *next = pbuf_alloc(PBUF_RAW, (u16_t)part, PBUF_RAM);
        if (next) {
            pbuf_cat(first, next);
        } else {
            pbuf_free(first);
            first = NULL;
        }
    }
    return first;
}

long datagram_send(struct endpoint *endpoint, const struct iovec *iov, int count, int flags,
                   const struct sockaddr *to, socklen_t length)
{
    (void)flags;
    ip_addr_t ip;
    uint16_t port;
    if (to && !address_take(to, length, &ip, &port))
        return -EINVAL;
    if (!to && !endpoint->connected)
        return -EDESTADDRREQ;
    if (endpoint->shut_write)
        return -EPIPE;
    size_t bytes = 0;
    for (int i = 0; i < count; i++)
        bytes += iov[i].iov_len;
    if (bytes > DATAGRAM_MAX)
        return -EMSGSIZE;
    struct pbuf *p = parts_alloc(bytes);
    if (!p)
        return -ENOBUFS;
    u16_t at = 0;
    for (int i = 0; i < count; at = (u16_t)(at + iov[i].iov_len), i++)
        pbuf_take_at(p, iov[i].iov_base, (u16_t)iov[i].iov_len, at);
    err_t error = to ? udp_sendto(endpoint->udp, p, &ip, port) : udp_send(endpoint->udp, p);
    pbuf_free(p);
    if (error == ERR_VAL)
        return -EACCES; /* broadcast without SO_BROADCAST */
    if (error == ERR_MEM)
        return -ENOBUFS; /* the queue is full */
    return error == ERR_OK ? (long)bytes : error_of(error);
}

/* ---- receiving ------------------------------------------------------------------------ */

long datagram_receive(struct endpoint *endpoint, const struct iovec *iov, int count, int flags,
                      struct sockaddr *from, socklen_t *length)
{
    struct datagram *datagram = endpoint->datagram_first;
    if (!datagram) {
        int error = endpoint->error;
        endpoint->error = 0;
        return error ? -error : endpoint->shut_read ? 0 : -EAGAIN;
    }
    size_t at = 0, total = datagram->p->tot_len;
    for (int i = 0; i < count && at < total; i++)
        at += pbuf_copy_partial(datagram->p, iov[i].iov_base,
                                iov[i].iov_len > 65535 ? 65535 : (u16_t)iov[i].iov_len, (u16_t)at);
    ip_addr_t ip;
    ip_addr_set_ip4_u32(&ip, datagram->address);
    struct sockaddr_in name = address_make(&ip, datagram->port);
    address_give(&name, from, length);
    if (!(flags & MSG_PEEK))
        datagram_drop(endpoint);
    return flags & MSG_TRUNC ? (long)total : (long)at;
}
