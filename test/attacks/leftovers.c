/* SPDX-License-Identifier: MIT */
/*
 * Looks for what others left in memory: takes all that it may have, again and again, and reads each word before it
 * writes a secret there. Several of them beside each other get each other's frames.
 *
 *   leftovers [once]      with "once" it ends with all of it still in its hands
 */
#include "attack.h"

#define PLACE 0x10000000000ull /* an address below which this program has no tables */
#define RUN 16u
#define RUNS 96u /* three tables' worth, and less than its limit */
#define ROUNDS 60u
#define SECRET 0x7365637265740000ull

static uint64_t dirty, looked_at;

static int tables_make(void)
{
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    for (unsigned level = 3; level >= 2; level--)
        plan_table(plan, env_self(), plan_alloc(plan, 1, 0), PLACE, level);
    for (uint64_t at = 0; at < RUNS * RUN; at += 512)
        plan_table(plan, env_self(), plan_alloc(plan, 1, 0), PLACE + at * EXO_PAGE_SIZE, 1);
    return plan_run(plan);
}

static int take(unsigned run, uint64_t *frame)
{
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    struct frame_ref first = plan_alloc(plan, RUN, 0);
    plan_map(plan, env_self(), PLACE + (uint64_t)run * RUN * EXO_PAGE_SIZE, first, RUN, EXO_READ | EXO_WRITE);
    int error = plan_run(plan);
    *frame = plan_value(plan, first);
    return error;
}

static void look_and_write(unsigned run)
{
    volatile uint64_t *memory = (volatile uint64_t *)(PLACE + (uint64_t)run * RUN * EXO_PAGE_SIZE);
    for (unsigned i = 0; i < RUN * EXO_PAGE_SIZE / 8; i += 3) {
        dirty += memory[i] != 0;
        looked_at++;
        memory[i] = SECRET + i;
    }
}

static void give_back(unsigned run, uint64_t frame)
{
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    plan_unmap(plan, env_self(), PLACE + (uint64_t)run * RUN * EXO_PAGE_SIZE, RUN);
    plan_free(plan, frame_number(frame), RUN);
    holds("its own memory can be given back", plan_run(plan) == 0);
}

int main(int argc, char **argv)
{
    static uint64_t frame[RUNS];
    bool once = argc > 1 && !strcmp(argv[1], "once");
    holds("tables", tables_make() == 0);
    for (unsigned round = 0; round < (once ? 1 : ROUNDS); round++) {
        unsigned count = 0;
        while (count < RUNS && take(count, &frame[count]) == 0)
            look_and_write(count++);
        holds("memory", count > RUNS / 2);
        while (!once && count > 0) {
            count--;
            give_back(count, frame[count]);
        }
    }
    libos_log("%lu words looked at", (unsigned long)looked_at);
    holds("memory that comes is zero", dirty == 0);
    return attack_end();
}
