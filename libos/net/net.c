/* SPDX-License-Identifier: MIT */
/*
 * Starts the program's network stack, whichever it is, and waits for its address: see
 * libos/net.h.
 */
#include <libos/net.h>

#include <errno.h>
#include <libos/netstack.h>
#include <libos/start.h>
#include <libos/thread.h>
#include <string.h>

static struct wait_queue address_waiters;
static int started = -EAGAIN; /* not yet */

static int stack_begin(void)
{
    const struct start_info *info = start_info();
    bool known = info->magic == START_MAGIC;
    /* Without a queue there is still the loopback. */
    struct netstack_config config = {
        .queue = known ? info->queue : 0,
        .dhcp = known && info->queue && info->dhcp,
        .hostname = known ? info->name : NULL,
    };
    if (known) {
        memcpy(config.mac, info->mac, sizeof config.mac);
        config.address = info->address;
        config.netmask = info->netmask;
        config.gateway = info->gateway;
        config.dns = info->dns;
    }
    return netstack_default->start(&config);
}

int net_start(void)
{
    libos_enter();
    if (started == -EAGAIN) {
        started = 0; /* the stack may open endpoints of its own */
        started = stack_begin();
    }
    int error = started;
    libos_leave();
    return error;
}

void net_address_changed(void)
{
    thread_wake(&address_waiters, ~0u);
}

int net_wait_address(uint64_t deadline, uint32_t *address)
{
    if (start_info()->magic != START_MAGIC || start_info()->queue == 0)
        return -ENODEV;
    int error = net_start();
    libos_enter();
    while (!error && (*address = netstack_default->address()) == 0)
        error = thread_wait(&address_waiters, deadline);
    libos_leave();
    return error;
}

/* With a queue, DHCP begins before main. */
static __attribute__((constructor)) void net_begin(void)
{
    if (start_info()->magic == START_MAGIC && start_info()->queue != 0)
        (void)net_start();
}
