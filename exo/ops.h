/* SPDX-License-Identifier: MIT */
/* The functions behind the operation table; what each does and every error is said in exo/abi.h. */
#ifndef EXO_OPS_H
#define EXO_OPS_H

#include "plan.h"

#define EXO_X(number, NAME, name, h, a, b, c, d, e, r0, r1, r2, r3)                                \
    int op_##name(struct plan *plan, struct op *op);
EXO_OPS(EXO_X)
#undef EXO_X

/* Ended between steps: what ALLOC took and did not hand over yet goes back. */
void op_alloc_cancel(struct plan *plan, struct op *op);
/* What was typed goes to who waits for it; called when a device wants to be looked at. */
void console_poll(void);
/* The child goes on with what it has left. */
void op_reclaim_cancel(struct plan *plan, struct op *op);
/* Cancelled while parked, a SEND gives the message's frames back; a RECV that was woken passes that on. */
void op_send_cancel(struct plan *plan, struct op *op);
void op_recv_cancel(struct plan *plan, struct op *op);
/* NET_RX and NET_TX: net/ops_net.h. */

#endif
