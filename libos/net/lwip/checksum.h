/* SPDX-License-Identifier: MIT */
/* The Internet checksum. */
#ifndef LIBOS_LWIP_CHECKSUM_H
#define LIBOS_LWIP_CHECKSUM_H

#include <stdint.h>

/* The ones' complement sum of `length` bytes as they lie in memory, not inverted. */
uint16_t net_checksum(const void *bytes, int length);

#endif
