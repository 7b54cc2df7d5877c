/* SPDX-License-Identifier: MIT */
/*
 * What the plan builder writes into cells: every operation once, compared with its line in
 * abi.h; edges, references, start conditions, long buffers. The ring is not here:
 * submitting is tested in guests.
 */
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <libos/plan.h>

#include "suite.h"

static jmp_buf misuse;
static const char *misuse_what;

void plan_misuse(const struct plan *plan, const char *what)
{
    (void)plan;
    misuse_what = what;
    longjmp(misuse, 1);
}

static struct plan_buffer buffer;
static struct plan *plan;

static void begin(void)
{
    memset(&buffer, 0xa5, sizeof(buffer));
    plan = plan_begin(&buffer);
}

/* ---- every operation ------------------------------------------------------------- */

enum kind { ZERO, NONE = ZERO, WORD, FRAME, COUNT, ADDR, PERM, BUF, TICK, SMALL, HANDLE, ENV, QUEUE,
            CONSOLE, MACHINE, SENDER, RECEIVER };

static const struct { uint8_t handle, arg[5], result[4]; } table[EXO_CODE_END] = {
#define EXO_X(number, NAME, name, h, a, b, c, d, e, r0, r1, r2, r3)                                \
    [number] = { h, { a, b, c, d, e }, { r0, r1, r2, r3 } },
    EXO_OPS(EXO_X)
#undef EXO_X
};

/* Writes one, with a value of its own wherever it takes one. */
static void write_one(unsigned code)
{
    struct handle_ref handle = handle_number(77);
    struct frame_ref frame = frame_number(1001);
    struct word_ref word = word_number(1002);
    static const uint64_t label[2] = { 5, 6 }, buffers[3] = { 11, 12, 13 };
    switch (code) {
    case EXO_NOP: plan_nop(plan, word); break;
    case EXO_ALLOC: plan_alloc_at(plan, 3, 2, word); break;
    case EXO_FREE: plan_free(plan, frame, 3); break;
    case EXO_GIVE: plan_give(plan, handle, frame, 3); break;
    case EXO_FREEZE: plan_freeze(plan, 0x1000, 3); break;
    case EXO_THAW: plan_thaw(plan, 0x1000); break;
    case EXO_TABLE: plan_table(plan, handle, frame, 0x1000, 2); break;
    case EXO_UNTABLE: plan_untable(plan, handle, 0x1000, 2); break;
    case EXO_MAP: plan_map(plan, handle, 0x1000, frame, 3, EXO_READ); break;
    case EXO_SHARE: plan_share(plan, handle, 0x1000, 0x2000, 3, EXO_READ); break;
    case EXO_UNMAP: plan_unmap(plan, handle, 0x1000, 3); break;
    case EXO_PROTECT: plan_protect(plan, handle, 0x1000, 3, EXO_READ); break;
    case EXO_SLOTS: plan_slots(plan, handle, frame, 3, 4); break;
    case EXO_TIMER: plan_timer_every(plan, tick_number(9), 10); break;
    case EXO_CANCEL: plan_cancel(plan, word, 2); break;
    case EXO_YIELD: plan_yield(plan, handle); break;
    case EXO_CONSOLE_WRITE: plan_console_write(plan, handle, 8); break;
    case EXO_CONSOLE_GRANT: plan_console_grant(plan, handle, handle_number(78), label); break;
    case EXO_ENV_CREATE: plan_env_create(plan, frame, 9, 2); break;
    case EXO_ENV_RINGS: plan_env_rings(plan, 77, frame, frame, 4, frame, 4); break;
    case EXO_ENV_START: plan_env_start(plan, handle, 1, 2, 3); break;
    case EXO_ENV_KILL: plan_env_kill(plan, handle); break;
    case EXO_ENV_WAIT: plan_env_wait(plan, handle); break;
    case EXO_ENV_READ: plan_env_read(plan, handle, word, 8); break;
    case EXO_ENV_EXIT: plan_env_exit(plan, 1, 2, 3); break;
    case EXO_HANDLE_COPY: plan_handle_copy(plan, handle, handle_number(78)); break;
    case EXO_HANDLE_DROP: plan_handle_drop(plan, handle_number(78)); break;
    case EXO_CPU_GIVE: plan_cpu_give(plan, handle, 5, 3); break;
    case EXO_QUEUE_CREATE: plan_queue_create(plan, handle, frame, 8); break;
    case EXO_QUEUE_INFO: plan_queue_info(plan, handle); break;
    case EXO_NET_RX: plan_net_rx(plan, handle, 8); break;
    case EXO_NET_TX: plan_net_tx(plan, 77, buffers, 3, 7); break;
    case EXO_CONSOLE_READ: plan_console_read(plan, handle); break;
    case EXO_POWER: plan_power(plan, handle, 0x10); break;
    case EXO_RECLAIM: plan_reclaim(plan, handle, 5, tick_number(9)); break;
    case EXO_RECLAIM_WAIT: plan_reclaim_wait(plan); break;
    case EXO_ENV_INFO: plan_env_info(plan, handle, 3, 8); break;
    case EXO_SEND: plan_send(plan, handle, buffer_number(8), word, word); break;
    case EXO_RECV: plan_recv(plan, handle, 0x1000); break;
    case EXO_CHANNEL_CREATE: plan_channel_create(plan, handle, frame, 4, 2); break;
    default: ck_abort_msg("operation %u has no builder in this test", code);
    }
}

START_TEST(test_every_operation)
{
    for (unsigned code = 0; code < EXO_CODE_END; code++) {
        bool exists = false;
#define EXO_X(number, NAME, name, h, a, b, c, d, e, r0, r1, r2, r3) exists = exists || code == number;
        EXO_OPS(EXO_X)
#undef EXO_X
        if (!exists)
            continue;
        begin();
        write_one(code);
        const struct exo_op *op = &plan->cell[1];
        ck_assert_int_eq(plan->count, 1);
        ck_assert_int_eq(op->code, code);
        ck_assert_int_eq(op->flags, 0);
        ck_assert_int_eq(op->uses, 0);
        ck_assert_uint_eq(op->after, 0);
        ck_assert_msg((op->handle != 0) == (table[code].handle != NONE), "handle of %u", code);
        for (unsigned k = 0; k < 5; k++)
            ck_assert_msg(table[code].arg[k] != ZERO || op->arg[k] == 0, "%u has no argument %u", code, k);
        for (unsigned k = 0; k < 5; k++)
            ck_assert_msg(table[code].arg[k] == ZERO || op->arg[k] != 0, "%u needs argument %u", code, k);
    }
}
END_TEST

/* ---- edges and references ------------------------------------------------------------- */

START_TEST(test_order)
{
    begin();
    struct frame_ref frame = plan_alloc(plan, 2, 0);
    struct op_ref map = plan_map(plan, env_self(), 0x1000, frame, 2, EXO_READ);
    plan_nop(plan, word_number(1));
    ck_assert_uint_eq(plan->cell[1].after, 0);
    ck_assert_uint_eq(plan->cell[2].after, 1);
    ck_assert_int_eq(plan->cell[2].uses, 2);
    ck_assert_uint_eq(plan->cell[2].arg[1], EXO_REF(0, 0, 0));
    ck_assert_uint_eq(plan->cell[3].after, 2);
    plan_after(plan, plan_bit(map), EXO_START_SOME);
    plan_free(plan, frame, 2);
    ck_assert_uint_eq(plan->cell[4].after, 3); /* what it takes, it waits for */
    ck_assert_int_eq(plan->cell[4].flags, EXO_START_SOME);
    plan_nop(plan, word_number(1));
    ck_assert_uint_eq(plan->cell[5].after, 1 << 3);
    ck_assert_int_eq(plan->cell[5].flags, 0);
    plan_unordered(plan, true);
    plan_nop(plan, word_number(1));
    ck_assert_uint_eq(plan->cell[6].after, 0);
}
END_TEST

START_TEST(test_references)
{
    begin();
    struct frame_ref frame = plan_alloc(plan, 8, 0);
    plan_free(plan, frame_plus(frame_plus(frame, 5), -2), 1);
    ck_assert_uint_eq(plan->cell[2].arg[0], EXO_REF(0, 0, 3));
    plan_free(plan, frame_plus(frame, -1), 1);
    ck_assert_uint_eq(plan->cell[3].arg[0], EXO_REF(0, 0, -1));
    ck_assert_uint_eq(frame_plus(frame_number(7), -2).ref.word, 5);
    struct handle_ref env = plan_env_create(plan, frame, 100, 0);
    plan_give(plan, env, frame, 1);
    ck_assert_int_eq(plan->cell[5].uses, 1 << 5 | 1);
    ck_assert_uint_eq(plan->cell[5].handle, 0);
    ck_assert_uint_eq(plan->cell[5].arg[4], EXO_REF(3, 0, 0));
    ck_assert_uint_eq(plan->cell[5].after, 1 << 3 | 1);
    struct env_wait_refs wait = plan_env_wait(plan, env);
    plan_nop(plan, wait.second);
    ck_assert_uint_eq(plan->cell[7].arg[0], EXO_REF(5, 2, 0));
}
END_TEST

START_TEST(test_targets)
{
    static struct completion_target target;
    begin();
    plan_nop(plan, word_number(1));
    plan_target(plan, &target);
    plan_quiet(plan, true);
    plan_vpage(plan);
    plan_console_write(plan, handle_number(1), 8);
    plan_nop(plan, word_number(1));
    ck_assert_uint_eq(plan->cell[1].tag, 0);
    ck_assert_uint_eq(plan->cell[2].tag, (uint64_t)&target);
    ck_assert_int_eq(plan->cell[2].flags, EXO_QUIET | EXO_VPAGE);
    ck_assert_int_eq(plan->cell[3].flags, EXO_QUIET);
}
END_TEST

START_TEST(test_long_packet)
{
    uint64_t buffers[20];
    for (unsigned i = 0; i < 20; i++)
        buffers[i] = 100 + i;
    begin();
    struct op_ref tx = plan_net_tx(plan, 9, buffers, 20, 0);
    plan_nop(plan, word_number(1));
    ck_assert_int_eq(plan->count, 1 + 3 + 1); /* 3 words, then 7 to a cell */
    ck_assert_uint_eq(plan->cell[1].arg[1], 19);
    ck_assert_uint_eq(plan->cell[1].arg[4], 102);
    for (unsigned i = 3; i < 20; i++) {
        const struct exo_more *more = (const struct exo_more *)&plan->cell[2 + (i - 3) / 7];
        ck_assert_int_eq(more->code, EXO_MORE);
        ck_assert_uint_eq(more->word[(i - 3) % 7], 100 + i);
    }
    ck_assert_int_eq(tx.ref.op, 0);
    ck_assert_uint_eq(plan->cell[5].after, 1); /* for the operation, not for its cells */
}
END_TEST

START_TEST(test_too_many)
{
    begin();
    for (int i = 0; i < EXO_PLAN_MAX; i++)
        plan_nop(plan, word_number(1));
    if (setjmp(misuse) == 0) {
        plan_nop(plan, word_number(1));
        ck_abort_msg("a 65th operation was taken");
    }
    ck_assert_str_eq(misuse_what, "more than 64 cells");
}
END_TEST

/* What types can't tell: a result of another plan, and edges that point to the operation itself or ahead. */
START_TEST(test_wrong_place)
{
    struct plan_buffer other;
    struct plan *elsewhere = plan_begin(&other);
    plan_nop(elsewhere, word_number(1));
    struct frame_ref frame = plan_alloc(elsewhere, 1, 0);
    struct handle_ref child = plan_env_create(elsewhere, frame, 10, 0);
    for (volatile int i = 0; i < 4; i++) {
        static const char *const wanted[4] = { "a result of another plan", "a result of another plan",
                                               "waits for what is not before it", NULL };
        begin();
        plan_nop(plan, word_number(1));
        misuse_what = NULL;
        if (setjmp(misuse) == 0) {
            if (i == 0)
                plan_free(plan, frame, 1); /* operation 1 of the other, and this is operation 1 */
            else if (i == 1)
                plan_env_kill(plan, child);
            else
                plan_after(plan, i == 2 ? 2 : 1, EXO_START_ENDED), plan_nop(plan, word_number(1));
        }
        ck_assert_msg((misuse_what == NULL) == (wanted[i] == NULL), "case %d", i);
        if (wanted[i])
            ck_assert_str_eq(misuse_what, wanted[i]);
        ck_assert_int_eq(plan->count, 2); /* the operation that the message names */
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("builder");
    TCase *cases = tcase_create("builder");
    tcase_add_test(cases, test_every_operation);
    tcase_add_test(cases, test_order);
    tcase_add_test(cases, test_references);
    tcase_add_test(cases, test_targets);
    tcase_add_test(cases, test_long_packet);
    tcase_add_test(cases, test_too_many);
    tcase_add_test(cases, test_wrong_place);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
