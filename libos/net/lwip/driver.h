/* SPDX-License-Identifier: MIT */
/* lwIP's network interface over a raw queue. */
#ifndef LIBOS_LWIP_DRIVER_H
#define LIBOS_LWIP_DRIVER_H

#include <libos/netqueue.h>
#include <lwip/netif.h>

/* Opens the queue and adds the interface, without an address. 0, or -EXO_E_... */
int driver_start(struct netif *netif, uint32_t queue, const uint8_t mac[6]);

/* Hands received packets to lwIP. */
void driver_poll(struct netif *netif);

/* Puts what is to be sent and posted into the ring. */
void driver_flush(void);

struct driver_counts {
    uint64_t copied;  /* packets that were copied because receive buffers ran short */
    uint64_t dropped; /* received, and no memory for the copy */
    uint64_t scattered; /* sent, and put together first */
};
extern struct driver_counts driver_counts;
extern struct netqueue driver_queue;

#endif
