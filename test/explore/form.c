/* SPDX-License-Identifier: MIT */
/*
 * Form first: of every operation a good plan is made, whose arguments are constants or references to results of
 * each kind; then every field of every cell gets every boundary value, one at a time. What the
 * checker and the reference say must be the same, to the number of the cell, and what they accept must run the same.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "both.h"

struct exo_op world_cells[128];

#define SOURCES 5u /* operations whose results are of every kind there is */

static struct exo_op good[128];
static unsigned cells;
static uint64_t mutations, refused;
static char what[100];

static void story(void)
{
    const uint8_t *bytes = (const uint8_t *)world_cells;
    printf("%s\n", what);
    for (unsigned i = 0; i < (cells + 1) * 64; i++)
        printf("%02x%s", bytes[i], i % 64 == 63 ? "\n" : i % 8 == 7 ? " " : "");
}

static void submit(void)
{
    static const struct both_limits limits = {16, {2, 1, 1, 1}, 5000};
    both_init(&limits);
    both_enter(cells + 1, 0);
    (void)both_continue(0);
    mutations++;
    for (unsigned i = 0; i < both_ref.posts; i++)
        refused += both_ref.post[i].operation == EXO_PLAN_SELF && both_ref.post[i].status &&
                   !both_ref.post[i].announces && both_ref.head == cells + 1 && both_ref.posts == 1;
}

static void mutate(unsigned cell, unsigned offset, unsigned width, uint64_t value)
{
    memcpy(world_cells, good, (cells + 1) * sizeof good[0]);
    memcpy((uint8_t *)&world_cells[cell] + offset, &value, width);
    snprintf(what, sizeof what, "operation %u: cell %u, %u bytes at %u are %llx", good[cells].code, cell,
             width, offset, (unsigned long long)value);
    submit();
}

static void mutate_word(unsigned cell, unsigned offset, unsigned width)
{
    static const uint64_t boundary[] = {
        0, 1, 2, 3, 4, 5, 6, 63, 64, 100, 4095, 4096, 65535, 65536, 65537, 0xffffffff, 1ull << 32,
        1ull << 36, 1ull << 47, EXO_USER_END - 4096, EXO_USER_END - 1, EXO_USER_END, 1ull << 48, 1ull << 63,
        UINT64_MAX - 4095, UINT64_MAX};
    uint64_t now = 0;
    memcpy(&now, (uint8_t *)&good[cell] + offset, width);
    for (unsigned i = 0; i < sizeof boundary / sizeof boundary[0]; i++)
        mutate(cell, offset, width, boundary[i]);
    for (unsigned bit = 0; bit < width * 8; bit++) {
        mutate(cell, offset, width, now ^ 1ull << bit);
        mutate(cell, offset, width, 1ull << bit);
    }
    mutate(cell, offset, width, now - 1);
    mutate(cell, offset, width, now + 1);
}

static void mutate_cell(unsigned cell)
{
    for (unsigned value = 0; value < 256; value++) {
        mutate(cell, 0, 1, value);
        mutate(cell, 1, 1, value);
    }
    for (unsigned value = 0; value < 128; value++)
        mutate(cell, 2, 2, value);
    mutate_word(cell, 2, 2);
    mutate_word(cell, 4, 4);
    for (unsigned offset = 8; offset < 64; offset += 8)
        if (cell > 0 || offset > 8) /* the header's tag is what we know it by */
            mutate_word(cell, offset, 8);
}

static uint64_t constant_for(uint8_t kind)
{
    return kind == K_COUNT || kind == K_PERM ? 1 : kind == K_HANDLE ? 2 : 0;
}

/* A reference to one of the sources whose result is of the kind, 0 if none is. */
static uint64_t reference_for(uint8_t kind)
{
    for (unsigned i = 0; i < SOURCES; i++)
        for (unsigned word = 0; word < 4; word++)
            if (op_infos[good[1 + i].code].result[word] == kind)
                return EXO_REF(i, word, 0);
    return 0;
}

static void plan_make(uint8_t code, unsigned flags)
{
    static const uint8_t sources[SOURCES] = {EXO_TIMER, EXO_ALLOC, EXO_ENV_CREATE, EXO_ENV_READ, EXO_NOP};
    struct exo_plan header = {.code = EXO_PLAN, .flags = (uint8_t)flags, .cells = SOURCES + 1, .tag = 1};
    memset(good, 0, sizeof good);
    memcpy(&good[0], &header, sizeof header);
    cells = SOURCES + 1;
    for (unsigned i = 0; i <= SOURCES; i++) {
        struct exo_op *op = &good[1 + i];
        op->code = i < SOURCES ? sources[i] : code;
        op->handle = world_handle(op_infos[op->code].handle);
        for (unsigned k = 0; k < 5; k++)
            op->arg[k] = constant_for(op_infos[op->code].arg[k]);
        op->after = i ? (1ull << i) - 1 : 0;
        op->tag = 0x100 + i;
    }
}

/* Every argument that can be one is a reference now. */
static void references_make(void)
{
    struct exo_op *op = &good[cells];
    const struct op_info *info = &op_infos[op->code];
    for (unsigned k = 0; k < 5; k++) {
        uint64_t word = info->arg[k] == K_ZERO ? 0 : reference_for(info->arg[k]);
        if (!word && info->arg[k] != K_TICK) /* the first result of the first source is one */
            continue;
        op->uses |= (uint16_t)(1u << k);
        op->arg[k] = word;
    }
    if (info->handle != K_NONE && info->arg[4] == K_ZERO) {
        op->uses |= 32;
        op->handle = 0;
        op->arg[4] = reference_for(K_HANDLE);
    }
}

static void good_one(void)
{
    mutate(cells, 63, 1, 0);
    if (refused) {
        printf("the good plan of operation %u is refused\n", good[cells].code);
        exit(1);
    }
}

static void more_make(void)
{
    cells += 2;
    good[cells - 1].code = good[cells].code = EXO_MORE;
    good[0].uses = (uint16_t)cells; /* the header's count */
}

/* As many operations as there can be, each after all before it. */
static void largest(void)
{
    plan_make(EXO_NOP, 0);
    cells = EXO_PLAN_MAX;
    good[0].uses = EXO_PLAN_MAX;
    for (unsigned i = 0; i < cells; i++)
        good[1 + i] = (struct exo_op){.code = EXO_NOP, .flags = EXO_QUIET, .after = i ? ~0ull >> (64 - i) : 0};
    mutate_word(64, 8, 8);
    mutate_word(63, 8, 8);
    mutate_word(0, 2, 2);
    cells += 3; /* there are more cells behind it: one more is still too many */
    mutate(0, 2, 2, EXO_PLAN_MAX + 1);
}

int main(void)
{
    uint64_t all_refused = 0;
    both_story = story;
    for (unsigned code = EXO_NOP; code < EXO_CODE_END; code++) {
        if (!op_infos[code].name)
            continue;
        for (unsigned way = 0; way < 4; way++) { /* constants or references; standing or not */
            plan_make((uint8_t)code, way & 2 ? EXO_PLAN_STANDING : 0);
            if (way & 1)
                references_make();
            if (op_infos[code].more)
                more_make();
            refused = 0;
            good_one();
            for (unsigned cell = way || code == EXO_NET_TX ? SOURCES + 1 : 0; cell <= cells; cell++)
                mutate_cell(cell);
            all_refused += refused;
        }
    }
    largest();
    printf("figures: %llu plans with one fault, %llu of them refused\n", (unsigned long long)mutations,
           (unsigned long long)all_refused);
    return 0;
}
