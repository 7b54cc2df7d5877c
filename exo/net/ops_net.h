/* SPDX-License-Identifier: MIT */
/* The operations on queues; what each does is said in exo/abi.h. */
#ifndef EXO_OPS_NET_H
#define EXO_OPS_NET_H

#include "../plan.h"

struct nic_packet;
struct queue;

int op_queue_create(struct plan *plan, struct op *op);
int op_queue_info(struct plan *plan, struct op *op);
int op_net_rx(struct plan *plan, struct op *op);
int op_net_tx(struct plan *plan, struct op *op);

/* Cancelled while parked: the buffer is unpinned. */
void op_net_rx_cancel(struct plan *plan, struct op *op);
/* Waiting for room it holds nothing and the executor takes it off its list. What the device holds
 * stays parked and pinned, and ends CANCELLED when the device is done. */
void op_net_tx_cancel(struct plan *plan, struct op *op);

/* The queue that the operation's handle names, or NULL. */
struct queue *queue_named(struct plan *plan, struct op *op);

/* For nic.c and queue.c. Ends a NET_RX, off its list already, with a packet or an error. */
void net_rx_deliver(struct op *op, const struct nic_packet *packet, uint32_t flags);
void net_rx_abort(struct op *op, int status);
/* The device is done with a NET_TX's frames. Returns its environment. */
struct env *net_tx_done(struct op *op, int status);

#endif
