/* SPDX-License-Identifier: MIT */
/*
 * When lwIP must be called although nothing happened. Nothing ticks for its own sake: an
 * idle listener, or any number of idle connections, needs no deadline at all.
 */
#ifndef LIBOS_LWIP_TIMERS_H
#define LIBOS_LWIP_TIMERS_H

#include <stdint.h>

struct netif;

void timers_init(void);

/* A packet came or went, or an endpoint was used: timers may be needed again. */
void timers_touch(void);

/* Calls what is due. */
void timers_run(struct netif *netif);

/* The tick at which timers_run() must be called; EXO_NEVER. */
uint64_t timers_deadline(struct netif *netif);

#endif
