/* SPDX-License-Identifier: MIT */
/*
 * The operations NET_RX and NET_TX. Checks what the program named, moves bytes
 * between its frames and packets, and holds its frames pinned meanwhile. Must never send a byte of a packet's head that was not
 * checked: the head is copied first, and the copy is checked and sent.
 */
#include "ops_net.h"

#include "../buffer.h"
#include "nic.h"

#define RX_MIN 60u   /* the shortest buffer: an Ethernet frame without FCS */
#define RX_USED 1536u /* no packet is longer, so no more of a buffer is pinned: at most 2 frames */
#define TX_MIN 14u   /* an Ethernet header */
#define TX_WORDS 16u /* buffer words of one packet */

/* ---- NET_RX ---------------------------------------------------------------- */

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
    if (EXO_BUF_LENGTH(op_arg(op, 0)) < RX_MIN)
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
    if (op->state == OP_PARKED)
        rx_take(op);
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
    op_end(op, 0);
}

/* ---- NET_TX ---------------------------------------------------------------- */

/* What a NET_TX with the device holds, kept in its result words until it ends. */
struct tx_pins {
    uint32_t frame[NIC_PIECES]; /* 0 ends them */
    uint32_t cancelled;
};

_Static_assert(sizeof(struct tx_pins) == sizeof((struct op *)0)->result, "fits the results");

/* The packet's buffer words: arg[0], then arg[3], arg[4] and those of MORE cells. */
static int tx_pieces(struct plan *plan, struct op *op, struct buffer *buffer)
{
    uint64_t more = op_arg(op, 1);
    if (more >= TX_WORDS)
        return -EXO_E_RANGE;
    int error = buffer_pieces(plan, op, op_arg(op, 0), false, buffer);
    for (unsigned i = 0; i < more && !error && buffer->length <= EXO_PACKET_MAX; i++) {
        uint64_t word = 0;
        if (i < 2) {
            word = op_arg(op, 3 + i);
        } else {
            unsigned cell = 1 + (i - 2) / 7;
            if (op->index + cell >= plan->cells || op[cell].state != OP_CELL)
                return -EXO_E_RANGE;
            struct exo_more words;
            __builtin_memcpy(&words, &op[cell].cell, sizeof words);
            word = words.word[(i - 2) % 7];
        }
        error = buffer_pieces(plan, op, word, false, buffer);
    }
    if (!error && (buffer->length < TX_MIN || buffer->length > EXO_PACKET_MAX))
        error = -EXO_E_RANGE;
    return error;
}

/* The head fits one of the queue's send matches, and the checksum field is not among its checked bits. */
static int tx_check(const struct queue *queue, const uint8_t *head, uint32_t length,
                    uint64_t checksum)
{
    uint32_t start = (uint32_t)(checksum >> 16 & 0xffff);
    uint32_t field = start + (uint32_t)(checksum & 0xffff);
    if (checksum && (checksum >> 32 != 1 || start >= length || field + 2 > length ||
                     !(nic_driver()->features & EXO_NIC_TX_CSUM)))
        return -EXO_E_RANGE;
    int error = -EXO_E_REFUSED;
    for (unsigned i = 0; i < queue->tx_count; i++) {
        if (!match_fits(&queue->tx[i], queue->tx_words[i], head, length))
            continue;
        if (!checksum || !match_checks(&queue->tx[i], field, 2))
            return 0;
        error = -EXO_E_RANGE;
    }
    return error;
}

/* What is behind the head, as physical pieces; -EXO_E_RANGE if it is too scattered. */
static int tx_tail(const struct buffer *buffer, uint32_t head, struct nic_piece *pieces)
{
    unsigned count = 0;
    for (unsigned i = 0; i < buffer->count; i++) {
        const struct piece *piece = &buffer->piece[i];
        if (piece->length <= head) {
            head -= piece->length;
            continue;
        }
        if (count == NIC_PIECES)
            return -EXO_E_RANGE;
        pieces[count++] = (struct nic_piece){piece_physical(piece) + head, piece->length - head};
        head = 0;
    }
    return (int)count;
}

static int tx_pin(struct env *env, const struct nic_piece *pieces, unsigned count,
                  struct tx_pins *pins)
{
    for (unsigned i = 0; i < count; i++) {
        frame_t frame = {(uint32_t)(pieces[i].address >> EXO_PAGE_SHIFT)};
        int error = frame_pin(env, frame);
        if (error) {
            while (i-- > 0)
                frame_unpin(env, (frame_t){pins->frame[i]});
            return error;
        }
        pins->frame[i] = frame.number;
    }
    return 0;
}

static int tx_send(struct plan *plan, struct op *op, struct queue *queue)
{
    struct buffer buffer;
    struct nic_piece pieces[NIC_PIECES];
    struct tx_pins pins = {.cancelled = 0};
    uint8_t head[EXO_TX_HEAD];
    uint64_t checksum = op_arg(op, 2);
    buffer_clear(&buffer);
    int error = tx_pieces(plan, op, &buffer);
    if (error)
        return error;
    uint32_t head_length = buffer.length < EXO_TX_HEAD ? buffer.length : EXO_TX_HEAD;
    int count = tx_tail(&buffer, head_length, pieces);
    if (count < 0)
        return count;
    if (!nic_room(plan->env, (unsigned)count + 1)) {
        nic_park(plan->env, op);
        return OP_PARK;
    }
    buffer_read(&buffer, head, head_length);
    error = tx_check(queue, head, buffer.length, checksum);
    if (!error)
        error = tx_pin(plan->env, pieces, (unsigned)count, &pins);
    if (error)
        return error;
    queue->sent++;
    nic_send(plan->env, head, head_length, pieces, (unsigned)count, checksum, count ? op : NULL);
    if (!count)
        return 0;
    __builtin_memcpy(op->result, &pins, sizeof pins);
    op->state = OP_PARKED;
    op->where = WHERE_DEVICE;
    return OP_PARK;
}

int op_net_tx(struct plan *plan, struct op *op)
{
    struct queue *queue = queue_named(plan, op);
    int error = -EXO_E_HANDLE;
    if (queue)
        error = nic_failed() ? -EXO_E_DEVICE : tx_send(plan, op, queue);
    if (error < 0)
        nic_pass(plan->env); /* it may have been woken for room that another can use */
    return error;
}

void op_net_tx_cancel(struct plan *plan, struct op *op)
{
    struct tx_pins pins;
    if (op->state == OP_READY)
        nic_pass(plan->env);
    if (op->state != OP_PARKED || op->where != WHERE_DEVICE)
        return;
    __builtin_memcpy(&pins, op->result, sizeof pins);
    pins.cancelled = 1;
    __builtin_memcpy(op->result, &pins, sizeof pins);
}

struct env *net_tx_done(struct op *op, int status)
{
    struct tx_pins pins;
    struct env *env = op_plan(op)->env;
    __builtin_memcpy(&pins, op->result, sizeof pins);
    __builtin_memset(op->result, 0, sizeof op->result);
    for (unsigned i = 0; i < NIC_PIECES && pins.frame[i]; i++)
        frame_unpin(env, (frame_t){pins.frame[i]});
    op_end(op, pins.cancelled ? -EXO_E_CANCELLED : status);
    return env;
}
