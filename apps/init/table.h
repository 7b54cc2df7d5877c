/* SPDX-License-Identifier: MIT */
/* The resource table: who owns what, by name. */
#ifndef INIT_TABLE_H
#define INIT_TABLE_H

#include "child.h"

/* Every program that there is, init and programs that programs started included; a line each. */
void table_say(const struct child *children, unsigned count);

#endif
