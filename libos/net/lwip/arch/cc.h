/* SPDX-License-Identifier: MIT */
/*
 * What lwIP wants to know about compiler and platform. Included by all of lwIP, so it
 * declares the few functions of ours that its options name.
 */
#ifndef LIBOS_LWIP_CC_H
#define LIBOS_LWIP_CC_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define BYTE_ORDER LITTLE_ENDIAN
#define LWIP_NO_INTTYPES_H 0

#define lwip_htons(x) __builtin_bswap16((uint16_t)(x))
#define lwip_htonl(x) __builtin_bswap32((uint32_t)(x))
#define LWIP_DONT_PROVIDE_BYTEORDER_FUNCTIONS 1 /* htons() and others are the C library's */

uint16_t net_checksum(const void *bytes, int length); /* checksum.c */

/* A broken promise inside lwIP ends the program with a report. */
_Noreturn void lwip_assert_failed(const char *what, const char *file, int line);
#define LWIP_PLATFORM_ASSERT(what) lwip_assert_failed(what, __FILE__, __LINE__)
#define LWIP_PLATFORM_DIAG(x) ((void)0)

uint32_t lwip_random(void);
#define LWIP_RAND() lwip_random()

/* Memory that devices can read: heap.c. */
void *heap_alloc(size_t size);
void *heap_alloc_zeroed(size_t count, size_t size);
void heap_free(void *memory);
#define mem_clib_malloc heap_alloc
#define mem_clib_calloc heap_alloc_zeroed
#define mem_clib_free heap_free

#endif
