/* SPDX-License-Identifier: MIT */
/*
 * Random cells in the submission ring and impossible arguments to exo_enter(). The kernel may
 * refuse or do what was said; this program only avoids saying what would end itself.
 * Plans that come farther are chaos/'s.
 */
#include "attack.h"

#define ROUNDS 3000u
#define CODES (EXO_CODE_END + 3u) /* and some that do not exist */

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
           code != EXO_SLOTS && code != EXO_RECLAIM_WAIT;
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
    struct exo_op op = {.code = (uint8_t)(noise() % CODES), .tag = 0};
    while (!harmless(op.code))
        op.code = (uint8_t)(noise() % CODES);
    if (noise() % 4 == 0)
        op.flags = (uint8_t)noise();
    if (noise() % 4 == 0)
        op.uses = (uint16_t)(noise() & 0x3f);
    if (noise() % 2)
        op.handle = (uint32_t)(noise() % 8);
    if (noise() % 2)
        op.after = noise() & noise() & noise();
    for (unsigned k = 0; k < 5; k++)
        op.arg[k] = word();
    return op;
}

/* Entering with every flag that a program can set but TF, which ends nothing in the kernel and all here. */
static uint64_t enter_with_flags(uint64_t flags)
{
    uint64_t after, none = PLAN_INFO->sq_head, zero[2] = {0, 0};
    __asm__ volatile("lea -128(%%rsp), %%rsp\n\tpushfq\n\torq %[flags], (%%rsp)\n\tpopfq\n\tsyscall\n\t"
                     "pushfq\n\tpop %[after]\n\tpushq $0x202\n\tpopfq\n\tlea 128(%%rsp), %%rsp"
                     : [after] "=&b"(after), "+D"(none), "+S"(zero[0]), "+d"(zero[1])
                     : [flags] "r"(flags)
                     : "rax", "rcx", "r8", "r9", "r10", "r11", "memory", "cc");
    return after;
}

static void flags(void)
{
    const uint64_t direction = 1u << 10, nested = 1u << 14, alignment = 1u << 18, identify = 1u << 21;
    uint64_t kept = direction | alignment | identify;
    holds("flags are the program's own again, but NT", (enter_with_flags(kept | nested) & (kept | nested)) == kept);
}

int main(void)
{
    flags();
    static struct exo_op cells[EXO_PLAN_MAX + 1];
    uint64_t head = PLAN_INFO->sq_head, size = PLAN_INFO->sq_size;
    holds("behind the head", exo_enter(head - 1, 0, 0) == -EXO_E_RING);
    holds("more than a ring ahead", exo_enter(head + size + 1, 0, 0) == -EXO_E_RING);
    holds("very far ahead", exo_enter(UINT64_MAX, 0, 0) == -EXO_E_RING);
    holds("very far behind", exo_enter(head + (1ull << 63), 0, 0) == -EXO_E_RING);
    holds("nothing taken", PLAN_INFO->sq_head == head);
    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned count = 1 + (unsigned)(noise() % 12);
        struct exo_plan *header = (struct exo_plan *)(void *)&cells[0];
        for (unsigned k = 1; k <= count; k++)
            cells[k] = cell();
        *header = (struct exo_plan){.code = EXO_PLAN, .cells = (uint16_t)count};
        struct plan plan = {.cell = cells, .count = (uint16_t)count};
        plan_submit(&plan);
        completion_dispatch();
    }
    holds("still here", PLAN_INFO->frames_used <= PLAN_INFO->frames_limit);
    return attack_end();
}
