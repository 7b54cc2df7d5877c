/* SPDX-License-Identifier: MIT */
/* lwIP is the stack of programs that bring none: in a file of its own, so that the linker takes the
 * program's netstack_default before this one. */
#include "stack.h"

const struct netstack *const netstack_default = &netstack_lwip;
