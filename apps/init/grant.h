/* SPDX-License-Identifier: MIT */
/* Handles and CPU time that init gives to a child. */
#ifndef INIT_GRANT_H
#define INIT_GRANT_H

#include <stdint.h>

#include "manifest.h"

/* Both store the child's handle and return 0 or minus a kernel error. */
int grant_console(uint32_t env, const char *label, uint32_t *handle);
int grant_queue(uint32_t env, const struct manifest_net *net, uint32_t *handle);

struct child;

/* A channel from one to the other; notes both ends. 0 or minus a kernel error. */
int grant_channel(const struct manifest_channel *channel, struct child *sender, struct child *receiver);

/* Deals the CPU time slots out as the manifest says, each program's spread over the
 * whole cycle, so that nobody waits for another's slots in a row. Slot 0 stays init's. */
int grant_slots(struct child *children, unsigned count);

#define GRANT_SLOTS 31u /* slots to give */

#endif
