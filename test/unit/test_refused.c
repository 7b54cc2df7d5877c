/* SPDX-License-Identifier: MIT */
/* Refusals that the other tests seldom meet: each with the error that abi.h says, and nothing changed by it. */
#include <string.h>

#include "suite.h"
#include "../../exo/net/nic.h"
#include "host_kernel.h"

#define BASE 0x200000000000ull
#define RW (EXO_READ | EXO_WRITE)
#define SPEC sizeof(struct exo_queue_spec)

static struct env *env, *child;
static uint32_t handle, bare; /* a child that runs, one that has nothing */
static uint64_t frame;        /* of 24 in a row */

static int run(struct exo_op cell, uint64_t *result)
{
    int status = 0;
    host_plan(env, EXO_PLAN_QUIET);
    *host_op(env, cell.code) = cell;
    (void)host_enter(env);
    const struct exo_completion *completion;
    while ((completion = host_completion(env))) {
        status = completion->status;
        if (result)
            *result = completion->result;
    }
    return status;
}

static uint64_t get(struct exo_op cell)
{
    uint64_t result = 0;
    ck_assert_int_eq(run(cell, &result), 0);
    return result;
}

static uint64_t alloc(uint64_t count) { return get((struct exo_op){.code = EXO_ALLOC, .arg = {count, 0, EXO_ANY}}); }

static void setup(void)
{
    env = host_start_nic();
    (void)get((struct exo_op){.code = EXO_SLOTS, .arg = {alloc(3), 3, 16}});
    child = host_child(env, 60, 1, 4, &handle);
    bare = (uint32_t)get((struct exo_op){.code = EXO_ENV_CREATE, .arg = {alloc(EXO_ENV_FRAMES), 20, 0}});
    frame = alloc(24);
    for (unsigned level = 3; level; level--)
        (void)get((struct exo_op){.code = EXO_TABLE, .arg = {alloc(1), BASE, level}});
}

static void refused(int error, struct exo_op cell)
{
    uint32_t used = env->frames_used, limit = env->frames_limit, free = frames_free;
    ck_assert_msg(run(cell, NULL) == -error, "%s is not refused with %d", op_infos[cell.code].name, error);
    ck_assert(env->frames_used == used && env->frames_limit == limit && frames_free == free);
    host_check();
}

#define REFUSED(error, op, ...) refused(EXO_E_##error, (struct exo_op){.code = EXO_##op, __VA_ARGS__})

START_TEST(addresses_beyond_the_end)
{
    uint64_t end = EXO_USER_END, before = end - EXO_PAGE_SIZE;
    REFUSED(RANGE, FREEZE, .arg = {before, 2});
    REFUSED(RANGE, THAW, .arg = {end});
    REFUSED(RANGE, TABLE, .arg = {frame, end, 1});
    REFUSED(RANGE, TABLE, .arg = {frame, BASE, 4});
    REFUSED(RANGE, UNTABLE, .arg = {end, 1});
    REFUSED(RANGE, UNTABLE, .arg = {BASE, 0});
    REFUSED(RANGE, MAP, .arg = {before, frame, 2, EXO_READ});
    REFUSED(RANGE, SHARE, .arg = {before, BASE, 2, EXO_READ});
    REFUSED(RANGE, SHARE, .arg = {BASE, before, 2, EXO_READ});
    REFUSED(RANGE, UNMAP, .arg = {before, 2});
    REFUSED(RANGE, PROTECT, .arg = {before, 2, EXO_READ});
    REFUSED(STATE, ENV_START, .handle = bare, .arg = {end, 0});
    (void)get((struct exo_op){.code = EXO_GIVE, .handle = bare, .arg = {frame, 3}});
    (void)get((struct exo_op){.code = EXO_ENV_RINGS, .handle = bare, .arg = {frame, frame + 1, 1, frame + 2, 1}});
    REFUSED(RANGE, ENV_START, .handle = bare, .arg = {end, 0});
    REFUSED(RANGE, ENV_START, .handle = bare, .arg = {0, end + 1});
}
END_TEST

START_TEST(rings_that_overlap)
{
    (void)get((struct exo_op){.code = EXO_GIVE, .handle = bare, .arg = {frame, 8}});
    for (unsigned cq = 0; cq < 4; cq++) /* control frame + 3, cells in +1 and +2 */
        REFUSED(BUSY, ENV_RINGS, .handle = bare, .arg = {frame + 3, frame + 1, 2, frame + cq, 2});
    REFUSED(FRAME, ENV_RINGS, .handle = bare, .arg = {frame + 8, frame + 1, 2, frame + 4, 2});
    REFUSED(FRAME, ENV_RINGS, .handle = bare, .arg = {frame, frame + 7, 2, frame + 4, 2});
    REFUSED(FRAME, ENV_RINGS, .handle = bare, .arg = {frame, frame + 1, 2, frame + 7, 2});
    REFUSED(RANGE, ENV_RINGS, .handle = bare, .arg = {frame, frame + 1, 3, frame + 4, 2});
    REFUSED(RANGE, ENV_RINGS, .handle = bare, .arg = {frame, frame + 1, 1, frame + 4, 32});
    (void)get((struct exo_op){.code = EXO_ENV_RINGS, .handle = bare, .arg = {frame, frame + 1, 2, frame + 4, 2}});
    REFUSED(STATE, ENV_RINGS, .handle = bare, .arg = {frame, frame + 1, 2, frame + 4, 2});
    REFUSED(RANGE, ENV_CREATE, .arg = {frame + 8, EXO_ENV_FRAMES - 1, 0});
}
END_TEST

/* Whatever needs a handle, with none, with one of another kind and with one that never was. */
START_TEST(handles_of_another_kind)
{
    static const uint32_t wrong[] = {0, EXO_BOOT_MACHINE, 77, 1u << 16 | EXO_BOOT_CONSOLE};
    for (unsigned i = 0; i < 4; i++) {
        REFUSED(HANDLE, QUEUE_CREATE, .handle = wrong[i], .arg = {frame, EXO_BUF(frame + 1, 0, SPEC)});
        REFUSED(HANDLE, QUEUE_INFO, .handle = wrong[i]);
        REFUSED(HANDLE, NET_RX, .handle = wrong[i], .arg = {EXO_BUF(frame, 0, 64)});
        REFUSED(HANDLE, ENV_WAIT, .handle = wrong[i]);
        REFUSED(HANDLE, ENV_KILL, .handle = wrong[i]);
        REFUSED(HANDLE, ENV_RINGS, .handle = wrong[i], .arg = {frame, frame, 1, frame, 1});
        REFUSED(HANDLE, CONSOLE_WRITE, .handle = wrong[i], .arg = {EXO_BUF(frame, 0, 64)});
        REFUSED(HANDLE, SEND, .handle = wrong[i]);
        REFUSED(HANDLE, RECV, .handle = wrong[i]);
        REFUSED(HANDLE, HANDLE_DROP, .arg = {i > 1 ? wrong[i] : 99});
        if (i == 0)
            continue; /* 0 is the caller */
        REFUSED(HANDLE, ENV_INFO, .handle = wrong[i], .arg = {0, EXO_BUF(frame, 0, 128)});
        REFUSED(HANDLE, CHANNEL_CREATE, .handle = wrong[i], .arg = {frame, 1, 1});
        REFUSED(HANDLE, MAP, .handle = wrong[i], .arg = {BASE, frame, 1, EXO_READ});
        REFUSED(HANDLE, SHARE, .handle = wrong[i], .arg = {BASE, BASE, 1, EXO_READ});
    }
}
END_TEST

/* Handles that were good at the door and were dropped by the time: POWER, QUEUE_INFO, QUEUE_CREATE. */
START_TEST(handles_that_go_meanwhile)
{
    static const struct exo_op after[] = {
        {.code = EXO_POWER, .handle = EXO_BOOT_MACHINE}, {.code = EXO_QUEUE_INFO, .handle = EXO_BOOT_NIC},
        {.code = EXO_QUEUE_CREATE, .handle = EXO_BOOT_NIC}, {.code = EXO_CONSOLE_WRITE, .handle = EXO_BOOT_CONSOLE},
    };
    for (unsigned i = 0; i < 4; i++) {
        host_stop_nic();
        setup();
        host_plan(env, EXO_PLAN_QUIET);
        struct exo_op *drop = host_op(env, EXO_HANDLE_DROP), *op = host_op(env, after[i].code);
        drop->arg[0] = after[i].handle, drop->flags = EXO_QUIET;
        *op = after[i];
        op->after = 1, op->arg[0] = i == 3 ? EXO_BUF(frame, 0, 9) : 0;
        ck_assert_int_eq(host_enter(env), 1);
        ck_assert_int_eq(host_completion(env)->status, -EXO_E_HANDLE);
        host_check();
    }
}
END_TEST

/* Addresses that come out of another operation, which the door does not see. */
START_TEST(addresses_by_reference)
{
    static const uint8_t codes[] = {EXO_THAW, EXO_FREEZE, EXO_TABLE, EXO_UNTABLE, EXO_MAP, EXO_UNMAP, EXO_PROTECT, EXO_SHARE};
    for (unsigned i = 0; i < sizeof codes; i++) {
        host_plan(env, EXO_PLAN_QUIET);
        struct exo_op *nop = host_op(env, EXO_NOP), *op = host_op(env, codes[i]);
        unsigned k = codes[i] == EXO_TABLE;
        nop->flags = EXO_QUIET, nop->arg[0] = EXO_USER_END;
        for (unsigned n = 0; n < 5; n++)
            op->arg[n] = op_infos[codes[i]].arg[n] == K_COUNT || op_infos[codes[i]].arg[n] == K_SMALL ||
                         op_infos[codes[i]].arg[n] == K_PERM;
        if (codes[i] == EXO_TABLE || codes[i] == EXO_MAP)
            op->arg[1 - k] = frame;
        op->arg[k] = EXO_REF(0, 0, 0), op->uses = (uint16_t)(1u << k), op->after = 1;
        ck_assert_int_eq(host_enter(env), 1);
        const struct exo_completion *completion = host_completion(env);
        ck_assert_msg(completion->status == -EXO_E_RANGE || completion->status == -EXO_E_TYPE, "%u: %d", codes[i], completion->status);
        while (host_completion(env)) {
        }
        host_check();
    }
}
END_TEST

START_TEST(ids_that_are_no_plans)
{
    uint64_t good = 0;
    host_plan(env, EXO_PLAN_ANNOUNCE);
    host_op(env, EXO_TIMER)->arg[0] = EXO_NEVER;
    ck_assert_int_eq(host_enter(env), 0);
    good = host_completion(env)->result;
    uint64_t slot = (uint32_t)good, generation = good & ~0xffffffffull;
    REFUSED(ABSENT, CANCEL, .arg = {good | 1ull << 48, EXO_ANY});
    REFUSED(ABSENT, CANCEL, .arg = {good + (1ull << 32), EXO_ANY});
    REFUSED(ABSENT, CANCEL, .arg = {good + 1, EXO_ANY});                      /* no slot begins there */
    REFUSED(ABSENT, CANCEL, .arg = {generation | (frame << 5), EXO_ANY});     /* a frame without plans */
    REFUSED(ABSENT, CANCEL, .arg = {generation | child->frame.number << 5, EXO_ANY});
    REFUSED(ABSENT, CANCEL, .arg = {generation | (HOST_FRAMES + 1) << 5, EXO_ANY});
    ck_assert_uint_eq(get((struct exo_op){.code = EXO_CANCEL, .arg = {generation | slot, EXO_ANY}}), 1);
}
END_TEST

/* A frame that the device reads: not to be frozen, thawed, given, freed. */
START_TEST(what_the_device_reads)
{
    uint8_t *packet = frame_memory((frame_t){(uint32_t)frame});
    memset(packet, 2, 1000);
    struct exo_op send = {.code = EXO_NET_TX, .handle = EXO_BOOT_NIC, .arg = {EXO_BUF(frame, 0, 1000)}};
    (void)get((struct exo_op){.code = EXO_MAP, .arg = {BASE, frame, 1, EXO_READ}});
    (void)run(send, NULL);
    REFUSED(BUSY, FREEZE, .arg = {BASE, 1});
    host_nic_done = 1;
    ck_assert(!nic_poll());
    (void)get((struct exo_op){.code = EXO_FREEZE, .arg = {BASE, 1}});
    send.flags = EXO_VPAGE, send.arg[0] = EXO_BUF(BASE >> EXO_PAGE_SHIFT, 0, 1000);
    (void)run(send, NULL);
    REFUSED(BUSY, THAW, .arg = {BASE});
    host_nic_done = 1;
    ck_assert(!nic_poll());
    (void)get((struct exo_op){.code = EXO_THAW, .arg = {BASE}});
}
END_TEST

/* No place in the handle table: of the caller, and of the receiver. */
START_TEST(full_tables)
{
    struct exo_queue_spec *spec = frame_memory((frame_t){(uint32_t)frame + 1});
    memset(spec, 0, sizeof *spec);
    while (run((struct exo_op){.code = EXO_CONSOLE_GRANT, .handle = handle, .arg = {EXO_BOOT_CONSOLE, 'a', 0}}, NULL) == 0) {
    }
    REFUSED(FULL, CONSOLE_GRANT, .handle = handle, .arg = {EXO_BOOT_CONSOLE, 'a', 0});
    REFUSED(FULL, HANDLE_COPY, .handle = handle, .arg = {EXO_BOOT_NIC});
    uint64_t theirs = frame + 2;
    (void)get((struct exo_op){.code = EXO_GIVE, .handle = handle, .arg = {theirs, 1}});
    REFUSED(FULL, CHANNEL_CREATE, .handle = handle, .arg = {theirs, 1, 1}); /* the receiver's */
    while (handle_add(env, K_CONSOLE, (frame_t){0})) {
    }
    REFUSED(FULL, CHANNEL_CREATE, .arg = {frame, 1, 1});
    REFUSED(FULL, CHANNEL_CREATE, .handle = handle, .arg = {theirs, 1, 1}); /* the sender's */
    REFUSED(FULL, QUEUE_CREATE, .handle = EXO_BOOT_NIC, .arg = {frame, EXO_BUF(frame + 1, 0, SPEC)});
    REFUSED(FULL, ENV_CREATE, .arg = {frame + 4, 20, 0});
}
END_TEST

START_TEST(odd_buffers_and_labels)
{
    (void)get((struct exo_op){.code = EXO_MAP, .arg = {BASE, frame, 20, EXO_READ}});
    REFUSED(RANGE, CONSOLE_WRITE, .handle = EXO_BOOT_CONSOLE, .arg = {EXO_BUF(frame, 100, 65536)});
    REFUSED(RANGE, QUEUE_CREATE, .handle = EXO_BOOT_NIC, .arg = {frame + 21, EXO_BUF(frame, 0, SPEC - 1)});
    REFUSED(RANGE, NET_TX, .handle = EXO_BOOT_NIC, .arg = {EXO_BUF(frame, 0, 64), 16});
    REFUSED(RANGE, CONSOLE_GRANT, .handle = handle, .arg = {EXO_BOOT_CONSOLE, 'A', 0});
    REFUSED(RANGE, CONSOLE_GRANT, .handle = handle, .arg = {EXO_BOOT_CONSOLE, 'a', 'b'});
    REFUSED(RANGE, CONSOLE_GRANT, .handle = handle, .arg = {EXO_BOOT_CONSOLE, '{', 0});
    (void)get((struct exo_op){.code = EXO_CONSOLE_GRANT, .handle = handle, .arg = {EXO_BOOT_CONSOLE, '-' | '0' << 8 | '9' << 16, 0}});
    REFUSED(RIGHT, HANDLE_COPY, .handle = handle, .arg = {EXO_BOOT_MACHINE});
}
END_TEST

/* No terminal is told what to do. */
START_TEST(control_characters_are_not_written)
{
    static const char text[] = "a\x1b\x7f\xc2\x85\t\xc3\xa4\r\n";
    memcpy(frame_memory((frame_t){(uint32_t)frame}), text, sizeof text - 1);
    host_console[0] = 0;
    (void)get((struct exo_op){.code = EXO_CONSOLE_WRITE, .handle = EXO_BOOT_CONSOLE, .arg = {EXO_BUF(frame, 0, sizeof text - 1)}});
    ck_assert(strstr(host_console, "a??\xc2?\t\xc3\xa4"));
    ck_assert(!strchr(host_console, 0x1b) && !strchr(host_console, 0x7f));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("refused");
    TCase *tests = tcase_create("refused");
    tcase_add_checked_fixture(tests, setup, NULL);
    tcase_add_test(tests, addresses_beyond_the_end);
    tcase_add_test(tests, rings_that_overlap);
    tcase_add_test(tests, handles_of_another_kind);
    tcase_add_test(tests, handles_that_go_meanwhile);
    tcase_add_test(tests, addresses_by_reference);
    tcase_add_test(tests, ids_that_are_no_plans);
    tcase_add_test(tests, what_the_device_reads);
    tcase_add_test(tests, full_tables);
    tcase_add_test(tests, odd_buffers_and_labels);
    tcase_add_test(tests, control_characters_are_not_written);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
