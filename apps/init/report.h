/* SPDX-License-Identifier: MIT */
/* What is said when a program has ended. */
#ifndef INIT_REPORT_H
#define INIT_REPORT_H

#include <stdint.h>

#include "child.h"

/* Says how it stopped; for a crash with registers and backtrace. The child must not be reaped yet. */
void report_end(const struct child *child, uint64_t reason, uint64_t first, uint64_t second);

#endif
