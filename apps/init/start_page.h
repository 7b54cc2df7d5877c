/* SPDX-License-Identifier: MIT */
/* The page that tells a program what it was given (libos/start.h). Hardware-free. */
#ifndef INIT_START_PAGE_H
#define INIT_START_PAGE_H

#include <libos/start.h>

#include "elf.h"
#include "manifest.h"

/* Fills a zeroed page, but for the handles. */
void start_page_fill(struct start_info *info, const struct manifest_program *program,
                     const struct elf_program *elf, uint64_t archive_bytes);

#endif
