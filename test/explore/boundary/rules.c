/* SPDX-License-Identifier: MIT */
/* What must hold: see rules.h. */
#include "rules.h"

#include <string.h>

#include "../../../exo/channel.h"
#include "../../../exo/flush.h"
#include "../../../exo/net/queue.h"

#define PRESENT 1u
#define WRITABLE 2u
#define LARGE 0x80u

/* How far a dying environment is (kill.c): its tables are not written when its rights are dropped. */
enum { KILL_RIGHTS = 3, KILL_FRAMES = 4 };

/* What all tables, rings, the device and waiting operations add up to. */
struct tally {
    uint32_t rights[FRAMES], writable[FRAMES], tables[FRAMES], pins[FRAMES];
    uint32_t entries[FRAMES]; /* of a table, in use */
    uint32_t charged[ROLES], reserved[ROLES], listed[ROLES];
    uint32_t sent[FRAMES];    /* messages that it is in */
    uint8_t writers[FRAMES];  /* bit: a role that has a writable mapping */
    bool on_list[FRAMES];
    bool taken[FRAMES];       /* by an ALLOC that waits for it to be forgotten */
};

/* ---- who can reach what -------------------------------------------------------------------------- */

static bool right_counts(const struct env *env, uint64_t address)
{
    return env->state != ENV_DYING || env->kill_phase < KILL_RIGHTS ||
           (env->kill_phase == KILL_RIGHTS && address >= env->kill_cursor);
}

/* Only the owner maps what is owned; nobody writes what is frozen or the kernel's; nothing else is mapped. */
static void leaf_check(struct tally *tally, enum role role, const struct env *env, uint64_t entry, uint64_t address)
{
    uint64_t number = entry >> 12 & 0xffffffffffull;
    RULE(number < FRAMES, "a table names frame %#lx", number);
    if (!right_counts(env, address))
        return;
    const struct frame *frame = &frames[number];
    bool own = frame->owner == env->index, writes = entry & WRITABLE;
    bool shown = frame->state == FRAME_TABLE ||
                 (frame->state == FRAME_KERNEL && (frame->kind == KIND_CQ || frame->kind == KIND_INFO));
    RULE(frame->state == FRAME_FROZEN || own, "%u maps frame %lu, which is not its own", role, number);
    RULE(frame->state == FRAME_FROZEN || frame->state == FRAME_OWNED || shown,
         "%u maps frame %lu in state %u", role, number, frame->state);
    RULE(!writes || frame->state == FRAME_OWNED, "%u can write frame %lu in state %u", role, number, frame->state);
    tally->rights[number]++;
    tally->writable[number] += writes;
    tally->writers[number] |= (uint8_t)(writes << role);
    tally->charged[role] += frame->state == FRAME_FROZEN;
}

static void table_walk(struct tally *tally, enum role role, const struct env *env, uint32_t table, unsigned level,
                       uint64_t address)
{
    const uint64_t *entry = frame_words(table);
    for (unsigned i = 0; i < WORDS; i++) {
        uint64_t at = address + ((uint64_t)i << (12 + 9 * (level - 1)));
        if (!(entry[i] & PRESENT))
            continue;
        tally->entries[table]++;
        RULE(!(entry[i] & LARGE) || level == 2, "%u has a large page in a table of level %u", role, level);
        if (level == 1 || entry[i] & LARGE) {
            leaf_check(tally, role, env, entry[i], at);
            continue;
        }
        uint64_t number = entry[i] >> 12 & 0xffffffffffull;
        RULE(number < FRAMES && frames[number].state == FRAME_TABLE && frames[number].owner == env->index,
             "a table of %u names frame %lu, which is no table of its own", role, number);
        tally->tables[number]++;
        table_walk(tally, role, env, (uint32_t)number, level - 1, at);
    }
}

void rules_tails(void)
{
    for (unsigned i = 0; i < FRAMES; i++) {
        bool root = i >= BLOCK(0) && i < PLAY(0) && (i - BLOCK(0)) % 16 == PART_ROOT;
        const uint64_t *word = frame_words(i) + WORDS;
        size_t count = (root ? 256 : 512) - WORDS;
        if (frames[i].state == FRAME_TABLE)
            RULE(!word[0] && !memcmp(word, word + 1, (count - 1) * sizeof *word), "table %u has entries where nobody wrote", i);
    }
}

static void tables_count(struct tally *tally, enum role role, const struct env *env)
{
    if (env->state == ENV_DYING && env->kill_phase >= KILL_FRAMES)
        return; /* its tables are being freed, and it never runs again */
    table_walk(tally, role, env, BLOCK(role) + PART_ROOT, 4, 0);
}

/* ---- who waits ------------------------------------------------------------------------------------- */

static bool list_holds(const struct list *list, const struct list_node *node)
{
    for (const struct list_node *at = list->head.next; at != &list->head; at = at->next)
        if (at == node)
            return true;
    return false;
}

/* Who waits on a list is parked there, and lives. */
static void waiters_check(const struct list *list)
{
    for (const struct list_node *at = list->head.next; at != &list->head; at = at->next) {
        uint64_t number = ((uintptr_t)at - (uintptr_t)frame_words(0)) >> EXO_PAGE_SHIFT;
        RULE(number < FRAMES && frames[number].state == FRAME_KERNEL && frames[number].kind == KIND_SLOTS,
             "what waits lies in frame %lu, which holds no plans", number);
        struct op *op = LIST_ENTRY((struct list_node *)(uintptr_t)at, struct op, wait);
        RULE(op->state == OP_PARKED && op->where == WHERE_LIST && op_plan(op)->admitted, "what waits is not parked");
    }
}

/* A parked operation waits on a list of something that lives, or for a core. */
static void wait_check(const struct op *op)
{
    bool found = may_flush(op->cell.code) && flush_slowest() < flush_epoch;
    for (unsigned role = 0; role < ROLES; role++) {
        const struct env *env = role_env(role);
        if (env)
            found |= list_holds(&env->waiters, &op->wait) || list_holds(&env->reclaim_waiters, &op->wait);
    }
    for (unsigned i = 0; i < PLAYS; i++) {
        const struct channel *channel = play_channel(i);
        if (channel)
            found |= list_holds(&channel->sending, &op->wait) || list_holds(&channel->receiving, &op->wait);
    }
    if (op->cell.code == EXO_NET_RX || op->cell.code == EXO_NET_TX)
        return; /* lists of the queue and the device, which don't end here */
    RULE(found, "operation %u waits for what is gone", op->cell.code);
}

/* What a message holds: frames that are nobody's, or its sender's; or rights to frozen ones. */
static void message_check(struct tally *tally, const uint32_t *frame, unsigned count, bool frozen, uint16_t owner)
{
    for (unsigned i = 0; i < count; i++) {
        const struct frame *entry = &frames[frame[i]];
        RULE(frame[i] < FRAMES && (frozen ? entry->state == FRAME_FROZEN : entry->state == FRAME_KERNEL &&
             entry->kind == KIND_SENT && entry->owner == owner), "a message with frame %u, which is not in it", frame[i]);
        tally->sent[frame[i]] += !frozen;
        tally->rights[frame[i]] += frozen;
        tally->pins[frame[i]] += frozen;
    }
}

/* A SEND that waits: its frames are still its sender's, and charged to it. */
static void send_check(struct tally *tally, enum role role, const struct env *env, const struct op *op)
{
    uint32_t frame[EXO_CHANNEL_FRAMES];
    unsigned count = EXO_BUF_FRAME(op->result[0]) ? 1 : 0; /* no move of ours sends more */
    bool frozen = op->cell.flags & EXO_VPAGE;
    memcpy(frame, &op->result[2], sizeof frame);
    message_check(tally, frame, count, frozen, env->index);
    tally->charged[role] += frozen ? count : 0;
}

/* Whom a channel's operations are known to, and that nobody waits in vain. */
static void channel_check(struct tally *tally, const struct channel *channel, uint32_t number)
{
    unsigned senders = 0, receivers = 0, woken = 0;
    enum role to = env_role(channel->receiver);
    RULE(role_env(to) == channel->receiver && frames[number].owner == channel->receiver->index,
         "a channel to who is gone");
    tally->charged[to] += (uint32_t)channel->places * channel->carry;
    for (unsigned i = 0; i < channel->used; i++) {
        const struct message *message = &channel->place[(channel->first + i) % channel->places];
        RULE(message->count <= channel->carry, "a message beyond what was paid for");
        message_check(tally, message->frame, message->count, message->frozen, 0);
    }
    for (unsigned role = 0; role < ROLES; role++) {
        const struct env *env = role_env(role);
        for (unsigned place = 1; env && place < HANDLES; place++) {
            const struct handle *handle = &env->handles[place];
            bool this = handle->frame == number && handle->object_generation == frames[number].generation;
            senders += this && handle->kind == K_SENDER;
            receivers += this && handle->kind == K_RECEIVER;
            RULE(!this || handle->kind != K_RECEIVER || role == to, "%u has another's receiving end", role);
        }
    }
    for (unsigned i = 0; i < SLOTS; i++) {
        const struct plan *plan = slot_plan(to, i);
        const struct op *op = &plan->op[0];
        bool is_slots = frames[BLOCK(to) + PART_SLOTS].kind == KIND_SLOTS;
        woken += is_slots && plan->admitted && op->cell.code == EXO_RECV && op->state == OP_READY && op->result[3] &&
                 channel->receiver->handles[op->cell.handle & 0xffff].frame == number;
    }
    if (channel->ended || channel->receiver->state == ENV_DYING)
        return;
    bool waits = !list_empty(&channel->receiving);
    RULE(channel->senders == senders && receivers == 1, "a channel with %u senders, not %u", channel->senders, senders);
    RULE(channel->woken == woken, "a channel that woke %u, not %u", channel->woken, woken);
    RULE(channel->used <= channel->places && (list_empty(&channel->sending) || channel->used == channel->places),
         "SEND waits although there is room");
    RULE(!waits || channel->used <= woken, "RECV waits although there is a message");
    RULE(!waits || senders || channel->used || woken, "RECV waits for nobody");
}

static bool heap_holds(const struct op *heap, const struct op *op)
{
    return heap && (heap == op || heap_holds(heap->heap.left, op) || heap_holds(heap->heap.right, op));
}

static bool reclaimed(const struct op *op)
{
    bool found = false;
    for (unsigned role = 0; role < ROLES; role++)
        found |= role_env(role) && role_env(role)->reclaim == op;
    return found;
}

/* A program from which frames are asked back is so by an operation of its maker's, under way. */
static void reclaim_check(enum role role, const struct env *env)
{
    bool found = false;
    RULE(env->reclaim || (!env->seized && !env->reclaim_untold && !env->info->reclaim), "%u is asked for nothing", role);
    for (unsigned maker = 0; maker < ROLES; maker++)
        for (unsigned i = 0; i < SLOTS; i++)
            found |= role_env(maker) && role_env(maker) == env->parent && &slot_plan(maker, i)->op[0] == env->reclaim &&
                     slot_plan(maker, i)->admitted && env->reclaim->cell.code == EXO_RECLAIM && env->reclaim->state != OP_ENDED;
    RULE(found || !env->reclaim, "%u is asked by who is gone", role);
    RULE(!env->reclaim || env->reclaim->state != OP_PARKED ||
         env->frames_used + env->frames_reserved + env->reclaim->cell.arg[0] > env->frames_limit,
         "a RECLAIM waits for frames that %u does not use", role);
}

static void op_check(struct tally *tally, enum role role, const struct env *env, const struct plan *plan, unsigned i)
{
    const struct op *op = &plan->op[i];
    bool ended = plan->ended >> i & 1, ready = plan->runnable >> i & 1, waiting = plan->waiting >> i & 1;
    if (env->state == ENV_DYING && op->state == OP_ENDED)
        return;
    RULE(ended + ready + waiting + (op->state == OP_PARKED) == 1, "operation %u is in two states", op->cell.code);
    if (ready)
        RULE(env->state == ENV_DYING || list_holds(&env->ready, &plan->link), "operation %u is forgotten", op->cell.code);
    if (op->cell.code == EXO_ALLOC && (ready || op->state == OP_PARKED) && flush_steps(op)[1])
        tally->taken[op->result[0] % FRAMES] = true;
    if (op->state != OP_PARKED)
        return;
    if (op->where == WHERE_LIST)
        wait_check(op);
    else if (op->where == WHERE_TIMERS)
        RULE(heap_holds(env->timers, op), "operation %u is in no timer heap", op->cell.code);
    if (op->cell.code == EXO_NET_RX)
        tally->pins[(uint32_t)op->result[0] % FRAMES]++;
    if (op->cell.code == EXO_RECLAIM)
        RULE(reclaimed(op), "a RECLAIM waits for what is gone");
    if (op->cell.code == EXO_SEND && op->result[2]) /* or it waits for a core, and has taken nothing */
        send_check(tally, role, env, op);
}

/* No plan and no operation is lost, and none ends twice: what is open in the books is in a slot. */
static void plans_check(struct tally *tally, enum role role, const struct env *env)
{
    struct ledger *ledger = &ledgers[role];
    bool found[SLOTS + 1] = {false};
    for (unsigned i = 0; i < SLOTS; i++) {
        const struct plan *plan = slot_plan(role, i);
        if (!plan->admitted)
            continue;
        unsigned id = (unsigned)(plan->tag >> 8);
        RULE(plan->env == env && id <= SLOTS && !found[id], "plan %u of %u is not its own", id, role);
        found[id] = true;
        tally->reserved[role] += plan->reserved;
        for (unsigned op = 0; op < plan->cells; op++)
            op_check(tally, role, env, plan, op);
        if (env->state == ENV_DYING)
            continue;
        uint64_t open = (plan->operations & ~plan->ended) | plan->unposted;
        RULE((ledger->open[id] & 0x3f) == open, "%u: completions of plan %u are lost or double", role, id);
        RULE(!plan->unposted || list_holds(&env->held, &plan->held), "%u: held completions are forgotten", role);
        RULE(plan->ended != plan->operations || plan->on_ready || list_holds(&env->held, &plan->held),
             "%u: plan %u does not end", role, id);
    }
    for (unsigned id = 0; id <= SLOTS; id++)
        RULE(found[id] || !ledger->open[id], "%u: plan %u is gone without its completions", role, id);
}

void rules_settle(enum role role)
{
    struct ledger *ledger = &ledgers[role];
    for (unsigned id = 0; id <= SLOTS; id++) {
        bool there = false;
        for (unsigned i = 0; i < SLOTS; i++)
            there |= slot_plan(role, i)->admitted && slot_plan(role, i)->tag >> 8 == id;
        if (!there && (ledger->open[id] == OPEN_PLAN || !ledger->open[id]))
            ledger->open[id] = ledger->code[id] = 0;
    }
}

void rule_completion(enum role role, const struct exo_completion *completion)
{
    unsigned id = (unsigned)(completion->tag >> 8), operation = completion->tag & 7;
    RULE(id <= SLOTS, "%u: a completion of nothing", role);
    uint8_t *open = &ledgers[role].open[id];
    unsigned code = ledgers[role].code[id], status = (unsigned)-completion->status & 31;
    if (completion->operation != EXO_PLAN_SELF) {
        RULE(operation == completion->operation && *open >> operation & 1, "%u: a second completion", role);
        *open &= (uint8_t) ~(1u << operation);
        *open |= completion->status ? OPEN_FAILED : 0;
        outcomes[code][status]++;
        return;
    }
    RULE(*open & OPEN_PLAN && operation == 7, "%u: a second end of a plan", role);
    if (completion->plan == 0) {
        RULE(!(*open & OPEN_FAILED) && completion->status, "%u: refused after it began", role);
        outcomes[code][status]++;
    } else {
        RULE((*open & 0x7f) == OPEN_FAILED, "%u: a plan ended before its operations", role);
    }
    *open = 0;
}

/* ---- accounts ---------------------------------------------------------------------------------------- */

static void list_check(struct tally *tally, enum role role, const struct env *env)
{
    for (uint32_t i = env->owned, before = FRAME_NONE; i != FRAME_NONE; before = i, i = frames[i].next) {
        const struct frame *frame = &frames[i];
        RULE(i < FRAMES && !tally->on_list[i] && frame->prev == before && frame->owner == env->index,
             "frame %u is wrongly on the list of %u", i, role);
        RULE(frame->state == FRAME_OWNED || frame->state == FRAME_TABLE || frame->state == FRAME_KERNEL,
             "frame %u in state %u is on the list of %u", i, frame->state, role);
        tally->on_list[i] = true;
        tally->listed[role]++;
    }
}

/* Its rings and its control page are its own as long as it lives. */
static void rings_check(struct tally *tally, enum role role, const struct env *env)
{
    const struct frame *part = &frames[BLOCK(role)];
    if (!env->control)
        return;
    for (unsigned i = PART_CONTROL; i <= PART_SQ; i++) {
        bool own = part[i].owner == env->index && part[i].state == FRAME_OWNED;
        RULE(own || env->state == ENV_DYING, "%u lost part %u", role, i);
        tally->pins[BLOCK(role) + i] += own;
    }
    bool ring = part[PART_CQ].state == FRAME_KERNEL && part[PART_CQ].kind == KIND_CQ && part[PART_CQ].owner == env->index;
    RULE(ring || env->state == ENV_DYING, "%u lost its completion ring", role);
}

/* What the device reads is pinned by whoever sent it, who is still there. */
static void device_check(struct tally *tally)
{
    for (unsigned i = 0; i < device.count; i++) {
        struct op *op = (struct op *)device.sent[i].owner;
        const struct env *env = op_plan(op)->env;
        enum role role = env_role(env);
        RULE(role_env(role) == env && op_plan(op)->admitted && op->state == OP_PARKED, "the device has a packet of nobody's");
        for (unsigned j = 0; j < device.sent[i].count; j++) {
            uint32_t number = device.sent[i].frame[j];
            const struct frame *frame = &frames[number];
            RULE(frame->state == FRAME_FROZEN || (frame->state == FRAME_OWNED && frame->owner == env->index),
                 "the device reads frame %u, which is not %u's", number, role);
            tally->pins[number]++;
            if (frame->state != FRAME_FROZEN)
                continue;
            tally->rights[number]++;
            tally->charged[role]++;
        }
    }
}

static void accounts_check(const struct tally *tally)
{
    uint32_t limit = 0, places = 0;
    for (unsigned role = 0; role < ROLES; role++) {
        const struct env *env = role_env(role);
        if (!env)
            continue;
        RULE(env->frames_used == tally->listed[role] + tally->charged[role],
             "%u is charged %u frames and has %u and %u rights", role, env->frames_used, tally->listed[role],
             tally->charged[role]);
        RULE(env->frames_reserved == tally->reserved[role] || env->state == ENV_DYING,
             "%u has %u frames reserved, its plans %u", role, env->frames_reserved, tally->reserved[role]);
        RULE(env->frames_used + env->frames_reserved <= env->frames_limit, "%u is beyond its limit", role);
        limit += env->frames_limit;
        places += env->places + 1u;
    }
    RULE(limit == machine_quota(), "limits add up to %u, not %u", limit, machine_quota());
    RULE(places == ENV_MAX - 1, "places add up to %u", places);
}

/* ---- frames --------------------------------------------------------------------------------------------- */

static bool is_slots(const struct frame *frame) { return frame->state == FRAME_KERNEL && frame->kind == KIND_SLOTS; }

static bool walked(const struct frame *frame)
{
    const struct env *env = envs[frame->owner];
    return !env || env->state != ENV_DYING || env->kill_phase < KILL_FRAMES;
}

static void frame_check(const struct tally *tally, uint32_t number)
{
    const struct frame *frame = &frames[number];
    bool owned = frame->state == FRAME_OWNED || frame->state == FRAME_TABLE ||
                 (frame->state == FRAME_KERNEL && frame->owner);
    RULE(owned == tally->on_list[number], "frame %u in state %u is %son a list", number, frame->state, owned ? "not " : "");
    RULE(!(tally->writers[number] & (tally->writers[number] - 1)), "frame %u has two writers", number);
    RULE(tally->tables[number] <= 1, "frame %u is two tables", number);
    bool in_message = frame->state == FRAME_KERNEL && frame->kind == KIND_SENT;
    RULE(tally->sent[number] == in_message, "frame %u is in %u messages", number, tally->sent[number]);
    RULE(frame->pins == tally->pins[number], "frame %u has %u pins, not %u", number, frame->pins, tally->pins[number]);
    if (!is_slots(frame) && walked(frame))
        RULE(frame->rights == tally->rights[number], "frame %u has %u rights, not %u", number, frame->rights, tally->rights[number]);
    switch (frame->state) {
    case FRAME_FREE:
        RULE(!frame->rights && !frame->writable && !frame->owner, "frame %u is free and somebody's", number);
        break;
    case FRAME_OWNED:
        RULE(frame->writable == tally->writable[number], "frame %u has %u writable mappings, not %u", number, frame->writable, tally->writable[number]);
        break;
    case FRAME_FROZEN:
        RULE(!frame->writable && frame->rights && !frame->owner, "frame %u is frozen and %s", number, frame->rights ? "writable" : "nobody's");
        break;
    case FRAME_TABLE:
        if (walked(frame) && (number < BLOCK(0) || play_index(number) >= 0 || (number - BLOCK(0)) % 16 != PART_ROOT)) {
            RULE(frame->writable == tally->entries[number], "table %u has %u entries, not %u", number, frame->writable, tally->entries[number]);
            RULE(tally->tables[number] == 1, "table %u hangs nowhere", number);
        }
        break;
    }
}

/* The free lists hold what nobody has, once. */
static void free_check(const struct tally *tally)
{
    uint32_t free = 0, runs = 0;
    for (unsigned i = 0; i < FRAMES; i++) {
        const struct frame *frame = &frames[i];
        RULE(!tally->taken[i] || (frame->state == FRAME_FREE && !frame->kind), "frame %u was taken and is not", i);
        if (frame->state != FRAME_FREE || tally->taken[i])
            continue;
        free++;
        runs += frame->kind ? 1u << (frame->kind - 1) : 0;
        if (!frame->kind)
            continue;
        RULE(frame->next == FRAME_NONE || frames[frame->next].prev == i, "free list broken behind %u", i);
        RULE(frame->prev == FRAME_NONE || frames[frame->prev].next == i, "free list broken before %u", i);
        for (unsigned j = i; j < i + (1u << (frame->kind - 1)); j++)
            RULE(j < FRAMES && frames[j].state == FRAME_FREE, "frame %u lies in a free run", j);
    }
    RULE(free == frames_free && runs == free, "%u frames are nobody's, %u in runs, %u said to be free", free, runs, frames_free);
}

/* A handle that can be used names what lives, and a child has one. */
static void handles_check(void)
{
    unsigned children[ROLES] = {0};
    for (unsigned role = 0; role < ROLES; role++) {
        struct env *env = role_env(role);
        if (!env || (env->state == ENV_DYING && env->kill_phase >= 1))
            continue;
        for (uint32_t place = 1; place < HANDLES; place++) {
            const struct handle *entry = &env->handles[place];
            struct env *child = handle_env(env, number_of(place | (uint32_t)entry->generation << 16), false);
            if (!child)
                continue;
            RULE(role_env(env_role(child)) == child && envs[child->index] == child, "%u has a handle of who is gone", role);
            children[env_role(child)]++;
        }
    }
    for (unsigned role = FIRST; role < ROLES; role++)
        RULE(children[role] <= 1, "%u handles of %u", children[role], role);
}

void rules_check(void)
{
    struct tally tally;
    memset(&tally, 0, sizeof tally);
    for (unsigned role = 0; role < ROLES; role++) {
        const struct env *env = role_env(role);
        if (!env)
            continue;
        RULE(envs[env->index] == env, "%u is not known", role);
        tables_count(&tally, role, env);
        list_check(&tally, role, env);
        rings_check(&tally, role, env);
        reclaim_check(role, env);
        waiters_check(&env->waiters);
        waiters_check(&env->reclaim_waiters);
        if (is_slots(&frames[BLOCK(role) + PART_SLOTS]) && frames[BLOCK(role) + PART_SLOTS].owner == env->index)
            plans_check(&tally, role, env);
    }
    device_check(&tally);
    if (machine_queue())
        waiters_check(&machine_queue()->parked);
    for (unsigned i = 0; i < PLAYS; i++) {
        const struct channel *channel = play_channel(i);
        if (!channel)
            continue;
        channel_check(&tally, channel, PLAY(i));
        waiters_check(&channel->sending);
        waiters_check(&channel->receiving);
    }
    for (unsigned i = 0; i < FRAMES; i++)
        frame_check(&tally, i);
    free_check(&tally);
    accounts_check(&tally);
    handles_check();
}

/* ---- contents --------------------------------------------------------------------------------------------- */

/* Into whose hands the messages' frames can come. */
static void places_before(struct play_before *before)
{
    for (unsigned i = 0; i < PLAYS; i++) {
        const struct channel *channel = play_channel(i);
        for (unsigned j = 0; channel && j < channel->used; j++) {
            const struct message *message = &channel->place[(channel->first + j) % channel->places];
            if (message->count && play_index(message->frame[0]) >= 0)
                before->to[play_index(message->frame[0])] = (uint8_t)channel->receiver->index;
        }
        const struct list_node *end = channel ? &channel->sending.head : NULL;
        for (const struct list_node *at = end ? end->next : NULL; at != end; at = at->next) {
            const struct op *op = LIST_ENTRY((struct list_node *)(uintptr_t)at, struct op, wait);
            if (EXO_BUF_FRAME(op->result[0]) && play_index((uint32_t)op->result[2]) >= 0)
                before->to[play_index((uint32_t)op->result[2])] = (uint8_t)channel->receiver->index;
        }
    }
}

void rules_before(struct play_before *before)
{
    for (unsigned i = 0; i < PLAYS; i++) {
        before->state[i] = frames[PLAY(i)].state;
        before->kind[i] = frames[PLAY(i)].kind;
        before->owner[i] = (uint8_t)frames[PLAY(i)].owner;
        before->to[i] = 0;
        before->rights[i] = frames[PLAY(i)].rights;
        before->known[i] = !core_forgot(0, &frames[PLAY(i)]) || !core_forgot(1, &frames[PLAY(i)]);
    }
    places_before(before);
}

static bool all_words(const uint64_t *words, uint64_t value)
{
    return words[0] == value && !memcmp(words, words + 1, (PLAY_WORDS - 1) * sizeof *words);
}

/* What was in nobody's hands comes with zeros; what stays or moves has what its owner wrote; what the kernel wrote
 * (tables are empty when they end; channels go to nobody) is not seen. */
static void content_check(unsigned i, const struct play_before *before, const struct move *move)
{
    const struct frame *frame = &frames[PLAY(i)];
    const uint64_t *words = frame_words(PLAY(i));
    unsigned was = before->state[i];
    bool sent = was == FRAME_KERNEL && before->kind[i] == KIND_SENT;
    bool held = was == FRAME_OWNED || sent, owned = frame->state == FRAME_OWNED;
    bool sent_there = sent && before->to[i] == frame->owner;
    bool given = move->code == EXO_GIVE || (cores_late && move->code == MOVE_GO_ON); /* it may have waited */
    RULE(!held || !owned || before->owner[i] == frame->owner || sent_there || given,
         "frame %u went from hand to hand", PLAY(i));
    RULE(was == FRAME_OWNED || was == FRAME_FROZEN || frame->state != FRAME_FROZEN, "frame %u froze in nobody's hand", PLAY(i));
    RULE(was != FRAME_TABLE || !owned || !frame->rights, "table %u was taken back while it was mapped", PLAY(i));
    if (owned && (was == FRAME_FREE || was == FRAME_TABLE))
        RULE(all_words(words, 0), "frame %u was not zeroed", PLAY(i));
    else if (was != FRAME_TABLE && (was != FRAME_KERNEL || sent))
        RULE(all_words(words, POISON), "somebody wrote frame %u", PLAY(i));
    else
        RULE(!owned, "frame %u is somebody's with what the kernel wrote", PLAY(i));
}

/* What a core may still reach through a mapping that went stays where it is, or becomes free, until both cores forgot. */
static void flush_check(unsigned i, const struct play_before *before)
{
    const struct frame *frame = &frames[PLAY(i)];
    bool same = frame->state == before->state[i] && frame->owner == before->owner[i];
    bool table_back = before->state[i] == FRAME_TABLE && frame->state == FRAME_OWNED && frame->owner == before->owner[i];
    RULE(same || table_back || frame->state == FRAME_FREE, "frame %u was given away, and a core remembers it", PLAY(i));
    RULE(frame->state != FRAME_OWNED || frame->rights <= before->rights[i], "frame %u was mapped, and a core remembers it", PLAY(i));
}

void rules_contents(const struct play_before *before, const struct move *move)
{
    for (unsigned i = 0; i < PLAYS; i++) {
        const struct frame *frame = &frames[PLAY(i)];
        if (before->known[i] && move->code != MOVE_FORGOT)
            flush_check(i, before);
        if (frame->state == FRAME_TABLE || (frame->state == FRAME_KERNEL && frame->kind != KIND_SENT))
            continue; /* entries: rules_check() looks at them */
        content_check(i, before, move);
        memset(frame_words(PLAY(i)), POISON & 0xff, PLAY_WORDS * 8);
    }
}
