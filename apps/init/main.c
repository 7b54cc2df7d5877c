/* SPDX-License-Identifier: MIT */
/*
 * init: the first program. Reads the manifest, makes every program with exactly
 * what the manifest gives it, watches them, and ends the machine with the truth
 * about how that went. All policy of the system is in this folder.
 */
#include <fcntl.h>
#include <libos/clock.h>
#include <libos/file.h>
#include <libos/start.h>
#include <libos/thread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "child.h"
#include "grant.h"
#include "manifest_channel.h"
#include "report.h"
#include "say.h"
#include "table.h"

#define OWN_RESERVE 256u /* frames that init keeps for itself: tables, plan slots, reports */
#define WATCH_CELLS 3u   /* of child_watch()'s plan; child_reclaim()'s has 2, key_watch()'s 1 */

static struct manifest manifest;
static struct child children[MANIFEST_PROGRAMS];
static struct wait_queue someone_ended;
static struct plan_run key;
static struct plan_result typed;

/* A file of the archive, where it lies; gives up if it is not there. */
static const void *file_view(const char *path, const char *what, size_t *size)
{
    char full[MANIFEST_PATH + 1];
    const void *bytes;
    snprintf(full, sizeof(full), "/%s", path);
    int fd = open(full, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        give_up("%s: there is no file %s in the boot archive", what, path);
    if (fs_view(fd, &bytes, size) || (uint64_t)bytes % EXO_PAGE_SIZE)
        give_up("%s: %s does not lie in the boot archive as it should", what, path);
    close(fd);
    return bytes;
}

static void manifest_read(void)
{
    struct manifest_error error;
    size_t size;
    const char *text = file_view("manifest", "manifest", &size);
    uint64_t left = PLAN_INFO->frames_limit - PLAN_INFO->frames_used;
    struct manifest_supply supply = {
        .frames = left > OWN_RESERVE ? left - OWN_RESERVE : 0,
        .slots = GRANT_SLOTS,
        .places = (unsigned)PLAN_INFO->places,
    };
    if (manifest_parse(&manifest, text, size, &error) && manifest_fit(&manifest, &supply, &error))
        return;
    if (error.line)
        give_up("manifest:%u: %s", error.line, error.text);
    give_up("manifest: %s", error.text);
}

static void child_ended(struct plan_run *run)
{
    (void)run;
    thread_wake(&someone_ended, 1);
}

/* One key after the other; 't' shows the table. */
static void key_watch(void)
{
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    plan->results = &typed;
    plan_console_read(plan, handle_number(EXO_BOOT_CONSOLE));
    key.wake = child_ended;
    plan_run_start(plan, &key);
}

static void key_look(void)
{
    key.ended = false;
    if (plan_run_error(&key))
        return; /* nothing can be typed here */
    if (typed.value == 't')
        table_say(children, manifest.count);
    key_watch();
}

/* Asks to be told how it stops. The last of the three words fits no completion, so a NOP carries it. */
static void child_watch(struct child *child)
{
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    plan->results = child->result;
    struct env_wait_refs wait = plan_env_wait(plan, handle_number(child->env));
    plan_nop(plan, wait.first);
    plan_nop(plan, wait.second);
    child->wait.wake = child_ended;
    plan_run_start(plan, &child->wait);
}

/* Memory that is asked back from it, some time after it began to run: one plan for all of that time. */
static void child_reclaim(struct child *child)
{
    const struct manifest_program *program = child->program;
    struct plan_buffer buffer;
    if (!program->reclaim)
        return;
    uint64_t ms = PLAN_INFO->tick_hz / 1000, at = clock_tick() + ms * program->reclaim_after;
    struct plan *plan = plan_begin(&buffer);
    plan->results = child->reclaimed;
    plan_timer(plan, tick_number(at));
    plan_reclaim(plan, handle_number(child->env), (uint32_t)program->reclaim,
                 tick_number(at + ms * program->reclaim_within));
    child->reclaim.wake = child_ended;
    plan_run_start(plan, &child->reclaim);
}

static void reclaim_say(struct child *child)
{
    const char *name = child->program->name;
    int error = plan_run_error(&child->reclaim);
    child->reclaim_said = true;
    if (error)
        say("%s gave no memory back: %s", name, exo_error_text(error));
    else
        say("%s gave %llu frames back, %u pages by force", name,
            (unsigned long long)child->reclaimed[1].value, child->reclaimed[1].more);
}

static void channels_make(void)
{
    for (unsigned i = 0; i < manifest.channel_count; i++) {
        const struct manifest_channel *channel = &manifest.channel[i];
        int error = grant_channel(channel, &children[channel->sender], &children[channel->receiver]);
        if (error)
            give_up("manifest:%u: channel %s: %s", channel->line, channel->name, exo_error_text(error));
    }
}

static void programs_start(void)
{
    uint64_t bytes = PLAN_INFO->archive_bytes;
    const void *archive = (const void *)PLAN_INFO->archive;
    for (unsigned i = 0; i < manifest.count; i++) {
        struct child *child = &children[i];
        child->program = &manifest.program[i];
        child->file = file_view(child->program->file, child->program->name, &child->file_bytes);
        child_check(child, (bytes + EXO_PAGE_SIZE - 1) / EXO_PAGE_SIZE, manifest_channel_frames(&manifest, i));
    }
    for (unsigned i = 0; i < manifest.count; i++)
        child_make(&children[i]);
    channels_make();
    for (unsigned i = 0; i < manifest.count; i++)
        child_build(&children[i], archive, bytes);
    int error = grant_slots(children, manifest.count);
    if (error)
        give_up("CPU time can't be given: %s", exo_error_text(error));
    for (unsigned i = 0; i < manifest.count; i++)
        child_start(&children[i]);
    say("running");
    for (unsigned i = 0; i < manifest.count; i++) {
        child_watch(&children[i]);
        child_reclaim(&children[i]);
    }
}

static bool as_expected(const struct manifest_program *program, uint64_t reason, uint64_t word)
{
    switch (program->expect) {
    case EXPECT_RUN:
        return reason == EXO_STOP_EXIT && word == 0;
    case EXPECT_EXIT:
        return reason == EXO_STOP_EXIT && word == (uint64_t)program->expect_status;
    case EXPECT_CRASH:
        return reason == EXO_STOP_CRASH || reason == EXO_STOP_NESTED;
    case EXPECT_STOP:
        return reason == EXO_STOP_NESTED || reason == EXO_STOP_RECLAIM;
    }
    return false;
}

static void child_finish(struct child *child)
{
    int error = plan_run_error(&child->wait);
    if (error)
        give_up("%s can't be watched: %s", child->program->name, exo_error_text(error));
    uint64_t reason = child->result[0].value, word = child->result[1].value;
    report_end(child, reason, word, child->result[2].value);
    if (reason != EXO_STOP_EXIT || manifest.table_ms)
        table_say(children, manifest.count);
    child->ended = true;
    child->failed = !as_expected(child->program, reason, word);
    if (!child_reap(child))
        child->failed = true;
}

static bool all_done(void)
{
    for (unsigned i = 0; i < manifest.count; i++)
        if (!children[i].ended && (children[i].program->ends || !manifest.end_when))
            return false;
    return true;
}

static bool reclaim_ended(const struct child *child)
{
    return child->reclaim.ended && !child->reclaim_said;
}

/* The first child that stopped and was not looked at; waits until there is one. */
static struct child *child_next(void)
{
    static uint64_t shown; /* when the table is due */
    for (;;) {
        if (manifest.table_ms && clock_tick() >= shown) {
            table_say(children, manifest.count);
            shown = clock_deadline(manifest.table_ms * 1000000ull);
        }
        if (key.ended)
            key_look();
        for (unsigned i = 0; i < manifest.count; i++) {
            if (reclaim_ended(&children[i]))
                reclaim_say(&children[i]);
            if (!children[i].ended && children[i].wait.ended)
                return &children[i];
        }
        libos_enter();
        bool any = key.ended;
        for (unsigned i = 0; i < manifest.count; i++)
            any |= (!children[i].ended && children[i].wait.ended) || reclaim_ended(&children[i]);
        if (!any)
            thread_wait(&someone_ended, manifest.table_ms ? shown : EXO_NEVER);
        libos_leave();
    }
}

/* Who still runs when the machine ends: fine for a server, not for a program that should have ended. */
static void rest_end(void)
{
    for (unsigned i = 0; i < manifest.count; i++) {
        struct child *child = &children[i];
        if (child->ended)
            continue;
        child->failed = child->program->expect != EXPECT_RUN;
        if (child->failed)
            say("%s still runs, and was expected to end", child->program->name);
        if (!child_reap(child))
            child->failed = true;
    }
}

int main(void)
{
    unsigned failed = 0;
    manifest_read();
    /* One ENV_WAIT a program, which lasts as long as the program does. */
    unsigned plans = manifest.count + 1;
    for (unsigned i = 0; i < manifest.count; i++)
        plans += manifest.program[i].reclaim != 0;
    if (plan_slots_add(WATCH_CELLS, plans))
        give_up("no memory for plan slots");
    programs_start();
    key_watch();
    while (!all_done())
        child_finish(child_next());
    rest_end();
    for (unsigned i = 0; i < manifest.count; i++)
        if (children[i].failed) {
            say("%s did not end as expected", children[i].program->name);
            failed++;
        }
    if (!failed)
        say("all programs ended as expected");
    power_off(failed ? EXO_POWER_FAILED : EXO_POWER_OK);
}
