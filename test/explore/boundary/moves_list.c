/* SPDX-License-Identifier: MIT */
/* Which moves there are in a state. Of frames that differ in their name only, one stands for all. */
#include <stdio.h>
#include <string.h>

#include "../../../exo/flush.h"
#include "moves.h"

static struct move *end_of_list;

#define HAS(round, code) ((round)->codes >> (code) & 1)

static void add(unsigned who, unsigned code, unsigned target, unsigned a, unsigned b, unsigned c, unsigned flags)
{
    *end_of_list++ = (struct move){(uint8_t)who, (uint8_t)code, (uint8_t)target, (uint8_t)a, (uint8_t)b,
                                   (uint8_t)c, (uint8_t)flags, 0};
}

/* ---- what there is --------------------------------------------------------------------------------- */

struct scene {
    const struct round *round;
    unsigned frame_count, frame[PLAYS];
    bool mapped[ROLES][PAGES];
};

static bool alike(const struct frame *a, const struct frame *b)
{
    bool known = true;
    for (unsigned core = 0; core < CORES; core++)
        known &= core_forgot(core, a) == core_forgot(core, b);
    return known && a->state == b->state && a->kind == b->kind && a->owner == b->owner && !a->rights && !b->rights && !a->pins && !b->pins &&
           a->state != FRAME_TABLE && a->state != FRAME_KERNEL;
}

static void scene_frames(struct scene *scene)
{
    for (unsigned i = 0; i < PLAYS; i++) {
        bool known = false;
        for (unsigned j = 0; j < scene->frame_count; j++)
            known |= alike(&frames[PLAY(i)], &frames[scene->frame[j]]);
        if (!known)
            scene->frame[scene->frame_count++] = PLAY(i);
    }
}

static void scene_pages(struct scene *scene, enum role role)
{
    const struct frame *level1 = &frames[BLOCK(role) + PART_LEVEL1];
    if (!role_env(role) || level1->state != FRAME_TABLE)
        return;
    const uint64_t *table = frame_words(BLOCK(role) + PART_LEVEL1);
    for (unsigned page = 0; page < 2; page++)
        scene->mapped[role][page] = table[page] & 1;
    uint64_t entry = frame_words(BLOCK(role) + PART_LEVEL2)[1];
    scene->mapped[role][2] = entry & 1 && (entry & 0x80 || frame_words((uint32_t)(entry >> 12))[0] & 1);
}

/* The first free page of the first table, the third page, one that is taken. */
static unsigned places(const struct scene *scene, enum role role, unsigned place[3])
{
    const bool *mapped = scene->mapped[role];
    unsigned count = 0;
    if (!mapped[0] || !mapped[1])
        place[count++] = mapped[0];
    if (mapped[0] || mapped[1])
        place[count++] = mapped[0] ? 0 : 1;
    place[count++] = 2;
    return count;
}

/* ---- operations -------------------------------------------------------------------------------------- */

static void on_frames(const struct scene *scene, enum role who, enum role target)
{
    const struct round *round = scene->round;
    unsigned place[3], count = places(scene, target, place);
    for (unsigned i = 0; i < scene->frame_count; i++) {
        unsigned frame = scene->frame[i];
        if (who == target && HAS(round, EXO_FREE))
            add(who, EXO_FREE, who, frame, 0, 0, 0);
        if (who != target && HAS(round, EXO_GIVE))
            add(who, EXO_GIVE, target, frame, 0, 0, 0);
        if (HAS(round, EXO_TABLE))
            add(who, EXO_TABLE, target, frame, 0, 0, 0);
        for (unsigned j = 0; j < count && HAS(round, EXO_MAP); j++)
            for (unsigned perm = 0; perm < round->perms; perm++)
                add(who, EXO_MAP, target, frame, place[j], perm, 0);
        for (unsigned perm = 0; perm < 2 && round->large; perm++)
            add(who, EXO_MAP, target, frame, 2, PERM_LARGE + perm, 0);
    }
    if (HAS(round, EXO_UNTABLE))
        add(who, EXO_UNTABLE, target, 0, 0, 0, 0);
    if (!HAS(round, EXO_MAP))
        return;
    static const enum part own[] = {PART_LEVEL1, PART_SLOTS};
    for (unsigned i = 0; i < 2; i++)
        for (unsigned perm = 0; perm < 2; perm++)
            add(who, EXO_MAP, target, BLOCK(target) + own[i], place[0], perm, 0);
    add(who, EXO_MAP, target, BLOCK((target + 1) % ROLES) + PART_CONTROL, place[0], 1, 0);
}

static void on_pages(const struct scene *scene, enum role who, enum role target)
{
    const struct round *round = scene->round;
    unsigned place[3], count = places(scene, target, place);
    for (unsigned page = 0; page < PAGES; page++) {
        if (scene->mapped[target][page]) {
            if (HAS(round, EXO_UNMAP))
                add(who, EXO_UNMAP, target, page, 0, 0, 0);
            for (unsigned perm = 0; perm < round->perms && HAS(round, EXO_PROTECT); perm++)
                add(who, EXO_PROTECT, target, page, 0, perm, 0);
        }
        if (!scene->mapped[who][page])
            continue;
        for (unsigned j = 0; j < count && HAS(round, EXO_SHARE); j++)
            add(who, EXO_SHARE, target, page, place[j], j ? 0 : 1, 0), add(who, EXO_SHARE, target, page, place[j], 0, 0);
        if (round->large)
            add(who, EXO_SHARE, target, page, 2, PERM_LARGE, 0);
        if (who != target)
            continue;
        if (HAS(round, EXO_FREEZE))
            add(who, EXO_FREEZE, who, page, 0, 0, 0);
        if (HAS(round, EXO_THAW))
            add(who, EXO_THAW, who, page, 0, 0, 0);
        if (HAS(round, EXO_NET_TX))
            add(who, EXO_NET_TX, who, page, 0, 0, EXO_VPAGE);
    }
}

static void on_child(const struct scene *scene, enum role who, enum role child)
{
    const struct round *round = scene->round;
    for (unsigned count = 1; count <= 2 && HAS(round, EXO_RECLAIM); count++)
        for (unsigned when = 0; when < 3; when++)
            add(who, EXO_RECLAIM, child, count, when, 0, 0);
    if (HAS(round, EXO_ENV_KILL))
        add(who, EXO_ENV_KILL, child, 0, 0, 0, 0);
    if (HAS(round, EXO_ENV_WAIT))
        add(who, EXO_ENV_WAIT, child, 0, 0, 0, 0);
    for (unsigned i = 0; i < scene->frame_count && HAS(round, EXO_ENV_READ); i++)
        add(who, EXO_ENV_READ, child, scene->frame[i], 0, 0, 0);
}

static void on_self(const struct scene *scene, enum role who)
{
    const struct round *round = scene->round;
    for (unsigned i = 0; i < scene->frame_count; i++) {
        unsigned frame = scene->frame[i];
        if (HAS(round, EXO_ALLOC) && frames[frame].state == FRAME_FREE)
            add(who, EXO_ALLOC, who, frame, 0, 0, 0);
        if (HAS(round, EXO_NET_TX))
            add(who, EXO_NET_TX, who, frame, 0, 0, 0);
        if (HAS(round, EXO_NET_RX))
            add(who, EXO_NET_RX, who, frame, 0, 0, 0);
    }
    if (HAS(round, EXO_ALLOC)) /* fails while another is asked for, or none is left */
        add(who, EXO_ALLOC, who, scene->frame[0], 0, 0, 0);
    if (HAS(round, EXO_RECLAIM_WAIT))
        add(who, EXO_RECLAIM_WAIT, who, 0, 0, 0, 0);
    if (HAS(round, EXO_ENV_EXIT) && who != PARENT)
        add(who, EXO_ENV_EXIT, who, 0, 0, 0, 0);
    for (unsigned i = 0; i < SLOTS && HAS(round, EXO_CANCEL); i++)
        if (slot_plan(who, i)->admitted)
            add(who, EXO_CANCEL, who, i, 0, 0, 0);
}

/* ---- channels ------------------------------------------------------------------------------------------- */

#define CHANNELS 2u

/* It has a handle of that object, or one that was it, or no room. */
static bool knows(enum role role, uint32_t frame)
{
    const struct handle *handles = role_env(role)->handles;
    bool found = handles[HANDLES - 2].kind;
    for (unsigned place = 1; place < HANDLES; place++)
        found |= handles[place].kind == K_SENDER && handles[place].frame == frame;
    return found;
}

static void on_sender(const struct scene *scene, enum role who, unsigned place)
{
    const struct round *round = scene->round;
    add(who, EXO_SEND, who, 0, place, 0, 0);
    for (unsigned i = 0; i < scene->frame_count; i++)
        add(who, EXO_SEND, who, scene->frame[i], place, 0, 0);
    for (unsigned page = 0; page < PAGES; page++)
        if (scene->mapped[who][page])
            add(who, EXO_SEND, who, page, place, 0, EXO_VPAGE);
    uint32_t channel = role_env(who)->handles[place].frame;
    for (unsigned child = FIRST; child < ROLES; child++)
        if (role_maker(round, child) == who && child != who && role_env(child) && !knows(child, channel))
            add(who, EXO_HANDLE_COPY, child, 0, place, 0, 0);
}

static void on_channels(const struct scene *scene, enum role who)
{
    const struct env *env = role_env(who);
    unsigned channels = 0;
    for (unsigned i = 0; i < PLAYS; i++)
        channels += play_channel(i) != NULL;
    for (unsigned target = 0; target < ROLES && channels < CHANNELS; target++) {
        const struct env *to = role_env(target);
        if (!to || to->handles[HANDLES - 2].kind || env->handles[HANDLES - 2].kind ||
            (target != who && (target == PARENT || role_maker(scene->round, target) != who)))
            continue;
        for (unsigned i = 0; i < scene->frame_count; i++)
            for (unsigned places = 1; places <= 2; places++)
                add(who, EXO_CHANNEL_CREATE, target, scene->frame[i], places, 0, 0);
    }
    for (unsigned place = 1; place < HANDLES; place++) {
        unsigned kind = env->handles[place].kind, page[3];
        if (kind == K_SENDER)
            on_sender(scene, who, place);
        if (kind == K_RECEIVER) {
            (void)places(scene, who, page);
            add(who, EXO_RECV, who, page[0], place, 0, 0), add(who, EXO_RECV, who, PAGES, place, 0, 0);
        }
        if (kind == K_SENDER || kind == K_RECEIVER)
            add(who, EXO_HANDLE_DROP, who, 0, place, 0, 0);
    }
}

/* ---- who can do something ------------------------------------------------------------------------------ */

static void program_moves(const struct scene *scene, enum role who)
{
    const struct round *round = scene->round;
    on_self(scene, who);
    if (HAS(round, EXO_SEND))
        on_channels(scene, who);
    for (unsigned target = 0; target < ROLES; target++) {
        if (target != who && (target == PARENT || role_maker(round, target) != who))
            continue;
        on_frames(scene, who, target);
        on_pages(scene, who, target);
        if (target != who)
            on_child(scene, who, target);
        if (target != who && round->builds && build_stage(who, target) < 5)
            add(who, MOVE_BUILD, target, build_stage(who, target), 0, 0, 0);
    }
}

static void role_moves(const struct scene *scene, enum role who)
{
    struct env *env = role_env(who);
    if (!env || !env->control || env->seized || (env->state != ENV_RUNNING && env->state != ENV_WAITING))
        return;
    bool inside = !list_empty(&env->ready) || env->entering;
    if (inside || (env->timers && env->timers->result[0] <= machine_now))
        add(who, MOVE_GO_ON, who, 0, 0, 0, 0), add(who, MOVE_GO_ON, who, 1, 0, 0, 0);
    if (inside)
        return;
    if (env->cq_tail)
        add(who, MOVE_TAKE, who, 0, 0, 0, 0);
    program_moves(scene, who);
}

unsigned moves_list(const struct round *round, struct move *list)
{
    struct scene scene = {.round = round};
    bool timers = false;
    end_of_list = list;
    scene_frames(&scene);
    for (unsigned role = 0; role < ROLES; role++)
        scene_pages(&scene, role);
    for (unsigned role = 0; role < ROLES; role++) {
        const struct env *env = role_env(role);
        role_moves(&scene, role);
        timers |= env && env->timers && env->timers->result[0] > machine_now;
    }
    if (timers)
        add(0, MOVE_RISE, 0, 0, 0, 0, 0);
    if (device.count)
        add(0, MOVE_SENT, 0, 0, 0, 0, 0);
    for (unsigned core = 0; core < CORES && cores_late; core++)
        if (core_passed[core] < flush_epoch)
            add(0, MOVE_FORGOT, 0, core, 0, 0, 0);
    if (HAS(round, EXO_NET_RX))
        add(0, MOVE_ARRIVED, 0, 0, 0, 0, 0);
    unsigned count = (unsigned)(end_of_list - list);
    end_of_list = NULL;
    RULE(count < MOVES, "too many moves");
    return count;
}

/* ---- in words --------------------------------------------------------------------------------------------- */

void move_print(const struct move *move)
{
    static const char *const roles[] = {"parent", "first", "second"};
    static const char *const names[] = {
#define EXO_X(number, NAME, name, h, a, b, c, d, e, r0, r1, r2, r3) [number] = #NAME,
        EXO_OPS(EXO_X)
#undef EXO_X
        [MOVE_GO_ON] = "goes on", [MOVE_TAKE] = "takes completions", [MOVE_BUILD] = "builds",
        [MOVE_RISE] = "time passes", [MOVE_SENT] = "the device has sent one", [MOVE_ARRIVED] = "a packet arrives",
        [MOVE_FORGOT] = "a core has flushed",
    };
    printf("%s %s of %s: %u %u %u%s\n", roles[move->who], names[move->code], roles[move->target], move->a, move->b,
           move->c, move->flags ? " by page" : "");
}
