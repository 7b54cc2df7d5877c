/* SPDX-License-Identifier: MIT */
/*
 * All small plans against everything that can happen to them. For every plan the graph of its states is walked
 * whole: from each state every event, every interrupt, every crossing, CANCEL, death, every way of
 * taking completions; equal states are entered once. After each move the real executor and the
 * reference must agree (both.h).
 *
 *   explore [--minutes N] [--rounds N]
 *
 * N minutes (or XO_MINUTES of the environment); only the first N rounds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "both.h"

struct exo_op world_cells[64];

/* ---- the plans ------------------------------------------------------------------------------- */

enum kind { OK, BAD, WAIT, STEPS, ALL, NEXT, DEVICE, ROOM, TIMER, PACKET, DEADLINE, ENDER, KINDS };
static const char *const kind_names[] = {"ok", "bad", "wait", "steps", "cancel-all", "cancel-next",
                                         "device", "room", "timer", "packet", "deadline", "ender"};
static const char *const start_names[] = {"all", "some", "ended", "any"};

/* What stays the same for all plans of one round. */
struct round {
    unsigned cells;   /* in a plan */
    unsigned kinds;   /* the first so many */
    bool quiet;       /* each operation may be QUIET */
    unsigned flags;   /* of the plan */
    uint32_t work;
    struct both_limits limits;
    unsigned cancels; /* from other plans, at any moment */
    bool waits;       /* crossings also wait for completions */
    bool second;      /* two other plans come at any moment, and may find no slot */
    bool always;      /* whole, however long it takes */
};

/* A number in a mixed radix: each operation is kind, QUIET or not, and (start, edges). */
static uint64_t choices(const struct round *round, unsigned index)
{
    uint64_t edges = (1ull << index) - 1;
    return (uint64_t)round->kinds * (round->quiet ? 2 : 1) * (1 + 4 * edges);
}

static uint64_t plans_in(const struct round *round)
{
    uint64_t product = 1;
    for (unsigned i = 0; i < round->cells; i++)
        product *= choices(round, i);
    return product;
}

static void cell_make(struct exo_op *op, enum kind kind, unsigned index, unsigned cells)
{
    static const uint8_t codes[] = {EXO_NOP, EXO_FREE, EXO_ENV_WAIT, EXO_ALLOC, EXO_CANCEL, EXO_CANCEL,
                                    EXO_NET_TX, EXO_NET_TX, EXO_TIMER, EXO_NET_RX, EXO_RECLAIM, EXO_ENV_KILL};
    op->code = codes[kind];
    switch (kind) {
    case OK: op->arg[0] = 5 + index; break;
    case BAD: op->arg[0] = 1, op->arg[1] = 1; break;
    case WAIT:
    case ENDER: op->handle = 4 | 7 << 16; break;
    case STEPS: op->arg[0] = 40, op->arg[2] = EXO_ANY; break;
    case ALL: op->arg[1] = UINT64_MAX; break;
    case NEXT: op->arg[1] = 1ull << (index + 1) % cells; break;
    case DEVICE: op->handle = 3; break;
    case ROOM: op->handle = 3, op->arg[2] = 1; break;
    case TIMER: op->arg[0] = 1010 + 10 * index, op->arg[1] = 10; break;
    case PACKET: op->handle = 3; break;
    case DEADLINE: op->handle = 4 | 7 << 16, op->arg[0] = 1, op->arg[1] = 1015 + 10 * index; break;
    case KINDS: break;
    }
}

/* Plan number `n` of a round, at the front of world_cells. */
static void plan_make(const struct round *round, uint64_t n)
{
    struct exo_plan header = {.code = EXO_PLAN, .flags = (uint8_t)round->flags,
                              .cells = (uint16_t)round->cells, .work = round->work, .tag = 1};
    memset(world_cells, 0, sizeof world_cells);
    memcpy(&world_cells[0], &header, sizeof header);
    for (unsigned i = 0; i < round->cells; i++) {
        struct exo_op *op = &world_cells[1 + i];
        uint64_t choice = n % choices(round, i);
        n /= choices(round, i);
        cell_make(op, choice % round->kinds, i, round->cells);
        op->tag = 0x100 + i;
        choice /= round->kinds;
        if (round->quiet) {
            op->flags |= choice % 2 ? EXO_QUIET : 0;
            choice /= 2;
        }
        if (choice) {
            op->flags |= (uint8_t)((choice - 1) % 4);
            op->after = 1 + (choice - 1) / 4;
        }
    }
}

/* ---- where we are --------------------------------------------------------------------------------- */

/* A state, to come back to. */
struct state {
    struct world world;
    struct ref ref;
    uint64_t built;
    uint32_t number; /* of the next plan */
    uint8_t cancels, seconds;
};

#define DEPTH 6000u

static struct state stack[DEPTH];
static struct {
    uint64_t built;
    uint32_t number;
    uint8_t cancels, seconds;
} now;

static void put_aside(struct state *state)
{
    state->world = *world;
    ref_copy(&state->ref, &both_ref);
    state->built = now.built;
    state->number = now.number;
    state->cancels = now.cancels;
    state->seconds = now.seconds;
}

static void take_back(const struct state *state)
{
    *world = state->world;
    ref_copy(&both_ref, &state->ref);
    now.built = state->built;
    now.number = state->number;
    now.cancels = state->cancels;
    now.seconds = state->seconds;
}

/* ---- states that were seen ---------------------------------------------------------------------------- */

#define SEEN (1u << 24) /* states of one plan: half of it at most */

static uint64_t seen[SEEN];
static uint32_t seen_at[SEEN], seen_count;

static void seen_forget(void)
{
    for (uint32_t i = 0; i < seen_count; i++)
        seen[seen_at[i]] = 0;
    seen_count = 0;
}

/* False if it was there. */
static bool seen_add(uint64_t hash)
{
    uint32_t at = (uint32_t)(hash >> 32) & (SEEN - 1);
    hash |= 1;
    for (; seen[at]; at = (at + 1) & (SEEN - 1))
        if (seen[at] == hash)
            return false;
    seen[at] = hash;
    seen_at[seen_count++] = at;
    if (seen_count > SEEN / 2) {
        printf("more states than the table holds\n");
        exit(1);
    }
    return true;
}

static uint64_t hash_now(void)
{
    uint64_t hash = both_hash();
    hash = (hash ^ now.number) * 0x9e3779b97f4a7c15ull;
    hash = (hash ^ (uint64_t)now.cancels << 8 ^ now.seconds) * 0x9e3779b97f4a7c15ull;
    return hash ^ hash >> 30;
}

/* ---- the story, for a failure -------------------------------------------------------------------------- */

static char story[DEPTH][64];
static unsigned depth;
static const struct round *round_now;
static uint64_t plan_now;

#define SAY(...) snprintf(story[depth], sizeof story[depth], __VA_ARGS__)

static void print_story(void)
{
    printf("plan %llu of a round with %u cells, flags %u, work %u, ring %u\n",
           (unsigned long long)plan_now, round_now->cells, round_now->flags, round_now->work,
           round_now->limits.ring);
    plan_make(round_now, plan_now);
    uint64_t rest = plan_now;
    for (unsigned i = 0; i < round_now->cells; i++) {
        const struct exo_op *op = &world_cells[1 + i];
        printf("  %u %s%s", i, kind_names[rest % choices(round_now, i) % round_now->kinds],
               op->flags & EXO_QUIET ? " quiet" : "");
        rest /= choices(round_now, i);
        if (op->after)
            printf(" when %s of %llx", start_names[op->flags & 3], (unsigned long long)op->after);
        printf("\n");
    }
    for (unsigned i = 0; i <= depth; i++)
        printf("  then %s\n", story[i]);
}

/* ---- moves ------------------------------------------------------------------------------------------------ */

static uint64_t states, transitions, deepest;
static void walk(void);

/* A move was made: on from there, and back. */
static void step_done(void)
{
    transitions++;
    if (depth + 1 == DEPTH) {
        printf("deeper than %u\n", DEPTH);
        print_story();
        exit(1);
    }
    depth++;
    walk();
    depth--;
    take_back(&stack[depth]);
}

/* The kernel goes on: undisturbed, and wanted at every one of its looks. */
static void go_on(const char *what, uint64_t submit, uint64_t wait_for, bool enter)
{
    bool left = true;
    for (unsigned wanted = 0; left || wanted == 1; wanted++) {
        SAY("%s until %llu, wait for %llu, wanted at look %u", what, (unsigned long long)submit,
            (unsigned long long)wait_for, wanted);
        if (enter)
            both_enter(submit, wait_for);
        left = both_continue(wanted);
        if (wanted == 0 || left)
            step_done();
        else
            take_back(&stack[depth]);
    }
}

static void plan_append(struct exo_plan header, struct exo_op op)
{
    header.code = EXO_PLAN;
    header.cells = 1;
    header.tag = now.number++;
    op.tag = header.tag << 8;
    memcpy(&world_cells[now.built++], &header, sizeof header);
    world_cells[now.built++] = op;
}

static void try_cancel(void)
{
    uint64_t id = world_id(1);
    if (!id || now.cancels == round_now->cancels)
        return;
    for (unsigned i = 0; i <= round_now->cells; i++) {
        uint64_t which = i == round_now->cells ? UINT64_MAX : 1ull << i;
        now.cancels++;
        plan_append((struct exo_plan){.flags = EXO_PLAN_QUIET},
                    (struct exo_op){.code = EXO_CANCEL, .flags = EXO_QUIET, .arg = {id, which}});
        uint64_t built = now.built;
        uint32_t number = now.number;
        uint8_t cancels = now.cancels;
        bool left = true;
        for (unsigned wanted = 0; left || wanted == 1; wanted++) {
            SAY("cancel %llx, wanted at look %u", (unsigned long long)which, wanted);
            now.built = built, now.number = number, now.cancels = cancels;
            both_enter(built, 0);
            left = both_continue(wanted);
            if (wanted == 0 || left)
                step_done();
            else
                take_back(&stack[depth]);
        }
    }
}

/* A neighbour in the same rings: two operations, of which one waits and one fails. */
static void try_second(void)
{
    if (!round_now->second || now.seconds)
        return;
    now.seconds++;
    plan_append((struct exo_plan){.flags = EXO_PLAN_ANNOUNCE},
                (struct exo_op){.code = EXO_ENV_WAIT, .handle = 4 | 7 << 16});
    plan_append((struct exo_plan){.flags = 0}, (struct exo_op){.code = EXO_FREE, .arg = {1, 1}});
    SAY("two more plans");
    both_enter(now.built, 0);
    (void)both_continue(0);
    step_done();
}

static void program_moves(void)
{
    uint64_t posted = world->env.cq_tail, head = world->env.sq_head;
    bool idle = !world->env.entering && world->env.state == ENV_RUNNING;
    if (!idle)
        return;
    if (head == 0) {
        go_on("enter", now.built, 0, true);
        if (round_now->waits)
            go_on("enter", now.built, posted + 2, true);
        return;
    }
    bool behind = now.built > head; /* cells were not taken because the ring was full */
    if (!list_empty(&world->env.held) || behind)
        go_on("enter", now.built, 0, true);
    if (round_now->waits && world_id(1))
        go_on("enter", now.built, posted + 1, true);
    if (behind)
        return;
    try_cancel();
    try_second();
}

static void take_moves(void)
{
    uint64_t there = world->env.cq_tail - world->control.cq_head;
    for (uint64_t count = 1; count <= there; count = count == there ? there + 1 : there) {
        SAY("take %llu", (unsigned long long)count);
        both_take(count);
        step_done();
    }
}

static void time_moves(void)
{
    const struct op *first = world->env.timers;
    if (!first)
        return;
    uint64_t due = first->result[0];
    for (unsigned late = 0; late <= 25; late += 25) {
        SAY("tick, %u late", late);
        both_time(due + late);
        step_done();
    }
}

static void event_moves(uint32_t number, unsigned index)
{
    for (unsigned i = 0; i < 2; i++) {
        const struct ref_op *op = ref_find(&both_ref, number, index);
        if (!op || op->state != VIEW_PARKED || op->cell.code == EXO_TIMER)
            return;
        SAY("event %u for %u.%u", i, number, index);
        if (op->waits == REF_ROOM)
            both_wake(number, index, i == 0);
        else
            both_event(number, index, i ? -EXO_E_DEVICE : 0);
        step_done();
    }
}

static void walk(void)
{
    if (!seen_add(hash_now()))
        return;
    states++;
    if (depth > deepest)
        deepest = depth;
    put_aside(&stack[depth]);
    SAY("death");
    both_die();
    take_back(&stack[depth]);
    if (world->env.entering || !list_empty(&world->env.ready) ||
        (world->env.state == ENV_WAITING && env_runnable(&world->env)))
        go_on("go on", 0, 0, false);
    program_moves();
    take_moves();
    time_moves();
    for (uint32_t number = 1; number < now.number; number++)
        for (unsigned i = 0; i < PLAN_OPS; i++)
            event_moves(number, i);
}

static void plan_explore(const struct round *round, uint64_t n)
{
    round_now = round;
    plan_now = n;
    both_init(&round->limits);
    plan_make(round, n);
    memset(&now, 0, sizeof now);
    now.built = 1 + round->cells;
    now.number = 2;
    depth = 0;
    seen_forget();
    walk();
}

/* ---- rounds ------------------------------------------------------------------------------------------------- */

#define SLOTS(n) {n, 0, 0, 0}
#define STANDING EXO_PLAN_STANDING
#define ANNOUNCE EXO_PLAN_ANNOUNCE
#define PLAN_QUIET EXO_PLAN_QUIET

/* Looks come after every eighth step: a cap of 9 and of 10 makes them come between others. The first rounds, up
 * to two operations with everything that can happen, are walked whole every time. */
static const struct round rounds[] = {
    {1, KINDS, true, 0, 0, {8, SLOTS(3), 100}, 2, true, true, true},
    {1, KINDS, true, STANDING | ANNOUNCE, 9, {2, SLOTS(2), 60}, 2, true, true, true},
    {2, KINDS, true, 0, 9, {2, SLOTS(2), 100}, 1, false, false, true},
    {2, KINDS, false, ANNOUNCE, 10, {4, SLOTS(2), 50}, 1, true, false, true},
    {2, KINDS, false, PLAN_QUIET, 2, {1, SLOTS(2), 100}, 1, true, false, true},
    {2, KINDS, false, 0, 1, {4, SLOTS(1), 100}, 1, false, true, true},
    {2, KINDS, false, STANDING, 10, {1, SLOTS(2), 100}, 1, false, false, true},
    {3, 6, false, 0, 0, {1, SLOTS(2), 100}, 0, false, false, true},
    /* as far as time allows */
    {2, KINDS, true, 0, 10, {8, SLOTS(2), 100}, 1, true, false, false},
    {2, KINDS, true, STANDING, 9, {2, SLOTS(2), 100}, 1, true, false, false},
    {2, KINDS, false, ANNOUNCE, 0, {1, SLOTS(2), 50}, 1, false, true, false},
    {3, KINDS, false, 0, 10, {8, SLOTS(2), 100}, 0, false, false, false},
    {3, KINDS, false, STANDING, 9, {1, SLOTS(2), 100}, 1, false, false, false},
    {3, KINDS, false, 0, 11, {1, SLOTS(2), 100}, 1, false, false, false},
    {3, KINDS, true, PLAN_QUIET, 9, {2, SLOTS(2), 50}, 1, true, true, false},
    {4, 5, false, 0, 12, {2, SLOTS(2), 100}, 0, false, false, false},
    {4, KINDS, true, STANDING, 10, {2, SLOTS(2), 100}, 1, false, false, false},
    {4, KINDS, true, 0, 9, {4, SLOTS(2), 100}, 1, true, false, false},
};
#define ROUNDS (sizeof rounds / sizeof rounds[0])

static double seconds(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec + (double)at.tv_nsec * 1e-9;
}

/* A refused plan has one state; all others of a round are walked in an order that comes by everything early. */
static uint64_t round_explore(const struct round *round, double until)
{
    uint64_t count = plans_in(round), stride = count % 7919 ? 7919 : 1, done = 0;
    for (; done < count; done++) {
        if (done % 16 == 0 && seconds() > until)
            break;
        plan_explore(round, done * stride % count);
    }
    return done;
}

static void round_report(const struct round *round, uint64_t done, double began)
{
    printf("%u operations, %u kinds%s, flags %u, work %u, ring %u, %u slots%s%s: %llu of %llu plans, "
           "%llu states, %llu transitions, depth %llu, %.1f s\n",
           round->cells, round->kinds, round->quiet ? ", QUIET or not" : "", round->flags, round->work,
           round->limits.ring, round->limits.slots[0], round->waits ? ", waiting" : "",
           round->second ? ", a second plan" : "", (unsigned long long)done,
           (unsigned long long)plans_in(round), (unsigned long long)states,
           (unsigned long long)transitions, (unsigned long long)deepest, seconds() - began);
    fflush(stdout);
}

int main(int count, char **words)
{
    double minutes = getenv("XO_MINUTES") ? atof(getenv("XO_MINUTES")) : 0;
    uint64_t plans = 0, all_states = 0, all_transitions = 0;
    both_story = print_story;
    unsigned last = ROUNDS;
    for (int i = 1; i + 1 < count; i += 2) {
        if (!strcmp(words[i], "--minutes"))
            minutes = atof(words[i + 1]);
        if (!strcmp(words[i], "--rounds"))
            last = (unsigned)atoi(words[i + 1]);
    }
    double end = seconds() + minutes * 60;
    for (unsigned i = 0; i < ROUNDS && i < last; i++) {
        double began = seconds(), share = (end - began) / (double)(ROUNDS - i) * 2;
        if (!rounds[i].always && share <= 0)
            continue;
        states = transitions = deepest = 0;
        uint64_t done = round_explore(&rounds[i], rounds[i].always ? 1e18 : began + share);
        round_report(&rounds[i], done, began);
        plans += done;
        all_states += states;
        all_transitions += transitions;
    }
    printf("figures: %llu plans, %llu states, %llu transitions; at most %u calls between two looks\n",
           (unsigned long long)plans, (unsigned long long)all_states,
           (unsigned long long)all_transitions, world_most_calls);
    return 0;
}
