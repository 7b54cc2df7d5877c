/* SPDX-License-Identifier: MIT */
/*
 * The operation table, made from the one line that each operation has in
 * exo/abi.h, and the facts about a few of them that are the kernel's own.
 */
#include "ops.h"

#include "net/ops_net.h"

/* Bits that a constant argument of a kind can't have, or has rarely. plan_check.c has the exact ranges. */
#define FORBIDDEN_ZERO UINT64_MAX
#define FORBIDDEN_WORD 0
#define FORBIDDEN_FRAME 0
#define FORBIDDEN_COUNT ~(uint64_t)(EXO_COUNT_MAX - 1) /* of one less, as with PERM */
#define FORBIDDEN_ADDR ~(EXO_USER_END >> 1 & ~(uint64_t)(EXO_PAGE_SIZE - 1))
#define FORBIDDEN_PERM ~(uint64_t)(EXO_NONE - 1)
#define FORBIDDEN_BUF 0
#define FORBIDDEN_TICK 0
#define FORBIDDEN_SMALL ~(uint64_t)UINT16_MAX
#define FORBIDDEN_HANDLE ~(uint64_t)UINT32_MAX
#define FROM_ONE(kind) (K_##kind == K_COUNT || K_##kind == K_PERM)
/* What the door's sieve can let through. CANCEL is not simple: it can end operations of its own plan. */
#define SIMPLE(number, h, a, b) \
    ((K_##h == K_NONE || K_##h == K_ENV) && !FROM_ONE(a) && !FROM_ONE(b) && number != EXO_CANCEL)

#define EXO_X(number, NAME, opname, h, a, b, c, d, e, r0, r1, r2, r3)                              \
    [number] = {                                                                                   \
        .exact = SIMPLE(number, h, a, b) ? number | OP_LOOSE : 0,                                  \
        .forbidden = {FORBIDDEN_##a, FORBIDDEN_##b},                                               \
        .from_one = FROM_ONE(a) | FROM_ONE(b) << 1 | FROM_ONE(c) << 2 | FROM_ONE(d) << 3 |         \
                    FROM_ONE(e) << 4,                                                              \
        .name = #NAME,                                                                             \
        .run = op_##opname,                                                                        \
        .cancel = number == EXO_ALLOC    ? op_alloc_cancel                                         \
                  : number == EXO_NET_RX ? op_net_rx_cancel                                        \
                  : number == EXO_NET_TX ? op_net_tx_cancel                                        \
                  : number == EXO_RECLAIM ? op_reclaim_cancel                                      \
                  : number == EXO_SEND   ? op_send_cancel                                          \
                  : number == EXO_RECV   ? op_recv_cancel                                          \
                                         : NULL,                                                   \
        .handle = K_##h,                                                                           \
        .arg = {K_##a, K_##b, K_##c, K_##d, K_##e},                                                \
        .result = {K_##r0, K_##r1, K_##r2, K_##r3},                                                \
        .waits = number == EXO_TIMER || number == EXO_ENV_WAIT || number == EXO_NET_RX ||          \
                 number == EXO_RECLAIM_WAIT || number == EXO_RECV || number == EXO_CONSOLE_READ,   \
        .more = number == EXO_NET_TX,                                                              \
        .price = number == EXO_ALLOC ? 0 : -1,                                                     \
    },

const struct op_info op_infos[OP_INFOS] = {EXO_OPS(EXO_X)};

#undef EXO_X
#define EXO_X(number, NAME, opname, h, a, b, c, d, e, r0, r1, r2, r3) \
    [number] = {FORBIDDEN_##c, FORBIDDEN_##d, FORBIDDEN_##e},
const uint64_t op_forbidden[OP_INFOS][3] = {EXO_OPS(EXO_X)};

_Static_assert(EXO_CODE_END <= OP_INFOS, "the sieve looks at six bits of the code");
