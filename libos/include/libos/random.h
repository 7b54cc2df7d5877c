/* SPDX-License-Identifier: MIT */
/*
 * Random bytes: from RDRAND, stretched by ChaCha20; never fails.
 */
#ifndef LIBOS_RANDOM_H
#define LIBOS_RANDOM_H

#include <stddef.h>
#include <stdint.h>

void random_bytes(void *bytes, size_t size);
uint64_t random_word(void);

#endif
