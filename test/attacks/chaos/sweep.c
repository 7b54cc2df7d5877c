/* SPDX-License-Identifier: MIT */
/* The playground of random plans: laid out, and swept until nothing is left of what they did. */
#include <libos/log.h>
#include <libos/mem.h>
#include <libos/start.h>
#include <stdlib.h>
#include <string.h>

#include "chaos.h"

#define FRAMES_MAX 65536u
#define SPARE_RUN 15u

struct known known;
static uint8_t seen[FRAMES_MAX / 8]; /* frames that were ever the program's to play with */

uint64_t list_take(struct list *list)
{
    if (list->count > LIST_MAX)
        list->count = LIST_MAX;
    return list->entry[--list->count];
}

/* What is fine to fail: much of it is gone, or was never there. */
static void try_all(struct plan *plan)
{
    if (plan->count)
        (void)plan_run(plan);
}

void frames_note(uint64_t first, uint64_t count)
{
    for (uint64_t i = first; i < first + count && i < FRAMES_MAX; i++)
        seen[i / 8] |= (uint8_t)(1u << i % 8);
    for (uint64_t i = first; i < first + count && i < first + 8; i++)
        list_add(&known.frames, i);
}

static void pause_us(uint64_t us)
{
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    plan_timer(plan, tick_number(__builtin_ia32_rdtsc() + PLAN_INFO->tick_hz / 1000000 * us));
    try_all(plan);
}

static bool playground_make(void)
{
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    struct frame_ref run = plan_alloc(plan, SPARE_RUN, 0);
    for (unsigned level = 3; level >= 1; level--)
        plan_table(plan, env_self(), frame_plus(run, (int32_t)level), PLAY, level);
    bool made = plan_run(plan) == 0;
    if (plan_status(plan, run) == 0 && plan_value(plan, run))
        frames_note(plan_value(plan, run), SPARE_RUN);
    return made;
}

static void handles_drop(struct list *list)
{
    while (list->count) {
        struct plan_buffer buffer;
        struct plan *plan = plan_begin(&buffer);
        plan_unordered(plan, true);
        while (list->count && plan->count < EXO_PLAN_MAX)
            plan_handle_drop(plan, handle_number((uint32_t)list_take(list)));
        try_all(plan);
    }
}

static void children_kill(void)
{
    while (known.children.count) {
        struct plan_buffer buffer;
        struct plan *plan = plan_begin(&buffer);
        plan_env_kill(plan, handle_number((uint32_t)list_take(&known.children)));
        try_all(plan);
    }
}

/* Few at a time: there is always room for a small plan. What a device holds ends later. */
void plans_cancel(void)
{
    completion_dispatch();
    for (unsigned tries = known.plans.count; known.plans.count && tries; tries--) {
        struct plan_buffer buffer;
        struct plan *plan = plan_begin(&buffer);
        plan_unordered(plan, true);
        for (unsigned i = 0; i < 4 && i < known.plans.count; i++)
            plan_cancel(plan, word_number(known.plans.entry[i]), EXO_ANY);
        try_all(plan);
    }
}

static void playground_unmake(void)
{
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    plan_unordered(plan, true);
    plan_unmap(plan, env_self(), PLAY, PLAY_LEAVES * 512);
    try_all(plan);
    plan = plan_begin(&buffer);
    plan_unordered(plan, true);
    for (unsigned i = 0; i < PLAY_LEAVES; i++)
        plan_untable(plan, env_self(), PLAY + i * 512 * PAGE, 1);
    try_all(plan);
    for (unsigned level = 2; level <= 3; level++) {
        plan = plan_begin(&buffer);
        plan_untable(plan, env_self(), PLAY, level);
        try_all(plan);
    }
    plan = plan_begin(&buffer);
    plan_unmap(plan, env_self(), EXO_USER_END - PAGE, 1);
    try_all(plan);
    for (unsigned level = 1; level <= 3; level++) {
        plan = plan_begin(&buffer);
        plan_untable(plan, env_self(), EXO_USER_END - PAGE, level);
        try_all(plan);
    }
}

static void frames_free(void)
{
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    for (unsigned i = 0; i < FRAMES_MAX; i++) {
        if (seen[i / 8] >> i % 8 & 1) {
            plan_unordered(plan, true);
            plan_free(plan, frame_number(i), 1);
        }
        if (plan->count == EXO_PLAN_MAX || i == FRAMES_MAX - 1) {
            try_all(plan);
            plan = plan_begin(&buffer);
        }
    }
    known.frames.count = 0;
    /* They stay noted: one that is still held (BUSY) or still with another (FRAME) may be the program's again later. */
}

/* Frames that the program has, but for plan slots: those that it donates are gone for good. */
static uint64_t frames_used(void)
{
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    plan_env_info(plan, env_self(), 0, EXO_BUF(known.packet + 2, 0, sizeof(struct exo_account)));
    must("ENV_INFO", plan_run(plan) == 0);
    const struct exo_account *account = (const struct exo_account *)(void *)(known.memory + 2 * PAGE);
    return account->used - account->slots;
}

static void account_say(uint64_t used, uint64_t usual)
{
    const struct exo_account *account = (const struct exo_account *)(void *)(known.memory + 2 * PAGE);
    libos_log("%u frames and not %u: owned %u, frozen %u, tables %u, queues %u, channels %u, places %u, other %u, plans %u",
              (unsigned)used, (unsigned)usual, account->owned, account->frozen, account->tables, account->queues,
              account->channels, account->places, account->other, account->plans);
}

static void sweep_once(uint64_t us)
{
    plans_cancel();
    children_kill();
    handles_drop(&known.queues);
    handles_drop(&known.senders);
    handles_drop(&known.receivers);
    pause_us(us); /* what the device still had */
    playground_unmake();
    frames_free();
}

void sweep(void)
{
    static uint64_t usual, sweeps;
    uint64_t used = 0;
    bool good = false;
    sweeps++;
    for (uint64_t us = 1000; us < 2000000 && !good; us *= 2) { /* again while a device holds something */
        sweep_once(us);
        used = frames_used();
        good = known.plans.count == 0 && (sweeps == 1 || used == usual) && playground_make();
    }
    if (sweeps == 1)
        usual = used;
    if (!good)
        account_say(used, usual);
    must("nothing is under way, the account is as it was, and there is room for a playground", good);
}

/* ---- once ------------------------------------------------------------------------------------------ */

static void spec_fill(struct exo_queue_spec *spec)
{
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

/* Pages of the program that come when they are touched come now: a frame that a random plan has freed and another still
 * names never becomes the program's own memory. */
static void pages_touch(void)
{
    uint8_t stack[32 * EXO_PAGE_SIZE];
    for (volatile uint8_t *at = stack; at < stack + sizeof(stack); at += 64)
        *at = 1;
    memset(seen, 0, sizeof(seen));
}

void world_open(void)
{
    struct plan_buffer buffer;
    PLAN_CONTROL->want = 0; /* completions come when this program asks for them, not in the midst of it */
    pages_touch();
    known.console = start_info()->console;
    known.queue = start_info()->queue;
    known.memory = mem_map_run(3, &known.packet);
    if (!known.memory || plan_slots_add(4, 16) < 0 || plan_slots_add(16, 48) < 0 || plan_slots_add(64, 3) < 0)
        exit(2);
    memset(known.memory, 0, 3 * PAGE);
    memset(known.memory, 0xff, 6);
    memcpy(known.memory + 6, start_info()->mac, 6);
    known.memory[12] = 0x88, known.memory[13] = 0xb5;
    spec_fill((struct exo_queue_spec *)(void *)(known.memory + PAGE));
    struct plan *plan = plan_begin(&buffer);
    for (unsigned level = 3; level >= 1; level--)
        plan_table(plan, env_self(), plan_alloc(plan, 1, 0), WINDOW, level);
    must("the window", plan_run(plan) == 0);
    must("the first playground", playground_make());
}
