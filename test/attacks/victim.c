/* SPDX-License-Identifier: MIT */
/*
 * The neighbour of the attacks: keeps checking memory that nobody else may touch, says so now
 * and then, and ends well if all of it was as it should be to the end.
 *
 *   victim [SECONDS]
 *
 * Through a channel "ready", if there is one, it tells the attacker where its memory lies.
 */
#include <libos/channel.h>
#include <libos/clock.h>
#include <stdlib.h>

#include "attack.h"

#define PAGES 64u
#define WORDS (PAGES * EXO_PAGE_SIZE / 8)
#define BEAT 100000000ull /* nanoseconds */

static uint64_t pattern(uint64_t i) { return (i + 1) * 0x9e3779b97f4a7c15ull; }

static bool intact(const volatile uint64_t *memory)
{
    for (uint64_t i = 0; i < WORDS; i++)
        if (memory[i] != pattern(i))
            return false;
    return true;
}

static void rest(void)
{
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    plan_timer(plan, tick_number(clock_deadline(BEAT)));
    plan_run(plan);
}

int main(int argc, char **argv)
{
    uint64_t frame, start = clock_monotonic_ns();
    uint64_t end = start + (uint64_t)(argc > 1 ? strtoul(argv[1], NULL, 10) : 3) * BEAT * 10;
    uint64_t *memory = mem_map_run(PAGES, &frame);
    unsigned beats = 0;
    if (!memory)
        return 2;
    for (uint64_t i = 0; i < WORDS; i++)
        memory[i] = pattern(i);
    if (channel_sender("ready"))
        channel_send(channel_sender("ready"), 0, frame, 0);
    while (clock_monotonic_ns() < end) {
        rest();
        if (!intact(memory)) {
            libos_log("MEMORY CHANGED");
            return 1;
        }
        if (++beats % 10 == 0)
            libos_log("heartbeat %u", beats);
    }
    libos_log("intact after %u beats", beats);
    return 0;
}
