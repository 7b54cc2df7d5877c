/* SPDX-License-Identifier: MIT */
/* The part of <string.h> that the kernel has (arch/string.c). Host builds use the host's. */
#ifndef EXO_FREESTANDING_STRING_H
#define EXO_FREESTANDING_STRING_H

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t length);
void *memmove(void *to, const void *from, size_t length);
void *memset(void *to, int value, size_t length);
int memcmp(const void *a, const void *b, size_t length);

/* Freestanding compilers don't look into these by themselves: small ones should be inline. */
#define memcpy __builtin_memcpy
#define memmove __builtin_memmove
#define memset __builtin_memset
#define memcmp __builtin_memcmp

#endif
