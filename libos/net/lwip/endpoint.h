/* SPDX-License-Identifier: MIT */
/*
 * lwIP's endpoints: what stands between the socket layer and lwIP's control blocks. An
 * endpoint outlives its control block: what was received before the end can be read
 * after it.
 */
#ifndef LIBOS_LWIP_ENDPOINT_H
#define LIBOS_LWIP_ENDPOINT_H

#include <libos/netstack.h>
#include <lwip/pbuf.h>
#include <lwip/tcp.h>
#include <lwip/udp.h>
#include <netinet/in.h>
#include <stdbool.h>

struct datagram {
    struct datagram *next;
    struct pbuf *p;
    uint32_t address; /* network byte order */
    uint16_t port;    /* host byte order */
};

struct endpoint {
    void *cookie; /* NULL: a connection that nobody accepted yet */
    uint8_t type; /* SOCK_STREAM, SOCK_DGRAM */
    bool listening, connecting, connected;
    bool end_read;  /* the peer sent its FIN, or is gone */
    bool shut_read, shut_write;
    bool blocked;   /* a send found no room: POLLOUT is owed */
    bool unsent;    /* on the list of those with something to put out */
    bool closed;    /* the socket is gone; freed when it leaves that list */
    bool linger_zero;
    int error;      /* positive errno, for SO_ERROR or the next call */
    union {
        struct tcp_pcb *tcp; /* NULL: over */
        struct udp_pcb *udp;
    };
    struct sockaddr_in local, remote; /* of a connection */

    /* Stream: pbufs linked by their own `next`; `offset` bytes of the first are read. */
    struct pbuf *in_first, *in_last;
    uint32_t in_offset, in_bytes, in_limit;
    struct datagram *datagram_first, **datagram_last;

    /* Accept queue. */
    struct endpoint *waiting_first, *waiting_last, *waiting_next;
    struct endpoint *unsent_next;
};

struct endpoint *endpoint_new(uint8_t type, void *cookie);
void endpoint_notify(struct endpoint *endpoint, unsigned ready);
unsigned endpoint_ready(struct endpoint *endpoint);
/* Puts the endpoint on the list for endpoint_flush(): one tcp_output() for all that was
 * written in a round. */
void endpoint_unsent(struct endpoint *endpoint);
void endpoint_flush(void);
void endpoint_free(struct endpoint *endpoint);

/* The pcb is in TIME_WAIT and goes. `argument` is the pcb's. */
void endpoint_over(void *argument);

int error_of(err_t error); /* a negative errno value */
bool address_take(const struct sockaddr *address, socklen_t length, ip_addr_t *ip, uint16_t *port);
struct sockaddr_in address_make(const ip_addr_t *ip, uint16_t port);
void address_give(const struct sockaddr_in *from, struct sockaddr *address, socklen_t *length);

/* stream.c */
/* Worth telling a waiting sender. */
static inline bool stream_room(const struct tcp_pcb *pcb)
{
    return tcp_sndbuf(pcb) >= TCP_SNDLOWAT && tcp_sndqueuelen(pcb) < TCP_SNDQUEUELOWAT;
}
void stream_adopt(struct endpoint *endpoint, struct tcp_pcb *pcb);
void stream_drain(struct endpoint *endpoint);
long stream_send(struct endpoint *endpoint, const struct iovec *iov, int count, int flags);
long stream_send_frozen(struct endpoint *endpoint, const void *bytes, size_t length, int flags);
long stream_receive(struct endpoint *endpoint, const struct iovec *iov, int count, int flags);

/* connection.c */
int connection_listen(struct endpoint *endpoint, int backlog);
int connection_accept(struct endpoint *endpoint, void *cookie, struct endpoint **accepted);
int connection_connect(struct endpoint *endpoint, const ip_addr_t *ip, uint16_t port);
int connection_shutdown(struct endpoint *endpoint, int how);
void connection_close(struct endpoint *endpoint);

/* datagram.c */
void datagram_adopt(struct endpoint *endpoint, struct udp_pcb *pcb);
long datagram_send(struct endpoint *endpoint, const struct iovec *iov, int count, int flags,
                   const struct sockaddr *to, socklen_t length);
long datagram_receive(struct endpoint *endpoint, const struct iovec *iov, int count, int flags,
                      struct sockaddr *from, socklen_t *length);
void datagram_drain(struct endpoint *endpoint);

/* options.c */
int option_set(struct endpoint *endpoint, int level, int name, const void *value, socklen_t length);
int option_get(struct endpoint *endpoint, int level, int name, void *value, socklen_t *length);

#endif
