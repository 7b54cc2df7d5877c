/* SPDX-License-Identifier: MIT */
/*
 * Random plans for a while: operations of the whole table on what there is, parked and standing ones, references,
 * handlers, spoilt cells; by this program, which spares only what it stands on, and by children, which spare
 * nothing (child.c). The kernel may refuse or do what was said. Now and then all of it is swept up, and the account must be as
 * it was.
 *
 *   chaos SECONDS [SEED]
 *
 * The seed is said at the start: with it, the same noise comes again.
 */
#include <libos/clock.h>
#include <stdlib.h>

#include "../attack.h"
#include "chaos.h"

#define SWEEP_ROUNDS 64u
#define OPEN_MAX 24u  /* plans that wait */
#define MANY 64u      /* half of a list */

static bool broken;
struct tally tallies[EXO_CODE_END];
uint64_t plans, refusals, children, exits;

void must(const char *what, bool good)
{
    holds(what, good);
    broken |= !good;
}

void tally_add(unsigned code, int status)
{
    struct tally *tally = &tallies[code];
    tally->well += status == 0;
    tally->cancelled += status == -EXO_E_CANCELLED || status == -EXO_E_WORK;
    tally->idle += status == -EXO_E_CAUSE;
    tally->failed += status < 0 && status != -EXO_E_CANCELLED && status != -EXO_E_WORK && status != -EXO_E_CAUSE;
    must("a status", status <= 0 && status > -EXO_E_NOT_BUILT);
}

/* ---- what comes back --------------------------------------------------------------------------------- */

static struct completion_target notes[EXO_CODE_END]; /* one an operation; [0]: a channel to oneself */
static struct completion_target ends;

static void learn(struct completion_target *self, const struct exo_completion *c)
{
    unsigned note = (unsigned)(self - notes), code = note ? note : EXO_CHANNEL_CREATE;
    tally_add(code, c->status);
    if (code == EXO_ALLOC && c->more && c->result)
        frames_note(c->result, c->more);
    if (c->status < 0)
        return;
    switch (code) {
    case EXO_ENV_CREATE: list_add(&known.children, c->result); break;
    case EXO_QUEUE_CREATE: list_add(&known.queues, c->result); break;
    case EXO_CHANNEL_CREATE:
        list_add(&known.senders, c->result);
        if (!note)
            list_add(&known.receivers, c->more);
        break;
    default: break;
    }
}

static void learn_plan(struct completion_target *self, const struct exo_completion *c)
{
    (void)self;
    uint64_t id = (uint64_t)c->generation << 32 | c->plan;
    refusals += c->plan == 0;
    if (c->plan && c->status == 0 && c->result == id)
        list_add(&known.plans, id);
    else if (c->plan)
        must("a plan that was announced ends, once", list_remove(&known.plans, id));
    must("plans are not forgotten", known.plans.count <= LIST_MAX);
}

/* ---- rounds ----------------------------------------------------------------------------------------------- */

static void plan_round(void)
{
    static struct exo_op cells[EXO_PLAN_MAX + 1];
    unsigned count = plan_make(cells, below(32) ? 12 : EXO_PLAN_MAX, false, 0);
    for (unsigned i = 1; i < count; i++) {
        bool own = cells[i].code == EXO_CHANNEL_CREATE && !cells[i].handle;
        cells[i].tag = (uint64_t)&notes[own ? 0 : cells[i].tag];
    }
    ((struct exo_plan *)(void *)cells)->tag = (uint64_t)&ends;
    struct plan plan = {.cell = cells, .count = (uint16_t)(count - 1)};
    plan_submit(&plan);
    completion_dispatch();
    plans++;
}

static bool full(void)
{
    return known.children.count > MANY || known.queues.count > MANY || known.senders.count > MANY ||
           known.receivers.count > MANY;
}

static void round_one(uint64_t round)
{
    plan_round();
    if (known.plans.count > OPEN_MAX)
        plans_cancel();
    if (round % 8 == 0)
        child_round();
    if (round % SWEEP_ROUNDS == 0 || full())
        sweep();
}

/* After some seconds each operation must have run. */
static void report(uint64_t rounds)
{
    uint64_t well = 0, failed = 0, cancelled = 0, idle = 0;
    for (unsigned code = 0; code < EXO_CODE_END; code++) {
        const struct tally *tally = &tallies[code];
        if (!shapes[code].name)
            continue;
        well += tally->well, failed += tally->failed, cancelled += tally->cancelled, idle += tally->idle;
        libos_log("%s: %u well, %u failed, %u cancelled, %u not started", shapes[code].name, (unsigned)tally->well,
                  (unsigned)tally->failed, (unsigned)tally->cancelled, (unsigned)tally->idle);
        must(shapes[code].name, code == EXO_POWER || rounds < 20000 || tally->well + tally->failed + tally->cancelled > 0);
    }
    libos_log("%u rounds, %u plans, %u refused, %u children, %u ended by themselves", (unsigned)rounds,
              (unsigned)plans, (unsigned)refusals, (unsigned)children, (unsigned)exits);
    libos_log("operations: %u well, %u failed, %u cancelled, %u not started", (unsigned)well, (unsigned)failed,
              (unsigned)cancelled, (unsigned)idle);
}

int main(int argc, char **argv)
{
    uint64_t end = clock_monotonic_ns() + (argc > 1 ? strtoul(argv[1], NULL, 10) : 3) * 1000000000ull, rounds = 0;
    noise_state = argc > 2 ? strtoul(argv[2], NULL, 0) : __builtin_ia32_rdtsc();
    libos_log("seed %lu", (unsigned long)noise_state);
    for (unsigned i = 0; i < EXO_CODE_END; i++)
        notes[i].done = learn;
    ends.done = learn_plan;
    world_open();
    while (clock_monotonic_ns() < end && !broken)
        round_one(++rounds);
    if (!broken)
        sweep();
    report(rounds);
    return attack_end();
}
