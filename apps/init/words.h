/* SPDX-License-Identifier: MIT */
/* Words of a manifest line, and the numbers and addresses that they spell. */
#ifndef INIT_WORDS_H
#define INIT_WORDS_H

#include "manifest.h"

/* Splits a line into words, undoing quotes, into `space` (at least as long as the line + 1).
 * Returns how many; or -1 with a reason. */
int words_split(const char *line, size_t length, char *space, char *words[MANIFEST_WORDS],
                const char **reason);

bool words_number(const char *word, uint64_t max, uint64_t *value);
bool words_size(const char *word, uint64_t *bytes); /* 12345, 64K, 32M, 1G */
bool words_mac(const char *word, uint8_t mac[6]);
bool words_address(const char *word, size_t length, uint32_t *address); /* network byte order */
bool words_name(const char *word); /* a label: [a-z0-9-], 1..15, not starting with '-' */
bool words_path(const char *word); /* relative, no empty, "." or ".." part */

#endif
