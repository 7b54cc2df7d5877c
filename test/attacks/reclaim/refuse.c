/* SPDX-License-Identifier: MIT */
/*
 * RECLAIM of children that will not give their memory back, each in its own way (lives.h). Whatever they do, what was asked for
 * comes back within a bounded number of steps behind the deadline, or the child is stopped and all of it comes back with its end. The
 * frames are cleaned, and who has them next finds in them what he wrote there.
 */
#include "lives.h"

#include "../attack.h"

#define ASKED 40u
#define WINDOW (7ull << 39)
#define PATTERN(i) (0x9e3779b97f4a7c15ull * ((i) + 1))

enum ends { ROBBED, STOPPED, GAVE }; /* by force, and it goes on; force was not enough; not by force */
enum { FORCED = 5000, NOT }; /* exits with as many as were taken; does not exit */

struct refusal {
    const char *name;
    void (*live)(uint64_t);
    enum ends ends;
    uint32_t status, quota;
};

static const struct refusal refusals[] = {
#define R(name, ends, status, quota) { #name, name, ends, status, quota },
    R(writes_on, ROBBED, FORCED, 300) R(never_answers, ROBBED, FORCED, 300) R(freezes, ROBBED, FORCED, 340)
    R(large_page, ROBBED, EXO_LARGE_PAGES, 720) R(many_tables, ROBBED, FORCED, 340)
    R(sends_packets, ROBBED, 0, 300) R(takes_again, ROBBED, 0, 300) R(names_what_was_lost, ROBBED, 0, 300)
    R(frees_others, ROBBED, 0, 300) R(maps_kernel_pages, ROBBED, 0, 300) R(ends_when_asked, ROBBED, 0, 300)
    R(lies_about_spare, ROBBED, NOT, 300)
    R(maps_twice, STOPPED, NOT, 300) R(posts_to_device, STOPPED, NOT, 300) R(makes_tables, STOPPED, NOT, 300)
    R(makes_slots, STOPPED, NOT, 300) R(sends_to_itself, STOPPED, NOT, 400) R(waits_in_full_channel, STOPPED, NOT, 300)
    R(reserves, STOPPED, NOT, 300) R(hoards_in_child, STOPPED, NOT, 400)
    R(gives_to_child, GAVE, NOT, 400)
#undef R
};

/* ---- the frames that were its own -------------------------------------------------------------------------- */

static struct {
    uint64_t at[EXO_LARGE_PAGES]; /* frames */
    unsigned count;
} loot;

static volatile uint64_t *loot_page(unsigned i) { return (volatile uint64_t *)(WINDOW + i * PAGE); }

/* Takes those of them that are free, by number; they must be clean. */
static void loot_take(uint64_t first, unsigned count)
{
    unsigned dirty = 0;
    loot.count = 0;
    for (uint64_t frame = first; frame < first + count; frame++) {
        if (OP(ALLOC, 1, 0, frame) < 0)
            continue;
        OK(OP(MAP, WINDOW + loot.count * PAGE, frame, 1, RW));
        loot.at[loot.count] = frame;
        volatile uint64_t *word = loot_page(loot.count++);
        for (unsigned i = 0; i < PAGE / 8; i++) {
            dirty += word[i] != 0;
            word[i] = PATTERN(frame * 512 + i);
        }
    }
    holds("what was taken comes clean", dirty == 0);
}

static void loot_return(void)
{
    unsigned changed = 0;
    for (unsigned k = 0; k < loot.count; k++)
        for (unsigned i = 0; i < PAGE / 8; i++)
            changed += loot_page(k)[i] != PATTERN(loot.at[k] * 512 + i);
    holds("what was taken is its new owner's alone", changed == 0);
    for (unsigned k = 0; k < loot.count; k++) {
        OK(OP(UNMAP, (uint64_t)loot_page(k), 1));
        frames_give_back(loot.at[k], 1);
    }
}

/* ---- a channel from one child to another ------------------------------------------------------------------------ */

static uint32_t pipe_sender;

static void pipe_make(const struct child *receiver)
{
    uint64_t frame = frames_take(1);
    OK(OP_ON(receiver->env, GIVE, frame, 1));
    OK(OP_ON(receiver->env, CHANNEL_CREATE, frame, LIFE_PAGES / 4, 4));
    pipe_sender = (uint32_t)op_result[0];
    life_pipe = (uint32_t)op_result[1];
}

static void pipe_copy(const struct child *to)
{
    OK(OP_ON(to->env, HANDLE_COPY, pipe_sender));
    life_pipe = (uint32_t)op_result[0];
    OK(OP(HANDLE_DROP, pipe_sender));
}

/* ---- one of them -------------------------------------------------------------------------------------------- */

static struct child begin(const struct refusal *r)
{
    struct child child;
    bool made = child_create_parent(&child, r->quota, r->live == hoards_in_child || r->live == gives_to_child);
    listen_to(&child);
    OK(OP_ON(child.env, HANDLE_COPY, start_info()->queue));
    life_queue = (uint32_t)op_result[0];
    if (r->live == friend_takes)
        pipe_make(&child);
    if (r->live == gives_to_friend)
        pipe_copy(&child);
    made &= child_copy(&child, 1, 3) && child_tables(&child, LIFE_MEMORY, EXO_LARGE_PAGES);
    holds(r->name, made && child_start(&child, r->live, child.control | child.sq << 20 | child.cq << 40));
    return child;
}

/* Steps that a walk over all of its tables and all of its frames may take, and not more. */
static uint32_t steps_of(const struct exo_account *account)
{
    return (account->tables * 2 + 1) * EXO_LARGE_PAGES / 16 + account->owned / 16 + 32;
}

/* Packets go to the queue that it had posted its frames to. */
static void packet_come(void)
{
    static const uint8_t arp[] = {8, 6, 0, 1, 8, 0, 6, 4, 0, 1}, gateway[] = {10, 0, 2, 2};
    uint64_t frame = frames_take(1), place = WINDOW + LIFE_PAGES * PAGE;
    OK(OP(MAP, place, frame, 1, RW));
    uint8_t *packet = (uint8_t *)place;
    memset(packet, 0xff, 6);
    memcpy(packet + 6, start_info()->mac, 6);
    memcpy(packet + 12, arp, sizeof(arp));
    memcpy(packet + 22, start_info()->mac, 6);
    memcpy(packet + 28, &start_info()->address, 4);
    memcpy(packet + 38, gateway, 4);
    OK(OP_ON(start_info()->queue, QUEUE_INFO, 0));
    uint64_t dropped = op_result[2];
    OK(OP_ON(start_info()->queue, NET_TX, EXO_BUF(frame, 0, 60)));
    for (unsigned i = 0; i < 1000 && op_result[2] == dropped; i++) {
        OK(OP(TIMER, tick_after_us(1000)));
        OK(OP_ON(start_info()->queue, QUEUE_INFO, 0));
    }
    holds("a packet came", op_result[2] > dropped);
    OK(OP(UNMAP, place, 1));
    frames_give_back(frame, 1);
}

static void judge_end(const struct refusal *r, const struct child *child, uint64_t taken)
{
    uint64_t stop[3];
    if (r->status == NOT && r->ends != STOPPED)
        return;
    child_wait(child, stop);
    if (r->ends == STOPPED)
        holds("stopped, since force was not enough", stop[0] == EXO_STOP_RECLAIM && stop[1] > 0 && stop[2] == taken);
    else
        holds(r->name, stop[0] == EXO_STOP_EXIT && stop[1] == (r->status == FORCED ? taken : r->status));
}

static void rob(const struct refusal *r, struct child child)
{
    uint64_t frame, owned, taken;
    holds("it says that it is ready", heard(&frame, &owned));
    struct exo_account before = squeeze(&child), after;
    uint64_t mine = PLAN_INFO->frames_limit;
    uint32_t count = r->ends != STOPPED ? ASKED : (uint32_t)(before.owned + before.frozen - owned) + 1;
    uint64_t deadline = tick_after_us(r->ends == GAVE ? 5000000 : 3000);
    int error = ask(child.env, count, deadline, steps_of(&before), &taken);
    uint64_t now = __builtin_ia32_rdtsc();
    after = account_of(child.env);
    if (r->ends == STOPPED)
        refused(r->name, error, EXO_E_DEAD);
    else
        holds(r->name, error == 0 && (taken > 0) == (r->ends == ROBBED) && taken <= count);
    uint32_t moved = r->ends == STOPPED ? 0 : count;
    holds("the limit moved by what was asked", after.limit == before.limit - moved && PLAN_INFO->frames_limit == mine + moved);
    holds("in time", now < deadline + ticks_of_us(10000000));
    child.quota -= moved;
    if (r->ends == ROBBED)
        loot_take(frame, r->live == large_page ? EXO_LARGE_PAGES : LIFE_PAGES);
    judge_end(r, &child, taken);
    child_kill(&child);
    if (r->ends == STOPPED)
        loot_take(frame, LIFE_PAGES);
    if (r->live == posts_to_device)
        packet_come();
    libos_log("%s: %lu by force, %u frames seen again", r->name, (unsigned long)taken, loot.count);
    loot_return();
    loot.count = 0;
}

/* Two of them: what one is asked for he sends to the other, who pays for it, until he is asked. */
static void conspiracy(void)
{
    static const struct refusal friend = {"friend_takes", friend_takes, ROBBED, FORCED, 500},
                                giver = {"gives_to_friend", gives_to_friend, GAVE, NOT, 300};
    struct child second = begin(&friend);
    rob(&giver, begin(&giver));
    rob(&friend, second);
}

static void alone(const struct refusal *r) { rob(r, begin(r)); }

int main(void)
{
    listen_begin();
    tables_make(WINDOW);
    (void)account_of(EXO_SELF);
    alone(&refusals[0]); /* and what building one takes once and for all */
    uint64_t limit = PLAN_INFO->frames_limit, used = PLAN_INFO->frames_used;
    for (unsigned i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        alone(&refusals[i]);
        holds("the account is what it was", PLAN_INFO->frames_limit == limit && PLAN_INFO->frames_used == used);
    }
    conspiracy();
    holds("the account is what it was", PLAN_INFO->frames_limit == limit && PLAN_INFO->frames_used == used);
    return attack_end() || check_failures;
}
