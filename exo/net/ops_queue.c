/* SPDX-License-Identifier: MIT */
/* The operations QUEUE_CREATE and QUEUE_INFO: carving a queue out of one's own, and asking about it. */
#include "../buffer.h"
#include "../flush.h"
#include "nic.h"
#include "ops_net.h"

struct queue *queue_named(struct plan *plan, struct op *op)
{
    struct handle *handle = handle_find(plan->env, op_handle(op), K_QUEUE);
    return handle ? queue_at((frame_t){handle->frame}) : NULL;
}

int op_queue_create(struct plan *plan, struct op *op)
{
    struct exo_queue_spec spec; /* the kernel's copy: checked and used, never read again */
    struct buffer buffer = {.count = 0};
    struct env *env = plan->env;
    frame_t frame;
    struct queue *parent = queue_named(plan, op);
    if (!parent)
        return -EXO_E_HANDLE;
    int error = buffer_pieces(plan, op, op_arg(op, 1), false, &buffer);
    if (!error)
        error = frame_owned(env, op_arg(op, 0), 1, &frame);
    if (error)
        return error;
    if (buffer.length < sizeof spec)
        return -EXO_E_RANGE;
    struct frame *entry = frame_entry(frame);
    error = flush_idle(op, frame, 1);
    if (error)
        return error;
    buffer_read(&buffer, &spec, sizeof spec);
    error = queue_check(parent, &spec);
    if (error)
        return error;
    uint32_t handle = handle_add(env, K_QUEUE, frame);
    if (!handle)
        return -EXO_E_FULL;
    entry->state = FRAME_KERNEL; /* stays on its creator's list and charged to it */
    entry->kind = KIND_QUEUE;
    queue_build(parent, &spec, frame);
    queue_hold(frame, entry->generation); /* handle_add() counted before there was a count */
    op->result[0] = handle;
    return 0;
}

int op_queue_info(struct plan *plan, struct op *op)
{
    const struct queue *queue = queue_named(plan, op);
    if (!queue)
        return -EXO_E_HANDLE;
    const struct nic_driver *nic = nic_driver();
    uint64_t mac = (uint64_t)nic->features << 48;
    for (unsigned i = 0; i < 6; i++)
        mac |= (uint64_t)nic->mac[i] << 8 * i;
    op->result[0] = mac;
    op->result[1] = queue->received;
    op->result[2] = queue->dropped;
    op->result[3] = queue->sent;
    return 0;
}
