/* SPDX-License-Identifier: MIT */
/* What streams and datagrams share: see endpoint.h. */
#include "endpoint.h"

#include <errno.h>
#include <libos/thread.h>
#include <poll.h>
#include <string.h>

#include "heap.h"
#include "hooks.h"

static struct endpoint *unsent_first;

struct endpoint *endpoint_new(uint8_t type, void *cookie)
{
    struct endpoint *endpoint = heap_alloc_zeroed(1, sizeof *endpoint);
    if (endpoint) {
        endpoint->cookie = cookie;
        endpoint->type = type;
        endpoint->datagram_last = &endpoint->datagram_first;
        endpoint->in_limit = 256 * 1024;
    }
    return endpoint;
}

void endpoint_notify(struct endpoint *endpoint, unsigned ready)
{
    if (endpoint->cookie)
        socket_notify(endpoint->cookie, ready);
}

static unsigned stream_ready(const struct endpoint *endpoint)
{
    unsigned ready = 0;
    if (endpoint->listening)
        return endpoint->waiting_first ? POLLIN | POLLRDNORM : 0;
    if (endpoint->in_bytes || endpoint->end_read || endpoint->shut_read)
        ready |= POLLIN | POLLRDNORM;
    if (endpoint->end_read || endpoint->shut_read)
        ready |= POLLRDHUP;
    if (endpoint->error)
        ready |= POLLERR | POLLIN | POLLOUT;
    if (!endpoint->tcp && !endpoint->connecting)
        ready |= POLLOUT | POLLHUP;
    else if (!endpoint->connected && !endpoint->connecting)
        ready |= POLLOUT | POLLHUP; /* as Linux says of a fresh socket */
    else if (endpoint->connected && (endpoint->shut_write || stream_room(endpoint->tcp)))
        ready |= POLLOUT | POLLWRNORM;
    if (endpoint->end_read && endpoint->shut_write)
        ready |= POLLHUP;
    return ready;
}

unsigned endpoint_ready(struct endpoint *endpoint)
{
    if (endpoint->type == SOCK_STREAM)
        return stream_ready(endpoint);
    unsigned ready = POLLOUT | POLLWRNORM;
    if (endpoint->datagram_first || endpoint->shut_read)
        ready |= POLLIN | POLLRDNORM;
    if (endpoint->error)
        ready |= POLLERR;
    return ready;
}

void endpoint_free(struct endpoint *endpoint)
{
    if (endpoint->unsent)
        endpoint->closed = true; /* endpoint_flush() will meet it */
    else
        heap_free(endpoint);
}

void endpoint_unsent(struct endpoint *endpoint)
{
    if (endpoint->unsent)
        return;
    endpoint->unsent = true;
    endpoint->unsent_next = unsent_first;
    unsent_first = endpoint;
    poller_kick();
}

void endpoint_flush(void)
{
    struct endpoint *endpoint;
    while ((endpoint = unsent_first) != NULL) {
        unsent_first = endpoint->unsent_next;
        endpoint->unsent = false;
        if (endpoint->closed)
            heap_free(endpoint);
        else if (endpoint->tcp)
            tcp_output(endpoint->tcp);
    }
}

/* An established connection's segments of one round are answered together. */
void tcp_output_later(struct tcp_pcb *pcb)
{
    struct endpoint *endpoint = pcb->callback_arg;
    if (pcb->state != ESTABLISHED || !endpoint || endpoint->tcp != pcb)
        tcp_output(pcb);
    else if (pcb->unsent || pcb->flags & TF_ACK_NOW)
        endpoint_unsent(endpoint);
}

void endpoint_over(void *argument)
{
    struct endpoint *endpoint = argument;
    endpoint->tcp = NULL;
    endpoint->end_read = true;
    endpoint_notify(endpoint, endpoint_ready(endpoint));
}

int error_of(err_t error)
{
    switch (error) {
    case ERR_OK: return 0;
    case ERR_MEM: return -ENOMEM;
    case ERR_BUF: return -ENOBUFS;
    case ERR_TIMEOUT: return -ETIMEDOUT;
    case ERR_RTE: return -ENETUNREACH;
    case ERR_INPROGRESS: return -EINPROGRESS;
    case ERR_VAL: return -EINVAL;
    case ERR_WOULDBLOCK: return -EAGAIN;
    case ERR_USE: return -EADDRINUSE;
    case ERR_ALREADY: return -EALREADY;
    case ERR_ISCONN: return -EISCONN;
    case ERR_CONN: return -ENOTCONN;
    case ERR_IF: return -ENETDOWN;
    case ERR_ABRT: return -ECONNABORTED;
    case ERR_RST: return -ECONNRESET;
    case ERR_CLSD: return -ENOTCONN;
    default: return -EINVAL;
    }
}

/* ---- addresses ------------------------------------------------------------------- */

bool address_take(const struct sockaddr *address, socklen_t length, ip_addr_t *ip, uint16_t *port)
{
    struct sockaddr_in in;
    if (!address || length < sizeof in)
        return false;
    memcpy(&in, address, sizeof in);
    if (in.sin_family != AF_INET && in.sin_family != AF_UNSPEC)
        return false;
    ip_addr_set_ip4_u32(ip, in.sin_addr.s_addr);
    *port = lwip_ntohs(in.sin_port);
    return true;
}

struct sockaddr_in address_make(const ip_addr_t *ip, uint16_t port)
{
    return (struct sockaddr_in){ .sin_family = AF_INET,
                                 .sin_port = lwip_htons(port),
                                 .sin_addr.s_addr = ip4_addr_get_u32(ip_2_ip4(ip)) };
}

void address_give(const struct sockaddr_in *from, struct sockaddr *address, socklen_t *length)
{
    if (!length)
        return;
    if (address)
        memcpy(address, from, *length < sizeof *from ? *length : sizeof *from);
    *length = sizeof *from;
}
