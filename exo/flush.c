/* SPDX-License-Identifier: MIT */
/* Who waits for other cores to forget a mapping: see flush.h. */
#include "flush.h"

#include "plan.h"

#define LOOK 16u /* that one core's passing wakes */

uint64_t flush_epoch;
static struct list waiting;

void flush_init(void) { list_init(&waiting); }

int flush_idle(struct op *op, frame_t first, uint64_t count)
{
    bool passed = true;
    for (uint32_t i = 0; i < count; i++) {
        const struct frame *entry = &frames[first.number + i];
        if (entry->rights || entry->pins)
            return -EXO_E_BUSY;
        passed &= flush_passed(entry);
    }
    return passed ? 0 : flush_park(op);
}

int flush_park(struct op *op)
{
    op->result[2] = op->step[0];
    op->result[3] = op->step[1];
    op_park(op, &waiting);
    return OP_PARK;
}

const uint64_t *flush_steps(const struct op *op)
{
    return op->state == OP_PARKED ? &op->result[2] : op->step;
}

bool flush_look(void)
{
    struct op *op = NULL;
    for (unsigned i = 0; i < LOOK && (op = op_unpark(&waiting)); i++) {
        uint64_t first = op->result[2], second = op->result[3];
        op_wake(op);
        op->step[0] = first, op->step[1] = second;
        op->result[2] = op->result[3] = 0;
    }
    return op;
}
