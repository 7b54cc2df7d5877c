/* SPDX-License-Identifier: MIT */
/*
 * The plugin's ear: commands from an inherited socket, a line each, answered there.
 *
 *   mark NAME ADDRESS BYTES   keep the totals of the first time that the instruction at
 *                             ADDRESS is executed where RAM holds BYTES (all hexadecimal)
 *   go                        let the guest begin
 *   totals [ADDRESS...]       the numbers of struct totals, how many executions could not be
 *                             attributed, and how often each ADDRESS was executed
 *   marks                     NAME and totals of each mark reached; ends with a line `.`
 *   dump [NAME NAME]          a line with the number of records, then the records; of what was
 *                             executed between two marks
 *   keep                      before `go`: keep for each mark what such a dump needs
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "count.h"

struct record { /* of `dump`; little endian */
    uint64_t vaddr, page, count;
    uint8_t kind, size, bytes[14];
};

static FILE *in, *out;

static void totals_print(const struct totals *totals)
{
    const uint64_t *word = (const uint64_t *)totals;
    for (size_t i = 0; i < sizeof(*totals) / sizeof(*word); i++)
        fprintf(out, "%s%llu", i ? " " : "", (unsigned long long)word[i]);
}

static void totals_say(char *addresses)
{
    struct totals totals;
    char *save = NULL;
    count_totals(&totals);
    totals_print(&totals);
    fprintf(out, " %llu", (unsigned long long)count_lost());
    for (char *word = strtok_r(addresses, " ", &save); word; word = strtok_r(NULL, " ", &save))
        fprintf(out, " %llu", (unsigned long long)count_address(strtoull(word, NULL, 16)));
    fprintf(out, "\n");
}

static void marks_say(void)
{
    unsigned count;
    const struct mark *marks = count_marks(&count);
    for (unsigned i = 0; i < count; i++) {
        if (!__atomic_load_n(&marks[i].reached, __ATOMIC_ACQUIRE))
            continue;
        fprintf(out, "%s ", marks[i].name);
        totals_print(&marks[i].totals);
        fprintf(out, "\n");
    }
    fprintf(out, ".\n");
}

static void record_count(const struct counted *counted, uint64_t count, void *data)
{
    (void)counted, (void)count;
    ++*(uint64_t *)data;
}

struct dump {
    uint64_t left;
};

static void record_say(const struct counted *counted, uint64_t count, void *data)
{
    struct dump *dump = data;
    struct record record = {counted->vaddr, (uint64_t)(uintptr_t)counted->ram >> 12, count,
                            counted->kind, counted->size, {0}};
    if (!dump->left)
        return;
    dump->left--;
    memcpy(record.bytes, counted->bytes, sizeof(record.bytes));
    fwrite(&record, sizeof(record), 1, out);
}

static const struct mark *mark_find(const char *name)
{
    unsigned count;
    const struct mark *marks = count_marks(&count);
    for (unsigned i = 0; name && i < count; i++)
        if (!strcmp(marks[i].name, name))
            return &marks[i];
    return NULL;
}

static void records_walk(const struct mark *from, const struct mark *to,
                         void (*take)(const struct counted *, uint64_t, void *), void *data)
{
    if (from && to)
        count_between(from, to, take, data);
    else
        count_records(take, data);
}

/* The guest may still run: records beyond the announced number wait for the next dump. */
static void dump_say(char *names)
{
    char *save = NULL;
    const struct mark *from = mark_find(strtok_r(names, " ", &save));
    const struct mark *to = mark_find(strtok_r(NULL, " ", &save));
    struct dump dump = {0};
    records_walk(from, to, record_count, &dump.left);
    fprintf(out, "%llu\n", (unsigned long long)dump.left);
    records_walk(from, to, record_say, &dump);
}

static bool mark_take(char *text)
{
    char name[64], hex[2 * MARK_BYTES + 1];
    unsigned long long vaddr;
    uint8_t bytes[MARK_BYTES];
    unsigned length = 0;
    if (sscanf(text, "%63s %llx %64s", name, &vaddr, hex) != 3)
        return false;
    for (; sscanf(hex + 2 * length, "%2hhx", &bytes[length]) == 1; length++)
        if (length + 1 == MARK_BYTES || !hex[2 * length + 2])
            return count_mark(name, vaddr, bytes, length + 1);
    return false;
}

/* Obeys one line; false at the end of input. */
static bool line_obey(bool *go)
{
    static char line[4096];
    if (!fgets(line, sizeof(line), in))
        return false;
    line[strcspn(line, "\n")] = 0;
    *go = !strcmp(line, "go");
    if (*go)
        fprintf(out, "ok\n");
    else if (!strncmp(line, "mark ", 5))
        fprintf(out, mark_take(line + 5) ? "ok\n" : "bad mark\n");
    else if (!strncmp(line, "totals", 6))
        totals_say(line + 6);
    else if (!strcmp(line, "marks"))
        marks_say();
    else if (!strncmp(line, "dump", 4))
        dump_say(line + 4);
    else if (!strcmp(line, "keep"))
        count_keep(), fprintf(out, "ok\n");
    else
        fprintf(out, "unknown command\n");
    fflush(out);
    return true;
}

static void *listen_on(void *unused)
{
    bool go;
    while (line_obey(&go))
        continue;
    return unused;
}

int control_start(int fd)
{
    pthread_t thread;
    bool go = false;
    in = fdopen(fd, "r");
    out = fdopen(fd, "w");
    if (!in || !out) {
        fprintf(stderr, "count: no socket is inherited as %d\n", fd);
        return -1;
    }
    while (!go)
        if (!line_obey(&go))
            return -1;
    return pthread_create(&thread, NULL, listen_on, NULL) ? -1 : 0;
}
