/* SPDX-License-Identifier: MIT */
/* Children that will not give memory back: see lives.h. */
#include "lives.h"

#include "../../guest/kernel/lives.h"

uint32_t life_queue, life_pipe;
uint64_t life_frames, life_wrong;

void life_take(void)
{
    life_frames = frames_take(LIFE_PAGES);
    if (OP(MAP, LIFE_MEMORY, life_frames, LIFE_PAGES, RW) < 0)
        child_exit(1000);
    for (uint64_t i = 0; i < LIFE_PAGES; i++)
        *(volatile uint64_t *)(LIFE_MEMORY + i * PAGE) = LIFE_EVIL;
    CONTROL->spare = LIFE_MEMORY;
}

void life_ready(uint64_t still_owned) { say(life_frames, still_owned); }

bool life_robbed(void) { return INFO->taken_tail > 0; }

bool life_listed(uint64_t address)
{
    for (uint64_t i = 0; i < INFO->taken_tail; i++)
        if (address >= INFO->taken[i].first && address < INFO->taken[i].first + INFO->taken[i].count * PAGE)
            return true;
    return false;
}

void life_rest(uint64_t us) { OP(TIMER, tick_after_us(us)); }

void life_unmap(void)
{
    if (OP(UNMAP, LIFE_MEMORY, LIFE_PAGES) < 0)
        child_exit(1001);
}

/* ---- those that put it where force does not reach --------------------------------------------------------- */

void maps_twice(uint64_t n)
{
    life_take();
    life_wrong += OP(MAP, SECOND, life_frames, LIFE_PAGES, EXO_READ) != 0;
    life_ready(life_wrong ? 0 : LIFE_PAGES);
    life_sleep(n);
}

void posts_to_device(uint64_t n)
{
    struct plan_buffer buffer;
    life_take();
    struct plan *plan = plan_begin(&buffer);
    plan_unordered(plan, true);
    for (unsigned i = 0; i < LIFE_PAGES; i += 2) /* a packet's length in each: both frames are pinned */
        plan_net_rx(plan, handle_number(life_queue), EXO_BUF(life_frames + i, PAGE - 500, 1500));
    plan_submit(plan);
    life_ready(LIFE_PAGES);
    life_sleep(n);
}

void makes_tables(uint64_t n)
{
    life_take();
    life_unmap();
    for (uint64_t i = 0; i < LIFE_PAGES; i++)
        if (OP(TABLE, life_frames + i, TABLES_AT + (i << 21), 1) < 0)
            child_exit(1005);
    life_ready(0);
    life_sleep(n);
}

void makes_slots(uint64_t n)
{
    life_take();
    life_unmap();
    for (uint64_t i = 0; i < LIFE_PAGES; i += 16)
        if (OP(SLOTS, life_frames + i, 16, 64) < 0)
            child_exit(1006);
    life_ready(0);
    life_sleep(n);
}

static void send_all(struct plan *plan, uint32_t channel)
{
    for (unsigned i = 0; i < LIFE_PAGES; i += 4)
        plan_send(plan, handle_number(channel), buffer_number(EXO_BUF(life_frames + i, 0, 4 * PAGE)), word_number(i), word_number(0));
}

static void sends(unsigned places)
{
    struct plan_buffer buffer;
    life_take();
    life_unmap();
    if (OP(CHANNEL_CREATE, frames_take(1), places, 4) < 0)
        child_exit(1007);
    struct plan *plan = plan_begin(&buffer);
    plan_unordered(plan, true);
    send_all(plan, (uint32_t)op_result[0]);
    plan_submit(plan);
    life_ready(0);
}

void sends_to_itself(uint64_t n) { sends(LIFE_PAGES / 4), life_sleep(n); }
void waits_in_full_channel(uint64_t n) { sends(1), life_sleep(n); }

void reserves(uint64_t n)
{
    struct plan_buffer buffer;
    life_take();
    life_unmap();
    OP(FREE, life_frames, LIFE_PAGES);
    struct plan *plan = plan_begin(&buffer);
    plan_timer(plan, tick_number(EXO_NEVER - 1));
    plan_alloc(plan, LIFE_PAGES, 0);
    plan_submit(plan);
    life_ready(0);
    life_sleep(n);
}

static uint32_t child_make(uint32_t quota)
{
    if (OP(ENV_CREATE, frames_take(EXO_ENV_FRAMES), quota, 0) < 0)
        child_exit(1008);
    return (uint32_t)op_result[0];
}

void hoards_in_child(uint64_t n)
{
    life_take();
    life_unmap();
    if (OP_ON(child_make(EXO_ENV_FRAMES + LIFE_PAGES), GIVE, life_frames, LIFE_PAGES) < 0)
        child_exit(1009);
    life_ready(0);
    life_sleep(n);
}

/* ---- those that answer ------------------------------------------------------------------------------------- */

void gives_to_child(uint64_t n)
{
    struct plan_buffer buffer;
    life_take();
    uint32_t child = child_make(EXO_ENV_FRAMES + LIFE_PAGES);
    struct plan *plan = plan_begin(&buffer);
    plan_reclaim_wait(plan);
    plan_unmap(plan, env_self(), LIFE_MEMORY, LIFE_PAGES);
    plan_give(plan, handle_number(child), frame_number(life_frames), LIFE_PAGES);
    plan_submit(plan);
    life_ready(LIFE_PAGES);
    life_sleep(n);
}

void gives_to_friend(uint64_t n)
{
    struct plan_buffer buffer;
    life_take();
    struct plan *plan = plan_begin(&buffer);
    plan_reclaim_wait(plan);
    plan_unmap(plan, env_self(), LIFE_MEMORY, LIFE_PAGES);
    send_all(plan, life_pipe);
    plan_submit(plan);
    life_ready(LIFE_PAGES);
    life_sleep(n);
}

void ends_when_asked(uint64_t n)
{
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    life_take();
    plan_reclaim_wait(plan);
    plan_env_exit(plan, EXO_STOP_EXIT, 0, 0);
    plan_submit(plan);
    life_ready(LIFE_PAGES);
    life_sleep(n);
}

void friend_takes(uint64_t n)
{
    (void)n;
    for (unsigned i = 0; i < LIFE_PAGES; i += 4) {
        int error = OP_ON(life_pipe, RECV, 0);
        uint64_t frame = op_result[3];
        if (error < 0 || OP(MAP, LIFE_MEMORY + i * PAGE, frame, 4, RW) < 0)
            child_exit(1010);
        life_frames = i == 0 ? frame : life_frames;
    }
    CONTROL->spare = LIFE_MEMORY;
    life_ready(LIFE_PAGES);
    life_touch();
}
