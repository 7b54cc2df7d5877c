/* SPDX-License-Identifier: MIT */
/*
 * Programs made and killed: with every operation under way, at every step of it and in every state that waits,
 * packets with the device included; ten thousand times; and with every taking of a frame, of quota, of a handle or of
 * a plan slot refused in turn. Afterwards the parent's account, and the machine's, are what they were.
 */
#include <stdlib.h>
#include <string.h>

#include "suite.h"
#include "../../exo/net/nic.h"
#include "../../exo/ops.h"
#include "host_kernel.h"

#define BASE 0x200000000000ull
#define FROZEN (BASE + 0x40000)
#define EMPTY (BASE + 0x40000000) /* a table without entries */
#define LOOSE 70u                 /* frames that are owned and not mapped */
#define PAGES 40u
#define PACKET_AT 3500u           /* in its frame: more than the head, and goes on in the next frame */

/* ---- refusals on purpose (the linker's --wrap puts these in front of the kernel's own) ---- */

static unsigned takings, refuse; /* so many so far; which one fails (0: none) */

static bool refused(void) { return ++takings == refuse; }

bool __real_env_charge(struct env *env, uint64_t n);
bool __wrap_env_charge(struct env *env, uint64_t n) { return !refused() && __real_env_charge(env, n); }
bool __real_env_reserve(struct env *env, uint32_t n);
bool __wrap_env_reserve(struct env *env, uint32_t n) { return !refused() && __real_env_reserve(env, n); }
int __real_frame_take(uint32_t count, unsigned align, number_t wanted, frame_t *first);
int __wrap_frame_take(uint32_t count, unsigned align, number_t wanted, frame_t *first)
{
    return refused() ? -EXO_E_NO_FRAMES : __real_frame_take(count, align, wanted, first);
}
uint32_t __real_handle_add(struct env *env, enum op_kind kind, frame_t object);
uint32_t __wrap_handle_add(struct env *env, enum op_kind kind, frame_t object)
{
    return refused() ? 0 : __real_handle_add(env, kind, object);
}
int __real_frame_pin(struct env *env, frame_t frame);
int __wrap_frame_pin(struct env *env, frame_t frame)
{
    return refused() ? -EXO_E_QUOTA : __real_frame_pin(env, frame);
}

/* ---- a world: the first program, its child with something of everything, and the child's children --------- */

static struct env *env, *child;
static uint32_t handle, kid, bare, queue, console, reader, sender, receiver;
static uint64_t loose, wide;
static bool forced; /* RECLAIM begins with its deadline past */

static int run(struct env *of, struct exo_op cell, uint64_t result[2])
{
    int status = 0;
    host_plan(of, EXO_PLAN_QUIET);
    *host_op(of, cell.code) = cell;
    (void)host_enter(of);
    const struct exo_completion *completion = host_completion(of);
    if (completion && result)
        result[0] = completion->result, result[1] = completion->more;
    if (completion)
        status = completion->status;
    while (host_completion(of)) {
    }
    return status;
}

static uint64_t get(struct env *of, struct exo_op cell)
{
    uint64_t result[2] = {0};
    ck_assert_int_eq(run(of, cell, result), 0);
    return result[0];
}

static uint64_t alloc(struct env *of, uint64_t count)
{
    return get(of, (struct exo_op){.code = EXO_ALLOC, .arg = {count, 0, EXO_ANY}});
}

static void slots(struct env *of, uint64_t count, uint64_t cells)
{
    (void)get(of, (struct exo_op){.code = EXO_SLOTS, .arg = {alloc(of, count), count, cells}});
}

static void tables(uint64_t address, unsigned highest)
{
    for (unsigned level = highest; level; level--)
        (void)get(child, (struct exo_op){.code = EXO_TABLE, .arg = {alloc(child, 1), address, level}});
}

static void spec_fill(uint64_t frame)
{
    struct exo_queue_spec *spec = frame_memory((frame_t){(uint32_t)frame});
    memset(spec, 0, sizeof *spec);
    spec->rx_count = spec->tx_count = 1;
    spec->rx[0].mask[0] = spec->tx[0].mask[0] = 0xff;
    spec->rx[0].value[0] = spec->tx[0].value[0] = 2;
}

static uint64_t queue_create(struct env *of, uint32_t parent, uint64_t frame, uint64_t buffer)
{
    spec_fill(buffer);
    return get(of, (struct exo_op){.code = EXO_QUEUE_CREATE, .handle = parent,
                                   .arg = {frame, EXO_BUF(buffer, 0, sizeof(struct exo_queue_spec))}});
}

static void world(void)
{
    refuse = 0;
    env = host_start_nic();
    slots(env, 8, 16);
    wide = queue_create(env, EXO_BOOT_NIC, alloc(env, 1), alloc(env, 1));
}

static void memory_fill(void)
{
    tables(BASE, 3);
    tables(EMPTY, 2);
    for (unsigned i = 0; i < 2; i++) {
        uint64_t frames_of = alloc(child, PAGES / (i + 1)), at = i ? FROZEN : BASE;
        (void)get(child, (struct exo_op){.code = EXO_MAP, .arg = {at, frames_of, PAGES / (i + 1), EXO_READ}});
    }
    (void)get(child, (struct exo_op){.code = EXO_FREEZE, .arg = {FROZEN, PAGES / 2}});
    loose = alloc(child, LOOSE);
    spec_fill(loose + 1);
    ((uint8_t *)frame_memory((frame_t){(uint32_t)loose + 3}))[PACKET_AT] = 2; /* one that may be sent */
}

static uint32_t copy_to(uint32_t of)
{
    return (uint32_t)get(env, (struct exo_op){.code = EXO_HANDLE_COPY, .handle = handle, .arg = {of}});
}

/* A child with a running child, one that is not started, a queue, both ends of a channel that is full. */
static void child_make(void)
{
    child = host_child(env, 460, 4, 16, &handle);
    child->places = 3, env->places = (uint16_t)(env->places - 3); /* host_child() gives none */
    (void)host_child(child, 110, 1, 4, &kid);
    bare = (uint32_t)get(child, (struct exo_op){.code = EXO_ENV_CREATE, .arg = {alloc(child, 5), 20, 0}});
    memory_fill();
    queue = copy_to((uint32_t)wide);
    console = (uint32_t)get(env, (struct exo_op){.code = EXO_CONSOLE_GRANT, .handle = handle,
                                                 .arg = {EXO_BOOT_CONSOLE, 'a', 0}});
    reader = copy_to(EXO_BOOT_CONSOLE);
    uint64_t ends[2] = {0};
    struct exo_op cell = {.code = EXO_CHANNEL_CREATE, .handle = handle, .arg = {alloc(child, 1), 1, 1}};
    ck_assert_int_eq(run(env, cell, ends), 0);
    receiver = (uint32_t)ends[1];
    sender = copy_to((uint32_t)ends[0]);
    (void)run(env, (struct exo_op){.code = EXO_HANDLE_DROP, .arg = {ends[0]}}, NULL);
    (void)get(env, (struct exo_op){.code = EXO_CPU_GIVE, .handle = handle, .arg = {4, 4}});
}

/* An operation as far as it will get: the arguments are good, and many steps of work where that can be. */
static struct exo_op cell_of(uint8_t code)
{
    uint64_t packet = EXO_BUF(loose + 3, 0, 1000), any = EXO_ANY;
    switch (code) {
    case EXO_NOP: return (struct exo_op){.arg = {5}};
    case EXO_ALLOC: return (struct exo_op){.arg = {60, 0, any}};
    case EXO_FREE: return (struct exo_op){.arg = {loose + 8, 50}};
    case EXO_GIVE: return (struct exo_op){.handle = kid, .arg = {loose + 8, 50}};
    case EXO_FREEZE: return (struct exo_op){.arg = {BASE, PAGES}};
    case EXO_THAW: return (struct exo_op){.arg = {FROZEN}};
    case EXO_TABLE: return (struct exo_op){.arg = {loose, EMPTY, 1}};
    case EXO_UNTABLE: return (struct exo_op){.arg = {EMPTY, 2}};
    case EXO_MAP: return (struct exo_op){.arg = {BASE + 0x80000, loose, LOOSE, EXO_READ | EXO_WRITE}};
    case EXO_SHARE: return (struct exo_op){.arg = {BASE + 0x100000, FROZEN, PAGES / 2, EXO_READ}};
    case EXO_UNMAP: return (struct exo_op){.arg = {BASE, PAGES}};
    case EXO_PROTECT: return (struct exo_op){.arg = {BASE, PAGES, EXO_READ | EXO_WRITE}};
    case EXO_SLOTS: return (struct exo_op){.arg = {loose, 3, 16}};
    case EXO_TIMER: return (struct exo_op){.arg = {EXO_NEVER}};
    case EXO_CANCEL: return (struct exo_op){.arg = {0, any}};
    case EXO_YIELD: return (struct exo_op){.handle = kid};
    case EXO_CONSOLE_WRITE: return (struct exo_op){.handle = console, .arg = {EXO_BUF(loose, 0, 1024)}};
    case EXO_CONSOLE_READ: return (struct exo_op){.handle = reader};
    case EXO_CONSOLE_GRANT: return (struct exo_op){.handle = kid, .arg = {console, 'b', 0}};
    case EXO_ENV_CREATE: return (struct exo_op){.arg = {loose, 5, 0}};
    case EXO_ENV_RINGS: return (struct exo_op){.handle = bare, .arg = {loose, loose, 1, loose, 1}};
    case EXO_ENV_START: return (struct exo_op){.handle = bare, .arg = {0x400000, 0x800000}};
    case EXO_ENV_KILL: case EXO_ENV_WAIT: return (struct exo_op){.handle = kid};
    case EXO_ENV_READ: return (struct exo_op){.handle = kid, .arg = {0x400000, packet}};
    case EXO_ENV_EXIT: return (struct exo_op){.arg = {EXO_STOP_EXIT}};
    case EXO_HANDLE_COPY: return (struct exo_op){.handle = kid, .arg = {queue}};
    case EXO_HANDLE_DROP: return (struct exo_op){.arg = {receiver}};
    case EXO_CPU_GIVE: return (struct exo_op){.handle = kid, .arg = {5, 2}};
    case EXO_QUEUE_CREATE:
        return (struct exo_op){.handle = queue, .arg = {loose, EXO_BUF(loose + 1, 0, sizeof(struct exo_queue_spec))}};
    case EXO_QUEUE_INFO: return (struct exo_op){.handle = queue};
    case EXO_NET_RX: return (struct exo_op){.handle = queue, .arg = {EXO_BUF(loose + 2, 4000, 1514)}};
    case EXO_NET_TX: return (struct exo_op){.handle = queue, .arg = {EXO_BUF(loose + 3, PACKET_AT, 1000)}};
    case EXO_POWER: return (struct exo_op){.handle = kid, .arg = {0x10}}; /* refused: the handle is not a machine */
    case EXO_ENV_INFO: return (struct exo_op){.arg = {0, packet}};
    case EXO_RECLAIM_WAIT: return (struct exo_op){.arg = {0}};
    case EXO_RECLAIM: return (struct exo_op){.handle = kid, .arg = {104, forced ? 0 : EXO_NEVER}};
    case EXO_SEND: return (struct exo_op){.handle = sender, .arg = {EXO_BUF(loose + 5, 0, 100), 1, 2}};
    case EXO_RECV: return (struct exo_op){.handle = receiver};
    case EXO_CHANNEL_CREATE: return (struct exo_op){.arg = {loose, 3, 2}};
    default: ck_abort_msg("operation %u is not killed by this test", code);
    }
}

static const uint8_t codes[] = {
#define EXO_X(number, NAME, name, h, a, b, c, d, e, r0, r1, r2, r3) EXO_##NAME,
    EXO_OPS(EXO_X)
#undef EXO_X
};

#define CODES (sizeof codes / sizeof codes[0])

/* Submits it and is called away after so many looks (0: never). */
static void start(uint8_t code, unsigned looks)
{
    struct exo_op cell = cell_of(code);
    cell.code = code;
    host_plan(child, 0);
    if (code == EXO_SEND) /* the second waits for room */
        *host_op(child, code) = (struct exo_op){.code = code, .handle = sender};
    *host_op(child, code) = cell;
    host_console[0] = 0;
    core_this()->current = child;
    core_this()->attention = 0;
    host_attention = looks;
    env_enter(child, host_built(child), 0, 0);
    (void)env_continue(child);
    host_attention = core_this()->attention = 0;
    host_check();
}

static struct account {
    uint32_t used, limit, reserved, free, slots, places, handles;
} before;

static struct account account(void)
{
    struct account now = {env->frames_used, env->frames_limit, env->frames_reserved, frames_free,
                          env->cpu_slots,   env->places,       0};
    for (unsigned i = 0; i < HANDLES_MAX; i++)
        now.handles += env->handles[i].kind != K_NONE;
    return now;
}

static void device_done(void)
{
    host_nic_done = 10;
    (void)nic_poll();
    host_nic_done = 0;
}

static void child_kill(bool looked_at)
{
    unsigned steps = 0;
    bool waited = false;
    while (!env_destroy_step(child)) {
        if (looked_at)
            host_check();
        if (++steps == 2000) { /* a packet is with the device, and its frames stay until it is done */
            ck_assert(!waited && frames[loose + 3].pins > 0);
            waited = true, steps = 0;
            device_done();
        }
    }
    device_done(); /* it would say so if it still had something of the dead */
    handle_drop(&env->handles[handle & 0xffff]);
    host_check();
    struct account now = account();
    ck_assert_mem_eq(&now, &before, sizeof now);
}

/* ---- tests ------------------------------------------------------------------------------------ */

START_TEST(killed_at_every_step)
{
    uint8_t code = codes[_i];
    world();
    child_make(); /* the first may leave something behind that the first program keeps, like a longer handle table */
    before = account();
    env_destroy_step(child);
    while (!env_destroy_step(child)) {
    }
    handle_drop(&env->handles[handle & 0xffff]);
    before = account();
    for (unsigned looks = 0; looks < 28; looks++) {
        forced = looks < 14;
        child_make();
        start(code, looks % 14);
        child_kill(true);
    }
}
END_TEST

/* Which operations wait in this test; so that one that stops waiting here is noticed. */
START_TEST(these_wait)
{
    static const uint8_t waiting[] = {EXO_TIMER, EXO_ENV_WAIT, EXO_NET_RX, EXO_NET_TX, EXO_RECLAIM_WAIT,
                                      EXO_SEND, EXO_RECV, EXO_RECLAIM, EXO_CONSOLE_READ};
    world();
    for (unsigned i = 0; i < sizeof waiting; i++) {
        child_make();
        start(waiting[i], 0);
        bool parked = false;
        for (uint32_t f = child->owned; f != FRAME_NONE; f = frames[f].next) {
            if (frames[f].kind != KIND_SLOTS || slots_base(&frames[f]) != f)
                continue;
            struct plan *plan = frame_memory((frame_t){f});
            uint64_t size = plan_slot_bytes(slots_class(&frames[f]));
            for (uint64_t at = 0; at + size <= slots_frames(&frames[f]) * (uint64_t)EXO_PAGE_SIZE; at += size) {
                plan = (struct plan *)(void *)((char *)frame_memory((frame_t){f}) + at);
                unsigned last = plan->admitted ? plan->cells - 1u : 0;
                parked |= plan->admitted && plan->op[last].state == OP_PARKED;
            }
        }
        ck_assert_msg(parked, "operation %u does not wait", waiting[i]);
        device_done();
        while (!env_destroy_step(child)) {
        }
        handle_drop(&env->handles[handle & 0xffff]);
    }
}
END_TEST

START_TEST(ten_thousand)
{
    world();
    child_make();
    before = account();
    while (!env_destroy_step(child)) {
    }
    handle_drop(&env->handles[handle & 0xffff]);
    before = account();
    for (unsigned cycle = 0; cycle < 10000; cycle++) {
        child = host_child(env, 100, 2, 16, &handle);
        loose = alloc(child, 20);
        if (cycle % 3 == 0)
            (void)run(child, (struct exo_op){.code = EXO_TIMER, .arg = {EXO_NEVER}}, NULL);
        if (cycle % 5 == 0)
            (void)run(child, (struct exo_op){.code = EXO_RECLAIM_WAIT}, NULL);
        if (cycle % 7 == 0)
            tables(BASE, 3);
        while (!env_destroy_step(child)) {
        }
        handle_drop(&env->handles[handle & 0xffff]);
        struct account now = account();
        ck_assert_mem_eq(&now, &before, sizeof now);
        if (cycle % 500 == 0)
            host_check();
    }
    host_check();
}
END_TEST

/* Every operation once, one after the other, with the taking number `refuse` refused. True if there was one. */
static bool spoiled(unsigned which)
{
    child_make();
    takings = 0, refuse = which;
    for (unsigned i = 0; i < 2 * CODES; i++) /* the second time much fails by itself, with something taken */
        if (codes[i % CODES] != EXO_ENV_EXIT)
            start(codes[i % CODES], 0);
    (void)run(env, (struct exo_op){.code = EXO_RECLAIM, .handle = handle, .arg = {40, 0}}, NULL);
    while (host_completion(env)) {
    }
    bool hit = takings >= refuse;
    refuse = 0;
    device_done();
    child_kill(false);
    return hit;
}

START_TEST(every_taking_refused)
{
    unsigned which = 1;
    world();
    child_make();
    while (!env_destroy_step(child)) {
    }
    handle_drop(&env->handles[handle & 0xffff]);
    before = account();
    while (spoiled(which))
        which++;
    ck_assert_uint_gt(which, 30); /* there are at least so many */
}
END_TEST

/* No slot is left: a plan is refused whole, and goes when there is one. */
START_TEST(every_slot_taken)
{
    world();
    child_make();
    for (unsigned n = 0; n < 20; n++)
        (void)run(child, (struct exo_op){.code = EXO_TIMER, .arg = {EXO_NEVER}}, NULL);
    for (unsigned i = 0; i < CODES; i++) {
        struct exo_op cell = cell_of(codes[i]);
        cell.code = codes[i];
        ck_assert_int_eq(run(child, cell, NULL), -EXO_E_NO_SLOT);
        host_check();
    }
    while (!env_destroy_step(child))
        host_check();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("life");
    TCase *tests = tcase_create("life");
    tcase_set_timeout(tests, 50);
    tcase_add_loop_test(tests, killed_at_every_step, 0, CODES);
    tcase_add_test(tests, these_wait);
    tcase_add_test(tests, ten_thousand);
    tcase_add_test(tests, every_taking_refused);
    tcase_add_test(tests, every_slot_taken);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
