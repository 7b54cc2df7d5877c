/* SPDX-License-Identifier: MIT */
/*
 * The libos's regions, compared step by step with the plainest thing that could be
 * right: one byte a page.
 */
#include <stdlib.h>
#include <string.h>

#include "suite.h"
#include "../../libos/mem/regions.c"

#define PAGE 4096ull
#define LOW (16 * PAGE)
#define PAGES 200u
#define CAPACITY 128u
#define NONE 0xff

static struct region array[CAPACITY];
static struct regions regions;
static uint8_t model[PAGES]; /* perm of each page and, from bit 4 on, its kind; or NONE */

static void reset(void)
{
    regions = (struct regions){ .region = array, .capacity = CAPACITY, .low = LOW,
                                .high = LOW + PAGES * PAGE, .hint = LOW };
    memset(model, NONE, sizeof(model));
}

static uint64_t at(unsigned page)
{
    return LOW + page * PAGE;
}

static bool model_free(unsigned first, unsigned count)
{
    for (unsigned i = first; i < first + count; i++)
        if (model[i] != NONE)
            return false;
    return true;
}

static void compare(void)
{
    for (unsigned i = 0; i < PAGES; i++) {
        const struct region *found = regions_find(&regions, at(i) + PAGE / 2);
        ck_assert_int_eq(found == NULL ? NONE : found->perm | found->kind << 4, model[i]);
    }
    for (size_t i = 0; i < regions.count; i++) {
        ck_assert_uint_lt(array[i].start, array[i].end);
        if (i == 0)
            continue;
        ck_assert_uint_ge(array[i].start, array[i - 1].end);
        /* Neighbours of the same sort are one. */
        ck_assert(array[i].start > array[i - 1].end || array[i].perm != array[i - 1].perm ||
                  array[i].kind != array[i - 1].kind);
    }
    ck_assert(regions_find(&regions, LOW - 1) == NULL);
    ck_assert(regions_find(&regions, LOW + PAGES * PAGE) == NULL);
}

START_TEST(test_empty)
{
    reset();
    ck_assert_uint_eq(regions_gap(&regions, PAGES * PAGE, PAGE), LOW);
    regions.hint = LOW;
    ck_assert_uint_eq(regions_gap(&regions, (PAGES + 1) * PAGE, PAGE), 0);
    ck_assert_uint_eq(regions_gap(&regions, 0, PAGE), 0);
    ck_assert(regions_free(&regions, LOW, LOW + PAGE));
    ck_assert(!regions_free(&regions, LOW - PAGE, LOW + PAGE));
    ck_assert(!regions_protect(&regions, LOW, LOW + PAGE, 1));
    ck_assert(!regions_advise(&regions, LOW, LOW + PAGE, REGION_LARGE));
}
END_TEST

START_TEST(test_random)
{
    srand((unsigned)_i + 1);
    reset();
    for (int step = 0; step < 400; step++) {
        unsigned count = 1 + (unsigned)rand() % 12, first = (unsigned)rand() % (PAGES - count);
        uint8_t perm = (uint8_t)(rand() % 4), kind = (uint8_t)(rand() % 4 ? REGION_DEMAND : REGION_HUGE);
        uint64_t align = PAGE << rand() % 5;
        bool is_free = model_free(first, count);
        ck_assert_int_eq(regions_free(&regions, at(first), at(first + count)), is_free);
        switch (rand() % 5) {
        case 0:
            if (is_free && regions_add(&regions, (struct region){ at(first), at(first + count), perm,
                                                                  kind }))
                memset(model + first, perm | kind << 4, count);
            break;
        case 1:
            if (regions_cut(&regions, at(first), at(first + count)))
                memset(model + first, NONE, count);
            break;
        case 2: {
            bool whole = true;
            for (unsigned i = first; i < first + count; i++)
                whole = whole && model[i] != NONE;
            if (regions_protect(&regions, at(first), at(first + count), perm)) {
                ck_assert(whole);
                for (unsigned i = first; i < first + count; i++)
                    model[i] = (uint8_t)((model[i] & 0xf0) | perm);
            }
            break;
        }
        case 3:
            if (regions_advise(&regions, at(first), at(first + count), REGION_DEMAND + perm % 2))
                for (unsigned i = first; i < first + count; i++) {
                    ck_assert_int_ne(model[i], NONE);
                    if (model[i] >> 4 != REGION_HUGE)
                        model[i] = (uint8_t)((model[i] & 0xf) | (REGION_DEMAND + perm % 2) << 4);
                }
            break;
        default: {
            uint64_t gap = regions_gap(&regions, count * PAGE, align);
            bool any = false;
            for (unsigned i = 0; i + count <= PAGES; i++)
                any = any || (at(i) % align == 0 && model_free(i, count));
            ck_assert_int_eq(gap != 0, any);
            ck_assert_uint_eq(gap % align, 0);
            if (gap != 0)
                ck_assert(model_free((unsigned)((gap - LOW) / PAGE), count));
        }
        }
        if (step % 4 == 0)
            compare();
    }
}
END_TEST

/* Fixed regions are never joined, so that each can be taken away by itself. */
START_TEST(test_fixed)
{
    reset();
    for (unsigned i = 0; i < 4; i++)
        ck_assert(regions_add(&regions, (struct region){ at(i), at(i + 1), 3, REGION_FIXED }));
    ck_assert_uint_eq(regions.count, 4);
}
END_TEST

START_TEST(test_full)
{
    reset();
    regions.capacity = 6;
    for (unsigned i = 0; i < 6; i++)
        ck_assert(regions_add(&regions, (struct region){ at(2 * i), at(2 * i + 1), 3, REGION_DEMAND }));
    ck_assert(!regions_add(&regions, (struct region){ at(50), at(51), 3, REGION_DEMAND }));
    ck_assert(!regions_cut(&regions, at(0), at(1)));
    ck_assert(!regions_protect(&regions, at(0), at(1), 1));
    ck_assert_uint_eq(regions.count, 6);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("regions");
    TCase *cases = tcase_create("regions");
    tcase_add_test(cases, test_empty);
    tcase_add_loop_test(cases, test_random, 0, 8);
    tcase_add_test(cases, test_fixed);
    tcase_add_test(cases, test_full);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
