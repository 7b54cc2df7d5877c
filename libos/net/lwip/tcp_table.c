/* SPDX-License-Identifier: MIT */
/*
 * The table of active TCP connections, by addresses and ports, and their list: what
 * our patch of lwIP (ports/lwip/0001-tcp-tables.patch) calls instead of searching the list.
 */
#include <lwip/priv/tcp_priv.h>

#include "random.h"

#define TABLE_SIZE 2048u

static struct tcp_pcb *table[TABLE_SIZE];

static struct tcp_pcb **table_chain(const struct tcp_pcb *pcb)
{
    return &table[random_table(ip4_addr_get_u32(&pcb->remote_ip), pcb->remote_port, pcb->local_port) %
                  TABLE_SIZE];
}

void tcp_active_add(struct tcp_pcb *pcb)
{
    struct tcp_pcb **chain = table_chain(pcb);
    pcb->active_chain = *chain;
    *chain = pcb;
    pcb->active_prev = NULL;
    pcb->next = tcp_active_pcbs;
    if (tcp_active_pcbs)
        tcp_active_pcbs->active_prev = pcb;
    tcp_active_pcbs = pcb;
}

void tcp_active_remove(struct tcp_pcb *pcb)
{
    struct tcp_pcb **chain = table_chain(pcb);
    while (*chain != pcb)
        chain = &(*chain)->active_chain;
    *chain = pcb->active_chain;
    if (pcb->active_prev)
        pcb->active_prev->next = pcb->next;
    else
        tcp_active_pcbs = pcb->next;
    if (pcb->next)
        pcb->next->active_prev = pcb->active_prev;
}

struct tcp_pcb *tcp_active_find(const ip_addr_t *local_ip, u16_t local_port,
                                const ip_addr_t *remote_ip, u16_t remote_port)
{
    struct tcp_pcb *pcb =
        table[random_table(ip4_addr_get_u32(remote_ip), remote_port, local_port) % TABLE_SIZE];
    while (pcb && !(pcb->remote_port == remote_port && pcb->local_port == local_port &&
                    ip_addr_cmp(&pcb->remote_ip, remote_ip) && ip_addr_cmp(&pcb->local_ip, local_ip)))
        pcb = pcb->active_chain;
    return pcb;
}
