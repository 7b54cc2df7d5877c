/* SPDX-License-Identifier: MIT */
/* Arguments out of bytes: each byte names something that is there, as far as there is something of the kind. */
#include <string.h>

#include "rights.h"

#define BASE 0x200000000000ull
#define POOL 32u /* frames that small bytes name: the same for all programs */
#define POOL_FIRST (HOST_FRAMES - 64u)

/* Entry n of what it has, by its list. */
static uint64_t frame_own_nth(const struct env *env, unsigned n)
{
    uint32_t at = env->owned;
    while (at != FRAME_NONE && n-- > 0)
        at = frames[at].next;
    return at;
}

/* What belongs to a program besides its pages. */
static uint64_t frame_special(const struct env *env, unsigned which)
{
    switch (which) {
    case 0: return env->control_frame;
    case 1: return env->sq_frame;
    case 2: return env->cq_frame;
    case 3: return env->root >> EXO_PAGE_SHIFT;
    case 4: return env->frame.number;
    default: return env->frame.number + 3;
    }
}

static uint64_t frame_by(const struct env *env, uint8_t byte)
{
    static const uint64_t odd[] = {EXO_INFO_FRAME, HOST_FRAMES, HOST_FRAMES - 1, 0, 1, 1ull << 35};
    if (byte < 0x60)
        return POOL_FIRST + byte % POOL;
    if (byte < 0xc0)
        return frame_own_nth(env, byte - 0x60u);
    if (byte >= 0xf0)
        return odd[(byte - 0xf0u) % 6];
    const struct env *of = envs[1 + (byte >> 3 & 3)];
    return frame_special(of ? of : env, byte & 7);
}

static uint64_t page_by(uint8_t byte)
{
    static const uint64_t odd[] = {0, EXO_USER_END - EXO_PAGE_SIZE, EXO_USER_END, BASE - EXO_PAGE_SIZE, EXO_BOOT_ARCHIVE,
                                   EXO_BOOT_CONTROL, EXO_BOOT_CQ, EXO_BOOT_INFO};
    if (byte < 0x80)
        return BASE + (byte & 15) * (uint64_t)EXO_PAGE_SIZE + (uint64_t)(byte >> 4 & 1) * 0x1fc000;
    if (byte < 0xc0) /* tables are missing */
        return BASE + ((uint64_t)(byte >> 2 & 3) << 30) + ((uint64_t)(byte & 3) << 21);
    return odd[byte & 7];
}

static uint64_t buffer_by(const struct env *env, uint8_t byte, uint8_t shape, bool by_page)
{
    static const struct {
        uint32_t offset, length;
    } shapes[] = {{0, 64}, {0, 1514}, {4000, 200}, {2600, 1400}, {0, 2064}, {0, 4096}, {0, 8192}, {3500, 9000},
                  {0, 60}, {4095, 1}, {0, 128}, {0, 13}, {0, 65536}, {8, 72}, {3500, 1000}, {4, 1024}};
    uint64_t frame = by_page ? page_by(byte) >> EXO_PAGE_SHIFT : frame_by(env, byte) & 0xfffffffffull;
    return EXO_BUF(frame, shapes[shape & 15].offset, shapes[shape & 15].length);
}

static uint32_t handle_word(const struct env *env, unsigned place)
{
    return place | (uint32_t)env->handles[place].generation << 16;
}

/* The n-th of that kind, around; from 0x80 on one that was, or is of any kind. 0 if there is none. */
static uint32_t handle_by(const struct env *env, uint8_t kind, uint8_t byte)
{
    unsigned place = 0, found[HANDLES_MAX], count = 0;
    if (byte >= 0x80) {
        place = 1 + byte % 16u;
        return handle_word(env, place) - (byte >= 0xc0 ? 0x10000u : 0);
    }
    for (unsigned i = 1; i < HANDLES_MAX; i++)
        if (env->handles[i].kind == kind || (kind == K_HANDLE && env->handles[i].kind > K_ENV))
            found[count++] = i;
    return count && byte % 8 < 7 ? handle_word(env, found[byte % 8 % count]) : 0;
}

static uint64_t count_by(uint8_t byte)
{
    static const uint64_t odd[] = {0, 1024, 65536, 65537, 300, 200};
    return byte < 0x80 ? 1u + (byte & 3u) : byte < 0xf0 ? 1u + (byte & 0x3fu) : odd[(byte - 0xf0u) % 6];
}

static uint64_t small_by(unsigned code, uint8_t byte)
{
    static const uint8_t cells[] = {4, 16, 32, 64, 5};
    if (code == EXO_SLOTS)
        return cells[byte % 5];
    return byte < 0x80 ? byte & 7u : byte < 0xf0 ? byte & 0x7fu : 0xffff;
}

static uint64_t argument(const struct env *env, const struct exo_op *cell, unsigned k, const uint8_t *record)
{
    static const uint8_t perms[] = {EXO_READ, EXO_READ | EXO_WRITE, EXO_NONE, EXO_READ | EXO_EXEC, EXO_WRITE, 7, 0, 9};
    uint8_t byte = record[2 + k];
    switch (op_infos[cell->code].arg[k]) {
    case K_FRAME: return frame_by(env, byte);
    case K_COUNT: return count_by(byte);
    case K_ADDR: return cell->code == EXO_RECV && byte & 1 ? 0 : page_by(byte);
    case K_PERM: return perms[byte & 7] | (byte >> 5 == 5 ? EXO_LARGE : 0);
    case K_BUF: return buffer_by(env, byte, record[6], cell->flags & EXO_VPAGE);
    case K_TICK: return byte == 0xff ? EXO_NEVER : host_now + byte * 1000u - (byte >= 0x80 ? 0x80 * 1000u : 0);
    case K_SMALL: return small_by(cell->code, byte);
    case K_HANDLE: return handle_by(env, K_HANDLE, byte);
    case K_WORD: return byte;
    default: return 0;
    }
}

/* The id of a plan of its own under way: the n-th that is found. */
static uint64_t plan_by(const struct env *env, unsigned n)
{
    for (uint32_t i = env->owned; n && i != FRAME_NONE; i = frames[i].next) {
        if (frames[i].state != FRAME_KERNEL || frames[i].kind != KIND_SLOTS || slots_base(&frames[i]) != i)
            continue;
        char *at = frame_memory((frame_t){i});
        uint64_t size = plan_slot_bytes(slots_class(&frames[i]));
        for (uint64_t left = (uint64_t)slots_frames(&frames[i]) * EXO_PAGE_SIZE; left >= size; left -= size, at += size) {
            const struct plan *plan = (const struct plan *)(const void *)at;
            if (plan->admitted && --n == 0)
                return (uint64_t)plan->generation << 32 | plan->number;
        }
    }
    return 0;
}

static void spec_write(const struct env *env, struct exo_op *cell, const uint8_t *record)
{
    frame_t frame;
    if (cell->flags & EXO_VPAGE || frame_owned(env, number_of(EXO_BUF_FRAME(cell->arg[1])), 1, &frame))
        return;
    struct exo_queue_spec *spec = frame_memory(frame);
    memset(spec, 0, sizeof *spec);
    spec->rx_count = record[4] & 3, spec->tx_count = record[4] >> 2 & 3, spec->flags = record[4] >> 4 & 1;
    for (unsigned i = 0; i < 3; i++) {
        memset(spec->rx[i].mask, 0xff, 1 + record[5] % 3u);
        memset(spec->tx[i].mask, 0xff, 1 + record[5] % 3u);
        spec->rx[i].value[0] = spec->tx[i].value[0] = 2;
        if (record[5] % 3)
            spec->rx[i].value[1] = spec->tx[i].value[1] = (uint8_t)(i + (record[5] >> 4));
    }
    cell->arg[1] = EXO_BUF(frame.number, 0, sizeof *spec);
}

/* What has a meaning beyond its kind. */
static void sense(struct env *env, struct exo_op *cell, const uint8_t *record)
{
    switch (cell->code) {
    case EXO_ALLOC: cell->arg[2] = record[4] < 0x80 ? frame_by(env, record[4]) : EXO_ANY; break;
    case EXO_CANCEL:
        cell->arg[0] = plan_by(env, record[2] & 7);
        cell->arg[1] = record[3] ? record[3] : EXO_ANY;
        break;
    case EXO_ENV_CREATE: cell->arg[1] = 5u + record[3] % 64; break;
    case EXO_ENV_START: cell->arg[0] <<= 40, cell->arg[1] <<= 40; break;
    case EXO_ENV_READ:
        cell->arg[0] = page_by(record[2]) + (record[4] & 8);
        cell->arg[1] = (cell->arg[1] & ~(0xfc00ull << 48)); /* up to 1024 bytes: see books.c */
        break;
    case EXO_ENV_EXIT: cell->arg[0] = 1 + record[2] % 3u; break;
    case EXO_CONSOLE_GRANT: cell->arg[1] = 'a'; break;
    case EXO_QUEUE_CREATE: spec_write(env, cell, record); break;
    case EXO_NET_TX:
        cell->arg[1] = record[3] % 4u;
        cell->arg[2] = record[4] ? EXO_TX_CSUM(record[4] & 0x7f, record[4] >> 5) : 0;
        for (unsigned k = 3; k < 5; k++)
            cell->arg[k] = cell->arg[1] > k - 3 ? buffer_by(env, (uint8_t)(record[2] + k), record[6] >> 4, cell->flags & EXO_VPAGE) : 0;
        break;
    case EXO_SEND:
        if (record[2] % 4 == 3)
            cell->arg[0] &= ~0xfffffffffull; /* no frames */
        break;
    }
}

bool cell_make(struct env *env, unsigned code, const uint8_t *record, struct exo_op *cell)
{
    const struct op_info *info = &op_infos[code];
    *cell = (struct exo_op){.code = (uint8_t)code};
    cell->flags = (uint8_t)((record[0] & 0x40 ? EXO_VPAGE : 0) | (record[0] & 0x80 ? EXO_QUIET : 0));
    if (code == EXO_POWER || (code == EXO_ENV_EXIT && !env->parent))
        return false; /* the end of everything */
    if (info->handle != K_NONE)
        cell->handle = handle_by(env, info->handle, record[6]);
    for (unsigned k = 0; k < 5; k++)
        cell->arg[k] = argument(env, cell, k, record);
    sense(env, cell, record);
    return true;
}

uint32_t child_new(const struct env *env, uint32_t *run)
{
    for (unsigned i = 1; i < HANDLES_MAX; i++) {
        const struct handle *entry = &env->handles[i];
        const struct env *child = entry->kind == K_ENV ? frame_memory((frame_t){entry->frame}) : NULL;
        if (!child || child->state != ENV_NEW || child->control)
            continue;
        for (*run = 2; *run + 3 < HOST_FRAMES; ++*run) {
            frame_t first;
            if (!frame_owned(child, number_of(*run), 3, &first))
                return handle_word(env, i);
        }
    }
    return 0;
}
