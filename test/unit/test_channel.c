/* SPDX-License-Identifier: MIT */
/*
 * Channels as programs meet them: a parent that connects two children, and every rule of channel.h by
 * itself: order, both ends of waiting, whose a frame is at each moment and who pays for it, cancelling,
 * and the end of either side with messages under way. The accounts are looked at before and after.
 */
#include <stdlib.h>
#include <string.h>

#include "suite.h"
#include "../../exo/channel.h"
#include "host_kernel.h"

#define PAGE 0x400000ull /* has tables in both children */

static struct env *env, *sender, *receiver;
static uint32_t sender_handle, receiver_handle; /* of the children */
static uint32_t send, recv;                     /* their ends */
static struct channel *channel;

/* ---- programs ------------------------------------------------------------------- */

static struct exo_op *quiet(struct env *of, unsigned code, uint32_t handle)
{
    struct exo_op *op = host_op(of, code);
    op->handle = handle, op->flags = EXO_QUIET;
    return op;
}

/* Completions by the tag of who waits for them; plans' own ends only for what is refused at the door. */
enum { RUN_TAG = 1, SEND_TAG, RECV_TAG, WORD_TAG };

static struct {
    struct exo_completion entry[4096];
    unsigned count;
} logs[ENV_MAX];

static bool next(struct env *of, uint64_t tag, struct exo_completion *found)
{
    const struct exo_completion *completion;
    unsigned *count = &logs[of->index].count;
    struct exo_completion *entry = logs[of->index].entry;
    while ((completion = host_completion(of))) {
        ck_assert_uint_lt(*count, 4096);
        entry[(*count)++] = *completion;
    }
    for (unsigned i = 0; i < *count; i++) {
        if (entry[i].tag != tag)
            continue;
        *found = entry[i];
        memmove(&entry[i], &entry[i + 1], (--*count - i) * sizeof *entry);
        return true;
    }
    return false;
}

static void header_tag(struct env *of, uint64_t tag)
{
    ((struct exo_plan *)(uintptr_t)&of->sq[(host_built(of) - 1) & (of->sq_size - 1)])->tag = tag;
}

/* One operation that ends at once: its status, its result 0 in *result. */
static int run(struct env *of, struct exo_op cell, uint64_t *result)
{
    struct exo_completion completion;
    cell.tag = RUN_TAG;
    host_plan(of, EXO_PLAN_QUIET);
    header_tag(of, RUN_TAG);
    *host_op(of, cell.code) = cell;
    (void)host_enter(of);
    ck_assert(next(of, RUN_TAG, &completion));
    if (result)
        *result = completion.result;
    int status = -completion.status;
    while (next(of, RUN_TAG, &completion)) {
    }
    return status;
}

#define RUN(of, result, ...) run(of, (struct exo_op){__VA_ARGS__}, result)

/* The work cap of the plan that was just begun. */
static void header_work(struct env *of, uint32_t work)
{
    ((struct exo_plan *)(uintptr_t)&of->sq[(host_built(of) - 1) & (of->sq_size - 1)])->work = work;
}

static uint64_t alloc(struct env *of, uint64_t count)
{
    uint64_t frame;
    ck_assert_int_eq(RUN(of, &frame, .code = EXO_ALLOC, .arg = {count, 0, EXO_ANY}), 0);
    return frame;
}

static void make_tables(struct env *of)
{
    uint64_t frame = alloc(of, 3);
    for (unsigned level = 3; level; level--)
        ck_assert_int_eq(RUN(of, NULL, .code = EXO_TABLE, .arg = {frame + level - 1, PAGE, level}), 0);
}

static int map(struct env *of, uint64_t address, uint64_t frame)
{
    return RUN(of, NULL, .code = EXO_MAP, .arg = {address, frame, 1, EXO_READ});
}

/* A frozen frame that `of` has mapped at address. */
static uint64_t frozen(struct env *of, uint64_t address)
{
    uint64_t frame = alloc(of, 1);
    ck_assert_int_eq(map(of, address, frame), 0);
    ck_assert_int_eq(RUN(of, NULL, .code = EXO_FREEZE, .arg = {address, 1}), 0);
    return frame;
}

/* ---- channels ------------------------------------------------------------------- */

/* A channel from one child to the other, as their parent makes it. The parent keeps no end. */
static void connect(unsigned places, unsigned carry)
{
    uint64_t frame = alloc(env, 1), copied;
    uint32_t own;
    ck_assert_int_eq(RUN(env, NULL, .code = EXO_GIVE, .handle = receiver_handle, .arg = {frame, 1}), 0);
    host_plan(env, EXO_PLAN_QUIET);
    struct exo_op *op = host_op(env, EXO_CHANNEL_CREATE);
    op->handle = receiver_handle, op->arg[0] = frame, op->arg[1] = places, op->arg[2] = carry;
    struct exo_completion completion;
    op->tag = SEND_TAG;
    ck_assert_int_eq(host_enter(env), 0);
    ck_assert(next(env, SEND_TAG, &completion));
    own = (uint32_t)completion.result;
    recv = completion.more;
    ck_assert_int_eq(RUN(env, &copied, .code = EXO_HANDLE_COPY, .handle = sender_handle, .arg = {own}), 0);
    send = (uint32_t)copied;
    ck_assert_int_eq(RUN(env, NULL, .code = EXO_HANDLE_DROP, .arg = {own}), 0);
    channel = frame_memory((frame_t){(uint32_t)frame});
    host_check();
}

static void setup(void)
{
    env = host_start();
    memset(logs, 0, sizeof logs);
    uint64_t frame = alloc(env, 4);
    for (unsigned i = 0; i < 2; i++)
        ck_assert_int_eq(RUN(env, NULL, .code = EXO_SLOTS, .arg = {frame + 2 * i, 2, 16}), 0);
    sender = host_child(env, 100, 3, 4, &sender_handle);
    receiver = host_child(env, 200, 3, 4, &receiver_handle);
    make_tables(sender);
    make_tables(receiver);
}

/* Sends without waiting for the outcome; no completion yet means that it is parked. */
static void send_start(uint64_t buffer, uint64_t word, unsigned flags)
{
    host_plan(sender, EXO_PLAN_QUIET);
    struct exo_op *op = host_op(sender, EXO_SEND);
    op->handle = send, op->flags = (uint8_t)flags, op->tag = SEND_TAG;
    op->arg[0] = buffer, op->arg[1] = word, op->arg[2] = ~word;
    (void)host_enter(sender);
}

static int send_now(uint64_t buffer, uint64_t word, unsigned flags)
{
    return RUN(sender, NULL, .code = EXO_SEND, .handle = send, .flags = (uint8_t)flags,
               .arg = {buffer, word, ~word});
}

/* RECV, and NOPs that carry its results out. */
static void recv_start(uint64_t address)
{
    host_plan(receiver, EXO_PLAN_QUIET);
    struct exo_op *op = host_op(receiver, EXO_RECV);
    op->handle = recv, op->arg[0] = address, op->tag = RECV_TAG;
    for (unsigned i = 1; i < 4; i++) {
        op = host_op(receiver, EXO_NOP);
        op->tag = WORD_TAG;
        op->arg[0] = EXO_REF(0, i, 0), op->uses = 1, op->after = 1;
    }
    (void)host_enter(receiver);
}

static uint64_t got[4]; /* results of the last RECV */

/* The next RECV that has ended: its status, EXO_CODE_END if none has. */
static int recv_end(void)
{
    struct exo_completion completion;
    host_continue(receiver);
    if (!next(receiver, RECV_TAG, &completion))
        return EXO_CODE_END;
    int status = completion.status;
    got[0] = completion.result;
    for (unsigned i = 1; i < 4; i++) {
        ck_assert(next(receiver, WORD_TAG, &completion));
        got[i] = completion.result;
    }
    return -status;
}

static int recv_now(uint64_t address)
{
    recv_start(address);
    return recv_end();
}

/* The sender's next SEND that has ended: its status, EXO_CODE_END if none has. */
static int send_end(void)
{
    struct exo_completion completion;
    host_continue(sender);
    return next(sender, SEND_TAG, &completion) ? -completion.status : EXO_CODE_END;
}

/* In steps; between them, with nothing that lives to receive it, `probe` sends. */
static void kill_probing(uint32_t handle, bool probe)
{
    for (unsigned turn = 0; handle_env(env, number_of(handle), false); turn++) {
        ck_assert_uint_lt(turn, 2000);
        host_plan(env, EXO_PLAN_QUIET);
        header_work(env, 1 + turn % 3);
        quiet(env, EXO_ENV_KILL, handle);
        (void)host_enter(env);
        while (host_completion(env)) {
        }
        host_check();
        if (probe && receiver->kill_phase >= 3 && frames[channel->frame.number].kind == KIND_CHANNEL)
            ck_assert_int_eq(send_now(0, 0, 0), EXO_E_DEAD);
    }
}

static void kill(uint32_t handle) { kill_probing(handle, false); }

/* Everything that the children have goes, and the parent has what it had. */
static void all_gone(void)
{
    if (handle_env(env, number_of(sender_handle), false))
        kill(sender_handle);
    if (handle_env(env, number_of(receiver_handle), false))
        kill(receiver_handle);
    ck_assert_ptr_null(env->children);
    for (unsigned i = 0; i < HOST_FRAMES; i++)
        ck_assert(frames[i].state != FRAME_KERNEL || (frames[i].kind != KIND_SENT && frames[i].kind != KIND_CHANNEL));
    host_check();
}

/* ---- words and waiting ------------------------------------------------------------ */

START_TEST(words_in_order)
{
    connect(3, 0);
    uint32_t used = receiver->frames_used + sender->frames_used;
    for (uint64_t i = 0; i < 10; i++) {
        ck_assert_int_eq(send_now(i << 36, i, 0), 0);
        ck_assert_int_eq(send_now(i << 36, i + 100, 0), 0);
        for (uint64_t k = 0; k < 200; k += 100) {
            ck_assert_int_eq(recv_now(0), 0);
            ck_assert_uint_eq(got[0], i << 36);
            ck_assert_uint_eq(got[1], i + k);
            ck_assert_uint_eq(got[2], ~(i + k));
            ck_assert_uint_eq(got[3], 0);
        }
        host_check();
    }
    ck_assert_uint_eq(receiver->frames_used + sender->frames_used, used);
    all_gone();
}
END_TEST

START_TEST(full_parks_in_order)
{
    connect(2, 0);
    for (uint64_t i = 0; i < 6; i++) {
        send_start(0, i, 0);
        ck_assert_int_eq(send_end(), i < 2 ? 0 : EXO_CODE_END);
        host_check();
    }
    for (uint64_t i = 0; i < 6; i++) {
        ck_assert_int_eq(recv_now(0), 0);
        ck_assert_uint_eq(got[1], i);
        ck_assert_int_eq(send_end(), i < 4 ? 0 : EXO_CODE_END); /* one place, one sender */
        host_check();
    }
    all_gone();
}
END_TEST

START_TEST(empty_parks_in_order)
{
    connect(2, 0);
    for (unsigned i = 0; i < 4; i++)
        recv_start(0);
    ck_assert_int_eq(recv_end(), EXO_CODE_END);
    for (uint64_t i = 0; i < 4; i++) {
        ck_assert_int_eq(send_now(0, i, 0), 0);
        host_check();
        ck_assert_int_eq(recv_end(), 0);
        ck_assert_uint_eq(got[1], i);
        ck_assert_int_eq(recv_end(), EXO_CODE_END);
        host_check();
    }
    all_gone();
}
END_TEST

/* A RECV that was woken and did not run yet is not overtaken by a later one. */
START_TEST(woken_is_not_overtaken)
{
    connect(2, 0);
    recv_start(0);
    ck_assert_int_eq(send_now(0, 1, 0), 0);
    host_plan(receiver, EXO_PLAN_QUIET);
    struct exo_op *op = host_op(receiver, EXO_RECV);
    op->handle = recv, op->tag = 77;
    core_this()->current = receiver;
    env_enter(receiver, host_built(receiver), 0, 0);
    (void)plan_submit(receiver, receiver->sq_head, 2); /* before what is ready, which no program can do */
    receiver->sq_head += 2;
    ck_assert_ptr_null(host_completion(receiver));
    host_continue(receiver);
    ck_assert_int_eq(recv_end(), 0);
    ck_assert_uint_eq(got[1], 1);
    host_check();
    ck_assert_int_eq(send_now(0, 2, 0), 0);
    host_continue(receiver);
    ck_assert_uint_eq(host_completion(receiver)->tag, 77);
    all_gone();
}
END_TEST

/* ---- frames that move ----------------------------------------------------------------- */

START_TEST(moved_frame_has_one_owner)
{
    connect(2, 4);
    uint32_t used[2] = {sender->frames_used, receiver->frames_used};
    uint64_t frame = alloc(sender, 3);
    memset(frame_memory((frame_t){(uint32_t)frame + 2}), 0x33, EXO_PAGE_SIZE);
    ck_assert_uint_eq(sender->frames_used, used[0] + 3);
    ck_assert_int_eq(send_now(EXO_BUF(frame, 100, 9000), 5, 0), 0);
    ck_assert_uint_eq(sender->frames_used, used[0]);
    ck_assert_uint_eq(receiver->frames_used, used[1]); /* paid when the channel was made */
    for (unsigned i = 0; i < 3; i++) { /* nobody's hands reach it there */
        ck_assert_int_eq(map(sender, PAGE, frame + i), EXO_E_FRAME);
        ck_assert_int_eq(map(receiver, PAGE, frame + i), EXO_E_FRAME);
        ck_assert_int_eq(RUN(receiver, NULL, .code = EXO_FREE, .arg = {frame + i, 1}), EXO_E_FRAME);
        ck_assert_int_eq(RUN(env, NULL, .code = EXO_ALLOC, .arg = {1, 0, frame + i}), EXO_E_NO_FRAMES);
    }
    host_check();
    ck_assert_int_eq(recv_now(0), 0);
    ck_assert_uint_eq(got[0], EXO_BUF(frame, 100, 9000));
    ck_assert_uint_eq(got[3], frame);
    ck_assert_uint_eq(receiver->frames_used, used[1] + 3);
    ck_assert_int_eq(map(sender, PAGE, frame), EXO_E_FRAME);
    ck_assert_int_eq(map(receiver, PAGE, frame + 2), 0);
    ck_assert_uint_eq(*(uint8_t *)frame_memory((frame_t){(uint32_t)frame + 2}), 0x33);
    host_check();
    all_gone();
}
END_TEST

START_TEST(only_idle_frames_of_ones_own)
{
    connect(2, 2);
    uint64_t frame = alloc(sender, 3), foreign = alloc(receiver, 1);
    ck_assert_int_eq(map(sender, PAGE, frame + 1), 0);
    uint32_t used[2] = {sender->frames_used, receiver->frames_used};
    ck_assert_int_eq(send_now(EXO_BUF(frame + 1, 0, 1), 0, 0), EXO_E_BUSY);
    ck_assert_int_eq(send_now(EXO_BUF(frame, 4095, 2), 0, 0), EXO_E_BUSY); /* the second is mapped */
    ck_assert_int_eq(send_now(EXO_BUF(frame, 0, 8193), 0, 0), EXO_E_RANGE); /* three of two */
    ck_assert_int_eq(send_now(EXO_BUF(foreign, 0, 1), 0, 0), EXO_E_FRAME);
    ck_assert_int_eq(send_now(EXO_BUF(0xfffffffffull, 0, 1), 0, 0), EXO_E_FRAME);
    ck_assert_int_eq(send_now(EXO_BUF(HOST_FRAMES - 1, 0, 4097), 0, 0), EXO_E_FRAME);
    ck_assert_int_eq(send_now(EXO_BUF(sender->control_frame, 0, 1), 0, 0), EXO_E_BUSY); /* pinned */
    ck_assert_int_eq(send_now(EXO_BUF(sender->cq_frame, 0, 1), 0, 0), EXO_E_FRAME); /* KERNEL */
    ck_assert_int_eq(send_now(EXO_BUF(sender->frame.number, 0, 1), 0, 0), EXO_E_FRAME);
    ck_assert_int_eq(send_now(EXO_BUF(sender->root >> 12, 0, 1), 0, 0), EXO_E_FRAME); /* TABLE */
    ck_assert_int_eq(send_now(EXO_BUF(channel->frame.number, 0, 1), 0, 0), EXO_E_FRAME);
    ck_assert_int_eq(send_now(EXO_BUF(PAGE >> 12, 0, 1), 0, EXO_VPAGE), EXO_E_STATE); /* not frozen */
    ck_assert_int_eq(send_now(EXO_BUF((PAGE >> 12) + 1, 0, 1), 0, EXO_VPAGE), EXO_E_ABSENT);
    (void)frozen(sender, PAGE + 0x1000);
    ck_assert_int_eq(send_now(EXO_BUF((PAGE >> 12) + 1, 0, 4097), 0, EXO_VPAGE), EXO_E_ABSENT);
    host_check();
    ck_assert_uint_eq(channel->used, 0);
    ck_assert_uint_eq(sender->frames_used, used[0] + 1);
    ck_assert_uint_eq(receiver->frames_used, used[1]);
    all_gone();
}
END_TEST

/* Frames of a parked SEND are the message's; cancelled, they are the sender's again. */
START_TEST(cancelled_send_gives_back)
{
    connect(1, 1);
    uint64_t frame = alloc(sender, 2);
    uint32_t used = sender->frames_used;
    (void)frozen(sender, PAGE);
    for (unsigned kind = 0; kind < 2; kind++) {
        ck_assert_int_eq(send_now(0, 0, 0), 0);
        host_plan(sender, EXO_PLAN_QUIET | EXO_PLAN_ANNOUNCE);
        struct exo_op *op = host_op(sender, EXO_SEND);
        op->handle = send, op->flags = kind ? EXO_VPAGE : 0, op->tag = SEND_TAG;
        op->arg[0] = EXO_BUF(kind ? PAGE >> 12 : frame, 0, 1);
        (void)host_enter(sender);
        uint64_t id = host_completion(sender)->result;
        ck_assert_int_eq(send_end(), EXO_CODE_END);
        ck_assert_uint_eq(sender->frames_used, used + 1 + kind); /* the frozen one, and a right */
        ck_assert_int_eq(RUN(sender, NULL, .code = EXO_FREE, .arg = {frame, 1}), kind ? 0 : EXO_E_FRAME);
        host_check();
        host_plan(sender, EXO_PLAN_QUIET);
        op = quiet(sender, EXO_CANCEL, 0);
        op->arg[0] = id, op->arg[1] = EXO_ANY;
        (void)host_enter(sender);
        ck_assert_int_eq(send_end(), EXO_E_CANCELLED);
        (void)host_completion(sender); /* the plan's own */
        host_check();
        if (kind == 0)
            ck_assert_uint_eq(sender->frames_used, used + 1);
        else
            ck_assert_uint_eq(sender->frames_used, used); /* without the one that was freed above */
        ck_assert_int_eq(recv_now(0), 0);
        ck_assert(list_empty(&channel->sending));
    }
    ck_assert_int_eq(RUN(sender, NULL, .code = EXO_FREE, .arg = {frame + 1, 1}), 0);
    ck_assert_int_eq(RUN(sender, NULL, .code = EXO_THAW, .arg = {PAGE}), 0);
    all_gone();
}
END_TEST

/* RECVs cancelled while parked, and after they were woken (their plan's work is spent): the message is
 * the next one's. */
START_TEST(cancelled_recv_loses_nothing)
{
    struct exo_completion completion;
    connect(2, 0);
    host_plan(receiver, EXO_PLAN_QUIET | EXO_PLAN_ANNOUNCE);
    struct exo_op *op = host_op(receiver, EXO_RECV);
    op->handle = recv, op->tag = RUN_TAG;
    (void)host_enter(receiver);
    uint64_t id = host_completion(receiver)->result;
    host_plan(receiver, EXO_PLAN_QUIET);
    header_work(receiver, 1);
    op = host_op(receiver, EXO_RECV);
    op->handle = recv, op->tag = RUN_TAG;
    (void)host_enter(receiver);
    recv_start(0);
    host_plan(receiver, EXO_PLAN_QUIET);
    op = quiet(receiver, EXO_CANCEL, 0);
    op->arg[0] = id, op->arg[1] = EXO_ANY;
    (void)host_enter(receiver);
    ck_assert(next(receiver, RUN_TAG, &completion));
    ck_assert_int_eq(completion.status, -EXO_E_CANCELLED);
    host_check();
    ck_assert_int_eq(send_now(0, 9, 0), 0);
    host_continue(receiver);
    ck_assert(next(receiver, RUN_TAG, &completion));
    ck_assert_int_eq(completion.status, -EXO_E_WORK);
    ck_assert_int_eq(recv_end(), 0);
    ck_assert_uint_eq(got[1], 9);
    host_check();
    all_gone();
}
END_TEST

/* ---- who pays ------------------------------------------------------------------------------ */

START_TEST(places_are_paid_once)
{
    uint32_t used = receiver->frames_used;
    connect(8, 4);
    ck_assert_uint_eq(receiver->frames_used, used + 1 + 32);
    uint32_t free = receiver->frames_limit - receiver->frames_used;
    (void)alloc(receiver, free); /* at its limit */
    for (unsigned i = 0; i < 8; i++)
        ck_assert_int_eq(send_now(EXO_BUF(alloc(sender, 4), 0, 16384), i, 0), 0);
    ck_assert_uint_eq(receiver->frames_used, receiver->frames_limit);
    host_check();
    ck_assert_int_eq(recv_now(0), EXO_E_QUOTA); /* its own act, its own quota; the message stays */
    ck_assert_uint_eq(channel->used, 8);
    ck_assert_int_eq(RUN(receiver, NULL, .code = EXO_HANDLE_DROP, .arg = {recv}), 0);
    ck_assert_uint_eq(receiver->frames_used, used + free); /* places, messages and the object are paid back */
    host_check();
    ck_assert_int_eq(send_now(0, 0, 0), EXO_E_DEAD);
    all_gone();
}
END_TEST

START_TEST(channel_refusals)
{
    uint64_t frame = alloc(receiver, 1), own = alloc(env, 1), mapped = alloc(receiver, 1);
    uint32_t used = receiver->frames_used;
    ck_assert_int_eq(map(receiver, PAGE, mapped), 0);
#define CREATE(on, ...) RUN(env, NULL, .code = EXO_CHANNEL_CREATE, .handle = on, .arg = {__VA_ARGS__})
    ck_assert_int_eq(CREATE(receiver_handle, frame, 0, 0), EXO_E_RANGE);
    ck_assert_int_eq(CREATE(receiver_handle, frame, 65, 0), EXO_E_RANGE);
    ck_assert_int_eq(CREATE(receiver_handle, frame, 1, 5), EXO_E_RANGE);
    ck_assert_int_eq(CREATE(receiver_handle, own, 1, 0), EXO_E_FRAME);
    ck_assert_int_eq(CREATE(receiver_handle, mapped, 1, 0), EXO_E_BUSY);
    ck_assert_int_eq(CREATE(receiver_handle, frame, 64, 4), EXO_E_QUOTA);
    ck_assert_uint_eq(receiver->frames_used, used);
    for (unsigned i = 1; i < HANDLES_MAX; i++)
        ck_assert(receiver->handles[i].kind == K_NONE && env->handles[i].kind != K_SENDER);
    ck_assert_int_eq(RUN(receiver, NULL, .code = EXO_CHANNEL_CREATE, .arg = {frame, 64, 1}), 0); /* to itself */
    host_check();
    while (handle_add(receiver, K_CONSOLE, (frame_t){0})) {
    }
    uint64_t another = alloc(receiver, 1);
    used = receiver->frames_used;
    ck_assert_int_eq(CREATE(receiver_handle, another, 1, 1), EXO_E_FULL);
    ck_assert_uint_eq(receiver->frames_used, used);
    host_check();
    all_gone();
}
END_TEST

START_TEST(ends_have_a_direction)
{
    connect(2, 1);
    ck_assert_int_eq(RUN(sender, NULL, .code = EXO_RECV, .handle = send), EXO_E_HANDLE);
    ck_assert_int_eq(RUN(receiver, NULL, .code = EXO_SEND, .handle = recv), EXO_E_HANDLE);
    for (uint32_t forged = 0; forged < 0x30000; forged = (forged & 0xff) == 0xff ? forged + 0xff01 : forged + 1) {
        if (forged != send)
            ck_assert_int_eq(RUN(sender, NULL, .code = EXO_SEND, .handle = forged), EXO_E_HANDLE);
        if (forged != recv)
            ck_assert_int_eq(RUN(receiver, NULL, .code = EXO_RECV, .handle = forged), EXO_E_HANDLE);
    }
    uint64_t frame = alloc(receiver, EXO_ENV_FRAMES), child;
    receiver->places = 1, env->places--; /* host_child() gives none */
    ck_assert_int_eq(RUN(receiver, &child, .code = EXO_ENV_CREATE, .arg = {frame, 20}), 0);
    ck_assert_int_eq(RUN(receiver, NULL, .code = EXO_HANDLE_COPY, .handle = (uint32_t)child, .arg = {recv}), EXO_E_RIGHT);
    host_check();
    all_gone();
}
END_TEST

/* ---- frozen frames ------------------------------------------------------------------------------ */

START_TEST(frozen_rights_are_conserved)
{
    connect(2, 4);
    uint64_t first = frozen(sender, PAGE), second = frozen(sender, PAGE + 0x1000);
    uint32_t used[2] = {sender->frames_used, receiver->frames_used};
    ck_assert_int_eq(send_now(EXO_BUF(PAGE >> 12, 8, 5000), 1, EXO_VPAGE), 0);
    ck_assert_int_eq(send_now(EXO_BUF(PAGE >> 12, 8, 5000), 2, EXO_VPAGE), 0); /* multicast: as often as one likes */
    ck_assert_uint_eq(sender->frames_used, used[0]);
    ck_assert_uint_eq(receiver->frames_used, used[1]);
    ck_assert_uint_eq(frames[first].rights, 3);
    ck_assert_int_eq(RUN(sender, NULL, .code = EXO_THAW, .arg = {PAGE}), EXO_E_BUSY);
    host_check();
    ck_assert_int_eq(recv_now(0), EXO_E_STATE); /* it said no page: the message stays */
    ck_assert_int_eq(recv_now(EXO_USER_END - EXO_PAGE_SIZE), EXO_E_RANGE);
    ck_assert_int_eq(recv_now(0x80000000ull), EXO_E_NO_TABLE);
    ck_assert_uint_eq(got[0], 2); /* the level */
    uint64_t mine = alloc(receiver, 1);
    ck_assert_int_eq(map(receiver, PAGE + 0x6000, mine), 0);
    used[1]++;
    ck_assert_int_eq(recv_now(PAGE + 0x5000), EXO_E_EXISTS); /* the second page: the first goes again */
    ck_assert_uint_eq(frames[first].rights, 3);
    ck_assert_uint_eq(receiver->frames_used, used[1]);
    host_check();
    ck_assert_int_eq(recv_now(PAGE + 0x2000), 0);
    ck_assert_uint_eq(got[0], EXO_BUF((PAGE >> 12) + 2, 8, 5000));
    ck_assert_uint_eq(got[3], 0);
    ck_assert_uint_eq(receiver->frames_used, used[1] + 2);
    ck_assert_uint_eq(frames[second].rights, 3);
    host_check();
    ck_assert_int_eq(RUN(sender, NULL, .code = EXO_UNMAP, .arg = {PAGE, 2}), 0);
    ck_assert_int_eq(RUN(receiver, NULL, .code = EXO_UNMAP, .arg = {PAGE + 0x2000, 2}), 0);
    ck_assert_uint_eq(frames[first].rights, 1); /* the message that nobody took */
    host_check();
    ck_assert_int_eq(recv_now(PAGE), 0);
    ck_assert_int_eq(RUN(receiver, NULL, .code = EXO_THAW, .arg = {PAGE}), 0); /* the only right: a slow way to move */
    host_check();
    all_gone();
}
END_TEST

/* The sender pays for the rights of what it has parked, and can't have more than it can pay for. */
START_TEST(parked_frozen_is_the_senders)
{
    connect(1, 1);
    (void)frozen(sender, PAGE);
    ck_assert_int_eq(send_now(0, 0, 0), 0);
    uint32_t free = sender->frames_limit - sender->frames_used;
    (void)alloc(sender, free - 1);
    send_start(EXO_BUF(PAGE >> 12, 0, 1), 1, EXO_VPAGE);
    ck_assert_int_eq(send_end(), EXO_CODE_END);
    ck_assert_uint_eq(sender->frames_used, sender->frames_limit);
    ck_assert_int_eq(send_now(EXO_BUF(PAGE >> 12, 0, 1), 2, EXO_VPAGE), EXO_E_QUOTA);
    host_check();
    ck_assert_int_eq(recv_now(0), 0);
    ck_assert_uint_eq(sender->frames_used, sender->frames_limit - 1);
    ck_assert_int_eq(send_end(), 0);
    host_check();
    all_gone();
}
END_TEST

/* ---- the end of either side ---------------------------------------------------------------------- */

/* Both ends parked in turn, places full of moved and frozen frames, and one side dies in small steps. */
static void fill(void)
{
    connect(4, 4);
    (void)frozen(sender, PAGE);
    for (unsigned i = 0; i < 8; i++) {
        uint64_t buffer = i & 1 ? EXO_BUF(PAGE >> 12, 0, 1) : EXO_BUF(alloc(sender, 3), 0, 3 * 4096);
        send_start(buffer, i, i & 1 ? EXO_VPAGE : 0);
        ck_assert_int_eq(send_end(), i < 4 ? 0 : EXO_CODE_END);
    }
    host_check();
}

START_TEST(receiver_dies)
{
    uint32_t used = sender->frames_used;
    fill();
    kill(receiver_handle);
    for (unsigned i = 0; i < 4; i++)
        ck_assert_int_eq(send_end(), EXO_E_DEAD);
    ck_assert_int_eq(send_end(), EXO_CODE_END);
    ck_assert_uint_eq(sender->frames_used, used + 1 + 6); /* the frozen one, and the two runs that were not sent */
    ck_assert_int_eq(RUN(sender, NULL, .code = EXO_THAW, .arg = {PAGE}), 0); /* no right is left in a place */
    ck_assert_int_eq(send_now(0, 0, 0), EXO_E_DEAD);
    host_check();
    all_gone();
}
END_TEST

START_TEST(sender_dies)
{
    fill();
    kill(sender_handle);
    uint32_t used = receiver->frames_used;
    for (unsigned i = 0; i < 4; i++) { /* what was sent can be received; what was parked went with its sender */
        ck_assert_int_eq(recv_now(PAGE + i * EXO_PAGE_SIZE), 0);
        ck_assert_uint_eq(got[1], i);
        host_check();
    }
    ck_assert_uint_eq(receiver->frames_used, used + 2 * 3 + 2);
    ck_assert_int_eq(recv_now(0), EXO_E_DEAD);
    all_gone();
}
END_TEST

/* The same without parked SENDs: who sends to it while it is taken apart is told so. */
START_TEST(send_to_the_dying)
{
    connect(2, 4);
    ck_assert_int_eq(send_now(EXO_BUF(alloc(sender, 4), 0, 16384), 0, 0), 0);
    kill_probing(receiver_handle, true);
    ck_assert_int_eq(send_now(0, 0, 0), EXO_E_DEAD);
    all_gone();
}
END_TEST

/* All that wait for a message learn that none will come, one after the other. */
START_TEST(sender_dies_while_receivers_wait)
{
    connect(2, 0);
    for (unsigned i = 0; i < 4; i++)
        recv_start(0);
    ck_assert_int_eq(send_now(0, 1, 0), 0);
    ck_assert_int_eq(RUN(sender, NULL, .code = EXO_HANDLE_DROP, .arg = {send}), 0);
    host_check();
    ck_assert_int_eq(recv_end(), 0);
    for (unsigned i = 0; i < 3; i++)
        ck_assert_int_eq(recv_end(), EXO_E_DEAD);
    ck_assert_int_eq(recv_end(), EXO_CODE_END);
    ck_assert_int_eq(recv_now(0), EXO_E_DEAD);
    host_check();
    connect(2, 0);
    recv_start(0);
    ck_assert_int_eq(RUN(sender, NULL, .code = EXO_HANDLE_DROP, .arg = {send}), 0);
    ck_assert_int_eq(recv_end(), EXO_E_DEAD);
    all_gone();
}
END_TEST

/* A RECV that can't take the message leaves it to the next that waits. */
START_TEST(failed_recv_passes_on)
{
    connect(2, 1);
    recv_start(0);
    recv_start(PAGE);
    (void)frozen(sender, PAGE);
    ck_assert_int_eq(send_now(EXO_BUF(PAGE >> 12, 0, 1), 3, EXO_VPAGE), 0);
    ck_assert_int_eq(recv_end(), EXO_E_STATE);
    ck_assert_int_eq(recv_end(), 0);
    ck_assert_uint_eq(got[1], 3);
    host_check();
    all_gone();
}
END_TEST

/* The receiver lets its end go with RECVs parked and messages there; in steps, and again after its work was spent. */
START_TEST(receiving_end_dropped)
{
    fill();
    uint32_t used = receiver->frames_used;
    unsigned turns = 0;
    while (!channel->ended || frames[channel->frame.number].state == FRAME_KERNEL) {
        host_plan(receiver, EXO_PLAN_QUIET);
        header_work(receiver, 1);
        quiet(receiver, EXO_HANDLE_DROP, 0)->arg[0] = recv;
        (void)host_enter(receiver);
        while (host_completion(receiver)) {
        }
        ck_assert_uint_lt(turns++, 10);
        host_check();
        while (send_end() == EXO_E_DEAD) {
        }
        ck_assert_int_eq(send_now(0, 0, 0), EXO_E_DEAD);
    }
    ck_assert_uint_gt(turns, 1);
    ck_assert_uint_eq(receiver->frames_used, used - 17);
    all_gone();
}
END_TEST

START_TEST(parked_recv_ends_with_its_end)
{
    connect(2, 0);
    recv_start(0);
    ck_assert_int_eq(RUN(receiver, NULL, .code = EXO_HANDLE_DROP, .arg = {recv}), 0);
    ck_assert_int_eq(recv_end(), EXO_E_DEAD);
    host_check();
    all_gone();
}
END_TEST

/* A dead channel's frame serves again; what the sender still holds does not reach the new one. */
START_TEST(old_handles_do_not_reach_a_new_channel)
{
    connect(2, 0);
    uint32_t old = send;
    uint32_t frame = channel->frame.number;
    ck_assert_int_eq(RUN(receiver, NULL, .code = EXO_HANDLE_DROP, .arg = {recv}), 0);
    uint64_t again, end;
    ck_assert_int_eq(RUN(receiver, &again, .code = EXO_ALLOC, .arg = {1, 0, frame}), 0);
    ck_assert_uint_eq(again, frame);
    ck_assert_int_eq(RUN(receiver, &end, .code = EXO_CHANNEL_CREATE, .arg = {frame, 2, 0}), 0);
    ck_assert_int_eq(RUN(sender, NULL, .code = EXO_SEND, .handle = old), EXO_E_DEAD);
    ck_assert_uint_eq(channel->used, 0);
    uint64_t parts = alloc(sender, EXO_ENV_FRAMES), child;
    sender->places = 1, env->places--;
    ck_assert_int_eq(RUN(sender, &child, .code = EXO_ENV_CREATE, .arg = {parts, 20}), 0);
    ck_assert_int_eq(RUN(sender, NULL, .code = EXO_HANDLE_COPY, .handle = (uint32_t)child, .arg = {old}),
                     EXO_E_DEAD);
    ck_assert_int_eq(RUN(sender, NULL, .code = EXO_HANDLE_DROP, .arg = {old}), 0);
    host_check();
    all_gone();
}
END_TEST

/* ---- ENV_INFO ------------------------------------------------------------------------------------ */

static int info(struct env *of, uint32_t handle, uint64_t from, struct exo_account *account)
{
    static uint64_t frame[ENV_MAX];
    struct exo_account *there;
    if (!frame[of->index])
        frame[of->index] = alloc(of, 1);
    there = frame_memory((frame_t){(uint32_t)frame[of->index]});
    uint64_t index;
    int error = RUN(of, &index, .code = EXO_ENV_INFO, .handle = handle,
                    .arg = {from, EXO_BUF(frame[of->index], 0, sizeof *there)});
    if (error == 0) {
        *account = *there;
        ck_assert_uint_eq(index, account->index);
    }
    return error;
}

/* What is counted is what there is, of one's own and of those below, and of nobody else. */
START_TEST(accounts_add_up)
{
    struct exo_account account;
    fill();
    for (unsigned i = 0; i < 3; i++) {
        struct env *of = i == 0 ? env : i == 1 ? sender : receiver;
        ck_assert_int_eq(info(env, i == 0 ? EXO_SELF : i == 1 ? sender_handle : receiver_handle, 0, &account), 0);
        ck_assert_uint_eq(account.index, of->index);
        ck_assert_uint_eq(account.parent, i ? env->index : 0);
        ck_assert_uint_eq(account.used, of->frames_used);
        ck_assert_uint_eq(account.limit, of->frames_limit);
        ck_assert_uint_eq(account.owned + account.frozen + account.tables + account.slots + account.queues +
                          account.channels + account.places + account.other, account.used);
        ck_assert_uint_eq(account.plan_slots, of->pool.slots);
    }
    ck_assert_uint_eq(account.channels, 1);
    ck_assert_uint_eq(account.places, 16);
    ck_assert_uint_eq(account.tables, 4);
    ck_assert_uint_eq(account.plans, 0);
    ck_assert_int_eq(info(env, sender_handle, 0, &account), 0);
    ck_assert_uint_eq(account.plans, 4);  /* parked SENDs */
    ck_assert_uint_eq(account.frozen, 3); /* a mapping, and the rights of two of them */
    ck_assert_int_eq(info(env, EXO_SELF, sender->index, &account), 0);
    ck_assert_uint_eq(account.index, sender->index);
    ck_assert_int_eq(info(sender, EXO_SELF, 0, &account), 0);
    ck_assert_int_eq(info(sender, EXO_SELF, receiver->index, &account), EXO_E_ABSENT); /* not its neighbour */
    ck_assert_int_eq(info(sender, EXO_SELF, env->index, &account), EXO_E_ABSENT);      /* nor its parent */
    ck_assert_int_eq(info(env, sender_handle, receiver->index, &account), EXO_E_ABSENT);
    ck_assert_int_eq(info(env, EXO_SELF, ENV_MAX, &account), EXO_E_ABSENT);
    uint64_t frame = alloc(env, 2);
    ck_assert_int_eq(RUN(env, NULL, .code = EXO_ENV_INFO, .arg = {0, EXO_BUF(frame, 0, sizeof account - 1)}), EXO_E_RANGE);
    ck_assert_int_eq(RUN(env, NULL, .code = EXO_ENV_INFO, .arg = {0, EXO_BUF(frame, 4088, sizeof account)}), EXO_E_RANGE);
    ck_assert_int_eq(RUN(env, NULL, .code = EXO_ENV_INFO, .arg = {0, EXO_BUF(frame, 4, sizeof account)}), EXO_E_RANGE);
    ck_assert_int_eq(RUN(sender, NULL, .code = EXO_ENV_INFO, .arg = {0, EXO_BUF(frame, 0, sizeof account)}), EXO_E_FRAME);
    host_check();
    all_gone();
}
END_TEST

/* ---- plans that run by themselves ------------------------------------------------------------------ */

/* One's standing plan ends in SEND, the other's begins with RECV and passes the frame back: it goes
 * around, and no program is told anything. */
START_TEST(standing_halves)
{
    connect(2, 1);
    uint32_t there = send, in = recv;
    struct channel *first = channel;
    uint32_t handles[2] = {sender_handle, receiver_handle};
    struct env *programs[2] = {sender, receiver};
    sender_handle = handles[1], receiver_handle = handles[0];
    sender = programs[1], receiver = programs[0];
    connect(2, 1); /* and back */
    uint32_t back = send, out = recv;
    for (unsigned i = 0; i < 2; i++) {
        host_plan(programs[i], EXO_PLAN_QUIET | EXO_PLAN_STANDING);
        quiet(programs[i], EXO_RECV, i ? in : out);
        struct exo_op *op = quiet(programs[i], EXO_SEND, i ? back : there);
        op->arg[0] = EXO_REF(0, 0, 0), op->arg[1] = EXO_REF(0, 1, 1), op->arg[2] = EXO_REF(0, 2, 0);
        op->uses = 7, op->after = 1;
        (void)host_enter(programs[i]);
    }
    uint64_t frame = alloc(programs[0], 1);
    ck_assert_int_eq(RUN(programs[0], NULL, .code = EXO_SEND, .handle = there,
                         .arg = {EXO_BUF(frame, 0, 1), 0, 0}), 0);
    for (unsigned i = 0; i < 100; i++) {
        for (unsigned k = 0; k < 2; k++) {
            struct env *of = programs[1 - k];
            of->state = ENV_WAITING, of->wait_for = EXO_NEVER - 1;
            if (!list_empty(&of->ready))
                plan_run(LIST_ENTRY(list_first(&of->ready), struct plan, link));
            if (!list_empty(&of->ready)) /* the next pass parks */
                plan_run(LIST_ENTRY(list_first(&of->ready), struct plan, link));
            ck_assert(list_empty(&of->ready));
            host_check();
        }
    }
    ck_assert_ptr_null(host_completion(programs[0]));
    ck_assert_ptr_null(host_completion(programs[1]));
    ck_assert_uint_eq(programs[0]->info->wakeups + programs[1]->info->wakeups, 0);
    ck_assert_uint_eq(frames[frame].kind, KIND_SENT); /* on its way there, where a RECV was woken */
    const struct message *message = &first->place[first->first];
    ck_assert_uint_eq(first->used, 1);
    ck_assert_uint_eq(message->word[0], 200);
    ck_assert_uint_eq(message->frame[0], frame);
    all_gone();
}
END_TEST

/* What an argument refers to can change while SEND waits; what was captured cannot. */
START_TEST(reference_that_changes)
{
    connect(1, 4);
    ck_assert_int_eq(send_now(0, 0, 0), 0);
    uint64_t frame = alloc(sender, 4);
    host_plan(sender, EXO_PLAN_QUIET);
    struct exo_op *op = host_op(sender, EXO_NOP);
    op = quiet(sender, EXO_TIMER, 0);
    op->arg[0] = host_now + 1000;
    op = quiet(sender, EXO_NOP, 0); /* comes late */
    op->after = 2, op->arg[0] = EXO_BUF(frame + 1, 0, 3 * 4096);
    op = quiet(sender, EXO_SEND, send);
    op->arg[0] = EXO_BUF(frame, 0, 1), op->arg[1] = EXO_REF(2, 0, 0), op->uses = 2;
    op->after = 5, op->flags |= EXO_START_ANY;
    (void)host_enter(sender);
    ck_assert_uint_eq(frames[frame].kind, KIND_SENT);
    host_now += 2000;
    (void)timer_expire(sender, host_now, 8);
    host_continue(sender);
    host_check();
    for (unsigned i = 0; i < 2; i++)
        ck_assert_int_eq(recv_now(0), 0);
    ck_assert_uint_eq(got[3], frame);
    ck_assert_uint_eq(frames[frame + 1].owner, sender->index);
    host_check();
    all_gone();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("channel");
    TCase *tests = tcase_create("channel");
    tcase_add_checked_fixture(tests, setup, NULL);
    tcase_add_test(tests, words_in_order);
    tcase_add_test(tests, full_parks_in_order);
    tcase_add_test(tests, empty_parks_in_order);
    tcase_add_test(tests, woken_is_not_overtaken);
    tcase_add_test(tests, moved_frame_has_one_owner);
    tcase_add_test(tests, only_idle_frames_of_ones_own);
    tcase_add_test(tests, cancelled_send_gives_back);
    tcase_add_test(tests, cancelled_recv_loses_nothing);
    tcase_add_test(tests, places_are_paid_once);
    tcase_add_test(tests, channel_refusals);
    tcase_add_test(tests, ends_have_a_direction);
    tcase_add_test(tests, frozen_rights_are_conserved);
    tcase_add_test(tests, parked_frozen_is_the_senders);
    tcase_add_test(tests, receiver_dies);
    tcase_add_test(tests, send_to_the_dying);
    tcase_add_test(tests, sender_dies);
    tcase_add_test(tests, sender_dies_while_receivers_wait);
    tcase_add_test(tests, failed_recv_passes_on);
    tcase_add_test(tests, receiving_end_dropped);
    tcase_add_test(tests, parked_recv_ends_with_its_end);
    tcase_add_test(tests, old_handles_do_not_reach_a_new_channel);
    tcase_add_test(tests, accounts_add_up);
    tcase_add_test(tests, standing_halves);
    tcase_add_test(tests, reference_that_changes);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
