/* SPDX-License-Identifier: MIT */
/* The resource table. The kernel counts (ENV_INFO); the names are init's. */
#include "table.h"

#include <libos/mem.h>
#include <stdio.h>
#include <string.h>

#include "say.h"

static struct exo_account *page; /* where the kernel writes */
static uint64_t frame;

static bool account_read(uint32_t env, unsigned index, struct exo_account *account)
{
    struct plan_buffer buffer;
    if (!page)
        page = mem_map_run(1, &frame);
    if (!page)
        return false;
    struct plan *plan = plan_begin(&buffer);
    plan_env_info(plan, handle_number(env), index, EXO_BUF(frame, 0, sizeof(*page)));
    if (plan_run(plan))
        return false;
    memcpy(account, page, sizeof(*account));
    return true;
}

#define ROWS 64u /* more programs than there can be */

struct row {
    struct exo_account account;
    const char *name; /* of the program of the manifest it is, or is below */
};

/* A program is known by its handle; who it started, by his parent, who comes before or after him. */
static void names_find(struct row *rows, unsigned count, const struct child *children, unsigned programs)
{
    struct exo_account account;
    for (unsigned i = 0; i < programs; i++) {
        if (children[i].ended || !account_read(children[i].env, 0, &account))
            continue;
        for (unsigned k = 0; k < count; k++)
            if (rows[k].account.index == account.index)
                rows[k].name = children[i].program->name;
    }
}

static const struct row *parent_of(const struct row *rows, unsigned count, const struct row *row)
{
    for (unsigned k = 0; k < count; k++)
        if (rows[k].account.index == row->account.parent)
            return &rows[k];
    return NULL;
}

static void row_say(const struct row *rows, unsigned count, const struct row *row)
{
    static const char *const states[] = {"new", "runs", "waits", "stopped", "dying"};
    const struct exo_account *a = &row->account;
    const struct row *above = row;
    char name[32];
    while (above && !above->name)
        above = parent_of(rows, count, above);
    if (row->name)
        snprintf(name, sizeof(name), "%s", row->name);
    else
        snprintf(name, sizeof(name), "%s/%u", above ? above->name : "?", a->index);
    say("  %-18s %-7s %6u/%-6u %6u %6u %6u %5u %5u %8u %5u %5u %5u/%-5u %3u", name,
        a->state < 5 ? states[a->state] : "?", a->used, a->limit, a->owned, a->frozen, a->tables, a->slots, a->queues,
        a->channels, a->places, a->other, a->plans, a->plan_slots, a->cpu_slots);
}

void table_say(const struct child *children, unsigned count)
{
    static struct row rows[ROWS];
    unsigned found = 0;
    for (unsigned index = 0; index < ROWS; index++) { /* 0 is init, which has the lowest of all */
        if (!account_read(EXO_SELF, index, &rows[found].account) || (found && rows[found].account.index == rows[0].account.index))
            continue;
        rows[found].name = found ? NULL : "init";
        found++;
    }
    names_find(rows, found, children, count);
    say("  %-18s %-7s %13s %6s %6s %6s %5s %5s %8s %5s %5s %11s %3s", "program", "state", "frames/limit", "owned",
        "frozen", "tables", "slots", "queue", "channels", "room", "other", "plans/slots", "cpu");
    for (unsigned i = 0; i < found; i++)
        row_say(rows, found, &rows[i]);
}
