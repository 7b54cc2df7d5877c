/* SPDX-License-Identifier: MIT */
/*
 * The first environment, built by hand as ENV_CREATE and its companions build all
 * others: everything that is not the kernel's belongs to it.
 */
#include "first.h"

#include <string.h>

#include "arch/arch.h"
#include "core.h"
#include "net/nic.h"
#include "space.h"

static noreturn void too_small(void)
{
    console_printf("exo: not enough memory to start the first program; give the machine more (-m)\n");
    machine_exit(EXO_POWER_BOOT);
}

static frame_t take_run(struct env *env, uint32_t count, enum frame_state state,
                        enum frame_kind kind)
{
    frame_t first;
    if (frame_take(count, 0, number_of(EXO_ANY), &first))
        too_small();
    memset(frame_memory(first), 0, (size_t)count * EXO_PAGE_SIZE);
    for (uint32_t i = 0; env && i < count; i++)
        frame_own(env, (frame_t){first.number + i}, state, kind);
    if (env)
        env->frames_used += count;
    return first;
}

/* Maps a page, with whatever tables are missing. */
static void map(struct env *env, uint64_t address, frame_t frame, unsigned perm)
{
    unsigned level = 0;
    page_t page = {address};
    while (space_map(env, page, frame, perm, &level) == -EXO_E_NO_TABLE) {
        frame_t table = take_run(env, 1, FRAME_TABLE, KIND_NONE);
        ASSERT(space_table_add(env, page, level, table, &level) == 0);
    }
}

static frame_t map_run(struct env *env, uint64_t address, uint32_t count, unsigned perm)
{
    frame_t first = take_run(env, count, FRAME_OWNED, KIND_NONE);
    for (uint32_t i = 0; i < count; i++)
        map(env, address + (uint64_t)i * EXO_PAGE_SIZE, (frame_t){first.number + i}, perm);
    return first;
}

static void load_segment(struct env *env, const struct image *image,
                         const struct image_segment *segment)
{
    uint64_t file_end = segment->start + segment->file_bytes;
    for (uint64_t page = segment->address; page < segment->address + segment->bytes;
         page += EXO_PAGE_SIZE) {
        frame_t frame = map_run(env, page, 1, segment->perm);
        uint64_t from = page > segment->start ? page : segment->start;
        uint64_t to = page + EXO_PAGE_SIZE < file_end ? page + EXO_PAGE_SIZE : file_end;
        if (from < to)
            memcpy((uint8_t *)frame_memory(frame) + (from - page),
                   image->elf + segment->offset + (from - segment->start), to - from);
    }
}

/* The archive's frames are frozen; its first mappings are the first program's. */
static void map_archive(struct env *env, const struct boot_range *archive)
{
    uint32_t first = (uint32_t)(archive->start >> EXO_PAGE_SHIFT);
    uint32_t count = (uint32_t)((archive->end - archive->start + EXO_PAGE_SIZE - 1) >> EXO_PAGE_SHIFT);
    for (uint32_t i = 0; i < count; i++) {
        frame_t frame = {first + i};
        frame_entry(frame)->state = FRAME_FROZEN;
        frame_entry(frame)->kind = KIND_NONE;
        map(env, EXO_BOOT_ARCHIVE + (uint64_t)i * EXO_PAGE_SIZE, frame, EXO_READ);
    }
    env->frames_used += count;
    env->info->archive = EXO_BOOT_ARCHIVE;
    env->info->archive_bytes = archive->end - archive->start;
}

static void map_rings(struct env *env)
{
    frame_t control = map_run(env, EXO_BOOT_CONTROL, 1, EXO_READ | EXO_WRITE);
    frame_t sq = map_run(env, EXO_BOOT_SQ, EXO_BOOT_RING_FRAMES, EXO_READ | EXO_WRITE);
    frame_t cq = map_run(env, EXO_BOOT_CQ, EXO_BOOT_RING_FRAMES, EXO_READ);
    env_set_rings(env, control, sq, EXO_BOOT_RING_FRAMES, cq, EXO_BOOT_RING_FRAMES);
    map(env, EXO_BOOT_INFO, (frame_t){env->frame.number + 3}, EXO_READ);
    frame_t slots = take_run(env, 1, FRAME_OWNED, KIND_NONE);
    ASSERT(plan_class_cells[0] == EXO_BOOT_SLOT_CLASS);
    env_donate_slots(env, slots, 1, 0);
}

static void grant_handles(struct env *env, bool nic)
{
    ASSERT(handle_add(env, K_MACHINE, (frame_t){0}) == EXO_BOOT_MACHINE);
    ASSERT(handle_add(env, K_CONSOLE, CONSOLE_READS) == EXO_BOOT_CONSOLE);
    memcpy(handle_find(env, number_of(EXO_BOOT_CONSOLE), K_CONSOLE)->label, "init", 4);
    if (nic)
        ASSERT(handle_add(env, K_QUEUE, nic_root()) == EXO_BOOT_NIC);
}

struct env *first_create(const struct boot_range *archive, const struct image *image, bool nic)
{
    frame_t parts = take_run(NULL, EXO_ENV_FRAMES, FRAME_OWNED, KIND_NONE);
    struct env *env = env_create(NULL, parts, UINT32_MAX, ENV_MAX - 2);
    ASSERT(env);
    map_archive(env, archive);
    for (unsigned i = 0; i < image->count; i++)
        load_segment(env, image, &image->segment[i]);
    map_run(env, EXO_BOOT_BASE, 1, EXO_READ | EXO_WRITE);
    map_rings(env);
    map_run(env, EXO_BOOT_STACK - EXO_BOOT_STACK_PAGES * EXO_PAGE_SIZE, EXO_BOOT_STACK_PAGES,
            EXO_READ | EXO_WRITE);
    grant_handles(env, nic);
    env->frames_limit = env->frames_used + frames_free;
    env->info->frames_total = env->frames_limit;
    account_show(env);
    env_start(env, image->entry, EXO_BOOT_STACK, EXO_BOOT_BASE);
    return env;
}
