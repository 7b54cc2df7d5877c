/* SPDX-License-Identifier: MIT */
/*
 * The bytes of a TCP connection: from lwIP into the endpoint's queue, from there to the
 * program, and from the program to lwIP.
 */
#include "endpoint.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#define WRITE_MAX 65535u

/* ---- what lwIP calls ------------------------------------------------------------- */

static err_t stream_received(void *argument, struct tcp_pcb *pcb, struct pbuf *p, err_t error)
{
    (void)pcb;
    (void)error;
    struct endpoint *endpoint = argument;
    if (!p) {
        endpoint->end_read = true;
        endpoint_notify(endpoint, endpoint_ready(endpoint));
        return ERR_OK;
    }
    if (endpoint->shut_read) {
        tcp_recved(pcb, p->tot_len);
        pbuf_free(p);
        return ERR_OK;
    }
    struct pbuf *last = p;
    endpoint->in_bytes += p->len;
    while (last->next) {
        last = last->next;
        endpoint->in_bytes += last->len;
    }
    if (endpoint->in_first)
        endpoint->in_last->next = p;
    else
        endpoint->in_first = p;
    endpoint->in_last = last;
    endpoint_notify(endpoint, POLLIN | POLLRDNORM);
    return ERR_OK;
}

static err_t stream_acknowledged(void *argument, struct tcp_pcb *pcb, u16_t length)
{
    (void)length;
    struct endpoint *endpoint = argument;
    if (endpoint->blocked && stream_room(pcb)) {
        endpoint->blocked = false;
        endpoint_notify(endpoint, POLLOUT | POLLWRNORM);
    }
    return ERR_OK;
}

/* The pcb is gone already. */
static void stream_ended(void *argument, err_t error)
{
    struct endpoint *endpoint = argument;
    endpoint->tcp = NULL;
    endpoint->end_read = true;
    if (error != ERR_CLSD)
        endpoint->error = endpoint->connecting ? (error == ERR_RST ? ECONNREFUSED : ETIMEDOUT)
                          : error == ERR_RST   ? ECONNRESET
                                               : ETIMEDOUT;
    endpoint->connecting = false;
    endpoint_notify(endpoint, endpoint_ready(endpoint));
}

void stream_adopt(struct endpoint *endpoint, struct tcp_pcb *pcb)
{
    endpoint->tcp = pcb;
    tcp_arg(pcb, endpoint);
    tcp_recv(pcb, stream_received);
    tcp_sent(pcb, stream_acknowledged);
    tcp_err(pcb, stream_ended);
}

void stream_drain(struct endpoint *endpoint)
{
    if (endpoint->in_first)
        pbuf_free(endpoint->in_first); /* and all that are linked to it */
    endpoint->in_first = endpoint->in_last = NULL;
    endpoint->in_bytes = endpoint->in_offset = 0;
}

/* ---- sending ------------------------------------------------------------------------ */

static int send_refusal(struct endpoint *endpoint)
{
    if (endpoint->error) {
        int error = endpoint->error;
        endpoint->error = 0;
        return -error;
    }
    if (endpoint->connecting)
        return -EAGAIN;
    if (endpoint->shut_write || !endpoint->tcp)
        return endpoint->connected ? -EPIPE : -ENOTCONN;
    return endpoint->connected ? 0 : -ENOTCONN;
}

/* Bytes that lwIP took of one piece. */
static size_t write_piece(struct tcp_pcb *pcb, const uint8_t *bytes, size_t length, u8_t flags)
{
    size_t done = 0;
    while (done < length) {
        size_t part = length - done;
        if (part > tcp_sndbuf(pcb))
            part = tcp_sndbuf(pcb);
        if (part > WRITE_MAX)
            part = WRITE_MAX;
        if (part == 0)
            break;
        err_t error = tcp_write(pcb, bytes + done, (u16_t)part, flags);
        if (error == ERR_MEM && part > TCP_MSS) { /* less may fit */
            part = TCP_MSS;
            error = tcp_write(pcb, bytes + done, (u16_t)part, flags);
        }
        if (error != ERR_OK)
            break;
        done += part;
    }
    return done;
}

static long write_ended(struct endpoint *endpoint, size_t done, size_t wanted)
{
    if (done)
        endpoint_unsent(endpoint);
    if (done == wanted)
        return (long)done;
    endpoint->blocked = true; /* until an acknowledgement */
    if (done)
        return (long)done;
    return endpoint->tcp->unacked || endpoint->tcp->unsent ? -EAGAIN : -ENOBUFS;
}

long stream_send(struct endpoint *endpoint, const struct iovec *iov, int count, int flags)
{
    int refusal = send_refusal(endpoint);
    if (refusal)
        return refusal;
    size_t done = 0, wanted = 0;
    for (int i = 0; i < count; i++) {
        u8_t write_flags = TCP_WRITE_FLAG_COPY;
        if (i + 1 < count || (flags & MSG_MORE))
            write_flags |= TCP_WRITE_FLAG_MORE;
        wanted += iov[i].iov_len;
        done += write_piece(endpoint->tcp, iov[i].iov_base, iov[i].iov_len, write_flags);
        if (done < wanted)
            break;
    }
    return write_ended(endpoint, done, wanted);
}

long stream_send_frozen(struct endpoint *endpoint, const void *bytes, size_t length, int flags)
{
    int refusal = send_refusal(endpoint);
    if (refusal)
        return refusal;
    u8_t more = flags & MSG_MORE ? TCP_WRITE_FLAG_MORE : 0;
    return write_ended(endpoint, write_piece(endpoint->tcp, bytes, length, more), length);
}

/* ---- receiving -------------------------------------------------------------------------- */

/* Copies up to `length` bytes and takes them out of the queue. */
static size_t take_bytes(struct endpoint *endpoint, uint8_t *to, size_t length)
{
    size_t done = 0;
    while (done < length && endpoint->in_first) {
        struct pbuf *p = endpoint->in_first;
        size_t part = p->len - endpoint->in_offset;
        if (part > length - done)
            part = length - done;
        memcpy(to + done, (const uint8_t *)p->payload + endpoint->in_offset, part);
        done += part;
        endpoint->in_offset += (uint32_t)part;
        if (endpoint->in_offset < p->len)
            break;
        endpoint->in_first = p->next;
        endpoint->in_offset = 0;
        p->next = NULL;
        pbuf_free(p);
    }
    endpoint->in_bytes -= (uint32_t)done;
    return done;
}

static size_t peek_bytes(const struct endpoint *endpoint, const struct iovec *iov, int count)
{
    const struct pbuf *p = endpoint->in_first;
    size_t offset = endpoint->in_offset, done = 0;
    for (int i = 0; i < count; i++) {
        for (size_t at = 0; p && at < iov[i].iov_len;) {
            size_t part = p->len - offset;
            if (part > iov[i].iov_len - at)
                part = iov[i].iov_len - at;
            memcpy((uint8_t *)iov[i].iov_base + at, (const uint8_t *)p->payload + offset, part);
            at += part;
            done += part;
            offset += part;
            if (offset == p->len) {
                p = p->next;
                offset = 0;
            }
        }
    }
    return done;
}

static void window_open(struct endpoint *endpoint, size_t bytes)
{
    while (bytes && endpoint->tcp) {
        u16_t part = bytes > 65535 ? 65535 : (u16_t)bytes;
        tcp_recved(endpoint->tcp, part);
        bytes -= part;
    }
}

long stream_receive(struct endpoint *endpoint, const struct iovec *iov, int count, int flags)
{
    if (endpoint->in_bytes == 0) {
        if (endpoint->error) {
            int error = endpoint->error;
            endpoint->error = 0;
            return -error;
        }
        if (endpoint->end_read || endpoint->shut_read)
            return 0;
        return endpoint->connected || endpoint->connecting ? -EAGAIN : -ENOTCONN;
    }
    if (flags & MSG_PEEK)
        return (long)peek_bytes(endpoint, iov, count);
    size_t done = 0;
    for (int i = 0; i < count && endpoint->in_bytes; i++)
        done += take_bytes(endpoint, iov[i].iov_base, iov[i].iov_len);
    window_open(endpoint, done);
    return (long)done;
}
