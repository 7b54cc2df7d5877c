/* SPDX-License-Identifier: MIT */
/*
 * The operation NET_RX. Checks what the program named, copies packets into its frames and holds
 * these pinned meanwhile.
 */
#include "ops_net.h"

#include "../buffer.h"
#include "nic.h"

#define RX_MIN 60u   /* the shortest buffer: an Ethernet frame without FCS */
#define RX_USED 1536u /* no packet is longer, so no more of a buffer is pinned: at most 2 frames */

/* Where a parked NET_RX puts its packet, kept in its result words until it ends. */
struct rx_place {
    uint32_t frame[2]; /* the second is 0 (never a program's) if there is none */
    uint32_t offset, length; /* in the first frame; of the whole buffer */
    uint64_t zero[2];
};

_Static_assert(sizeof(struct rx_place) == sizeof((struct op *)0)->result, "fits the results");

static struct rx_place rx_take(struct op *op)
{
    struct rx_place place;
    struct env *env = op_plan(op)->env;
    __builtin_memcpy(&place, op->result, sizeof place);
    __builtin_memset(op->result, 0, sizeof op->result);
    for (unsigned i = 0; i < 2; i++)
        if (place.frame[i])
            frame_unpin(env, (frame_t){place.frame[i]});
    return place;
}

static int rx_pin(struct env *env, const struct buffer *buffer, struct op *op)
{
    uint32_t length = buffer->length < RX_USED ? buffer->length : RX_USED;
    struct rx_place place = {
        .frame = {buffer->piece[0].frame.number, 0},
        .offset = buffer->piece[0].offset,
        .length = length,
    };
    int error = frame_pin(env, buffer->piece[0].frame);
    if (error)
        return error;
    if (buffer->piece[0].length < length) {
        place.frame[1] = buffer->piece[1].frame.number;
        error = frame_pin(env, buffer->piece[1].frame);
        if (error) {
            frame_unpin(env, buffer->piece[0].frame);
            return error;
        }
    }
    __builtin_memcpy(op->result, &place, sizeof place);
    return 0;
}

int op_net_rx(struct plan *plan, struct op *op)
{
    struct buffer buffer;
    struct queue *queue = queue_named(plan, op);
    if (!queue)
        return -EXO_E_HANDLE;
    if (nic_failed())
        return -EXO_E_DEVICE;
    if (EXO_BUF_LENGTH(number_any(op_arg(op, 0))) < RX_MIN)
        return -EXO_E_RANGE;
    buffer_clear(&buffer);
    int error = buffer_pieces(plan, op, op_arg(op, 0), true, &buffer);
    if (!error)
        error = rx_pin(plan->env, &buffer, op);
    if (error)
        return error;
    queue->receiver = plan->env->index;
    op_park(op, &queue->parked);
    return OP_PARK;
}

void op_net_rx_cancel(struct plan *plan, struct op *op)
{
    (void)plan;
    rx_take(op); /* parked: once started it is never anything else before its end */
}

void net_rx_abort(struct op *op, int status)
{
    rx_take(op);
    op_end(op, status);
}

void net_rx_deliver(struct op *op, const struct nic_packet *packet, uint32_t flags)
{
    struct rx_place place = rx_take(op);
    uint32_t length = packet->length, first = EXO_PAGE_SIZE - place.offset;
    if (length > place.length) {
        length = place.length;
        flags |= EXO_RX_CUT;
    }
    if (first > length)
        first = length;
    uint8_t *to = frame_memory((frame_t){place.frame[0]});
    __builtin_memcpy(to + place.offset, packet->bytes, first);
    if (length > first)
        __builtin_memcpy(frame_memory((frame_t){place.frame[1]}), packet->bytes + first,
                         length - first);
    op->result[0] = packet->length;
    op->result[1] = flags;
    op->result[2] = EXO_BUF(place.frame[0], place.offset, length);
    op_end(op, 0);
}
