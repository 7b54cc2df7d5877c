/* SPDX-License-Identifier: MIT */
/*
 * A program out of bytes: any bytes are some plans, crossings and events, played to the real executor and the
 * reference at once. What a fuzzer and a committed case have in common.
 */
#ifndef EXPLORE_PLAY_H
#define EXPLORE_PLAY_H

#include <stddef.h>
#include <stdint.h>

void play(const uint8_t *bytes, size_t count);

#endif
