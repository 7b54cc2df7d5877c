/* SPDX-License-Identifier: MIT */
/* Children that try to get back what was taken from them, and to keep it from being taken: see lives.h. */
#include "lives.h"

static void packets_send(void)
{
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    plan_unordered(plan, true);
    for (unsigned i = 0; i < 16; i++) {
        uint64_t word = EXO_BUF(life_frames + i * 4, 0, 1000);
        plan_net_tx(plan, life_queue, &word, 1, 0);
    }
    bool lost[16], before = life_robbed();
    for (unsigned i = 0; i < 16; i++)
        lost[i] = life_listed(LIFE_MEMORY + i * 4 * PAGE);
    plan_run(plan);
    for (unsigned i = 0; i < 16; i++) {
        int error = plan->results[i].status;
        life_wrong += before && lost[i] ? error != -EXO_E_FRAME : error != 0 && !life_robbed();
    }
}

/* Its frames are in a device's hands all the time. */
void sends_packets(uint64_t n)
{
    (void)n;
    life_take();
    for (unsigned i = 0; i < LIFE_PAGES; i++) {
        uint8_t *packet = (uint8_t *)(LIFE_MEMORY + i * PAGE);
        memset(packet, 0xff, 6);
        memcpy(packet + 6, start_info()->mac, 6);
        packet[12] = 0x88, packet[13] = 0xb5; /* an EtherType for experiments */
    }
    life_ready(LIFE_PAGES);
    for (unsigned after = 0; after < 10; after += life_robbed())
        packets_send();
    child_exit(life_wrong);
}

/* Whatever comes free it takes at once: by a plan that it leaves behind, and by itself. */
void takes_again(uint64_t n)
{
    (void)n;
    struct plan_buffer buffer;
    life_take();
    life_ready(LIFE_PAGES);
    struct plan *plan = plan_begin(&buffer);
    plan_flags(plan, EXO_PLAN_STANDING | EXO_PLAN_QUIET, NULL);
    plan_quiet(plan, true);
    plan_timer_every(plan, tick_number(tick_after_us(50)), ticks_of_us(50));
    plan_alloc(plan, 1, 0);
    plan_submit(plan);
    while (!life_robbed()) { /* what was squeezed out of it, and what it gives up itself */
        OP(ALLOC, 1, 0, EXO_ANY);
        OP(UNMAP, LIFE_MEMORY + 63 * PAGE, 1);
        life_wrong += OP(MAP, LIFE_MEMORY + 63 * PAGE, life_frames + 63, 1, RW) != 0 && !life_robbed();
    }
    for (unsigned i = 0; i < 1000; i++)
        life_wrong += OP(ALLOC, 1, 0, EXO_ANY) != -EXO_E_QUOTA;
    child_exit(life_wrong);
}

/* The frame and the page that are gone, in every operation that there is for them. */
static void name_lost(uint64_t frame, uint64_t address)
{
    const int F = -EXO_E_FRAME, A = -EXO_E_ABSENT;
    life_wrong += OP(MAP, SECOND, frame, 1, EXO_READ) != F;
    life_wrong += OP(MAP, SECOND, frame, 1, RW) != F;
    life_wrong += OP(FREE, frame, 1) != F;
    life_wrong += OP(TABLE, frame, TABLES_AT, 1) != F;
    life_wrong += OP(SLOTS, frame, 1, 4) != F;
    life_wrong += OP(ENV_CREATE, frame, 5, 0) != F;
    life_wrong += OP(CHANNEL_CREATE, frame, 1, 0) != F;
    life_wrong += OP(SEND, EXO_BUF(frame, 0, 1)) == 0;
    life_wrong += OP_ON(life_queue, NET_RX, EXO_BUF(frame, 0, 2000)) != F;
    life_wrong += OP_ON(life_queue, NET_TX, EXO_BUF(frame, 0, 60)) != F;
    life_wrong += OP_ON(life_queue, QUEUE_CREATE, frame, EXO_BUF(frame, 0, sizeof(struct exo_queue_spec))) != F;
    life_wrong += OP(ENV_INFO, 0, EXO_BUF(frame, 0, sizeof(struct exo_account))) != F;
    life_wrong += OP(FREEZE, address, 1) != A;
    life_wrong += OP(THAW, address) != A;
    life_wrong += OP(SHARE, SECOND, address, 1, EXO_READ) != A;
    life_wrong += op_run((struct exo_op){ .code = EXO_NET_TX, .flags = EXO_VPAGE, .handle = life_queue,
                                     .arg = { EXO_BUF(address >> EXO_PAGE_SHIFT, 0, 60) } }) != F;
    life_wrong += OP(PROTECT, address, 1, RW) != 0 || OP(FREEZE, address, 1) != A; /* a hole */
}

void names_what_was_lost(uint64_t n)
{
    (void)n;
    static struct plan_buffer late; /* a plan that was there before */
    life_take();
    struct plan *plan = plan_begin(&late);
    plan_flags(plan, EXO_PLAN_QUIET, NULL);
    plan_quiet(plan, true);
    plan_timer(plan, tick_number(tick_after_us(60000)));
    plan_map(plan, env_self(), SECOND + 100 * PAGE, frame_number(life_frames), 1, RW);
    plan_submit(plan);
    life_ready(LIFE_PAGES);
    while (!life_robbed())
        life_rest(500);
    life_rest(80000); /* they have other owners now */
    for (uint64_t i = 0; i < LIFE_PAGES; i++)
        if (life_listed(LIFE_MEMORY + i * PAGE))
            name_lost(life_frames + i, LIFE_MEMORY + i * PAGE);
    life_wrong += !life_listed(LIFE_MEMORY) || OP(FREEZE, SECOND + 100 * PAGE, 1) != -EXO_E_ABSENT;
    child_exit(life_wrong);
}

/* It answers with frames from all of the machine, its own not among them. */
void frees_others(uint64_t n)
{
    (void)n;
    life_take();
    life_ready(LIFE_PAGES);
    for (uint64_t frame = 1; frame < 24576; frame += 5)
        life_wrong += frame - life_frames >= LIFE_PAGES && OP(FREE, frame, 1) == 0;
    while (!life_robbed())
        life_rest(500);
    child_exit(life_wrong);
}

/* Rings, control page, info page and a table as the pages to be taken first. */
void maps_kernel_pages(uint64_t n)
{
    uint64_t control = n & 0xfffff, sq = n >> 20 & 0xfffff, cq = n >> 40;
    life_take();
    life_wrong += OP(MAP, SECOND, control, 1, RW) != 0 || OP(MAP, SECOND + PAGE, sq, 1, RW) != 0;
    life_wrong += OP(MAP, SECOND + 2 * PAGE, cq, 1, EXO_READ) != 0;
    life_wrong += OP(MAP, SECOND + 3 * PAGE, EXO_INFO_FRAME, 1, EXO_READ) != 0;
    uint64_t table = frames_take(1);
    life_wrong += OP(TABLE, table, TABLES_AT, 1) != 0 || OP(MAP, SECOND + 4 * PAGE, table, 1, EXO_READ) != 0;
    for (uint64_t i = 5; i < 5 + LIFE_PAGES; i++) { /* and behind them what may be taken */
        life_wrong += OP(UNMAP, LIFE_MEMORY + (i - 5) * PAGE, 1) != 0;
        life_wrong += OP(MAP, SECOND + i * PAGE, life_frames + i - 5, 1, RW) != 0;
    }
    CONTROL->spare = SECOND;
    life_ready(LIFE_PAGES);
    while (!life_robbed())
        life_rest(500);
    for (uint64_t i = 0; i < 5; i++) {
        (void)*(volatile uint64_t *)(SECOND + i * PAGE); /* or it ends here */
        life_wrong += life_listed(SECOND + i * PAGE);
    }
    life_wrong += !life_listed(SECOND + 5 * PAGE);
    child_exit(life_wrong);
}

