/* SPDX-License-Identifier: MIT */
/* Building the first environment. */
#ifndef EXO_FIRST_H
#define EXO_FIRST_H

#include <stdbool.h>

#include "arch/arch.h"
#include "env.h"
#include "image.h"

/* Ends the machine with a message when memory does not suffice. `nic`: grant it the NIC's root queue. */
struct env *first_create(const struct boot_range *archive, const struct image *image, bool nic);

#endif
