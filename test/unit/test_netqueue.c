/* SPDX-License-Identifier: MIT */
/*
 * The raw queue's bookkeeping against a kernel that this test plays: it takes plans
 * into the slots that were donated, refuses what has none, ends operations in any order that the real one
 * may, and knows at every moment who has which buffer.
 */
#include <libos/mem.h>
#include <libos/netqueue.h>
#include <stdlib.h>
#include <string.h>

#include "suite.h"
#include "../../libos/plan/ring.h"

#define PLANS 400u

struct taken { /* a plan in a slot */
    struct exo_op op[NETQUEUE_PLAN_CELLS];
    uint64_t tag;
    unsigned cells, left;
    bool large, failed;
    bool ended[NETQUEUE_PLAN_CELLS], parked[NETQUEUE_PLAN_CELLS];
};

static struct taken plans[PLANS];
static unsigned small_free, large_free, refuse_next, crossings;
static struct netqueue queue;
static struct netqueue_buffer *held[NETQUEUE_BUFFERS];
static unsigned held_count, sent_count, sent_bad, room_count;
static uint64_t order[100000], order_first, order_last; /* parked receives: plan << 8 | operation */

/* ---- the libos below --------------------------------------------------------------------- */

uint64_t ring_tail;
uint32_t libos_nesting;
bool libos_slice_ended;

void *mem_map_run(uint32_t count, uint64_t *frame)
{
    *frame = 1000;
    return calloc(count, 4096);
}

static unsigned slots_in(uint64_t frames, uint64_t cells)
{
    return (unsigned)(frames * 4096 / ((cells + 1) * 128));
}

int plan_run(struct plan *plan)
{
    for (unsigned i = 0; i < plan->count; i++) {
        const struct exo_op *op = &plan->cell[i + 1];
        struct plan_result *result = &plan->results[i];
        *result = (struct plan_result){ 0 };
        if (op->code == EXO_SLOTS) {
            ck_assert_uint_le(op->arg[1], 16);
            ck_assert(op->arg[2] == 4 || op->arg[2] == 16);
            result->value = slots_in(op->arg[1], op->arg[2]);
            *(op->arg[2] == 4 ? &small_free : &large_free) += (unsigned)result->value;
        } else if (op->code == EXO_NOP) {
            result->value = 0x665544332211ull | (uint64_t)EXO_NIC_TX_CSUM << 48;
        }
    }
    return 0;
}

void plan_misuse(const struct plan *plan, const char *what)
{
    (void)plan;
    ck_abort_msg("misuse: %s", what);
    abort();
}

unsigned completion_dispatch(void)
{
    return 0;
}

long ring_wait(uint64_t deadline)
{
    (void)deadline;
    crossings++;
    return 0;
}

/* ---- the kernel ------------------------------------------------------------------------------ */

static void complete(uint64_t tag, unsigned operation, int status, uint64_t result, uint32_t plan)
{
    struct exo_completion completion = { .tag = tag, .result = result, .status = status,
                                         .operation = (uint16_t)operation, .plan = plan };
    struct completion_target *target = (struct completion_target *)tag;
    target->done(target, &completion);
}

static void op_ends(unsigned index, unsigned operation, int status, uint64_t result);

static void op_starts(unsigned index, unsigned operation)
{
    struct taken *plan = &plans[index];
    const struct exo_op *op = &plan->op[operation];
    plan->parked[operation] = true;
    if (op->code == EXO_NET_RX)
        order[order_last++ % 100000] = (uint64_t)index << 8 | operation;
}

static void slot_release(struct taken *plan)
{
    if (plan->left)
        return;
    *(plan->large ? &large_free : &small_free) += 1;
    plan->cells = 0;
    if (plan->failed) /* the plan's own end, with a slot's name */
        complete(plan->tag, EXO_PLAN_SELF, -EXO_E_REFUSED, 0, 77);
}

static void op_ends(unsigned index, unsigned operation, int status, uint64_t result)
{
    struct taken *plan = &plans[index];
    struct exo_op op = plan->op[operation];
    plan->ended[operation] = true;
    plan->parked[operation] = false;
    plan->failed |= status < 0;
    plan->left--;
    for (unsigned i = operation + 1; i < plan->cells; i++)
        if (plan->op[i].code != EXO_MORE && plan->op[i].after == 1ull << operation) {
            ck_assert_uint_eq(plan->op[i].flags & EXO_START_MASK, EXO_START_ENDED);
            op_starts(index, i);
        }
    if (status < 0 || !(op.flags & EXO_QUIET))
        complete(op.tag, operation, status, result, 77);
    slot_release(plan);
}

void plan_push(struct plan *plan)
{
    const struct exo_plan *header = (const struct exo_plan *)(const void *)plan->cell;
    ck_assert_uint_eq(header->code, EXO_PLAN);
    ck_assert_uint_eq(header->cells, plan->count);
    ck_assert_uint_le(plan->count, NETQUEUE_PLAN_CELLS);
    bool large = plan->count > 4 || small_free == 0;
    if (refuse_next) {
        refuse_next--;
        complete(header->tag, EXO_PLAN_SELF, -EXO_E_NO_SLOT, 0, 0);
        return;
    }
    ck_assert_uint_gt(large ? large_free : small_free, 0); /* never more plans than slots */
    *(large ? &large_free : &small_free) -= 1;
    unsigned index = 0;
    while (plans[index].cells)
        index++;
    ck_assert_uint_lt(index, PLANS);
    struct taken *taken = &plans[index];
    *taken = (struct taken){ .tag = header->tag, .cells = plan->count, .large = large };
    memcpy(taken->op, plan->cell + 1, plan->count * sizeof(struct exo_op));
    for (unsigned i = 0; i < taken->cells; i++)
        taken->left += taken->op[i].code != EXO_MORE;
    for (unsigned i = 0; i < taken->cells; i++)
        if (taken->op[i].code != EXO_MORE && taken->op[i].after == 0)
            op_starts(index, i);
}

/* Ends parked sends; those for which `fails` counts down fail. */
static void kernel_sends(unsigned most, unsigned *fails)
{
    for (unsigned index = 0; index < PLANS && most; index++)
        for (unsigned i = 0; i < plans[index].cells && most; i++) {
            if (!plans[index].parked[i] || plans[index].op[i].code != EXO_NET_TX)
                continue;
            most--;
            bool fail = fails && *fails;
            if (fail)
                --*fails;
            op_ends(index, i, fail ? -EXO_E_REFUSED : 0, 0);
        }
}

static bool kernel_packet(uint32_t length)
{
    if (order_first == order_last)
        return false;
    uint64_t which = order[order_first++ % 100000];
    op_ends((unsigned)(which >> 8), (unsigned)(which & 255), 0, length);
    return true;
}

/* ---- the program -------------------------------------------------------------------------------- */

static void received(struct netqueue *from, struct netqueue_buffer *buffer)
{
    ck_assert_ptr_eq(from, &queue);
    for (unsigned i = 0; i < held_count; i++)
        if (held[i] == buffer)
            ck_abort_msg("a buffer came twice");
    held[held_count++] = buffer;
}

static void was_sent(struct netqueue *from, void *cookie, int status)
{
    (void)from;
    (*(unsigned *)cookie)--;
    sent_count++;
    sent_bad += status < 0;
}

static void room(struct netqueue *from)
{
    (void)from;
    room_count++;
}

static unsigned with_kernel(void)
{
    return (unsigned)(order_last - order_first);
}

static void open_queue(unsigned buffers, bool no_replies)
{
    struct netqueue_config config = { .handle = 5, .buffers = buffers, .no_replies = no_replies,
                                      .receive = received, .sent = was_sent, .room = room };
    ck_assert_int_eq(netqueue_open(&queue, &config), 0);
    ck_assert_uint_eq(with_kernel(), queue.config.buffers);
}

START_TEST(opens)
{
    open_queue(0, true);
    ck_assert_uint_eq(queue.config.buffers, 64);
    ck_assert_uint_eq(queue.mac[0], 0x11);
    ck_assert_uint_eq(queue.mac[5], 0x66);
    ck_assert_uint_eq(queue.features, EXO_NIC_TX_CSUM);
}
END_TEST

START_TEST(every_buffer_comes_round)
{
    open_queue(32, true);
    for (unsigned i = 0; i < 1000; i++) {
        ck_assert(kernel_packet(100 + i % 1000));
        ck_assert_uint_eq(held[0]->length, 100 + i % 1000);
        netqueue_release(held[--held_count]);
        netqueue_flush(&queue);
        ck_assert_uint_gt(with_kernel(), 16);
    }
    ck_assert_uint_eq(queue.received, 1000);
    ck_assert_uint_eq(with_kernel() + queue.released, 32);
}
END_TEST

START_TEST(replies)
{
    open_queue(64, false);
    for (unsigned i = 0; i < 3000; i++) {
        for (unsigned k = 0; k <= i % 20; k++)
            kernel_packet(64);
        while (held_count)
            ck_assert_int_eq(netqueue_reply(held[--held_count], 0, 60, 0), 0);
        netqueue_flush(&queue);
        kernel_sends(i % 3 ? 1000 : 5, NULL);
    }
    kernel_sends(1000, NULL);
    ck_assert_uint_eq(with_kernel(), 64);
    ck_assert_uint_eq(queue.send_full, 0);
    ck_assert_uint_eq(queue.replied, queue.received);
}
END_TEST

START_TEST(reply_names_the_bytes)
{
    open_queue(16, false);
    kernel_packet(64);
    struct netqueue_buffer *buffer = held[--held_count];
    uint64_t at = 1000 * 4096ull + (uint64_t)(buffer->bytes - queue.arena);
    ck_assert_int_eq(netqueue_reply(buffer, 34, 100, EXO_TX_CSUM(14, 6)), 0);
    const struct exo_op *op = &queue.pending[queue.cells - 1];
    ck_assert_uint_eq(op->code, EXO_NET_TX);
    ck_assert_uint_eq(EXO_BUF_FRAME(op->arg[0]) * 4096 + EXO_BUF_OFFSET(op->arg[0]), at + 34);
    ck_assert_uint_eq(EXO_BUF_LENGTH(op->arg[0]), 100);
    ck_assert_uint_eq(op->arg[2], EXO_TX_CSUM(14, 6));
}
END_TEST

START_TEST(failed_replies_lose_nothing)
{
    unsigned fails = 100;
    open_queue(16, false);
    for (unsigned i = 0; i < 200; i++) {
        kernel_packet(64);
        while (held_count)
            ck_assert_int_eq(netqueue_reply(held[--held_count], 0, 60, 0), 0);
        netqueue_flush(&queue);
        kernel_sends(1000, &fails);
    }
    ck_assert_uint_eq(with_kernel(), 16);
    ck_assert_uint_eq(queue.send_failed, 100);
}
END_TEST

START_TEST(sends_full_then_room)
{
    uint64_t words[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
    unsigned out = 0, full = 0, unsent = 0, fails = 10;
    open_queue(64, true);
    for (unsigned i = 0; i < 5000; i++) {
        if (netqueue_send(&queue, words, 1 + i % 8, 0, 0, &unsent) == 0) {
            unsent++;
            out++;
        } else {
            full++;
            netqueue_flush(&queue);
            kernel_sends(20, &fails);
        }
    }
    ck_assert_uint_gt(full, 0);
    ck_assert_uint_eq(queue.send_full, full);
    ck_assert_uint_gt(room_count, 0);
    netqueue_flush(&queue);
    kernel_sends(10000, NULL);
    ck_assert_uint_eq(unsent, 0);
    ck_assert_uint_eq(sent_count, out);
    ck_assert_uint_eq(sent_bad, 10);
    ck_assert_uint_eq(queue.sends_free, NETQUEUE_SENDS);
}
END_TEST

START_TEST(gathered_words)
{
    uint64_t words[8] = { 11, 12, 13, 14, 15, 16, 17, 18 };
    unsigned unsent = 1;
    open_queue(16, true);
    ck_assert_int_eq(netqueue_send(&queue, words, 8, 99, EXO_VPAGE, &unsent), 0);
    const struct exo_op *op = &queue.pending[queue.cells - 1];
    struct exo_more more;
    memcpy(&more, op + 1, sizeof more);
    ck_assert_uint_eq(op->flags, EXO_VPAGE);
    ck_assert_uint_eq(op->arg[0], 11);
    ck_assert_uint_eq(op->arg[1], 7);
    ck_assert_uint_eq(op->arg[2], 99);
    ck_assert_uint_eq(op->arg[3], 12);
    ck_assert_uint_eq(op->arg[4], 13);
    ck_assert_uint_eq(more.code, EXO_MORE);
    ck_assert_uint_eq(more.word[0], 14);
    ck_assert_uint_eq(more.word[4], 18);
}
END_TEST

START_TEST(refused_plans_lose_nothing)
{
    uint64_t word = 1;
    unsigned unsent = 0;
    open_queue(32, false);
    for (unsigned i = 0; i < 500; i++) {
        kernel_packet(64);
        if (held_count)
            ck_assert_int_eq(netqueue_reply(held[--held_count], 0, 60, 0), 0);
        if (netqueue_send(&queue, &word, 1, 0, 0, &unsent) == 0)
            unsent++;
        refuse_next = i % 5 == 0;
        netqueue_flush(&queue);
        kernel_sends(1000, NULL);
    }
    refuse_next = 0;
    netqueue_flush(&queue);
    kernel_sends(1000, NULL);
    ck_assert_uint_gt(queue.plans_refused, 0);
    ck_assert_uint_eq(unsent, 0);
    ck_assert_uint_eq(with_kernel() + queue.released, 32);
}
END_TEST

START_TEST(dead_queue_is_not_asked_again)
{
    open_queue(16, true);
    while (order_first != order_last) {
        uint64_t which = order[order_first++ % 100000];
        op_ends((unsigned)(which >> 8), (unsigned)(which & 255), -EXO_E_DEAD, 0);
    }
    netqueue_flush(&queue);
    ck_assert_uint_eq(with_kernel(), 0);
    ck_assert_uint_eq(queue.receive_failed, 16);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("netqueue");
    TCase *all = tcase_create("all");
    tcase_add_test(all, opens);
    tcase_add_test(all, every_buffer_comes_round);
    tcase_add_test(all, replies);
    tcase_add_test(all, reply_names_the_bytes);
    tcase_add_test(all, failed_replies_lose_nothing);
    tcase_add_test(all, sends_full_then_room);
    tcase_add_test(all, gathered_words);
    tcase_add_test(all, refused_plans_lose_nothing);
    tcase_add_test(all, dead_queue_is_not_asked_again);
    suite_add_tcase(suite, all);
    return suite_run(suite);
}
