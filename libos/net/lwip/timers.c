/* SPDX-License-Identifier: MIT */
/*
 * lwIP's timers as deadlines (LWIP_TIMERS_CUSTOM): see timers.h. A timer that rested
 * counts the time it missed when it begins again, so that ages stay right.
 */
#include "timers.h"

#include <exo/abi.h>
#include <libos/clock.h>
#include <lwip/dhcp.h>
#include <lwip/etharp.h>
#include <lwip/ip4_frag.h>
#include <lwip/priv/tcp_priv.h>
#include <lwip/sys.h>
#include <lwip/timeouts.h>
#include <stdbool.h>

#include "timewait.h"

#define MS(ms) ((ms) * tick_ms)
#define LINK_SECONDS 8u /* ARP and reassembly need nothing when so long nobody sent or received */
#define ARP_AGES 400u   /* missed seconds of ARP that are worth counting */

static uint64_t tick_ms;      /* ticks in a millisecond */
static uint64_t tcp_next, tcp_last;
static uint64_t link_next, link_until;
static uint64_t dhcp_fine_next, dhcp_coarse_next;
static bool touched, tcp_on, link_on;

void timers_init(void)
{
    tick_ms = clock_ns_to_tick(1000000);
    uint64_t now = clock_tick();
    tcp_last = link_next = now;
    dhcp_fine_next = now + MS(DHCP_FINE_TIMER_MSECS);
    dhcp_coarse_next = now + MS(DHCP_COARSE_TIMER_MSECS);
}

void timers_touch(void)
{
    touched = true;
}

/* lwIP says that a connection was added to a list. */
void tcp_timer_needed(void)
{
    touched = true;
}

void sys_timeouts_init(void)
{
}

u32_t sys_now(void)
{
    return (u32_t)(clock_monotonic_ns() / 1000000);
}

/* ---- TCP ----------------------------------------------------------------------- */

static bool pcb_waits(const struct tcp_pcb *pcb)
{
    if (pcb->state != ESTABLISHED && pcb->state != CLOSE_WAIT)
        return true;
    return pcb->unsent || pcb->unacked || pcb->ooseq || pcb->refused_data || pcb->persist_backoff ||
           (pcb->flags & (TF_ACK_DELAY | TF_ACK_NOW | TF_CLOSEPEND | TF_NAGLEMEMERR)) ||
           (pcb->so_options & SOF_KEEPALIVE);
}

static bool tcp_waits(void)
{
    if (tcp_tw_pcbs)
        return true;
    for (const struct tcp_pcb *pcb = tcp_active_pcbs; pcb; pcb = pcb->next)
        if (pcb_waits(pcb))
            return true;
    return false;
}

static void tcp_begin(uint64_t now)
{
    /* Ages are counted in slow ticks, which nobody made meanwhile. */
    uint64_t missed = (now - tcp_last) / MS(TCP_SLOW_INTERVAL);
    tcp_ticks += (u32_t)missed;
    tcp_last += missed * MS(TCP_SLOW_INTERVAL);
    tcp_next = now + MS(TCP_TMR_INTERVAL);
    tcp_on = true;
}

static void tcp_run(uint64_t now)
{
    if (now < tcp_next)
        return;
    tcp_tmr();
    tcp_last = now;
    tcp_next += MS(TCP_TMR_INTERVAL);
    if (tcp_next <= now) { /* far behind: count, but do not make up for each */
        tcp_ticks += (u32_t)((now - tcp_next) / MS(TCP_SLOW_INTERVAL));
        tcp_next = now + MS(TCP_TMR_INTERVAL);
    }
    tcp_on = tcp_waits();
}

/* ---- ARP and reassembly ------------------------------------------------------------ */

static void link_begin(uint64_t now)
{
    if (!link_on) {
        uint64_t missed = (now - link_next) / MS(ARP_TMR_INTERVAL);
        for (uint64_t i = 0; i < missed && i < ARP_AGES; i++)
            etharp_tmr();
        link_next = now + MS(ARP_TMR_INTERVAL);
        link_on = true;
    }
    link_until = now + LINK_SECONDS * MS(1000);
}

static void link_run(uint64_t now)
{
    if (now < link_next)
        return;
    etharp_tmr();
    ip_reass_tmr();
    link_next = now + MS(ARP_TMR_INTERVAL);
    link_on = now < link_until;
}

/* ---- DHCP ---------------------------------------------------------------------------- */

static bool dhcp_waits(struct netif *netif)
{
    const struct dhcp *dhcp = netif_dhcp_data(netif);
    return dhcp && dhcp->request_timeout > 0;
}

static void dhcp_run(struct netif *netif, uint64_t now)
{
    if (!netif_dhcp_data(netif))
        return;
    if (now >= dhcp_fine_next) {
        if (dhcp_waits(netif))
            dhcp_fine_tmr();
        dhcp_fine_next = now + MS(DHCP_FINE_TIMER_MSECS);
    }
    while (now >= dhcp_coarse_next) {
        dhcp_coarse_tmr();
        dhcp_coarse_next += MS(DHCP_COARSE_TIMER_MSECS);
    }
}

/* ---- all of them ------------------------------------------------------------------------ */

void timers_run(struct netif *netif)
{
    uint64_t now = clock_tick();
    if (touched) {
        touched = false;
        if (!tcp_on)
            tcp_begin(now);
        link_begin(now);
    }
    if (tcp_on)
        tcp_run(now);
    if (link_on)
        link_run(now);
    dhcp_run(netif, now);
}

uint64_t timers_deadline(struct netif *netif)
{
    uint64_t deadline = EXO_NEVER;
    if (tcp_on)
        deadline = tcp_next;
    if (link_on && link_next < deadline)
        deadline = link_next;
    if (netif_dhcp_data(netif)) {
        if (dhcp_coarse_next < deadline)
            deadline = dhcp_coarse_next;
        if (dhcp_waits(netif) && dhcp_fine_next < deadline)
            deadline = dhcp_fine_next;
    }
    return deadline;
}

uint32_t timewait_clock(void)
{
    return (uint32_t)(clock_monotonic_ns() / 1000000000);
}
