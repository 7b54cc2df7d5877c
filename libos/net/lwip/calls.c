/* SPDX-License-Identifier: MIT */
/* What the socket layer calls: the two kinds of endpoint behind one structure of functions. */
#include <errno.h>
#include <libos/thread.h>
#include <poll.h>
#include <sys/socket.h>

#include "endpoint.h"
#include "stack.h"
#include "timers.h"

static int stack_open(int domain, int type, int protocol, void *cookie, struct endpoint **opened)
{
    if (domain != AF_INET)
        return -EAFNOSUPPORT;
    if (type != SOCK_STREAM && type != SOCK_DGRAM)
        return -ESOCKTNOSUPPORT;
    if (protocol != 0 && protocol != (type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP))
        return -EPROTONOSUPPORT;
    struct endpoint *endpoint = endpoint_new((uint8_t)type, cookie);
    if (!endpoint)
        return -ENOBUFS;
    if (type == SOCK_STREAM) {
        struct tcp_pcb *pcb = tcp_new();
        if (pcb)
            stream_adopt(endpoint, pcb);
    } else {
        struct udp_pcb *pcb = udp_new();
        if (pcb)
            datagram_adopt(endpoint, pcb);
    }
    if (!endpoint->tcp) {
        endpoint_free(endpoint);
        return -ENOBUFS;
    }
    *opened = endpoint;
    return 0;
}

static void stack_close(struct endpoint *endpoint)
{
    timers_touch();
    if (endpoint->type == SOCK_STREAM) {
        connection_close(endpoint);
        poller_kick();
        return;
    }
    udp_remove(endpoint->udp);
    datagram_drain(endpoint);
    endpoint_free(endpoint);
}

static int stack_bind(struct endpoint *endpoint, const struct sockaddr *address, socklen_t length)
{
    ip_addr_t ip;
    uint16_t port;
    if (!address_take(address, length, &ip, &port))
        return -EINVAL;
    if (!endpoint->tcp)
        return -EINVAL;
    if (endpoint->type == SOCK_DGRAM)
        return error_of(udp_bind(endpoint->udp, &ip, port));
    if (endpoint->listening || endpoint->connected || endpoint->connecting ||
        endpoint->tcp->local_port != 0)
        return -EINVAL;
    return error_of(tcp_bind(endpoint->tcp, &ip, port));
}

static int stack_listen(struct endpoint *endpoint, int backlog)
{
    return endpoint->type == SOCK_STREAM ? connection_listen(endpoint, backlog) : -EOPNOTSUPP;
}

static int stack_accept(struct endpoint *endpoint, void *cookie, struct endpoint **accepted)
{
    return endpoint->type == SOCK_STREAM ? connection_accept(endpoint, cookie, accepted) : -EOPNOTSUPP;
}

static int stack_connect(struct endpoint *endpoint, const struct sockaddr *address, socklen_t length)
{
    ip_addr_t ip;
    uint16_t port;
    if (!address_take(address, length, &ip, &port))
        return -EAFNOSUPPORT;
    timers_touch();
    poller_kick();
    if (endpoint->type == SOCK_STREAM)
        return connection_connect(endpoint, &ip, port);
    if (address->sa_family == AF_UNSPEC) {
        udp_disconnect(endpoint->udp);
        endpoint->connected = false;
        return 0;
    }
    err_t error = udp_connect(endpoint->udp, &ip, port);
    endpoint->connected = error == ERR_OK;
    return error_of(error);
}

static long stack_send(struct endpoint *endpoint, const struct iovec *iov, int count, int flags,
                       const struct sockaddr *to, socklen_t length)
{
    timers_touch();
    if (endpoint->type == SOCK_STREAM)
        return stream_send(endpoint, iov, count, flags);
    poller_kick();
    return datagram_send(endpoint, iov, count, flags, to, length);
}

static long stack_send_frozen(struct endpoint *endpoint, const void *bytes, size_t length, int flags)
{
    timers_touch();
    return endpoint->type == SOCK_STREAM ? stream_send_frozen(endpoint, bytes, length, flags) : -EINVAL;
}

static long stack_receive(struct endpoint *endpoint, const struct iovec *iov, int count, int flags,
                          struct sockaddr *from, socklen_t *length)
{
    if (endpoint->type == SOCK_DGRAM)
        return datagram_receive(endpoint, iov, count, flags, from, length);
    if (length)
        *length = 0;
    return stream_receive(endpoint, iov, count, flags);
}

static int stack_shutdown(struct endpoint *endpoint, int how)
{
    if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR)
        return -EINVAL;
    timers_touch();
    poller_kick();
    if (endpoint->type == SOCK_STREAM)
        return connection_shutdown(endpoint, how);
    if (!endpoint->connected)
        return -ENOTCONN;
    endpoint->shut_read |= how != SHUT_WR;
    endpoint->shut_write |= how != SHUT_RD;
    endpoint_notify(endpoint, endpoint_ready(endpoint));
    return 0;
}

static int stack_name_of(struct endpoint *endpoint, int peer, struct sockaddr *address, socklen_t *length)
{
    struct sockaddr_in name = { .sin_family = AF_INET };
    if (peer && !endpoint->connected)
        return -ENOTCONN;
    if (endpoint->type == SOCK_DGRAM)
        name = peer ? address_make(&endpoint->udp->remote_ip, endpoint->udp->remote_port)
                    : address_make(&endpoint->udp->local_ip, endpoint->udp->local_port);
    else if (endpoint->connected || endpoint->connecting || endpoint->listening)
        name = peer ? endpoint->remote : endpoint->local;
    else if (endpoint->tcp)
        name = address_make(&endpoint->tcp->local_ip, endpoint->tcp->local_port);
    address_give(&name, address, length);
    return 0;
}

const struct netstack netstack_lwip = {
    .name = "lwip",
    .start = stack_start,
    .address = stack_address,
    .open = stack_open,
    .close = stack_close,
    .bind = stack_bind,
    .listen = stack_listen,
    .accept = stack_accept,
    .connect = stack_connect,
    .send = stack_send,
    .receive = stack_receive,
    .shutdown = stack_shutdown,
    .name_of = stack_name_of,
    .set_option = option_set,
    .get_option = option_get,
    .ready = endpoint_ready,
    .send_frozen = stack_send_frozen,
};
