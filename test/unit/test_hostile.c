/* SPDX-License-Identifier: MIT */
/*
 * What a hostile program could try in one place of the kernel each: objects that end while something
 * still points to them, rings whose owner lies, time and lists taken from neighbours.
 */
#include <stdlib.h>
#include <string.h>

#include "suite.h"
#include "../../exo/net/queue.h"
#include "../../exo/ops.h"
#include "host_kernel.h"

static struct env *env;

static struct exo_op *quiet(struct env *of, unsigned code, uint32_t handle)
{
    struct exo_op *op = host_op(of, code);
    op->handle = handle, op->flags = EXO_QUIET;
    return op;
}

static uint64_t alloc(struct env *of, uint64_t count)
{
    host_plan(of, EXO_PLAN_QUIET);
    struct exo_op *op = host_op(of, EXO_ALLOC);
    op->arg[0] = count, op->arg[2] = EXO_ANY;
    ck_assert_int_eq(host_enter(of), 0);
    return host_completion(of)->result;
}

static void slots(struct env *of, uint64_t count, uint64_t cells)
{
    uint64_t frame = alloc(of, count);
    host_plan(of, EXO_PLAN_QUIET);
    struct exo_op *op = quiet(of, EXO_SLOTS, 0);
    op->arg[0] = frame, op->arg[1] = count, op->arg[2] = cells;
    ck_assert_int_eq(host_enter(of), 0);
}

static void setup(void)
{
    env = host_start();
    slots(env, 4, 16);
    slots(env, 3, 64);
}

static void header_work(struct env *of, uint32_t work)
{
    ((struct exo_plan *)(uintptr_t)&of->sq[(host_built(of) - 1) & (of->sq_size - 1)])->work = work;
}

/* Maps a zeroed page at 0x400000 of a child, and returns its frame. */
static uint64_t child_page(uint32_t handle)
{
    uint64_t frame = alloc(env, 4);
    host_plan(env, EXO_PLAN_QUIET);
    for (unsigned level = 3; level; level--) {
        struct exo_op *op = quiet(env, EXO_TABLE, handle);
        op->arg[0] = frame + level, op->arg[1] = 0x400000, op->arg[2] = level;
        op->after = (1u << (3 - level)) - 1;
    }
    struct exo_op *op = quiet(env, EXO_GIVE, handle);
    op->arg[0] = frame, op->arg[1] = 1;
    op = quiet(env, EXO_MAP, handle);
    op->arg[0] = 0x400000, op->arg[1] = frame, op->arg[2] = 1, op->arg[3] = EXO_READ | EXO_WRITE;
    op->after = 15;
    ck_assert_int_eq(host_enter(env), 0);
    return frame;
}

static void stop(struct env *child)
{
    host_plan(child, EXO_PLAN_QUIET);
    host_op(child, EXO_ENV_EXIT)->arg[0] = EXO_STOP_EXIT;
    host_enter(child);
    ck_assert_int_eq(child->state, ENV_STOPPED);
}

/* ---- what ends while something points to it ---------------------------------------------- */

/* YIELD names a child, and the same plan takes the child's last frame. */
START_TEST(yield_to_a_child_that_goes)
{
    uint32_t handle;
    (void)host_child(env, 40, 1, 4, &handle);
    for (unsigned turn = 0; handle_env(env, number_of(handle), false); turn++) {
        ck_assert_uint_lt(turn, 1000);
        host_plan(env, EXO_PLAN_QUIET);
        header_work(env, 2);
        quiet(env, EXO_YIELD, handle);
        quiet(env, EXO_ENV_KILL, handle);
        host_enter(env);
        while (host_completion(env)) {
        }
    }
    ck_assert_ptr_null(core_this()->yielded_to);
    host_check();
}
END_TEST

/* A cancelled plan waits for room for its completions and for its owner's time; room appears in the same
 * crossing, because ENV_READ writes the control page. */
START_TEST(held_and_ready)
{
    uint32_t handle;
    struct env *child = host_child(env, 40, 1, 4, &handle);
    uint64_t frame = child_page(handle);
    host_plan(env, EXO_PLAN_ANNOUNCE);
    for (unsigned i = 0; i < 2; i++)
        host_op(env, EXO_TIMER)->arg[0] = EXO_NEVER;
    host_enter(env);
    uint64_t id = host_completion(env)->result;
    while (env->cq_tail - env->control->cq_head < env->cq_size) {
        host_plan(env, EXO_PLAN_QUIET);
        host_op(env, EXO_NOP);
        host_enter(env);
    }
    memcpy(frame_memory((frame_t){(uint32_t)frame}), &env->cq_tail, 8);
    stop(child);
    uint64_t tail = env->cq_tail;
    host_plan(env, EXO_PLAN_QUIET);
    struct exo_op *op = quiet(env, EXO_CANCEL, 0);
    op->arg[0] = id, op->arg[1] = EXO_ANY;
    op = quiet(env, EXO_ENV_READ, handle);
    op->arg[0] = 0x400000, op->after = 1;
    op->arg[1] = EXO_BUF(env->control_frame, offsetof(struct exo_control, cq_head), 8);
    (void)host_syscall(env, host_built(env), EXO_NEVER - 1, EXO_NEVER);
    for (unsigned i = 0; i < 4; i++)
        (void)host_leave();
    host_check();
    ck_assert_uint_eq(env->cq_tail - tail, 3); /* two operations and the plan, once each */
}
END_TEST

/* An operation writes over the ring that its own plan came from, and the plan behind it: the first is the kernel's copy already,
 * the second is what lies there when its turn comes. */
START_TEST(ring_rewritten_by_its_own_plan)
{
    uint32_t handle;
    struct env *child = host_child(env, 40, 1, 4, &handle);
    uint64_t frame = child_page(handle), tail = env->cq_tail;
    memset(frame_memory((frame_t){(uint32_t)frame}), 0xff, EXO_PAGE_SIZE);
    stop(child);
    uint64_t first = host_built(env);
    host_plan(env, EXO_PLAN_QUIET);
    struct exo_op *op = quiet(env, EXO_ENV_READ, handle);
    op->arg[0] = 0x400000;
    op->arg[1] = EXO_BUF(env->sq_frame, 0, EXO_PAGE_SIZE);
    op = host_op(env, EXO_NOP);
    op->arg[0] = 77, op->after = 1;
    host_plan(env, EXO_PLAN_QUIET);
    host_op(env, EXO_NOP);
    ck_assert_uint_le((first & (env->sq_size - 1)) + 5, EXO_PAGE_SIZE / 64); /* all of them lie in that frame */
    ck_assert_int_ge(host_enter(env), 1);
    const struct exo_completion *completion = host_completion(env);
    while (completion->operation != 1) /* ENV_READ's result, which is not QUIET's business, may come first */
        completion = host_completion(env);
    ck_assert_uint_eq(completion->result, 77);
    completion = host_completion(env);
    ck_assert_uint_eq(completion->operation, EXO_PLAN_SELF);
    ck_assert_int_lt(completion->status, 0);
    ck_assert_uint_gt(env->cq_tail, tail);
    host_check();
}
END_TEST

/* CPU slots of a program that dies with its parent go to whoever is left. */
START_TEST(slots_of_a_tree)
{
    uint32_t handle, inner;
    struct env *child = host_child(env, 200, 1, 16, &handle);
    child->places = 1, env->places--; /* host_child() gives none */
    struct env *grandchild = host_child(child, 40, 1, 4, &inner);
    host_plan(env, EXO_PLAN_QUIET);
    struct exo_op *op = quiet(env, EXO_CPU_GIVE, handle);
    op->arg[0] = 8, op->arg[1] = 8;
    ck_assert_int_eq(host_enter(env), 0);
    host_plan(child, EXO_PLAN_QUIET);
    op = quiet(child, EXO_CPU_GIVE, inner);
    op->arg[0] = 8, op->arg[1] = 4;
    ck_assert_int_eq(host_enter(child), 0);
    ck_assert_uint_eq(grandchild->cpu_slots, 4);
    host_check();
    host_plan(env, EXO_PLAN_QUIET);
    quiet(env, EXO_ENV_KILL, handle);
    ck_assert_int_eq(host_enter(env), 0);
    ck_assert_uint_eq(env->cpu_slots, EXO_CPU_SLOTS);
    host_check();
}
END_TEST

static uint64_t queue_create(struct env *of, uint32_t parent, uint64_t frame, uint64_t buffer)
{
    struct exo_queue_spec *spec = frame_memory((frame_t){(uint32_t)buffer});
    memset(spec, 0, sizeof *spec);
    spec->rx_count = spec->tx_count = 1;
    spec->rx[0].mask[0] = 0xff, spec->rx[0].value[0] = 2;
    host_plan(of, EXO_PLAN_QUIET);
    struct exo_op *op = host_op(of, EXO_QUEUE_CREATE);
    op->handle = parent, op->arg[0] = frame, op->arg[1] = EXO_BUF(buffer, 0, sizeof *spec);
    ck_assert_int_eq(host_enter(of), 0);
    return host_completion(of)->result;
}

/* The walker over a dead program's frames stands at a queue that ends by itself meanwhile. */
START_TEST(queue_ends_under_the_walker)
{
    uint32_t handle;
    env = host_start_nic();
    slots(env, 4, 16);
    uint64_t outer = alloc(env, 2), wide = queue_create(env, EXO_BOOT_NIC, outer, outer + 1);
    struct env *child = host_child(env, 60, 1, 4, &handle);
    host_plan(env, EXO_PLAN_QUIET);
    struct exo_op *op = host_op(env, EXO_HANDLE_COPY);
    op->handle = handle, op->arg[0] = wide;
    ck_assert_int_eq(host_enter(env), 0);
    uint32_t copied = (uint32_t)host_completion(env)->result;
    uint64_t frame = alloc(child, 3);
    host_plan(child, EXO_PLAN_QUIET); /* waits on the outer queue, in the oldest slots */
    op = quiet(child, EXO_NET_RX, copied);
    op->arg[0] = EXO_BUF(frame + 1, 0, 1514);
    host_enter(child);
    uint32_t own = (uint32_t)queue_create(child, copied, frame + 2, frame);
    slots(child, 3, 64);
    host_plan(child, EXO_PLAN_QUIET);
    for (unsigned i = 0; i < 30; i++) {
        op = quiet(child, EXO_NET_RX, own);
        op->arg[0] = EXO_BUF(frame + 1, 0, 1514);
    }
    host_enter(child);
    host_plan(child, EXO_PLAN_QUIET);
    quiet(child, EXO_HANDLE_DROP, 0)->arg[0] = own;
    host_enter(child); /* ends 16 of those who wait; the rest, and the queue, wait for nic_poll() */
    ck_assert_uint_eq(frames[frame + 2].state, FRAME_KERNEL);
    while (child->state != ENV_DYING || child->kill_cursor != frame + 2) {
        host_plan(env, EXO_PLAN_QUIET);
        header_work(env, 1);
        quiet(env, EXO_ENV_KILL, handle);
        host_enter(env);
        ck_assert(child->state != ENV_DYING || child->kill_phase == 0);
    }
    (void)host_leave();
    ck_assert_uint_ne(frames[frame + 2].state, FRAME_KERNEL);
    host_plan(env, EXO_PLAN_QUIET);
    quiet(env, EXO_ENV_KILL, handle);
    host_enter(env);
    ck_assert_ptr_null(handle_env(env, number_of(handle), false));
    ck_assert(list_empty(&queue_at((frame_t){(uint32_t)outer})->parked));
    host_check();
}
END_TEST

/* ---- lists that a program can make long ---------------------------------------------------- */

START_TEST(waiters_are_few)
{
    uint32_t handle;
    struct env *child = host_child(env, 40, 1, 4, &handle);
    host_plan(env, EXO_PLAN_QUIET);
    for (unsigned i = 0; i < 40; i++)
        quiet(env, EXO_ENV_WAIT, handle);
    long failed = host_enter(env);
    ck_assert_int_ge(failed, 20);
    ck_assert_int_lt(failed, 40);
    ck_assert_int_eq(host_completion(env)->status, -EXO_E_FULL);
    stop(child);
    host_continue(env);
    host_check();
}
END_TEST

/* A plan of many short operations lets an interrupt in between them. */
START_TEST(short_operations_are_interrupted)
{
    host_plan(env, EXO_PLAN_QUIET);
    for (unsigned i = 0; i < 60; i++)
        host_op(env, EXO_NOP);
    core_this()->attention = 1;
    uint64_t before = env->cq_tail;
    env_enter(env, host_built(env), 0, 0);
    ck_assert(!env_continue(env));
    ck_assert_uint_lt(env->cq_tail - before, 20);
    host_continue(env);
    ck_assert_uint_eq(env->cq_tail - before, 60);
    host_check();
}
END_TEST

/* ---- numbers that wrap ----------------------------------------------------------------------- */

START_TEST(writable_mappings_do_not_wrap)
{
    uint64_t frame = alloc(env, 1);
    frames[frame].writable = UINT16_MAX;
    host_plan(env, EXO_PLAN_QUIET);
    struct exo_op *op = quiet(env, EXO_MAP, 0);
    op->arg[0] = 0x700000005000, op->arg[1] = frame, op->arg[2] = 1, op->arg[3] = EXO_READ;
    ck_assert_int_eq(host_enter(env), 0);
    host_plan(env, EXO_PLAN_QUIET);
    op = quiet(env, EXO_MAP, 0);
    op->arg[0] = 0x700000006000, op->arg[1] = frame, op->arg[2] = 1;
    op->arg[3] = EXO_READ | EXO_WRITE;
    op = quiet(env, EXO_PROTECT, 0);
    op->arg[0] = 0x700000005000, op->arg[1] = 1, op->arg[2] = EXO_READ | EXO_WRITE;
    ck_assert_int_eq(host_enter(env), 2);
    ck_assert_int_eq(host_completion(env)->status, -EXO_E_BUSY);
    ck_assert_int_eq(host_completion(env)->status, -EXO_E_BUSY);
    ck_assert_uint_eq(frames[frame].writable, UINT16_MAX);
}
END_TEST

START_TEST(period_by_reference)
{
    host_plan(env, EXO_PLAN_QUIET | EXO_PLAN_STANDING);
    struct exo_op *op = quiet(env, EXO_TIMER, 0);
    op->arg[0] = host_now + 5;
    op = quiet(env, EXO_NOP, 0);
    op->arg[0] = 1000, op->after = 1;
    op = quiet(env, EXO_TIMER, 0);
    op->arg[0] = host_now, op->arg[1] = EXO_REF(1, 0, 0), op->uses = 2, op->after = 2;
    ck_assert_int_eq(host_enter(env), 0);
    for (unsigned i = 0; i < 4; i++) {
        host_now += 5;
        timer_expire(env, host_now, 8);
        host_continue(env);
    }
    ck_assert_ptr_nonnull(env->timers);
    ck_assert_uint_eq(env->timers->result[0] % 1000, 0);
}
END_TEST

START_TEST(console_writes_no_control_character)
{
    uint64_t frame = alloc(env, 1);
    memcpy(frame_memory((frame_t){(uint32_t)frame}), "a\xc2\x9b" "2J\xc3\x9f\x1b\n", 9);
    host_plan(env, EXO_PLAN_QUIET);
    quiet(env, EXO_CONSOLE_WRITE, EXO_BOOT_CONSOLE)->arg[0] = EXO_BUF(frame, 0, 9);
    ck_assert_int_eq(host_enter(env), 0);
    ck_assert_str_eq(host_console, "init: a\xc2?2J\xc3\x9f?\n");
}
END_TEST

static void read_key(uint64_t tag)
{
    host_plan(env, EXO_PLAN_QUIET);
    struct exo_op *op = host_op(env, EXO_CONSOLE_READ);
    op->handle = EXO_BOOT_CONSOLE, op->tag = tag;
    (void)host_enter(env);
}

static void key_is(uint64_t tag, int status, uint64_t byte)
{
    const struct exo_completion *completion = host_completion(env);
    ck_assert_ptr_nonnull(completion);
    ck_assert_uint_eq(completion->tag, tag);
    ck_assert_int_eq(completion->status, status);
    ck_assert_uint_eq(completion->result, byte);
}

/* First come, first served. */
START_TEST(keys_in_turn)
{
    host_typed = "ab";
    read_key(1);
    key_is(1, 0, 'a');
    host_typed = "";
    for (uint64_t tag = 2; tag < 5; tag++)
        read_key(tag);
    ck_assert_ptr_null(host_completion(env));
    machine.typed = true;
    console_poll();
    ck_assert_ptr_null(host_completion(env));
    host_typed = "xyz";
    console_poll(); /* another device */
    ck_assert_str_eq(host_typed, "xyz");
    machine.typed = true;
    console_poll();
    host_continue(env);
    for (uint64_t tag = 2; tag < 5; tag++)
        key_is(tag, 0, (uint64_t)'x' + tag - 2);
}
END_TEST

/* Nothing is taken for who was cancelled, and what nobody waits for stays in the port. */
START_TEST(keys_of_nobody)
{
    host_plan(env, EXO_PLAN_QUIET);
    struct exo_op *op = host_op(env, EXO_CONSOLE_READ);
    op->handle = EXO_BOOT_CONSOLE, op->tag = 1;
    quiet(env, EXO_CANCEL, 0)->arg[1] = 1;
    (void)host_enter(env);
    key_is(1, -EXO_E_CANCELLED, 0);
    while (host_completion(env)) {
    }
    host_typed = "q";
    machine.typed = true;
    console_poll();
    ck_assert_str_eq(host_typed, "q");
    read_key(2);
    key_is(2, 0, 'q');
}
END_TEST

/* A handle to write with reads nothing. */
START_TEST(keys_are_not_granted)
{
    uint32_t handle;
    struct env *child = host_child(env, 40, 1, 4, &handle);
    host_plan(env, 0);
    struct exo_op *op = host_op(env, EXO_CONSOLE_GRANT);
    op->handle = handle, op->arg[0] = EXO_BOOT_CONSOLE, op->arg[1] = 'c';
    (void)host_enter(env);
    const struct exo_completion *completion = host_completion(env);
    ck_assert_int_eq(completion->status, 0);
    host_typed = "secret";
    host_plan(child, EXO_PLAN_QUIET);
    op = host_op(child, EXO_CONSOLE_READ);
    op->handle = (uint32_t)completion->result;
    (void)host_enter(child);
    ck_assert_int_eq(host_completion(child)->status, -EXO_E_HANDLE);
    ck_assert_str_eq(host_typed, "secret");
}
END_TEST

/* ---- time ------------------------------------------------------------------------------------- */

/* Two children that run and never wait; the second owns every slot but the first. */
static struct env *neighbour, *friend;
static uint32_t friend_handle;

static void compete(void)
{
    uint32_t handle;
    friend = host_child(env, 300, 8, 64, &friend_handle);
    neighbour = host_child(env, 40, 1, 4, &handle);
    host_plan(env, EXO_PLAN_QUIET);
    struct exo_op *op = quiet(env, EXO_CPU_GIVE, handle);
    op->arg[0] = 1, op->arg[1] = EXO_CPU_SLOTS - 1;
    ck_assert_int_eq(host_enter(env), 0);
}

/* Who gives up his slice when it is over has none to give. */
START_TEST(yield_behind_the_end)
{
    compete();
    host_now = core_this()->slot_end - 10;
    host_plan(env, EXO_PLAN_QUIET);
    quiet(env, EXO_YIELD, friend_handle);
    ck_assert_ptr_eq(host_syscall(env, host_built(env), 0, 0), friend); /* in time: as asked */
    host_now = core_this()->slot_end + (EXO_CPU_SLOTS - 1) * core_this()->slot_ticks;
    core_this()->slot_end += (EXO_CPU_SLOTS - 1) * core_this()->slot_ticks;
    core_this()->slot = 0;
    host_plan(env, EXO_PLAN_QUIET);
    quiet(env, EXO_YIELD, friend_handle);
    ck_assert_ptr_eq(host_syscall(env, host_built(env), 0, 0), neighbour);
}
END_TEST

/* A plan that an event continued sets a timer and the program runs on: the clock knows of it. */
START_TEST(timer_behind_an_event)
{
    host_plan(env, EXO_PLAN_QUIET);
    host_op(env, EXO_CONSOLE_READ)->handle = EXO_BOOT_CONSOLE;
    struct exo_op *op = quiet(env, EXO_TIMER, 0);
    op->after = 1, op->arg[0] = host_now + 60;
    ck_assert_ptr_eq(host_syscall(env, host_built(env), 0, 0), env);
    uint64_t soonest = host_now + core_this()->slot_ticks / 64;
    core_this()->slot_end = host_now + 100 * core_this()->slot_ticks;
    host_typed = "k";
    machine.typed = true;
    core_this()->device_fired = 1;
    ck_assert_ptr_eq(host_leave(), env);
    ck_assert_int_eq(host_completion(env)->status, 0);
    ck_assert_uint_eq(host_armed, soonest > host_now + 60 ? soonest : host_now + 60); /* the program comes in between */
}
END_TEST

/* A program that an event wakes in another's slot runs for as long as its credit lasts. */
START_TEST(credit_is_a_limit)
{
    compete();
    (void)host_syscall(friend, 0, EXO_NEVER - 1, EXO_NEVER);
    uint64_t start = core_this()->slot_end; /* of env's own slot */
    ck_assert_ptr_eq(host_syscall(env, host_built(env), EXO_NEVER - 1, start + 6400), neighbour);
    host_now = start + 6400;
    ck_assert_ptr_eq(host_leave(), env);
    int64_t credit = env_credit(env, host_now);
    ck_assert_int_gt(credit, 0);
    ck_assert_uint_le(host_armed, host_now + (uint64_t)credit);
    host_now += (uint64_t)credit + (uint64_t)credit / 16; /* it has earned some more meanwhile */
    ck_assert_ptr_eq(host_leave(), neighbour);
}
END_TEST

/* Whoever has no slots and lives on offered ones owes for them as well, when he gets some. */
START_TEST(debt_without_slots)
{
    compete();
    uint64_t slot = core_this()->slot_ticks;
    ck_assert_uint_eq(friend->cpu_slots, 0);
    (void)host_syscall(neighbour, 0, EXO_NEVER - 1, EXO_NEVER);
    ck_assert_ptr_eq(host_syscall(env, host_built(env), EXO_NEVER - 1, host_now + 3 * slot), friend);
    host_now += 2 * slot;
    (void)host_leave();
    ck_assert_int_eq(env_credit(friend, host_now), -(int64_t)slot);
}
END_TEST

/* An ALLOC that ends in the middle: the rest goes back at once, what was handed over is told. */
START_TEST(alloc_ends_in_the_middle)
{
    for (uint32_t work = 1; work < 20; work++) {
        uint32_t used = env->frames_used, free = frames_free;
        host_plan(env, EXO_PLAN_QUIET);
        header_work(env, work);
        struct exo_op *op = host_op(env, EXO_ALLOC);
        op->arg[0] = 200, op->arg[2] = EXO_ANY;
        host_enter(env);
        const struct exo_completion *completion = host_completion(env);
        uint32_t got = work * 16 < 200 ? work * 16 : 200;
        ck_assert_int_eq(completion->status, got < 200 ? -EXO_E_WORK : 0);
        ck_assert_uint_eq(completion->more, got);
        ck_assert_uint_eq(env->frames_used, used + got);
        ck_assert_uint_eq(frames_free, free - got);
        host_check();
        uint64_t first = completion->result;
        while (host_completion(env)) {
        }
        host_plan(env, EXO_PLAN_QUIET);
        op = quiet(env, EXO_FREE, 0);
        op->arg[0] = first, op->arg[1] = got;
        ck_assert_int_eq(host_enter(env), 0);
        ck_assert_uint_eq(frames_free, free);
    }
}
END_TEST

/* A crowd of timers costs their owner's time, not that of who runs. */
START_TEST(timers_in_their_owners_time)
{
    compete();
    uint64_t due = host_now + 1000;
    for (unsigned plan = 0; plan < 3; plan++) {
        host_plan(friend, EXO_PLAN_QUIET);
        for (unsigned i = 0; i < 60; i++)
            quiet(friend, EXO_TIMER, 0)->arg[0] = due;
        host_enter(friend);
    }
    ck_assert_ptr_nonnull(friend->timers);
    core_this()->current = neighbour;
    host_now = core_this()->slot_end; /* slot 1 begins: the neighbour's */
    ck_assert_ptr_eq(host_leave(), neighbour);
    ck_assert_uint_gt(host_armed, host_now);
    (void)host_syscall(neighbour, 0, EXO_NEVER - 1, EXO_NEVER);
    (void)host_syscall(env, host_built(env), EXO_NEVER - 1, EXO_NEVER);
    for (unsigned i = 0; i < 20; i++)
        (void)host_leave();
    ck_assert_ptr_null(friend->timers);
    host_check();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("hostile");
    TCase *tests = tcase_create("hostile");
    tcase_set_timeout(tests, 10);
    tcase_add_checked_fixture(tests, setup, NULL);
    tcase_add_test(tests, yield_to_a_child_that_goes);
    tcase_add_test(tests, held_and_ready);
    tcase_add_test(tests, ring_rewritten_by_its_own_plan);
    tcase_add_test(tests, slots_of_a_tree);
    tcase_add_test(tests, queue_ends_under_the_walker);
    tcase_add_test(tests, waiters_are_few);
    tcase_add_test(tests, short_operations_are_interrupted);
    tcase_add_test(tests, writable_mappings_do_not_wrap);
    tcase_add_test(tests, period_by_reference);
    tcase_add_test(tests, console_writes_no_control_character);
    tcase_add_test(tests, timer_behind_an_event);
    tcase_add_test(tests, keys_in_turn);
    tcase_add_test(tests, keys_of_nobody);
    tcase_add_test(tests, keys_are_not_granted);
    tcase_add_test(tests, yield_behind_the_end);
    tcase_add_test(tests, credit_is_a_limit);
    tcase_add_test(tests, timers_in_their_owners_time);
    tcase_add_test(tests, debt_without_slots);
    tcase_add_test(tests, alloc_ends_in_the_middle);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
