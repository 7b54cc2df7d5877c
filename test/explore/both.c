/* SPDX-License-Identifier: MIT */
/* Real and reference, side by side. */
#include "both.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ref both_ref;
void (*both_story)(void);

static struct view real, wanted;

#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition))                                                                          \
            differ(#condition " does not hold");                                                   \
    } while (0)

/* ---- saying what differs ------------------------------------------------------------------- */

static const char *const states[] = {"none", "waiting", "started", "parked", "ended", "cell"};

static void print_plan(const struct view_plan *plan)
{
    printf("  plan %u: work %u, reserved %u%s\n", plan->number, plan->work, plan->reserved,
           plan->cancelled ? ", cancelled" : "");
    for (unsigned i = 0; i < plan->cells; i++) {
        const struct view_op *op = &plan->op[i];
        printf("    %u %s%s status %d results %llu %llu %llu %llu\n", i, states[op->state],
               op->held ? " (held)" : "", op->status, (unsigned long long)op->result[0],
               (unsigned long long)op->result[1], (unsigned long long)op->result[2],
               (unsigned long long)op->result[3]);
    }
}

static void print_view(const char *who, const struct view *view)
{
    printf("%s: taken %llu posted %llu entering %llu waiting %llu result %lld used %u reserved %u "
           "timers %u undone %llu passes %llu\n  free slots %u %u %u %u, ready", who,
           (unsigned long long)view->taken, (unsigned long long)view->posted,
           (unsigned long long)view->entering, (unsigned long long)view->waiting,
           (long long)view->result, view->frames_used, view->frames_reserved, view->timers,
           (unsigned long long)view->undone, (unsigned long long)view->passes, view->free_slots[0], view->free_slots[1],
           view->free_slots[2], view->free_slots[3]);
    for (unsigned i = 0; i < PLANS && view->ready[i]; i++)
        printf(" %u", view->ready[i]);
    printf(", held");
    for (unsigned i = 0; i < PLANS && view->held[i]; i++)
        printf(" %u", view->held[i]);
    printf("\n");
    for (unsigned i = 0; i < PLANS && view->plan[i].number; i++)
        print_plan(&view->plan[i]);
}

static void print_posts(uint64_t from)
{
    const struct env *env = &world->env;
    printf("really posted:\n");
    for (uint64_t i = from; i < env->cq_tail; i++) {
        const struct exo_completion *at = &env->cq[i & (env->cq_size - 1)];
        printf("  tag %llx operation %u status %d result %llu more %u\n", (unsigned long long)at->tag,
               at->operation, at->status, (unsigned long long)at->result, at->more);
    }
    printf("should be posted:\n");
    for (unsigned i = 0; i < both_ref.posts; i++) {
        const struct ref_post *at = &both_ref.post[i];
        printf("  tag %llx operation %u status %d result %llu more %u\n", (unsigned long long)at->tag,
               at->operation, at->status, (unsigned long long)at->result, at->more);
    }
}

static uint64_t posted_before;

static _Noreturn void differ(const char *text)
{
    static bool failing;
    printf("%s\n", text);
    if (!failing) {
        failing = true; /* looking may fail as well */
        world_view(&real);
    }
    ref_view(&both_ref, &wanted);
    print_view("real", &real);
    print_view("wanted", &wanted);
    print_posts(posted_before);
    if (both_story)
        both_story();
    fflush(stdout);
    abort();
}

void world_failed(const char *text) { differ(text); }

/* ---- comparing --------------------------------------------------------------------------------- */

static bool post_equal(const struct exo_completion *at, const struct ref_post *post)
{
    uint64_t id = (uint64_t)at->generation << 32 | at->plan;
    uint64_t live = world_id((uint32_t)post->tag);
    if (post->announces && (at->result != id || (live && live != id)))
        return false;
    return at->tag == post->tag && at->status == post->status && at->operation == post->operation &&
           at->more == post->more && (post->announces || at->result == post->result);
}

static bool posts_equal(const struct ref *ref)
{
    const struct env *env = &world->env;
    if (env->cq_tail - posted_before != ref->posts)
        return false;
    for (unsigned i = 0; i < ref->posts; i++)
        if (!post_equal(&env->cq[(posted_before + i) & (env->cq_size - 1)], &ref->post[i]))
            return false;
    return true;
}

static bool equal(const struct ref *ref)
{
    ref_view(ref, &wanted);
    return !memcmp(&real, &wanted, sizeof real) && posts_equal(ref);
}

static void learn_ids(void)
{
    for (unsigned i = 0; i < PLANS; i++)
        if (both_ref.plan[i].number && !both_ref.plan[i].id)
            both_ref.plan[i].id = world_id(both_ref.plan[i].number);
}

/* Real was wanted somewhere: the reference must come by a place where it is the same. */
static void follow(void)
{
    static struct ref trial;
    for (uint32_t fuse = 0;; fuse++) {
        ref_copy(&trial, &both_ref);
        ref_begin(&trial, fuse);
        ref_continue(&trial);
        if (!trial.blown) {
            ref_copy(&both_ref, &trial);
            differ("left at a place where the reference never is");
        }
        if (equal(&trial)) {
            ref_copy(&both_ref, &trial);
            return;
        }
    }
}

static void compare(void)
{
    world_check();
    world_view(&real);
    if (!equal(&both_ref))
        differ("real and reference differ");
    learn_ids();
}

/* ---- moving both --------------------------------------------------------------------------------- */

void both_init(const struct both_limits *limits)
{
    world_init(limits->ring, limits->slots, limits->frames);
    ref_init(&both_ref, limits->ring, limits->slots, limits->frames, world_cells);
    ref_known = world_known;
}

void both_enter(uint64_t submit, uint64_t wait_for)
{
    world_enter(submit, wait_for);
    ref_enter(&both_ref, submit, wait_for);
}

bool both_continue(unsigned wanted_at)
{
    posted_before = world->env.cq_tail;
    bool left = world_continue(wanted_at);
    if (left) {
        world_check();
        world_view(&real);
        follow();
    } else {
        ref_begin(&both_ref, UINT32_MAX);
        ref_continue(&both_ref);
    }
    compare();
    EXPECT(world_most_calls <= 8); /* the core is never longer without a look */
    EXPECT(env_runnable(&world->env) == ref_runnable(&both_ref));
    return left;
}

static void begin(void)
{
    posted_before = world->env.cq_tail;
    ref_begin(&both_ref, UINT32_MAX);
}

void both_event(uint32_t number, unsigned index, int status)
{
    begin();
    world_event(world_op(number, index), status);
    ref_event(&both_ref, number, index, status);
    compare();
}

void both_wake(uint32_t number, unsigned index, bool room)
{
    begin();
    world->room += room;
    both_ref.room += room;
    world_wake(world_op(number, index));
    ref_wake(&both_ref, number, index);
    compare();
}

void both_time(uint64_t now)
{
    uint32_t number;
    unsigned index;
    begin();
    world->now = both_ref.now = now;
    while (world_timer(&number, &index))
        ref_timer_end(&both_ref, number, index);
    EXPECT(!ref_timer_due(&both_ref, now));
    compare();
}

void both_take(uint64_t completions)
{
    world->control.cq_head += completions;
    both_ref.read += completions;
}

void both_die(void)
{
    bool devices = false;
    for (unsigned p = 0; p < PLANS; p++)
        for (unsigned i = 0; both_ref.plan[p].number && i < both_ref.plan[p].cells; i++)
            devices |= both_ref.plan[p].op[i].waits == REF_DEVICE;
    EXPECT(world_abandon() == !devices);
    for (unsigned p = 0; p < PLANS; p++)
        for (unsigned i = 0; both_ref.plan[p].number && i < both_ref.plan[p].cells; i++)
            if (both_ref.plan[p].op[i].waits == REF_DEVICE)
                world_event(world_op(both_ref.plan[p].number, i), 0);
    EXPECT(world_abandon());
    EXPECT(list_empty(&world->parked) && !world->env.timers);
    EXPECT(list_empty(&world->env.ready) && list_empty(&world->env.held));
}

/* ---- a state as a number -------------------------------------------------------------------------- */

static uint64_t mix(uint64_t hash, const void *bytes, size_t length)
{
    const uint64_t *word = bytes;
    for (size_t i = 0; i < length / 8; i++) {
        hash = (hash ^ word[i]) * 0x9e3779b97f4a7c15ull;
        hash ^= hash >> 31;
    }
    return hash;
}

/* Only how far away a tick is matters, and of a past one where in its period now is. */
static uint64_t distance(uint64_t tick, uint64_t period)
{
    uint64_t now = both_ref.now;
    return tick > now ? tick - now : period ? 1ull << 32 | (now - tick) % period : 1ull << 33;
}

static uint64_t mix_op(uint64_t hash, const struct ref_op *op)
{
    uint64_t words[4] = {op->called, op->done, op->withdrawn, op->waits};
    if (op->cell.code == EXO_RECLAIM)
        words[3] |= distance(op->cell.arg[1], 0) << 8;
    if (op->cell.code == EXO_TIMER)
        words[3] |= distance(op->ticked ? op->tick : op->cell.arg[0], op->cell.arg[1]) << 8 |
                    (uint64_t)op->ticked << 48;
    return mix(hash, words, sizeof words);
}

uint64_t both_hash(void)
{
    struct ref *ref = &both_ref;
    uint64_t hash = world_hash(1);
    ref_view(ref, &wanted);
    wanted.posted -= ref->read;
    wanted.taken = wanted.result = wanted.undone = wanted.passes = 0;
    for (unsigned p = 0; p < PLANS; p++)
        for (unsigned i = 0; i < PLAN_OPS; i++)
            if (wanted.plan[p].op[i].state == VIEW_ENDED) {
                const struct ref_op *op = ref_find(ref, wanted.plan[p].number, i);
                if (op->cell.code == EXO_TIMER) /* nothing refers to it */
                    memset(wanted.plan[p].op[i].result, 0, sizeof wanted.plan[p].op[i].result);
            }
    for (unsigned p = 0; p < PLANS; p++) /* far from the cap only where the next look is matters */
        if (wanted.plan[p].work > 100)
            wanted.plan[p].work = 96 + wanted.plan[p].work % 8;
    hash = mix(hash, &wanted, sizeof wanted);
    for (unsigned p = 0; p < PLANS; p++)
        for (unsigned i = 0; ref->plan[p].number && i < ref->plan[p].cells; i++)
            hash = mix_op(hash, &ref->plan[p].op[i]);
    uint64_t lacking = ref->wait_for > ref->posted ? ref->wait_for - ref->posted : 0;
    uint64_t rest[3] = {ref->waiting ? 1 + lacking : 0, ref->submit - ref->head,
                        ref->entering ? 1 : 0};
    return mix(hash, rest, sizeof rest);
}
