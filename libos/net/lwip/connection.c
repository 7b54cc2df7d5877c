/* SPDX-License-Identifier: MIT */
/*
 * The life of a TCP connection: listening, accepting, connecting, shutting down,
 * closing.
 */
#include "endpoint.h"

#include <errno.h>
#include <lwip/priv/tcp_priv.h>
#include <poll.h>
#include <sys/socket.h>

#include "hooks.h"

/* ---- incoming ----------------------------------------------------------------------- */

static err_t connection_arrived(void *argument, struct tcp_pcb *pcb, err_t error)
{
    struct endpoint *listener = argument;
    if (error != ERR_OK || !pcb)
        return ERR_VAL; /* no memory for it: the peer will ask again */
    struct endpoint *endpoint = endpoint_new(SOCK_STREAM, NULL);
    if (!endpoint)
        return ERR_MEM;
    stream_adopt(endpoint, pcb);
    endpoint->connected = true;
    endpoint->local = address_make(&pcb->local_ip, pcb->local_port);
    endpoint->remote = address_make(&pcb->remote_ip, pcb->remote_port);
    tcp_backlog_delayed(pcb); /* counts until it is accepted */
    if (listener->waiting_first)
        listener->waiting_last->waiting_next = endpoint;
    else
        listener->waiting_first = endpoint;
    listener->waiting_last = endpoint;
    endpoint_notify(listener, POLLIN | POLLRDNORM);
    return ERR_OK;
}

int connection_listen(struct endpoint *endpoint, int backlog)
{
    if (endpoint->connected || endpoint->connecting || !endpoint->tcp)
        return -EINVAL;
    if (backlog < 1)
        backlog = 1;
    if (backlog > TCP_DEFAULT_LISTEN_BACKLOG)
        backlog = TCP_DEFAULT_LISTEN_BACKLOG;
    if (endpoint->listening) {
        tcp_backlog_set((struct tcp_pcb_listen *)endpoint->tcp, (u8_t)backlog);
        return 0;
    }
    err_t error;
    if (endpoint->tcp->local_port == 0 && (error = tcp_bind(endpoint->tcp, IP_ADDR_ANY, 0)) != ERR_OK)
        return error_of(error);
    tcp_arg(endpoint->tcp, endpoint);
    struct tcp_pcb *listener = tcp_listen_with_backlog_and_err(endpoint->tcp, (u8_t)backlog, &error);
    if (!listener)
        return error_of(error);
    endpoint->tcp = listener;
    endpoint->listening = true;
    endpoint->local = address_make(&listener->local_ip, listener->local_port);
    tcp_accept(listener, connection_arrived);
    return 0;
}

static struct endpoint *waiting_take(struct endpoint *listener)
{
    struct endpoint *endpoint = listener->waiting_first;
    if (endpoint) {
        listener->waiting_first = endpoint->waiting_next;
        endpoint->waiting_next = NULL;
        if (endpoint->tcp)
            tcp_backlog_accepted(endpoint->tcp);
    }
    return endpoint;
}

int connection_accept(struct endpoint *endpoint, void *cookie, struct endpoint **accepted)
{
    if (!endpoint->listening)
        return -EINVAL;
    struct endpoint *taken = waiting_take(endpoint);
    if (!taken)
        return -EAGAIN;
    taken->cookie = cookie;
    *accepted = taken;
    return 0;
}

/* ---- outgoing -------------------------------------------------------------------------- */

static err_t connection_made(void *argument, struct tcp_pcb *pcb, err_t error)
{
    (void)error;
    struct endpoint *endpoint = argument;
    endpoint->connecting = false;
    endpoint->connected = true;
    endpoint->local = address_make(&pcb->local_ip, pcb->local_port);
    endpoint_notify(endpoint, POLLOUT | POLLWRNORM);
    return ERR_OK;
}

int connection_connect(struct endpoint *endpoint, const ip_addr_t *ip, uint16_t port)
{
    if (endpoint->listening)
        return -EOPNOTSUPP;
    if (endpoint->error) {
        int error = endpoint->error;
        endpoint->error = 0;
        return -error;
    }
    if (endpoint->connected)
        return -EISCONN;
    if (endpoint->connecting)
        return -EALREADY;
    if (!endpoint->tcp)
        return -ECONNABORTED;
    stream_adopt(endpoint, endpoint->tcp);
    err_t error = tcp_connect(endpoint->tcp, ip, port, connection_made);
    if (error != ERR_OK)
        return error_of(error);
    endpoint->connecting = true;
    endpoint->remote = address_make(ip, port);
    endpoint->local = address_make(&endpoint->tcp->local_ip, endpoint->tcp->local_port);
    return -EINPROGRESS;
}

/* ---- ending ------------------------------------------------------------------------------- */

int connection_shutdown(struct endpoint *endpoint, int how)
{
    if (!endpoint->connected)
        return -ENOTCONN;
    if (how == SHUT_RD || how == SHUT_RDWR) {
        endpoint->shut_read = true;
        uint32_t unread = endpoint->in_bytes;
        stream_drain(endpoint);
        for (; unread && endpoint->tcp; unread -= unread > 65535 ? 65535 : unread)
            tcp_recved(endpoint->tcp, unread > 65535 ? 65535 : (u16_t)unread);
    }
    if ((how == SHUT_WR || how == SHUT_RDWR) && !endpoint->shut_write) {
        endpoint->shut_write = true;
        if (endpoint->tcp) {
            /* Without memory lwIP sends the FIN later, from its timer. */
            tcp_shutdown(endpoint->tcp, 0, 1);
        }
    }
    endpoint_notify(endpoint, endpoint_ready(endpoint));
    return 0;
}

static void pcb_let_go(struct endpoint *endpoint, struct tcp_pcb *pcb)
{
    tcp_arg(pcb, NULL);
    if (endpoint->listening) {
        tcp_accept(pcb, NULL);
        tcp_close(pcb);
        return;
    }
    tcp_recv(pcb, NULL);
    tcp_sent(pcb, NULL);
    tcp_err(pcb, NULL);
    if (endpoint->linger_zero && endpoint->connected)
        tcp_abort(pcb);
    else if (tcp_close(pcb) != ERR_OK)
        tcp_abort(pcb);
}

void connection_close(struct endpoint *endpoint)
{
    struct endpoint *waiting;
    while ((waiting = waiting_take(endpoint)) != NULL) {
        waiting->linger_zero = true; /* nobody will answer it */
        connection_close(waiting);
    }
    struct tcp_pcb *pcb = endpoint->tcp;
    endpoint->tcp = NULL;
    endpoint->cookie = NULL;
    if (pcb)
        pcb_let_go(endpoint, pcb);
    stream_drain(endpoint);
    endpoint_free(endpoint);
}
