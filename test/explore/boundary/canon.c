/* SPDX-License-Identifier: MIT */
/*
 * One number for all states that are the same but for names. Environments have labels (the two children swapped, if they are
 * equal); a play frame is what it is and what names it: its owner, its mappings, operations. Since everything that
 * names a frame has a label, sums over frames and pages forget their order and nothing else.
 */
#include <string.h>

#include "../../../exo/channel.h"
#include "../../../exo/flush.h"
#include "rules.h"

static uint64_t mix(uint64_t a, uint64_t b)
{
    uint64_t x = (a ^ 0x9e3779b97f4a7c15ull) * 0xff51afd7ed558ccdull + b;
    x ^= x >> 32;
    x *= 0xc4ceb9fe1a85ec53ull;
    return x ^ x >> 29;
}

struct naming {
    uint8_t label[ROLES];
    unsigned core; /* that is called the first */
    uint64_t play[PLAYS]; /* what names each */
    uint64_t sum;
};

static unsigned label_of_index(const struct naming *naming, uint16_t index)
{
    return index && envs[index] ? naming->label[env_role(envs[index])] + 1u : 0;
}

/* Something that has the name `by` names a frame; the answer goes into what `by` is. */
static uint64_t frame_named(struct naming *naming, uint32_t number, uint64_t by)
{
    int play = play_index(number);
    if (play >= 0) {
        naming->play[play] += by;
        return 1;
    }
    if (number < BLOCK(0) || number >= PLAY(0))
        return number;
    return mix(naming->label[(number - BLOCK(0)) / 16], (number - BLOCK(0)) % 16);
}

/* ---- an environment ------------------------------------------------------------------------------- */

static void tables_hash(struct naming *naming, enum role role)
{
    uint64_t label = naming->label[role];
    for (unsigned part = PART_ROOT; part < PARTS; part += part == PART_ROOT ? PART_LEVEL3 - PART_ROOT : 1) {
        const struct frame *frame = &frames[BLOCK(role) + part];
        if (frame->state != FRAME_TABLE)
            continue;
        const uint64_t *entry = frame_words(BLOCK(role) + part);
        for (unsigned i = 0; i < WORDS; i++) {
            if (!(entry[i] & 1))
                continue;
            /* The two pages of the first table are like each other. */
            uint64_t by = mix(mix(label, part * 16 + (part == PART_LEVEL1 ? 0 : i)), entry[i] & ~0xffffffffff000ull);
            naming->sum += mix(by, frame_named(naming, (uint32_t)(entry[i] >> 12), by));
        }
    }
    uint64_t second = frame_words(BLOCK(role) + PART_LEVEL2)[1];
    if (!(second & 1) || second & 0x80 || frames[BLOCK(role) + PART_LEVEL2].state != FRAME_TABLE)
        return;
    uint64_t entry = frame_words((uint32_t)(second >> 12) % FRAMES)[0];
    uint64_t by = mix(mix(label, 999), entry & ~0xffffffffff000ull);
    if (entry & 1)
        naming->sum += mix(by, frame_named(naming, (uint32_t)(entry >> 12), by));
}

static uint64_t tick_hash(uint64_t tick)
{
    return tick == EXO_NEVER ? 99 : tick > machine_now ? tick - machine_now : 0;
}

static unsigned list_place(const struct list *list, const struct list_node *node)
{
    unsigned place = 1;
    for (const struct list_node *at = list->head.next; at != &list->head; at = at->next, place++)
        if (at == node)
            return place;
    return 0;
}

/* Of its receiving end, which is one place in one table; or, once that was dropped, of what is left. */
static uint64_t channel_name(const struct naming *naming, uint32_t number)
{
    for (unsigned role = 0; role < ROLES; role++) {
        const struct env *env = role_env(role);
        for (unsigned place = 1; env && place < HANDLES; place++) {
            const struct handle *entry = &env->handles[place];
            if (entry->kind == K_RECEIVER && entry->frame == number && entry->object_generation == frames[number].generation)
                return 7000u + naming->label[role] * 100u + place;
        }
    }
    return 6999;
}

static void channel_hash(struct naming *naming, unsigned i)
{
    const struct channel *channel = play_channel(i);
    if (!channel)
        return;
    uint64_t h = mix(channel_name(naming, PLAY(i)), channel->senders * 256u + channel->ended);
    h = mix(h, (uint64_t)channel->places << 32 | (uint32_t)(channel->carry << 16 | channel->used << 8 | channel->woken));
    for (unsigned j = 0; j < channel->used; j++) {
        const struct message *message = &channel->place[(channel->first + j) % channel->places];
        h = mix(h, message->frozen * 16u + message->count);
        for (unsigned k = 0; k < message->count; k++)
            h = mix(h, frame_named(naming, message->frame[k], mix(h, k)));
    }
    naming->play[i] += mix(h, 1);
    naming->sum += h;
}

static bool is_play_argument(uint8_t kind) { return kind == K_FRAME || kind == K_BUF; }

static uint64_t handle_hash(const struct naming *naming, const struct env *env, uint32_t handle)
{
    const struct handle *entry = &env->handles[(handle & 0xffff) % HANDLES];
    if (handle && (entry->kind == K_SENDER || entry->kind == K_RECEIVER) && entry->generation == handle >> 16)
        return 10u + (handle & 0xffff);
    if (!handle || entry->kind != K_ENV || entry->generation != handle >> 16)
        return handle ? 7 : 3;
    return 100u + naming->label[(entry->frame - BLOCK(0)) / 16];
}

static bool in_slot(const struct list_node *node)
{
    uint64_t number = ((uintptr_t)node - (uintptr_t)frame_words(0)) >> EXO_PAGE_SHIFT;
    return number < FRAMES && frames[number].state == FRAME_KERNEL && frames[number].kind == KIND_SLOTS;
}

/* Where a parked operation waits, and what for. */
static uint64_t wait_hash(const struct naming *naming, const struct op *op)
{
    if (op->where == WHERE_TIMERS)
        return tick_hash(op->result[0]);
    if (op->where == WHERE_DEVICE) {
        for (unsigned i = 0; i < device.count; i++)
            if (device.sent[i].owner == (uintptr_t)op)
                return 1000 + i + (op->held[13] ? 10 : 0);
        return 1;
    }
    for (unsigned role = 0; role < ROLES; role++) {
        const struct env *env = role_env(role);
        unsigned place = env ? list_place(&env->waiters, &op->wait) : 0;
        unsigned other = env ? list_place(&env->reclaim_waiters, &op->wait) : 0;
        if (place || other)
            return 2000u + naming->label[role] * 100u + place * 10 + other;
    }
    for (unsigned i = 0; i < PLAYS; i++) {
        const struct channel *channel = play_channel(i);
        unsigned sending = channel ? list_place(&channel->sending, &op->wait) : 0;
        unsigned receiving = channel ? list_place(&channel->receiving, &op->wait) : 0;
        if (sending || receiving)
            return mix(channel_name(naming, PLAY(i)), sending * 10 + receiving);
    }
    unsigned place = 0; /* of a queue, for room or for a core: its place on that list, whose head is not among plans */
    for (const struct list_node *at = op->wait.prev; in_slot(at) && place < 8; at = at->prev)
        place++;
    return mix(5000 + place, may_flush(op->cell.code) ? mix(flush_steps(op)[0], flush_steps(op)[1]) : 0);
}

static uint64_t steps_hash(struct naming *naming, const struct op *op, uint64_t by)
{
    switch (op->cell.code) {
    case EXO_RECV: return op->result[3];
    case EXO_ENV_KILL: return op->step[0] != 0 ? 1 + op->result[0] : 0;
    case EXO_RECLAIM: {
        uint64_t place = op->step[1];
        if (op->step[0] == 3) /* along the list of frames */
            place = frame_named(naming, (uint32_t)place, mix(by, 77));
        return mix(mix(op->step[0], place), op->step[2] * 4 + (op->result[2] != 0));
    }
    }
    return mix(op->step[0], op->step[1]);
}

static uint64_t op_hash(struct naming *naming, const struct env *env, const struct plan *plan, unsigned i)
{
    const struct op *op = &plan->op[i];
    uint64_t label = naming->label[env_role(env)];
    uint64_t h = mix(mix(label, op->cell.code * 256u + op->state), op->cell.flags * 64u + (plan->unposted >> i & 1) * 32 + (plan->runnable >> i & 1));
    h = mix(h, mix(op->where, handle_hash(naming, env, op->cell.handle)));
    if (op->state == OP_ENDED)
        return mix(h, (uint64_t)(-op->status));
    for (unsigned k = 0; k < 5; k++) {
        uint64_t arg = op->cell.arg[k], by = mix(h, k);
        uint8_t kind = op_infos[op->cell.code].arg[k];
        if (kind == K_TICK)
            arg = tick_hash(arg);
        else if (is_play_argument(kind))
            arg = mix(frame_named(naming, (uint32_t)EXO_BUF_FRAME(arg), by), arg >> 36);
        h = mix(h, arg);
    }
    if (op->state == OP_PARKED)
        h = mix(h, wait_hash(naming, op));
    else if (op->state == OP_READY)
        h = mix(h, steps_hash(naming, op, h));
    if (op->cell.code == EXO_ALLOC && flush_steps(op)[1])
        h = mix(h, frame_named(naming, (uint32_t)op->result[0], mix(h, 70)));
    if (op->state == OP_PARKED && op->cell.code == EXO_SEND && EXO_BUF_FRAME(op->result[0]))
        h = mix(h, frame_named(naming, (uint32_t)op->result[2], mix(h, 60)));
    if (op->where == WHERE_DEVICE)
        for (unsigned j = 0; j < 13 && op->held[j]; j++)
            h = mix(h, frame_named(naming, op->held[j], mix(h, 50 + j)));
    return h;
}

static void plans_hash(struct naming *naming, enum role role, const struct env *env)
{
    const struct frame *slots = &frames[BLOCK(role) + PART_SLOTS];
    if (slots->state != FRAME_KERNEL || slots->owner != env->index)
        return;
    for (unsigned i = 0; i < SLOTS; i++) {
        const struct plan *plan = slot_plan(role, i);
        if (!plan->admitted)
            continue;
        uint64_t h = mix(plan->reserved * 2u + plan->cancelled, env->state == ENV_DYING ? 9 :
                         list_place(&env->ready, &plan->link) * 10 + list_place(&env->held, &plan->held));
        for (unsigned op = 0; op < plan->cells; op++)
            h = mix(h, op_hash(naming, env, plan, op));
        naming->sum += h;
    }
}

static void env_hash(struct naming *naming, enum role role, const struct env *env)
{
    uint64_t h = mix(naming->label[role], env->state);
    h = mix(h, (uint64_t)env->frames_used << 32 | env->frames_limit);
    h = mix(h, (uint64_t)env->frames_reserved << 32 | (uint32_t)(env->places * 8 + env->seized * 4 + env->reclaim_untold * 2 + env->entering));
    h = mix(h, (env->cq_tail - (env->control ? env->control->cq_head : 0)) << 8 | env->stop[0]);
    h = mix(h, mix(env->info->reclaim, tick_hash(env->info->reclaim_deadline)));
    h = mix(h, (env->control != NULL) + (env->tx_in_flight << 8));
    if (env->state == ENV_DYING) {
        uint64_t place = env->kill_cursor;
        if (env->kill_phase == 0)
            place = frame_named(naming, (uint32_t)place, mix(h, 5));
        h = mix(h, mix(env->kill_phase, place));
    }
    for (unsigned place = 1; place < HANDLES; place++) {
        const struct handle *entry = &env->handles[place];
        bool lives = frames[entry->frame].generation == entry->object_generation && frames[entry->frame].state == FRAME_KERNEL;
        uint64_t by = mix(naming->label[role] * 16u + place, entry->kind);
        bool named = entry->kind == K_ENV || entry->kind == K_SENDER || entry->kind == K_RECEIVER;
        h = mix(h, entry->kind * 2u + (named && lives));
        if (named && lives)
            h = mix(h, frame_named(naming, entry->frame, by));
    }
    naming->sum += h;
    if (env->state != ENV_DYING || env->kill_phase < 4)
        tables_hash(naming, role);
    plans_hash(naming, role, env);
}

/* ---- all ---------------------------------------------------------------------------------------------- */

static uint64_t frame_attributes(const struct naming *naming, uint32_t number)
{
    const struct frame *frame = &frames[number];
    bool slots = frame->state == FRAME_KERNEL && frame->kind == KIND_SLOTS;
    uint64_t h = frame->state * 16u + (frame->state == FRAME_FREE ? 0 : frame->kind) + label_of_index(naming, frame->owner) * 256u;
    for (unsigned core = 0; core < CORES; core++)
        h = h * 2 + core_forgot(core ^ naming->core, frame);
    return mix(h, slots ? 0 : (uint64_t)frame->rights << 32 | (uint32_t)frame->writable << 16 | frame->pins);
}

static uint64_t named_hash(enum role first, enum role second, unsigned core)
{
    struct naming naming = {.label = {PARENT, (uint8_t)first, (uint8_t)second}, .core = core};
    for (unsigned role = 0; role < ROLES; role++) {
        const struct env *env = role_env(role);
        if (env)
            env_hash(&naming, role, env);
        for (unsigned part = 0; part < PARTS; part++)
            naming.sum += mix(mix(naming.label[role], part + 100), frame_attributes(&naming, BLOCK(role) + part));
    }
    for (unsigned i = 0; i < PLAYS; i++)
        channel_hash(&naming, i);
    for (unsigned i = 0; i < PLAYS; i++)
        naming.sum += mix(naming.play[i], frame_attributes(&naming, PLAY(i)));
    return mix(naming.sum, device.count) | 1;
}

/* The two cores are like each other, too. */
static uint64_t cores_hash(enum role first, enum role second)
{
    uint64_t plain = named_hash(first, second, 0), swapped = cores_late ? named_hash(first, second, 1) : plain;
    return plain < swapped ? plain : swapped;
}

uint64_t state_hash(const struct round *round)
{
    uint64_t plain = cores_hash(FIRST, SECOND);
    if (round->limits.chain || round->limits.quota[FIRST] != round->limits.quota[SECOND])
        return plain;
    uint64_t swapped = cores_hash(SECOND, FIRST);
    return plain < swapped ? plain : swapped;
}
