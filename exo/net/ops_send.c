/* SPDX-License-Identifier: MIT */
/*
 * The operation NET_TX. Must never send a byte of a packet's head that was not checked: the head is
 * copied first, and the copy is checked and sent. What is behind it the device reads from the
 * program's frames, which are pinned meanwhile.
 */
#include "../buffer.h"
#include "nic.h"
#include "ops_net.h"
#include "segment.h"

#define TX_MIN 14u      /* an Ethernet header */
#define TX_WORDS 16u    /* buffer words of one packet */
#define TX_MOST 65549u  /* to be cut by the device: the longest IPv4 packet */

/* While it is with the device, op->held has its frames, 0 behind the last, and whether it was cancelled. */
#define HELD_CANCELLED NIC_PIECES

_Static_assert(NIC_PIECES < sizeof((struct op *)0)->held / sizeof(uint32_t), "fits");

/* The packet's buffer words: arg[0], then arg[3], arg[4] and those of MORE cells. */
static int tx_pieces(struct plan *plan, struct op *op, struct buffer *buffer)
{
    uint32_t more;
    uint32_t most = tx_segment(number_any(op_arg(op, 2))) ? TX_MOST : EXO_PACKET_MAX;
    if (!number_below(op_arg(op, 1), TX_WORDS, &more))
        return -EXO_E_RANGE;
    int error = buffer_pieces(plan, op, op_arg(op, 0), false, buffer);
    for (unsigned i = 0; i < more && !error && buffer->length <= most; i++) {
        number_t word;
        if (i < 2) {
            word = op_arg(op, 3 + i);
        } else {
            unsigned cell = 1 + (i - 2) / 7;
            if (op->index + cell >= plan->cells || op[cell].state != OP_CELL)
                return -EXO_E_RANGE;
            struct exo_more words;
            __builtin_memcpy(&words, &op[cell].cell, sizeof words);
            word = number_of(words.word[(i - 2) % 7]);
        }
        error = buffer_pieces(plan, op, word, false, buffer);
    }
    if (!error && (buffer->length < TX_MIN || buffer->length > most))
        error = -EXO_E_RANGE;
    return error;
}

/* What the device is to compute is possible, and lies within the packet. */
static int tx_check_offload(const uint8_t *head, uint32_t length, uint64_t checksum)
{
    uint32_t start = tx_start(checksum), field = tx_field(checksum);
    if (checksum >> 32 != 1 + ((uint64_t)tx_segment(checksum) << 16) || start >= length ||
        field + 2 > length || !(nic_driver()->features & EXO_NIC_TX_CSUM))
        return -EXO_E_RANGE;
    if (!tx_segment(checksum))
        return 0;
    if (!(nic_driver()->features & EXO_NIC_TX_SEGMENT) || !segment_possible(head, length, checksum))
        return -EXO_E_RANGE;
    return 0;
}

/* The head fits one of the queue's send matches, and what the device writes is not among its checked bits. */
static int tx_check(const struct queue *queue, const uint8_t *head, uint32_t length,
                    uint64_t checksum)
{
    int error = checksum ? tx_check_offload(head, length, checksum) : 0;
    if (error)
        return error;
    error = -EXO_E_REFUSED;
    for (unsigned i = 0; i < queue->tx_count; i++) {
        if (!match_fits(&queue->tx[i], queue->tx_words[i], head, length))
            continue;
        if (!checksum || !(match_checks(&queue->tx[i], tx_field(checksum), 2) ||
                           segment_rewrites_checked(&queue->tx[i], checksum)))
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

static int tx_pin(struct env *env, const struct nic_piece *pieces, unsigned count, struct op *op)
{
    for (unsigned i = 0; i < count; i++) {
        frame_t frame = {(uint32_t)(pieces[i].address >> EXO_PAGE_SHIFT)};
        int error = frame_pin(env, frame);
        if (error) {
            while (i-- > 0)
                frame_unpin(env, (frame_t){op->held[i]});
            __builtin_memset(op->held, 0, sizeof op->held);
            return error;
        }
        op->held[i] = frame.number;
    }
    return 0;
}

/* Pieces that follow each other in memory are one descriptor. */
static unsigned tx_merge(struct nic_piece *pieces, unsigned count)
{
    unsigned last = 0;
    for (unsigned i = 1; i < count; i++) {
        if (pieces[last].address + pieces[last].length == pieces[i].address)
            pieces[last].length += pieces[i].length;
        else
            pieces[++last] = pieces[i];
    }
    return count ? last + 1 : 0;
}

static int tx_send(struct plan *plan, struct op *op, struct queue *queue)
{
    struct buffer buffer;
    struct nic_piece pieces[NIC_PIECES];
    uint8_t head[EXO_TX_HEAD];
    uint64_t checksum = number_any(op_arg(op, 2)); /* tx_check() looks at all of it */
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
        error = tx_pin(plan->env, pieces, (unsigned)count, op);
    if (error)
        return error;
    queue->sent++;
    nic_send(plan->env, head, head_length, pieces, tx_merge(pieces, (unsigned)count), checksum,
             count ? op : NULL);
    if (!count)
        return 0;
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
    if (op->state == OP_READY)
        nic_pass(plan->env);
    else if (op->where == WHERE_DEVICE)
        op->held[HELD_CANCELLED] = 1;
}

struct env *net_tx_done(struct op *op, int status)
{
    struct env *env = op_plan(op)->env;
    if (op->held[HELD_CANCELLED])
        status = -EXO_E_CANCELLED;
    for (unsigned i = 0; i < NIC_PIECES && op->held[i]; i++)
        frame_unpin(env, (frame_t){op->held[i]});
    __builtin_memset(op->held, 0, sizeof op->held);
    op_end(op, status);
    return env;
}
