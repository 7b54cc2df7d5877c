/* SPDX-License-Identifier: MIT */
/* Touching memory that may not be there. */
#ifndef TEST_GUEST_TOUCH_H
#define TEST_GUEST_TOUCH_H

#include <stdbool.h>
#include <stdint.h>

enum touch { TOUCH_READ, TOUCH_WRITE, TOUCH_RUN };

/* Whether touching that address faults, and at that address. */
bool faults(uint64_t address, enum touch how);

static inline volatile uint64_t *word_at(uint64_t address)
{
    return (volatile uint64_t *)address;
}

#endif
