/* SPDX-License-Identifier: MIT */
/*
 * Parses a manifest, line by line: one table entry and one function for each word
 * that a line can start with. Stops at the first error.
 */
#include "manifest.h"

#include <exo/abi.h>
#include <stdio.h>
#include <string.h>

#include "manifest_channel.h"
#include "manifest_net.h"
#include "words.h"

#define MEMORY_MIN (256u << 10) /* tables, rings, stack and a little of its own */
#define RECLAIM_MS 600000u
#define MEMORY_MAX ((uint64_t)EXO_COUNT_MAX * EXO_PAGE_SIZE) /* one number of an operation */

struct parse {
    struct manifest *manifest;
    struct manifest_program *program; /* the one the lines belong to, or NULL */
    struct manifest_error *error;
    char *word[MANIFEST_WORDS];
    unsigned count;
    unsigned line;
    unsigned end_line; /* of end-when, whose names may come later */
    char end_names[MANIFEST_PROGRAMS][MANIFEST_NAME];
    unsigned end_count;
};

__attribute__((format(printf, 2, 3)))
static bool fail(struct parse *parse, const char *format, ...)
{
    __builtin_va_list list;
    __builtin_va_start(list, format);
    parse->error->line = parse->line;
    vsnprintf(parse->error->text, sizeof(parse->error->text), format, list);
    __builtin_va_end(list);
    return false;
}

static struct manifest_program *program_find(struct manifest *manifest, const char *name)
{
    for (unsigned i = 0; i < manifest->count; i++)
        if (!strcmp(manifest->program[i].name, name))
            return &manifest->program[i];
    return NULL;
}

static bool string_add(struct parse *parse, const char *text)
{
    struct manifest_program *program = parse->program;
    size_t bytes = strlen(text) + 1;
    if (bytes > MANIFEST_STRINGS - program->strings_bytes)
        return fail(parse, "arguments and environment of %s are longer than %u bytes", program->name,
                    MANIFEST_STRINGS);
    memcpy(program->strings + program->strings_bytes, text, bytes);
    program->strings_bytes += (unsigned)bytes;
    return true;
}

static bool parse_program(struct parse *parse)
{
    const char *name = parse->word[1];
    struct manifest *manifest = parse->manifest;
    if (!words_name(name))
        return fail(parse, "\"%.40s\" is not a program name: 1 to 15 of a-z, 0-9 and '-'", name);
    if (!strcmp(name, "all") || !strcmp(name, "init"))
        return fail(parse, "the name \"%s\" has a meaning of its own", name);
    struct manifest_program *other = program_find(manifest, name);
    if (other)
        return fail(parse, "program %s is there already, in line %u", name, other->line);
    if (manifest->count == MANIFEST_PROGRAMS)
        return fail(parse, "more than %u programs", MANIFEST_PROGRAMS);
    struct manifest_program *program = &manifest->program[manifest->count++];
    parse->program = program;
    program->line = parse->line;
    memcpy(program->name, name, strlen(name) + 1);
    memcpy(program->file, name, strlen(name) + 1);
    program->argc = 1;
    return string_add(parse, name);
}

static bool parse_file(struct parse *parse)
{
    const char *path = parse->word[1];
    if (!words_path(path))
        return fail(parse, "\"%.40s\" is not a path in the archive", path);
    memcpy(parse->program->file, path, strlen(path) + 1);
    return true;
}

static bool parse_args(struct parse *parse)
{
    if (parse->program->envc)
        return fail(parse, "args must come before env");
    for (unsigned i = 1; i < parse->count; i++, parse->program->argc++)
        if (!string_add(parse, parse->word[i]))
            return false;
    return true;
}

static bool parse_env(struct parse *parse)
{
    for (unsigned i = 1; i < parse->count; i++, parse->program->envc++) {
        const char *equals = strchr(parse->word[i], '=');
        if (!equals || equals == parse->word[i])
            return fail(parse, "\"%.40s\" is not NAME=VALUE", parse->word[i]);
        if (!string_add(parse, parse->word[i]))
            return false;
    }
    return true;
}

static bool parse_memory(struct parse *parse)
{
    uint64_t bytes;
    if (!words_size(parse->word[1], &bytes))
        return fail(parse, "\"%.40s\" is not a size like 512K, 32M or 1G", parse->word[1]);
    if (bytes < MEMORY_MIN || bytes > MEMORY_MAX)
        return fail(parse, "memory %s is not between 256K and 256M", parse->word[1]);
    parse->program->frames = (bytes + EXO_PAGE_SIZE - 1) / EXO_PAGE_SIZE;
    return true;
}

static bool parse_reclaim(struct parse *parse)
{
    struct manifest_program *program = parse->program;
    uint64_t bytes, after, within;
    if (!words_size(parse->word[1], &bytes) || bytes < EXO_PAGE_SIZE || bytes > MEMORY_MAX)
        return fail(parse, "\"%.40s\" is not a size like 512K, 32M or 1G", parse->word[1]);
    if (!words_number(parse->word[2], RECLAIM_MS, &after) || !words_number(parse->word[3], RECLAIM_MS, &within))
        return fail(parse, "reclaim SIZE AFTER WITHIN, in milliseconds up to %u", RECLAIM_MS);
    program->reclaim = bytes / EXO_PAGE_SIZE;
    program->reclaim_after = (unsigned)after;
    program->reclaim_within = (unsigned)within;
    return true;
}

static bool parse_children(struct parse *parse)
{
    uint64_t children;
    if (!words_number(parse->word[1], MANIFEST_CHILDREN, &children))
        return fail(parse, "children must be 0 to %u, not \"%.40s\"", MANIFEST_CHILDREN, parse->word[1]);
    parse->program->children = (unsigned)children;
    return true;
}

static bool parse_slots(struct parse *parse)
{
    uint64_t slots;
    if (!words_number(parse->word[1], MANIFEST_SLOTS, &slots) || !slots)
        return fail(parse, "slots must be 1 to %u, not \"%.40s\"", MANIFEST_SLOTS, parse->word[1]);
    parse->program->slots = (unsigned)slots;
    return true;
}

static bool parse_switch(struct parse *parse, bool *value)
{
    *value = !strcmp(parse->word[1], "yes");
    if (!*value && strcmp(parse->word[1], "no") != 0)
        return fail(parse, "%s is yes or no, not \"%.40s\"", parse->word[0], parse->word[1]);
    return true;
}

static bool parse_archive(struct parse *p) { return parse_switch(p, &p->program->archive); }
static bool parse_console(struct parse *p) { return parse_switch(p, &p->program->console); }

/* For the tool that boots the machine; checked here so that a mistake is found in either place. */
static bool parse_publish(struct parse *parse)
{
    uint64_t port;
    if (strcmp(parse->word[1], "tcp") != 0 && strcmp(parse->word[1], "udp") != 0)
        return fail(parse, "publish tcp or udp, not \"%.40s\"", parse->word[1]);
    if (!words_number(parse->word[2], 65535, &port) || !port)
        return fail(parse, "\"%.40s\" is not a port", parse->word[2]);
    return true;
}

static bool parse_expect(struct parse *parse)
{
    static const struct {
        const char *word;
        enum manifest_expect expect;
    } kinds[] = {{"run", EXPECT_RUN}, {"exit", EXPECT_EXIT}, {"crash", EXPECT_CRASH}, {"stop", EXPECT_STOP}};
    uint64_t status = 0;
    for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strcmp(parse->word[1], kinds[i].word) != 0)
            continue;
        parse->program->expect = kinds[i].expect;
        if (parse->count == 3 && kinds[i].expect != EXPECT_EXIT)
            return fail(parse, "expect %s takes no number", kinds[i].word);
        if (parse->count == 3 && !words_number(parse->word[2], 255, &status))
            return fail(parse, "\"%.40s\" is not an exit status", parse->word[2]);
        parse->program->expect_status = (int)status;
        return true;
    }
    return fail(parse, "expect run, exit, crash or stop, not \"%.40s\"", parse->word[1]);
}

static bool parse_include(struct parse *parse)
{
    if (parse->count == 3 || (parse->count == 4 && strcmp(parse->word[2], "as") != 0))
        return fail(parse, "include PATH, or include PATH as NAME");
    return true;
}

static bool parse_end_when(struct parse *parse)
{
    if (parse->end_line)
        return fail(parse, "a second end-when; the first is in line %u", parse->end_line);
    parse->end_line = parse->line;
    for (unsigned i = 1; i < parse->count; i++) {
        char *name = parse->word[i];
        size_t length = strlen(name);
        if (length < 6 || strcmp(name + length - 5, "-exit") != 0)
            return fail(parse, "\"%.40s\" is not all-exit or PROGRAM-exit", name);
        name[length - 5] = '\0';
        if (!strcmp(name, "all") && parse->count == 2)
            return true;
        if (!words_name(name) || parse->end_count == MANIFEST_PROGRAMS)
            return fail(parse, "there is no program \"%.40s\"", name);
        memcpy(parse->end_names[parse->end_count++], name, strlen(name) + 1);
    }
    return true;
}

static bool parse_net(struct parse *parse)
{
    char reason[sizeof(parse->error->text)];
    if (!manifest_net_parse(&parse->program->net, parse->word + 1, parse->count - 1, reason))
        return fail(parse, "%s", reason);
    const struct manifest_program *other = manifest_net_clash(parse->manifest, parse->program, reason);
    return other ? fail(parse, "%s is also %s's, in line %u", reason, other->name, other->line) : true;
}

static bool parse_table(struct parse *parse)
{
    uint64_t ms;
    if (!words_number(parse->word[1], 3600000, &ms) || ms < 10)
        return fail(parse, "table must be 10 to 3600000 (milliseconds), not \"%.40s\"", parse->word[1]);
    parse->manifest->table_ms = (unsigned)ms;
    return true;
}

static bool parse_channel(struct parse *parse)
{
    char reason[CHANNEL_REASON];
    return manifest_channel_parse(parse->manifest, parse->word, parse->count, parse->line, reason) ||
           fail(parse, "%s", reason);
}

/* What a line can start with. */
static const struct word_rule {
    const char *word;
    bool (*parse)(struct parse *parse);
    unsigned least, most; /* words in the line */
    bool of_program, repeats;
} rules[] = {
    {"program", parse_program, 2, 2, false, true},
    {"file", parse_file, 2, 2, true, false},
    {"args", parse_args, 2, MANIFEST_WORDS, true, true},
    {"env", parse_env, 2, MANIFEST_WORDS, true, true},
    {"memory", parse_memory, 2, 2, true, false},
    {"children", parse_children, 2, 2, true, false},
    {"reclaim", parse_reclaim, 4, 4, true, false},
    {"slots", parse_slots, 2, 2, true, false},
    {"net", parse_net, 3, 7, true, false},
    {"archive", parse_archive, 2, 2, true, false},
    {"console", parse_console, 2, 2, true, false},
    {"publish", parse_publish, 3, 3, true, true},
    {"expect", parse_expect, 2, 3, true, false},
    {"include", parse_include, 2, 4, false, true},
    {"channel", parse_channel, 6, 10, false, true},
    {"table", parse_table, 2, 2, false, true},
    {"end-when", parse_end_when, 2, MANIFEST_WORDS, false, true},
};

static bool parse_line(struct parse *parse)
{
    for (unsigned i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        const struct word_rule *rule = &rules[i];
        if (strcmp(parse->word[0], rule->word) != 0)
            continue;
        if (parse->count < rule->least)
            return fail(parse, "%s needs more words", rule->word);
        if (parse->count > rule->most)
            return fail(parse, "too many words behind %s", rule->word);
        if (rule->of_program && !parse->program)
            return fail(parse, "%s belongs below a program line", rule->word);
        if (rule->of_program && !rule->repeats) {
            if (parse->program->seen >> i & 1)
                return fail(parse, "a second %s for %s", rule->word, parse->program->name);
            parse->program->seen |= 1u << i;
        }
        return rule->parse(parse);
    }
    return fail(parse, "unknown word \"%.40s\"", parse->word[0]);
}

/* What can only be judged once all lines were read. */
static bool parse_whole(struct parse *parse)
{
    struct manifest *manifest = parse->manifest;
    if (!manifest_complete(manifest, parse->error) ||
        !manifest_channels_resolve(manifest, parse->error))
        return false;
    parse->line = parse->end_line;
    for (unsigned i = 0; i < parse->end_count; i++) {
        struct manifest_program *program = program_find(manifest, parse->end_names[i]);
        if (!program)
            return fail(parse, "there is no program \"%s\"", parse->end_names[i]);
        program->ends = manifest->end_when = true;
    }
    return true;
}

#define LINE_BYTES 1024u

bool manifest_parse(struct manifest *manifest, const char *text, size_t length,
                    struct manifest_error *error)
{
    memset(manifest, 0, sizeof(*manifest));
    struct parse parse = {.manifest = manifest, .error = error};
    if (length > MANIFEST_BYTES)
        return fail(&parse, "longer than %u bytes", MANIFEST_BYTES);
    for (size_t at = 0; at < length;) {
        const char *line = text + at;
        const char *newline = memchr(line, '\n', length - at);
        size_t bytes = newline ? (size_t)(newline - line) : length - at;
        char space[LINE_BYTES + MANIFEST_WORDS];
        const char *reason;
        at += bytes + 1;
        parse.line++;
        if (bytes > LINE_BYTES)
            return fail(&parse, "line longer than %u bytes", LINE_BYTES);
        int count = words_split(line, bytes, space, parse.word, &reason);
        if (count < 0)
            return fail(&parse, "%s", reason);
        parse.count = (unsigned)count;
        if (count && !parse_line(&parse))
            return false;
    }
    return parse_whole(&parse);
}
