/* SPDX-License-Identifier: MIT */
/*
 * What a program can ask of its network besides BSD sockets.
 */
#ifndef LIBOS_NET_H
#define LIBOS_NET_H

#include <stdint.h>

/* Starts the program's network stack (netstack_default) if it does not run yet and parks the
 * calling thread until there is an address or the tick `deadline` has passed (EXO_NEVER: none).
 * Stores the address, network byte order. 0, or -ENODEV (no queue granted), -ETIMEDOUT, or what
 * the stack's start returned. */
int net_wait_address(uint64_t deadline, uint32_t *address);

/* Starts the stack without waiting; called by socket() and, when a queue was granted, before main.
 * 0, or a negative errno value, the same every time. */
int net_start(void);

/* For network stacks: the address has come, changed or gone. Inside the libos. */
void net_address_changed(void);

#endif
