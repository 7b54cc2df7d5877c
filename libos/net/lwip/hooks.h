/* SPDX-License-Identifier: MIT */
/* Where lwIP asks us: included by its sources (LWIP_HOOK_FILENAME). */
#ifndef LIBOS_LWIP_HOOKS_H
#define LIBOS_LWIP_HOOKS_H

#include <lwip/ip_addr.h>
#include <stdbool.h>
#include <stdint.h>

struct dhcp;
struct dhcp_msg;
struct netif;
struct tcp_hdr;
struct tcp_pcb;

/* The first sequence number of a connection (RFC 6528): random.c. */
uint32_t tcp_isn(const ip_addr_t *local_ip, uint16_t local_port, const ip_addr_t *remote_ip,
                 uint16_t remote_port);
#define LWIP_HOOK_TCP_ISN(li, lp, ri, rp) tcp_isn(li, lp, ri, rp)

/* Connections in TIME_WAIT: timewait.c. */
bool timewait_input(const struct tcp_hdr *header, unsigned flags, unsigned length);
void timewait_take(struct tcp_pcb *pcb);
#define LWIP_HOOK_TCP_TIME_WAIT_INPUT(header, flags, length) timewait_input(header, flags, length)
#define LWIP_HOOK_TCP_TIME_WAIT(pcb) timewait_take(pcb)

/* What a segment asked for: at once, or at the end of the round: endpoint.c. */
void tcp_output_later(struct tcp_pcb *pcb);
#define LWIP_HOOK_TCP_OUTPUT(pcb) tcp_output_later(pcb)

/* Asks for the configured address already in DISCOVER: stack.c. */
void dhcp_wish(struct netif *netif, struct dhcp *dhcp, unsigned state, struct dhcp_msg *message,
               unsigned type, uint16_t *length);
#define LWIP_HOOK_DHCP_APPEND_OPTIONS(netif, dhcp, state, message, type, length) \
    dhcp_wish(netif, dhcp, state, message, type, length)

#endif
