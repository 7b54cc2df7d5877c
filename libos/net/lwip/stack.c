/* SPDX-License-Identifier: MIT */
/*
 * lwIP as a network stack of the libos: starts it and gives it the CPU when packets or
 * deadlines come. What the socket layer calls is in calls.c.
 */
#include "stack.h"

#include <errno.h>
#include <libos/log.h>
#include <libos/net.h>
#include <libos/plan.h>
#include <libos/random.h>
#include <libos/thread.h>
#include <lwip/dhcp.h>
#include <lwip/init.h>
#include <lwip/netif.h>
#include <lwip/prot/dhcp.h>
#include <string.h>

#include "../../plan/ring.h"
#include "driver.h"
#include "endpoint.h"
#include "heap.h"
#include "hooks.h"
#include "random.h"
#include "timers.h"

static struct netif interface;
static uint32_t wished_address;
static const char *host_name;

/* ---- the CPU ----------------------------------------------------------------------- */

/*
 * What a round pushes into the ring usually waits for nobody: the program comes to wait, and
 * that crossing takes it. One that stays busy does not; then a later round enters the kernel.
 */
#define ROUNDS_PATIENT 3u

static void push_see_taken(void)
{
    static uint64_t pushed;
    static unsigned rounds;
    if (PLAN_INFO->sq_head >= pushed) {
        rounds = 0;
        pushed = ring_tail;
    } else if (++rounds == ROUNDS_PATIENT) {
        plan_flush();
    }
}

static void loop_poll(void)
{
    struct netif *netif;
    NETIF_FOREACH(netif)
        if (netif->loop_first)
            netif_poll(netif);
}

static void stack_poll(struct poller *self)
{
    (void)self;
    driver_poll(&interface);
    loop_poll();
    endpoint_flush();
    timers_run(&interface);
    loop_poll();
    driver_flush();
    push_see_taken();
}

static uint64_t stack_deadline(struct poller *self)
{
    (void)self;
    struct netif *netif;
    NETIF_FOREACH(netif)
        if (netif->loop_first)
            return 0;
    return timers_deadline(&interface);
}

static struct poller stack_poller = { .poll = stack_poll, .deadline = stack_deadline };

/* ---- start ---------------------------------------------------------------------------- */

void lwip_assert_failed(const char *what, const char *file, int line)
{
    libos_panic("lwIP: %s (%s:%d)", what, file, line);
}

static void address_changed(struct netif *netif)
{
    (void)netif;
    net_address_changed();
}

void dhcp_wish(struct netif *netif, struct dhcp *dhcp, unsigned state, struct dhcp_msg *message,
               unsigned type, uint16_t *length)
{
    (void)netif;
    (void)dhcp;
    (void)state;
    if (type != DHCP_DISCOVER || wished_address == 0)
        return;
    message->options[(*length)++] = DHCP_OPTION_REQUESTED_IP;
    message->options[(*length)++] = 4;
    memcpy(&message->options[*length], &wished_address, 4);
    *length = (uint16_t)(*length + 4);
}

static int addresses_start(const struct netstack_config *config)
{
    if (config->dhcp) {
        wished_address = config->address;
        return error_of(dhcp_start(&interface));
    }
    ip4_addr_t address = { config->address }, netmask = { config->netmask }, gateway = { config->gateway };
    netif_set_addr(&interface, &address, &netmask, &gateway);
    return 0;
}

static int interface_start(const struct netstack_config *config)
{
    int error = driver_start(&interface, config->queue, config->mac);
    if (error) {
        libos_log("lwip: the queue can't be opened: %s", exo_error_text(error));
        return error == -EXO_E_HANDLE ? -ENODEV : -ENOMEM;
    }
    host_name = config->hostname;
    netif_set_hostname(&interface, host_name);
    netif_set_default(&interface);
    netif_set_status_callback(&interface, address_changed);
    return addresses_start(config);
}

int stack_start(const struct netstack_config *config)
{
    uint64_t key[2];
    random_bytes(key, sizeof key);
    random_key(key);
    timers_init();
    lwip_init();
    poller_add(&stack_poller);
    return config->queue ? interface_start(config) : 0; /* else the loopback alone */
}

uint32_t stack_address(void)
{
    return netif_ip4_addr(&interface)->addr;
}
