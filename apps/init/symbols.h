/* SPDX-License-Identifier: MIT */
/* Names for code addresses, from an ELF file's own symbol table. Hardware-free, bounded. */
#ifndef INIT_SYMBOLS_H
#define INIT_SYMBOLS_H

#include <stddef.h>
#include <stdint.h>

/* Writes "name+0x12" into text, or "?" if the file does not say. `size` is at least 8.
 * Names are cut, and what is not printable ASCII is shown as '?': they come from the program. */
void symbols_name(const void *bytes, size_t file_size, uint64_t address, char *text, size_t size);

/* Where the function that holds the address begins; 0 if the file does not say. */
uint64_t symbols_start(const void *bytes, size_t file_size, uint64_t address);

#endif
