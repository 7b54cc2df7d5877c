/* SPDX-License-Identifier: MIT */
/* A manifest as a whole: is it complete, and has the machine what it gives away? Hardware-free. */
#include <stdio.h>

#include "manifest.h"

__attribute__((format(printf, 3, 4)))
static bool fail(struct manifest_error *error, unsigned line, const char *format, ...)
{
    __builtin_va_list list;
    __builtin_va_start(list, format);
    error->line = line;
    vsnprintf(error->text, sizeof(error->text), format, list);
    __builtin_va_end(list);
    return false;
}

bool manifest_complete(const struct manifest *manifest, struct manifest_error *error)
{
    if (!manifest->count)
        return fail(error, 0, "there is no program in it");
    for (unsigned i = 0; i < manifest->count; i++) {
        const struct manifest_program *program = &manifest->program[i];
        if (!program->frames)
            return fail(error, program->line, "program %s has no memory line", program->name);
    }
    return true;
}

static bool slots_fit(struct manifest *manifest, unsigned slots, struct manifest_error *error)
{
    unsigned sharing = 0;
    for (unsigned i = 0; i < manifest->count; i++) {
        struct manifest_program *program = &manifest->program[i];
        if (program->slots > slots)
            return fail(error, program->line, "with program %s more CPU time slots are given away than there are",
                        program->name);
        slots -= program->slots;
        sharing += !program->slots;
    }
    if (sharing > slots)
        return fail(error, 0, "%u programs would share %u CPU time slots", sharing, slots);
    for (unsigned i = 0; i < manifest->count; i++) {
        struct manifest_program *program = &manifest->program[i];
        if (program->slots)
            continue;
        program->slots = slots / sharing;
        slots -= program->slots;
        sharing--;
    }
    return true;
}

static bool places_fit(const struct manifest *manifest, unsigned places, struct manifest_error *error)
{
    for (unsigned i = 0; i < manifest->count; i++) {
        const struct manifest_program *program = &manifest->program[i];
        if (program->children >= places)
            return fail(error, program->line, "with program %s and its children there are more programs than the machine can hold",
                        program->name);
        places -= program->children + 1;
    }
    return true;
}

bool manifest_fit(struct manifest *manifest, const struct manifest_supply *supply,
                  struct manifest_error *error)
{
    uint64_t frames = supply->frames;
    uint64_t needed = 0; /* at most MANIFEST_PROGRAMS * 2^28: no overflow */
    for (unsigned i = 0; i < manifest->count; i++)
        needed += manifest->program[i].frames;
    if (needed > frames)
        return fail(error, 0, "too little memory: the programs need %llu KiB, %llu KiB are left; give the machine %llu MiB more",
                    (unsigned long long)needed * 4, (unsigned long long)frames * 4,
                    (unsigned long long)(needed - frames) / 256 + 1);
    return places_fit(manifest, supply->places, error) && slots_fit(manifest, supply->slots, error);
}
