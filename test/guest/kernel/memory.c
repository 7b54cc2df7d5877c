/* SPDX-License-Identifier: MIT */
/*
 * Frames by plans: taken, given back, donated as plan slots; each error that abi.h names, and the account
 * exactly where it was afterwards. What is done with them in page tables is in space.c.
 */
#include "op.h"

#define RW (EXO_READ | EXO_WRITE)
#define FULL_RUN 40u /* more than two steps of 16 frames */

/* Gives a frame back and takes that very one again, unless another program was faster. */
static bool frame_again(uint64_t frame)
{
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    plan_free(plan, frame_number(frame), 1);
    struct frame_ref again = plan_alloc_at(plan, 1, 0, word_number(frame));
    int error = plan_run(plan);
    CHECK(error == 0 || error == -EXO_E_NO_FRAMES);
    CHECK(error < 0 || plan_value(plan, again) == frame);
    return error == 0;
}

/* ---- ALLOC and FREE -------------------------------------------------------------------------- */

static void alloc(void)
{
    uint64_t used = account_used();
    OK(OP(ALLOC, 1, 0, EXO_ANY));
    uint64_t one = op_result[0];
    CHECK(one != 0 && account_used() == used + 1);
    FAILS(NO_FRAMES, OP(ALLOC, 1, 0, one));
    unsigned tries = 1;
    while (!frame_again(one)) {
        one = frames_take(1);
        CHECK(++tries < 20);
    }
    OK(OP(FREE, one, 1));
    OK(OP(ALLOC, FULL_RUN, 4, EXO_ANY));
    CHECK(op_result[0] % 16 == 0 && account_used() == used + FULL_RUN);
    OK(OP(FREE, op_result[0], FULL_RUN));
    OK(OP(ALLOC, 1024, 10, EXO_ANY));
    CHECK(op_result[0] % 1024 == 0);
    OK(OP(FREE, op_result[0], 1024));
    CHECK(account_used() == used);
}

static void alloc_refused(void)
{
    uint64_t used = account_used();
    FAILS(RANGE, OP(ALLOC, 0, 0, EXO_ANY));
    FAILS(RANGE, OP(ALLOC, 1, 11, EXO_ANY));
    FAILS(RANGE, OP(ALLOC, 1025, 0, EXO_ANY));
    FAILS(RANGE, OP(ALLOC, EXO_COUNT_MAX + 1, 0, EXO_ANY));
    FAILS(RANGE, OP(ALLOC, 1, 65536, EXO_ANY));
    uint64_t frame = frames_take(1);
    FAILS(RANGE, OP(ALLOC, 1, 4, frame | 1));
    FAILS(RANGE, OP(ALLOC, 17, 0, frame));
    FAILS(NO_FRAMES, OP(ALLOC, 1, 0, frame));
    FAILS(NO_FRAMES, OP(ALLOC, 2, 0, frame - 1));
    frames_give_back(frame, 1);
    FAILS(FRAME, OP(ALLOC, 1, 0, 1ull << 35));
    FAILS(NO_FRAMES, OP(ALLOC, 1, 0, 0));
    FAILS(QUOTA, OP(ALLOC, EXO_COUNT_MAX, 0, EXO_ANY));
    CHECK(account_used() == used);
}

/* Down to the last frame of the account, and not one further. */
static void alloc_quota(void)
{
    static uint64_t first[64];
    unsigned runs = 0;
    uint64_t used = account_used(), left = PLAN_INFO->frames_limit - used;
    uint64_t rest = left;
    for (; rest >= 256 && runs < 64; rest -= 256)
        first[runs++] = frames_take(256);
    FAILS(QUOTA, OP(ALLOC, rest + 1, 0, EXO_ANY));
    uint64_t last = frames_take((uint32_t)rest);
    CHECK(account_used() == PLAN_INFO->frames_limit);
    FAILS(QUOTA, OP(ALLOC, 1, 0, EXO_ANY));
    frames_give_back(last, (uint32_t)rest);
    while (runs > 0)
        frames_give_back(first[--runs], 256);
    CHECK(account_used() == used);
}

/* Out of work in the middle: what was ready is there, and said to be. */
static void alloc_work(void)
{
    struct plan_buffer buffer;
    uint64_t used = account_used();
    struct plan *plan = plan_begin(&buffer);
    struct frame_ref frame = plan_alloc(plan, FULL_RUN, 0);
    plan_work(plan, 2);
    CHECK(plan_run(plan) == -EXO_E_WORK);
    CHECK(plan->results[0].more == 32 && account_used() == used + 32);
    frames_give_back(plan_value(plan, frame), 32);
    CHECK(account_used() == used);
    plan = plan_begin(&buffer);
    frame = plan_alloc(plan, FULL_RUN, 0);
    plan_work(plan, 3);
    OK(plan_run(plan));
    frames_give_back(plan_value(plan, frame), FULL_RUN);
    /* A quota that another operation of the same plan reserved is not there twice. */
    plan = plan_begin(&buffer);
    uint32_t most = (uint32_t)(PLAN_INFO->frames_limit - account_used());
    plan_alloc(plan, most / 2 + 1, 0);
    plan_alloc(plan, most / 2 + 1, 0);
    CHECK(plan_run(plan) == -EXO_E_QUOTA);
    CHECK(account_used() == used);
}

static void free_refused(void)
{
    uint64_t frame = frames_take(3);
    frames_give_back(frame + 2, 1);
    uint64_t used = account_used();
    FAILS(FRAME, OP(FREE, frame + 2, 1));
    FAILS(FRAME, OP(FREE, frame, 3));
    FAILS(FRAME, OP(FREE, 1ull << 36, 1));
    FAILS(FRAME, OP(FREE, 0, 1));
    FAILS(RANGE, OP(FREE, frame, 0));
    FAILS(RANGE, OP(FREE, frame, EXO_COUNT_MAX + 1));
    tables_make(SPARE);
    OK(OP(MAP, SPARE, frame, 1, EXO_READ));
    FAILS(BUSY, OP(FREE, frame, 1));
    OK(OP(UNMAP, SPARE, 1));
    tables_unmake(SPARE);
    OK(OP(FREE, frame, 2));
    FAILS(FRAME, OP(FREE, frame, 2));
    CHECK(account_used() == used - 2);
}

/* What somebody wrote into a frame is gone when it comes back. */
static void zeroed(void)
{
    static uint64_t frame[64];
    static const uint64_t zero[EXO_PAGE_SIZE / 8];
    tables_make(SPARE);
    for (unsigned i = 0; i < 64; i++) {
        frame[i] = frames_take(1);
        OK(OP(MAP, SPARE + i * PAGE, frame[i], 1, RW));
        CHECK(memcmp((void *)(SPARE + i * PAGE), zero, PAGE) == 0);
        memset((void *)(SPARE + i * PAGE), 0xa5, PAGE);
    }
    OK(OP(UNMAP, SPARE, 64));
    for (unsigned i = 0; i < 64; i++)
        frames_give_back(frame[i], 1);
    unsigned same = 0, dirty = 0;
    for (unsigned i = 0; i < 64; i++) {
        frame[i] = frames_take(1);
        for (unsigned k = 0; k < 64; k++)
            same += frame[i] == frame[k] && k <= i;
        OK(OP(MAP, SPARE + i * PAGE, frame[i], 1, RW));
        dirty += memcmp((void *)(SPARE + i * PAGE), zero, PAGE) != 0;
    }
    CHECK(dirty == 0);
    CHECK(same == 64);
    /* By number, too: exactly the frame that was written. */
    memset((void *)SPARE, 0x5a, 64 * PAGE);
    OK(OP(UNMAP, SPARE, 64));
    unsigned again = 0;
    for (unsigned i = 0; i < 64; i++) {
        if (!frame_again(frame[i]))
            continue;
        OK(OP(MAP, SPARE, frame[i], 1, EXO_READ));
        CHECK(memcmp((void *)SPARE, zero, PAGE) == 0);
        OK(OP(UNMAP, SPARE, 1));
        frames_give_back(frame[i], 1);
        again++;
    }
    CHECK(again > 32);
    tables_unmake(SPARE);
}

/* ---- SLOTS --------------------------------------------------------------------------------- */

static void slots(void)
{
    uint64_t frame = frames_take(16);
    FAILS(RANGE, OP(SLOTS, frame, 1, 0));
    FAILS(RANGE, OP(SLOTS, frame, 1, 5));
    FAILS(RANGE, OP(SLOTS, frame, 1, 64)); /* 65 cells of 128 bytes are three frames */
    FAILS(RANGE, OP(SLOTS, frame, 17, 64));
    FAILS(RANGE, OP(SLOTS, frame, 0, 4));
    FAILS(FRAME, OP(SLOTS, frame + 1000000, 1, 4));
    tables_make(SPARE);
    OK(OP(MAP, SPARE, frame, 1, EXO_READ));
    FAILS(BUSY, OP(SLOTS, frame, 1, 4));
    OK(OP(UNMAP, SPARE, 1));
    OK(OP(SLOTS, frame, 1, 4));
    CHECK(op_result[0] == 6);
    FAILS(FRAME, OP(SLOTS, frame, 1, 4));
    FAILS(FRAME, OP(FREE, frame, 1));
    FAILS(FRAME, OP(MAP, SPARE, frame, 1, EXO_READ)); /* nobody reads the kernel's copies */
    OK(OP(SLOTS, frame + 1, 2, 16));
    CHECK(op_result[0] == 3);
    OK(OP(SLOTS, frame + 3, 2, 32));
    CHECK(op_result[0] == 1);
    OK(OP(SLOTS, frame + 5, 5, 64));
    CHECK(op_result[0] == 2);
    tables_unmake(SPARE);
    frames_give_back(frame + 10, 6);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        { "alloc", alloc },
        { "alloc-refused", alloc_refused },
        { "alloc-quota", alloc_quota },
        { "alloc-work", alloc_work },
        { "free-refused", free_refused },
        { "zeroed", zeroed },
        { "slots", slots },
        { NULL, NULL },
    };
    return check_main(cases, argc, argv);
}
