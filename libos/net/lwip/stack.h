/* SPDX-License-Identifier: MIT */
/* lwIP, as netstack.h wants it. */
#ifndef LIBOS_LWIP_STACK_H
#define LIBOS_LWIP_STACK_H

#include <libos/netstack.h>

extern const struct netstack netstack_lwip;

/* Two of its functions: see netstack.h. */
int stack_start(const struct netstack_config *config);
uint32_t stack_address(void);

#endif
