/* SPDX-License-Identifier: MIT */
/*
 * Random cells in the submission ring and impossible arguments to exo_enter(). The kernel may
 * refuse or do what was said; this program only avoids saying what would end itself.
 */
#include "attack.h"

#define ROUNDS 3000u

static uint64_t state = 88172645463325252ull;

static uint64_t noise(void) /* xorshift: the same every time */
{
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

/* Codes that can take nothing away from this program. */
static bool harmless(uint8_t code)
{
    return code != EXO_FREE && code != EXO_UNMAP && code != EXO_PROTECT && code != EXO_ENV_EXIT &&
           code != EXO_FREEZE && code != EXO_HANDLE_DROP && code != EXO_UNTABLE && code != EXO_GIVE &&
           code != EXO_CANCEL && code != EXO_TIMER && code != EXO_NET_RX && code != EXO_ALLOC &&
           code != EXO_SLOTS;
}

static uint64_t word(void)
{
    static const uint64_t special[] = {0, 1, EXO_ANY, EXO_INFO_FRAME, LIBOS_SQ, LIBOS_MMAP, EXO_USER_END};
    uint64_t n = noise();
    if (n % 3 == 0)
        return special[n / 3 % 7];
    return n % 3 == 1 ? n >> (n >> 8 & 63) : n;
}

static struct exo_op cell(void)
{
    struct exo_op op = {.code = (uint8_t)(noise() % 52), .tag = 0};
    while (!harmless(op.code))
        op.code = (uint8_t)(noise() % 52);
    if (noise() % 4 == 0)
        op.flags = (uint8_t)noise();
    if (noise() % 4 == 0)
        op.uses = (uint16_t)(noise() & 0x3f);
    if (noise() % 2)
        op.handle = (uint32_t)(noise() % 8);
    if (noise() % 2)
        op.after = noise() & noise() & noise();
    for (unsigned i = 0; i < 5; i++)
        op.arg[i] = word();
    return op;
}

int main(void)
{
    static struct exo_op cells[EXO_PLAN_MAX + 1];
    uint64_t head = PLAN_INFO->sq_head, size = PLAN_INFO->sq_size;
    holds("behind the head", exo_enter(head - 1, 0, 0) == -EXO_E_RING);
    holds("more than a ring ahead", exo_enter(head + size + 1, 0, 0) == -EXO_E_RING);
    holds("very far ahead", exo_enter(UINT64_MAX, 0, 0) == -EXO_E_RING);
    holds("very far behind", exo_enter(head + (1ull << 63), 0, 0) == -EXO_E_RING);
    holds("nothing taken", PLAN_INFO->sq_head == head);
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned count = 1 + (unsigned)(noise() % 12);
        struct exo_plan *header = (struct exo_plan *)(void *)&cells[0];
        for (unsigned i = 1; i <= count; i++)
            cells[i] = cell();
        *header = (struct exo_plan){.code = EXO_PLAN, .cells = (uint16_t)count};
        struct plan plan = {.cell = cells, .count = (uint16_t)count};
        plan_submit(&plan);
        completion_dispatch();
    }
    holds("still here", PLAN_INFO->frames_used <= PLAN_INFO->frames_limit);
    return attack_end();
}
