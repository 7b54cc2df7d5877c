/* SPDX-License-Identifier: MIT */
/*
 * The operation table, made from the one line that each operation has in
 * exo/abi.h, and the facts about a few of them that are the kernel's own.
 */
#include "ops.h"

#include "net/ops_net.h"

/* A first sieve of bits that a constant has not, or rarely has; plan_check.c has the exact ranges. */
#define FORBIDDEN_ZERO UINT64_MAX
#define FORBIDDEN_WORD 0
#define FORBIDDEN_FRAME 0
#define FORBIDDEN_COUNT 0
#define FORBIDDEN_ADDR ~(EXO_USER_END >> 1 & ~(uint64_t)(EXO_PAGE_SIZE - 1))
#define FORBIDDEN_PERM 0
#define FORBIDDEN_BUF 0
#define FORBIDDEN_TICK 0
#define FORBIDDEN_SMALL ~(uint64_t)UINT16_MAX
#define FORBIDDEN_HANDLE ~(uint64_t)UINT32_MAX
#define COUNTED(kind) (K_##kind == K_COUNT || K_##kind == K_PERM)

#define EXO_X(number, NAME, opname, h, a, b, c, d, e, r0, r1, r2, r3)                              \
    [number] = {                                                                                   \
        .name = #NAME,                                                                             \
        .handle = K_##h,                                                                           \
        .arg = {K_##a, K_##b, K_##c, K_##d, K_##e},                                                \
        .result = {K_##r0, K_##r1, K_##r2, K_##r3},                                                \
        .forbidden = {FORBIDDEN_##a, FORBIDDEN_##b, FORBIDDEN_##c, FORBIDDEN_##d, FORBIDDEN_##e},  \
        .counted = COUNTED(a) || COUNTED(b) || COUNTED(c) || COUNTED(d) || COUNTED(e),             \
        .waits = number == EXO_TIMER || number == EXO_ENV_WAIT || number == EXO_NET_RX ||         \
                 number == EXO_RECLAIM_WAIT || number == EXO_RECV,                                 \
        .more = number == EXO_NET_TX,                                                              \
        .price = number == EXO_ALLOC ? 0 : -1,                                                         \
        .run = op_##opname,                                                                        \
        .cancel = number == EXO_ALLOC    ? op_alloc_cancel                                         \
                  : number == EXO_NET_RX ? op_net_rx_cancel                                        \
                  : number == EXO_NET_TX ? op_net_tx_cancel                                        \
                  : number == EXO_RECLAIM ? op_reclaim_cancel                                      \
                  : number == EXO_SEND   ? op_send_cancel                                          \
                  : number == EXO_RECV   ? op_recv_cancel                                          \
                                         : NULL,                                                   \
    },

const struct op_info op_infos[EXO_CODE_END] = {EXO_OPS(EXO_X)};
