/* SPDX-License-Identifier: MIT */
/* Plan slots: the memory that programs donated for plans in flight. */
#include "plan.h"

const uint8_t plan_class_cells[PLAN_CLASSES] = {4, 16, 32, 64};

void plan_pool_init(struct plan_pool *pool)
{
    for (unsigned i = 0; i < PLAN_CLASSES; i++)
        list_init(&pool->free[i]);
    pool->slots = 0;
}

unsigned plan_pool_add(struct plan_pool *pool, void *memory, uint64_t bytes, unsigned slot_class)
{
    uint64_t size = plan_slot_bytes(slot_class);
    unsigned count = 0;
    for (char *at = memory; bytes >= size; at += size, bytes -= size, count++) {
        struct plan *plan = (struct plan *)(void *)at;
        plan->slot_class = (uint8_t)slot_class;
        plan->number = memory_slot(plan);
        for (uint8_t i = 0; i < plan_class_cells[slot_class]; i++)
            plan->op[i].index = i;
        list_push(&pool->free[slot_class], &plan->link);
    }
    pool->slots += count;
    return count;
}
