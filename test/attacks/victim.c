/* SPDX-License-Identifier: MIT */
/*
 * The neighbour of the attacks: keeps checking memory that nobody else may touch, says so now
 * and then, and ends well if all of it was as it should be to the end.
 *
 *   victim [SECONDS [FRAME]]
 *
 * With FRAME, its memory lies there, so that an attacker can name it.
 */
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

#define PLACE 0x10000000000ull /* an address below which this program has no tables */

/* Memory in PAGES frames from `frame` on, 16 at a time: an ALLOC that names its frames takes no more. */
static uint64_t *memory_at(uint64_t frame)
{
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    for (unsigned level = 3; level >= 1; level--)
        plan_table(plan, env_self(), plan_alloc(plan, 1, 0), PLACE, level);
    for (unsigned i = 0; i < PAGES; i += 16) {
        struct frame_ref run = plan_alloc_at(plan, 16, 0, word_number(frame + i));
        plan_map(plan, env_self(), PLACE + i * EXO_PAGE_SIZE, run, 16, EXO_READ | EXO_WRITE);
    }
    int error = plan_run(plan);
    if (error)
        libos_log("no memory at that frame: %s", exo_error_text(error));
    return error ? NULL : (uint64_t *)PLACE;
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
    uint64_t *memory = argc > 2 ? memory_at(strtoul(argv[2], NULL, 10)) : mem_map_run(PAGES, &frame);
    unsigned beats = 0;
    if (!memory)
        return 2;
    for (uint64_t i = 0; i < WORDS; i++)
        memory[i] = pattern(i);
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
