/* SPDX-License-Identifier: MIT */
/* What world.c and world_view.c have between them. */
#ifndef EXPLORE_WORLD_INTERNAL_H
#define EXPLORE_WORLD_INTERNAL_H

#include "world.h"

#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition))                                                                          \
            world_failed(#condition " does not hold");                                             \
    } while (0)

static inline unsigned slot_class_at(uint32_t offset)
{
    return ((const struct plan *)(const void *)&world->slot[offset])->slot_class;
}

#define FOR_SLOTS(plan)                                                                            \
    for (uint32_t at_ = 0; at_ < world->slots; at_ += (uint32_t)plan_slot_bytes(slot_class_at(at_))) \
        if (((plan) = (struct plan *)(void *)&world->slot[at_])->admitted)

#endif
