/* SPDX-License-Identifier: MIT */
/*
 * Building a program's environment. Its address space, lowest first (libos/start.h):
 *
 *   0x400000...     code and constants, shared in place from the archive; data, copied
 *   LIBOS_ARCHIVE   the archive, if the manifest says so; shared
 *   LIBOS_START     start page, control page, info page
 *   LIBOS_SQ, _CQ   rings
 *   below LIBOS_STACK  stack; the page below it is not mapped
 */
#include "child.h"

#include <libos/start.h>
#include <string.h>

#include "build.h"
#include "grant.h"
#include "say.h"
#include "start_page.h"

#define STACK_START (LIBOS_STACK - (uint64_t)EXO_BOOT_STACK_PAGES * EXO_PAGE_SIZE)
#define BASE_PAGES ((LIBOS_STACK - LIBOS_START) >> EXO_PAGE_SHIFT)
#define RING_FRAMES EXO_BOOT_RING_FRAMES
/* start, control and one frame of plan slots; the info page is one of EXO_ENV_FRAMES */
#define OWN_FRAMES (EXO_ENV_FRAMES + 3u + 2u * RING_FRAMES + EXO_BOOT_STACK_PAGES)

static uint64_t frames_needed(const struct elf_program *elf, uint64_t archive_pages)
{
    struct build count = {0};
    uint64_t frames = OWN_FRAMES;
    for (unsigned i = 0; i < elf->count; i++) {
        frames += elf->segment[i].pages;
        frames += build_count_tables(&count, elf->segment[i].address, elf->segment[i].pages);
    }
    if (archive_pages)
        frames += archive_pages + build_count_tables(&count, LIBOS_ARCHIVE, archive_pages);
    return frames + build_count_tables(&count, LIBOS_START, BASE_PAGES);
}

void child_check(struct child *child, uint64_t archive_pages, uint64_t more)
{
    const struct manifest_program *program = child->program;
    const char *problem = elf_read(child->file, child->file_bytes, &child->elf);
    if (problem)
        give_up("%s: not a valid program: %s", program->name, problem);
    uint64_t needed = frames_needed(&child->elf, program->archive ? archive_pages : 0) + more;
    if (needed > program->frames)
        give_up("manifest:%u: %s needs at least %llu KiB to be loaded, and memory says %llu KiB",
                program->line, program->name, (unsigned long long)needed * 4,
                (unsigned long long)program->frames * 4);
}

static void check(const struct child *child, int error, const char *what)
{
    if (error)
        give_up("%s: can't be started: %s: %s", child->program->name, what, exo_error_text(error));
}

static int env_make(struct child *child)
{
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    struct frame_ref frame = plan_alloc(plan, EXO_ENV_FRAMES, 0);
    struct handle_ref env = plan_env_create(plan, frame, (uint32_t)child->program->frames,
                                            (uint16_t)child->program->children);
    int error = plan_run(plan);
    child->env = (uint32_t)plan_value(plan, env);
    return error;
}

static int segment_load(struct build *build, const struct child *child, const struct elf_segment *segment)
{
    const uint8_t *content = child->file + segment->offset;
    unsigned perm = EXO_READ | (segment->write ? EXO_WRITE : 0) | (segment->execute ? EXO_EXEC : 0);
    int error = build_tables(build, segment->address, segment->pages);
    if (error)
        return error;
    /* What the file does not fill must be zero, so only segments without such a part are shared.
     * Around them the pages show more of the same file, which is no secret. */
    uint64_t shown = segment->data_start + segment->file_bytes;
    bool whole = segment->pages == (shown + EXO_PAGE_SIZE - 1) / EXO_PAGE_SIZE;
    if (!segment->write && whole)
        return build_share(build, segment->address, content, segment->pages, perm);
    return build_fresh(build, segment->address, segment->pages, perm, content + segment->data_start,
                       segment->data_start, segment->file_bytes);
}

/* Rings, control page, info page, slots: what the kernel and the libos share. */
static int rings_make(struct build *build)
{
    uint64_t control, sq, cq, slots;
    struct plan_buffer buffer;
    struct handle_ref env = handle_number(build->env);
    int error = build_give(build, 1, &control);
    if (!error)
        error = build_give(build, RING_FRAMES, &sq);
    if (!error)
        error = build_give(build, RING_FRAMES, &cq);
    if (!error)
        error = build_give(build, 1, &slots);
    if (error)
        return error;
    struct plan *plan = plan_begin(&buffer);
    plan_env_rings(plan, build->env, frame_number(control), frame_number(sq), RING_FRAMES,
                   frame_number(cq), RING_FRAMES);
    plan_map(plan, env, LIBOS_CONTROL, frame_number(control), 1, EXO_READ | EXO_WRITE);
    plan_map(plan, env, LIBOS_INFO, frame_number(EXO_INFO_FRAME), 1, EXO_READ);
    plan_map(plan, env, LIBOS_SQ, frame_number(sq), RING_FRAMES, EXO_READ | EXO_WRITE);
    plan_map(plan, env, LIBOS_CQ, frame_number(cq), RING_FRAMES, EXO_READ);
    plan_slots(plan, env, frame_number(slots), 1, EXO_BOOT_SLOT_CLASS);
    return plan_run(plan);
}

static void image_build(struct child *child, struct build *build, const void *archive,
                        uint64_t archive_bytes)
{
    for (unsigned i = 0; i < child->elf.count; i++)
        check(child, segment_load(build, child, &child->elf.segment[i]), "its image");
    uint64_t pages = (archive_bytes + EXO_PAGE_SIZE - 1) / EXO_PAGE_SIZE;
    if (!child->program->archive)
        return;
    check(child, build_tables(build, LIBOS_ARCHIVE, pages), "page tables of the archive");
    check(child, build_share(build, LIBOS_ARCHIVE, archive, pages, EXO_READ), "the archive");
}

void child_make(struct child *child) { check(child, env_make(child), "its environment"); }

void child_build(struct child *child, const void *archive, uint64_t archive_bytes)
{
    static uint8_t page[EXO_PAGE_SIZE];
    struct start_info *info = (struct start_info *)(void *)page;
    struct build build = {.env = child->env};
    image_build(child, &build, archive, archive_bytes);
    check(child, build_tables(&build, LIBOS_START, BASE_PAGES), "page tables");

    memset(page, 0, sizeof(page));
    start_page_fill(info, child->program, &child->elf, archive_bytes);
    info->channel_count = child->channel_count;
    memcpy(info->channel, child->channel, sizeof(info->channel));
    if (child->program->console)
        check(child, grant_console(child->env, child->program->name, &info->console), "its console");
    if (child->program->net.present) {
        int error = grant_queue(child->env, &child->program->net, &info->queue);
        if (error == -EXO_E_HANDLE)
            give_up("manifest:%u: %s wants a network queue, and this machine has no NIC (virtio-net)",
                    child->program->line, child->program->name);
        check(child, error, "its network queue");
    }
    check(child, build_fresh(&build, LIBOS_START, 1, EXO_READ | EXO_WRITE, page, 0, sizeof(page)),
          "its start page");
    check(child, rings_make(&build), "its rings");
    check(child, build_fresh(&build, STACK_START, EXO_BOOT_STACK_PAGES, EXO_READ | EXO_WRITE, NULL, 0, 0),
          "its stack");
}

void child_start(struct child *child)
{
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    plan_env_start(plan, handle_number(child->env), child->elf.entry, LIBOS_STACK, LIBOS_START);
    check(child, plan_run(plan), "its start");
}

bool child_reap(struct child *child)
{
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    struct env_kill_refs kill = plan_env_kill(plan, handle_number(child->env));
    int error = plan_run(plan);
    uint64_t back = plan_value(plan, kill.limit), frames = child->program->frames;
    if (child->reclaim.ended && !plan_run_error(&child->reclaim))
        frames -= child->reclaimed[1].value; /* came back before */
    if (error)
        say("%s can't be removed: %s", child->program->name, exo_error_text(error));
    else if (back != frames)
        say("%s had %llu frames and %llu came back", child->program->name,
            (unsigned long long)frames, (unsigned long long)back);
    return !error && back == frames;
}
