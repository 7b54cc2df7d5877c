/* SPDX-License-Identifier: MIT */
/* The surroundings of an attack: see world.h. Whatever fails here is a failure of the test. */
#include "world.h"

#include <libos/channel.h>
#include <libos/clock.h>
#include <stdlib.h>

#include "../attack.h"

#define RW (EXO_READ | EXO_WRITE)
#define PATTERN 0x5a5aa5a512344321ull

struct world world;

struct account {
    uint64_t used, limit, places, slots;
};
static struct account before, during;

static struct account account_now(void)
{
    return (struct account){PLAN_INFO->frames_used, PLAN_INFO->frames_limit, PLAN_INFO->places, PLAN_INFO->cpu_slots};
}

static bool account_equal(const struct account *a, const struct account *b)
{
    return a->used == b->used && a->limit == b->limit && a->places == b->places && a->slots == b->slots;
}

/* An operation that starts when the one before it has ended, however. */
static unsigned step(struct plan *plan, uint8_t code, uint32_t handle, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
                     uint64_t e)
{
    struct exo_op *op = plan_op(plan, code);
    if (op->after)
        op->flags |= EXO_START_ENDED;
    op->handle = handle;
    op->arg[0] = a, op->arg[1] = b, op->arg[2] = c, op->arg[3] = d, op->arg[4] = e;
    return plan->count - 1u;
}

#define STEP(plan, NAME, handle, a, b, c, d) step(plan, EXO_##NAME, handle, a, b, c, d, 0)

static void must(struct plan *plan, const char *what)
{
    int error = plan_run(plan);
    if (error < 0) {
        libos_log("DOES NOT HOLD: %s can be made: %s", what, exo_error_text(error));
        exit(1);
    }
}

static void make_memory(void)
{
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    uint64_t run = world.run;
    for (unsigned level = 3; level >= 1; level--)
        STEP(plan, TABLE, 0, run + RUN_TABLES + level - 1, SPARE, level, 0);
    STEP(plan, TABLE, 0, run + RUN_TABLES + 3, AT_TABLE, 1, 0);
    STEP(plan, MAP, 0, AT_MAPPED, run + RUN_MAPPED, 1, RW);
    STEP(plan, MAP, 0, AT_FROZEN, run + RUN_FROZEN, 1, EXO_READ);
    STEP(plan, MAP, 0, AT_SHARED, run + RUN_SHARED, 1, EXO_READ);
    STEP(plan, FREEZE, 0, AT_FROZEN, 2, 0, 0);
    STEP(plan, SHARE, 0, AT_SHARED + PAGE, AT_SHARED, 1, EXO_READ);
    must(plan, "memory");
    *(volatile uint64_t *)AT_MAPPED = PATTERN;
}

static void make_objects(void)
{
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    uint64_t run = world.run;
    unsigned fresh = STEP(plan, ENV_CREATE, 0, run + RUN_FRESH, 40, 1, 0);
    unsigned ready = STEP(plan, ENV_CREATE, 0, run + RUN_READY, 20, 0, 0);
    unsigned stopped = STEP(plan, ENV_CREATE, 0, run + RUN_STOPPED, 20, 0, 0);
    unsigned carved = STEP(plan, QUEUE_CREATE, world.queue, run + RUN_QUEUE,
                           EXO_BUF(world.buffer + 1, 0, sizeof(struct exo_queue_spec)), 0, 0);
    unsigned channel = STEP(plan, CHANNEL_CREATE, 0, run + RUN_CHANNEL, 4, 1, 0);
    plan_nop(plan, (struct word_ref){{EXO_REF(channel, 1, 0), (int16_t)channel, 1}});
    must(plan, "children, a queue and a channel");
    world.fresh = (uint32_t)plan->results[fresh].value;
    world.ready = (uint32_t)plan->results[ready].value;
    world.stopped = (uint32_t)plan->results[stopped].value;
    world.carved = (uint32_t)plan->results[carved].value;
    world.sender = (uint32_t)plan->results[channel].value;
    world.receiver = (uint32_t)plan->results[channel + 1].value;
}

static void rings(struct plan *plan, uint32_t child, uint64_t frame)
{
    STEP(plan, GIVE, child, frame, 3, 0, 0);
    step(plan, EXO_ENV_RINGS, child, frame, frame + 1, 1, frame + 2, 1);
}

/* The stopped one has run: its first instruction faults, and it has no entry for upcalls. */
static void make_lives(void)
{
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    uint64_t run = world.run;
    STEP(plan, GIVE, world.fresh, run + RUN_GIVEN, RUN_GIVEN_COUNT, 0, 0);
    rings(plan, world.ready, run + RUN_READY_RINGS);
    rings(plan, world.stopped, run + RUN_STOPPED_RINGS);
    STEP(plan, ENV_START, world.stopped, 0x1000, 0x2000, 0, 0);
    STEP(plan, ENV_WAIT, world.stopped, 0, 0, 0, 0);
    STEP(plan, SEND, world.sender, EXO_BUF(run + RUN_MESSAGE, 0, 100), 1, 2, 0);
    must(plan, "lives");
}

void world_make(void)
{
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    before = account_now();
    unsigned all = STEP(plan, ALLOC, 0, RUN_COUNT, 0, EXO_ANY, 0);
    must(plan, "frames");
    world.run = plan->results[all].value;
    make_memory();
    make_objects();
    make_lives();
    during = account_now();
}

/* What the operation that was attacked may have left, by what it does. */
static void undo(struct plan *plan, const struct exo_op *op, int status, uint64_t result,
                 uint64_t second)
{
    if (status == 0 && op->code == EXO_ALLOC)
        STEP(plan, FREE, 0, result, op->arg[0], 0, 0);
    if (status == 0 && op->code == EXO_ENV_CREATE)
        STEP(plan, ENV_KILL, (uint32_t)result, 0, 0, 0, 0);
    if (status == 0 && (op->code == EXO_QUEUE_CREATE || op->code == EXO_CHANNEL_CREATE))
        STEP(plan, HANDLE_DROP, 0, result, 0, 0, 0);
    if (status == 0 && op->code == EXO_CHANNEL_CREATE && !op->handle) /* else the second handle is a child's */
        STEP(plan, HANDLE_DROP, 0, second, 0, 0, 0);
    if (status == 0 && op->code == EXO_TABLE && !op->handle)
        STEP(plan, UNTABLE, 0, op->arg[1], op->arg[2], 0, 0);
}

bool world_unmake(const struct exo_op *op, int status, uint64_t result, uint64_t second)
{
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    undo(plan, op, status, result, second);
    STEP(plan, ENV_KILL, world.fresh, 0, 0, 0, 0);
    plan_run(plan);
    plan = plan_begin(&buffer);
    STEP(plan, ENV_KILL, world.ready, 0, 0, 0, 0);
    plan_run(plan);
    plan = plan_begin(&buffer);
    STEP(plan, ENV_KILL, world.stopped, 0, 0, 0, 0);
    plan_run(plan);
    plan = plan_begin(&buffer);
    STEP(plan, HANDLE_DROP, 0, world.carved, 0, 0, 0);
    STEP(plan, HANDLE_DROP, 0, world.receiver, 0, 0, 0);
    STEP(plan, HANDLE_DROP, 0, world.sender, 0, 0, 0);
    STEP(plan, UNMAP, 0, SPARE, 1024, 0, 0);
    STEP(plan, UNTABLE, 0, AT_TABLE, 1, 0, 0);
    for (unsigned level = 1; level <= 3; level++)
        STEP(plan, UNTABLE, 0, SPARE, level, 0, 0);
    for (unsigned i = 0; i < RUN_COUNT; i++)
        STEP(plan, FREE, 0, world.run + i, 1, 0, 0);
    plan_run(plan);
    struct account after = account_now();
    return account_equal(&before, &after);
}

bool world_untouched(void)
{
    struct account now = account_now();
    return account_equal(&during, &now) && *(volatile uint64_t *)AT_MAPPED == PATTERN;
}

/* ---- what stays ------------------------------------------------------------------------------ */

/* The frame behind an address of the program: unmapped and mapped again in one plan. */
static uint64_t frame_behind(uint64_t address, unsigned perm)
{
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    struct frame_ref frame = plan_unmap(plan, env_self(), address, 1);
    plan_map(plan, env_self(), address, frame, 1, perm);
    must(plan, "a look at one's own frames");
    return plan_value(plan, frame);
}

static void spec_fill(struct exo_queue_spec *spec)
{
    memset(spec, 0, sizeof(*spec));
    spec->rx_count = spec->tx_count = 1;
    memset(spec->rx[0].mask, 0xff, 6);
    memcpy(spec->rx[0].value, start_info()->mac, 6);
    memset(spec->tx[0].mask + 6, 0xff, 6);
    memcpy(spec->tx[0].value + 6, start_info()->mac, 6);
    for (unsigned i = 12; i < 14; i++) {
        spec->rx[0].mask[i] = spec->tx[0].mask[i] = 0xff;
        spec->rx[0].value[i] = spec->tx[0].value[i] = i == 12 ? 0x88 : 0xb5;
    }
}

static uint64_t pin_one(void)
{
    uint64_t frame = 0;
    static struct plan_run run;
    static struct plan_buffer buffer;
    if (!mem_map_run(1, &frame))
        exit(2);
    struct plan *plan = plan_begin(&buffer);
    STEP(plan, NET_RX, world.queue, EXO_BUF(frame, 0, 2000), 0, 0, 0);
    plan_run_start(plan, &run);
    return frame;
}

static uint64_t slots_donate(void)
{
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    struct frame_ref frame = plan_alloc(plan, 1, 0);
    plan_slots(plan, env_self(), frame, 1, 4);
    must(plan, "plan slots");
    return plan_value(plan, frame);
}

/* Which CPU slot is the program's: the one that it can give to a child. */
static uint64_t slot_find(void)
{
    uint64_t slot = 0;
    world_make();
    while (slot < EXO_CPU_SLOTS &&
           run_cell((struct exo_op){.code = EXO_CPU_GIVE, .handle = world.fresh, .arg = {slot, 1}}) < 0)
        slot++;
    holds("a CPU slot of one's own", slot < EXO_CPU_SLOTS);
    holds("the world comes and goes", world_unmake(&(struct exo_op){.code = EXO_NOP}, 0, 0, 0));
    return slot;
}

/* It has its memory, checks it, and says where it is. */
static void victim_await(void)
{
    struct channel_message message = {0};
    uint32_t ready = channel_receiver("ready");
    holds("the victim is ready", ready && channel_receive(ready, &message) == 0);
    holds("its channel ends", run_cell((struct exo_op){.code = EXO_HANDLE_DROP, .arg = {ready}}) == 0);
    world.victim = message.word[0];
}

/* A frame that is nobody's, in the middle of the largest piece of free memory that there is, where it stays so. */
static void nobodys_find(void)
{
    int error = -EXO_E_NO_FRAMES;
    for (unsigned align = 10; align > 6 && error == -EXO_E_NO_FRAMES; align--) {
        struct plan_buffer buffer;
        struct plan *plan = plan_begin(&buffer);
        struct frame_ref frame = plan_alloc(plan, 1, align);
        plan_free(plan, frame, 1);
        error = plan_run(plan);
        world.nobodys = plan_value(plan, frame) + (1u << (align - 1));
    }
    holds("there is free memory", error == 0);
}

void world_open(void)
{
    victim_await();
    nobodys_find();
    world.console = start_info()->console;
    world.queue = start_info()->queue;
    world.buffer_memory = mem_map_run(2, &world.buffer);
    if (!world.buffer_memory || !world.queue || plan_slots_add(64, 3) < 0 || plan_slots_add(16, 12) < 0)
        exit(2);
    memset(world.buffer_memory, 0xff, 6);
    memcpy(world.buffer_memory + 6, start_info()->mac, 6);
    world.buffer_memory[12] = 0x88, world.buffer_memory[13] = 0xb5;
    spec_fill((struct exo_queue_spec *)(void *)(world.buffer_memory + EXO_PAGE_SIZE));
    world.pinned = pin_one();
    world.slots = slots_donate();
    world.control = frame_behind(LIBOS_CONTROL, RW);
    world.sq = frame_behind(LIBOS_SQ, RW);
    world.cq = frame_behind(LIBOS_CQ, EXO_READ);
    world.info = frame_behind(LIBOS_INFO, EXO_READ);
    world.top = world.info + 1; /* EXO_ENV_FRAMES: environment, handles, vector state, info page, top table */
    world.slot_number = slot_find();
}
