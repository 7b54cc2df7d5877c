/* SPDX-License-Identifier: MIT */
/* For every operation of abi.h's table one valid call, whose arguments the attacks spoil one after the other. */
#ifndef ATTACK_BASES_H
#define ATTACK_BASES_H

#include <exo/abi.h>
#include <stdbool.h>

#include "values.h"

struct base {
    const char *name; /* NULL: no such operation */
    uint8_t handle, arg[5]; /* enum kind, from the table */
    void (*fill)(struct exo_op *op);
    int status; /* of the valid call: 0, -EXO_E_CANCELLED: it waits; or why this program has no valid one */
};

extern const struct base bases[EXO_CODE_END];

#endif
