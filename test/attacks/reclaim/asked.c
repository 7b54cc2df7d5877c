/* SPDX-License-Identifier: MIT */
/* Asking for memory, and hearing what children say: see asked.h. */
#include "asked.h"

#include <stdlib.h>

#define WINDOW (6ull << 39) /* in nobody's way */

static uint32_t sender, receiver, voice;

int ask(uint32_t env, uint64_t count, uint64_t deadline, uint32_t work, uint64_t *taken)
{
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    plan_work(plan, work);
    struct reclaim_refs asked = plan_reclaim(plan, handle_number(env), 1, tick_number(deadline));
    plan->cell[1].arg[0] = count;
    int error = plan_run(plan);
    *taken = plan_value(plan, asked.taken);
    return error;
}

struct exo_account account_of(uint32_t env)
{
    static uint64_t frame;
    const struct exo_account *account = (const struct exo_account *)WINDOW;
    if (frame == 0) {
        tables_make(WINDOW);
        frame = frames_take(1);
        OK(OP(MAP, WINDOW, frame, 1, EXO_READ));
    }
    OK(OP_ON(env, ENV_INFO, 0, EXO_BUF(frame, 0, sizeof(*account))));
    if (account->used != account->owned + account->frozen + account->tables + account->slots + account->queues +
                             account->channels + account->places + account->other ||
        account->used + account->reserved > account->limit) {
        printf("FAILED: an account that does not add up\n");
        exit(2);
    }
    return *account;
}

struct exo_account squeeze(struct child *child)
{
    struct exo_account account = account_of(child->env);
    uint64_t taken, unused = account.limit - account.used - account.reserved;
    if (unused > 0)
        OK(ask(child->env, unused, 0, 0, &taken));
    CHECK(unused == 0 || taken == 0);
    child->quota -= (uint32_t)unused;
    return account_of(child->env);
}

void listen_begin(void)
{
    OK(OP(CHANNEL_CREATE, frames_take(1), 8, 0));
    sender = (uint32_t)op_result[0];
    receiver = (uint32_t)op_result[1];
}

void listen_to(const struct child *child)
{
    OK(OP_ON(child->env, HANDLE_COPY, sender));
    voice = (uint32_t)op_result[0];
}

bool heard(uint64_t *first, uint64_t *second)
{
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    plan_unordered(plan, true);
    struct message_refs message = plan_recv(plan, handle_number(receiver), 0);
    uint64_t got = plan_bit(message.buffer);
    struct tick_ref late = plan_timer(plan, tick_number(tick_after_us(10000000)));
    plan_after(plan, got | plan_bit(late), EXO_START_ANY);
    plan_cancel(plan, word_number(0), got | plan_bit(late));
    struct word_ref one = plan_nop(plan, message.first), two = plan_nop(plan, message.second);
    plan_run(plan);
    *first = plan_value(plan, one);
    *second = plan_value(plan, two);
    return plan_status(plan, one) == 0;
}

void say(uint64_t first, uint64_t second)
{
    OK(OP_ON(voice, SEND, 0, first, second));
}
