/* SPDX-License-Identifier: MIT */
/*
 * The first program: out of an image, in machines that are too small for it, and its end in every way, which is the machine's.
 */
#include <string.h>

#include "suite.h"
#include "../../exo/image.h"
#include "host_kernel.h"

#define AT 0x400000ull

static uint8_t elf[3 * EXO_PAGE_SIZE];
static struct env *env;
static uint32_t frames_of;

/* Code from 0x123 on in its first page to the middle of the second, then zeros; and data that is zero alone. */
static const struct image image = {
    .elf = elf, .elf_bytes = sizeof elf, .entry = AT, .count = 2,
    .segment = {{.address = AT, .bytes = 3 * EXO_PAGE_SIZE, .offset = 0x123, .file_bytes = 6000, .start = AT + 0x123,
                 .perm = EXO_READ | EXO_EXEC},
                {.address = AT + 0x10000, .bytes = EXO_PAGE_SIZE, .start = AT + 0x10000, .perm = EXO_READ | EXO_WRITE}},
};

static uint8_t byte_at(uint64_t address)
{
    frame_t frame;
    unsigned perm;
    page_t page;
    ck_assert(pages_checked(number_of(address & ~(uint64_t)(EXO_PAGE_SIZE - 1)), 1, &page));
    ck_assert_int_eq(space_lookup(env, page, &frame, &perm), 0);
    ck_assert_uint_eq(perm, address < AT + 0x10000 ? EXO_READ | EXO_EXEC : EXO_READ | EXO_WRITE);
    return ((uint8_t *)frame_memory(frame))[address % EXO_PAGE_SIZE];
}

START_TEST(segments_are_where_they_belong)
{
    for (unsigned i = 0; i < sizeof elf; i++)
        elf[i] = (uint8_t)(1 + i % 251);
    env = host_start_image(&image, HOST_FRAMES - 3);
    host_check();
    for (uint64_t i = 0; i < 3 * EXO_PAGE_SIZE; i++) {
        bool in_file = i >= 0x123 && i < 0x123 + 6000;
        ck_assert_uint_eq(byte_at(AT + i), in_file ? elf[i] : 0);
    }
    ck_assert_uint_eq(byte_at(AT + 0x10000), 0);
}
END_TEST

static void start(void) { env = host_start_image(&image, frames_of); }

/* One frame less each time, and it is said so; never half a program. */
START_TEST(too_small_machines)
{
    frames_of = 200;
    while (host_end(start) == 0)
        frames_of--;
    ck_assert_uint_gt(frames_of, 20);
    for (; frames_of; frames_of--) {
        ck_assert_uint_eq(host_end(start), EXO_POWER_BOOT);
        ck_assert(strstr(host_console, "not enough memory"));
    }
}
END_TEST

/* ---- its end --------------------------------------------------------------------------- */

static struct exo_op last;

static void submit(void)
{
    host_plan(env, 0);
    *host_op(env, last.code) = last;
    (void)host_enter(env);
}

static unsigned end_by(struct exo_op op)
{
    env = host_start();
    env->control->context[0].rip = 0x1234567;
    last = op;
    return host_end(submit);
}

START_TEST(exit_is_the_machines)
{
    ck_assert_uint_eq(end_by((struct exo_op){.code = EXO_ENV_EXIT, .arg = {EXO_STOP_EXIT, 0}}), EXO_POWER_OK);
    ck_assert(!strstr(host_console, "rip"));
    ck_assert_uint_eq(end_by((struct exo_op){.code = EXO_ENV_EXIT, .arg = {EXO_STOP_EXIT, 3}}), EXO_POWER_FAILED);
    ck_assert(strstr(host_console, "reason 1, 3"));
    ck_assert_uint_eq(end_by((struct exo_op){.code = EXO_ENV_EXIT, .arg = {EXO_STOP_CRASH, 14}}), EXO_POWER_FAILED);
    ck_assert(strstr(host_console, "rip 0000000001234567")); /* what it saved itself */
}
END_TEST

static void fault(void) { (void)host_fault(env, 13); }

START_TEST(fault_at_full_depth)
{
    env = host_start();
    env->control->depth = EXO_DEPTH;
    env->context.rip = 0x7654321;
    ck_assert_uint_eq(host_end(fault), EXO_POWER_FAILED);
    ck_assert(strstr(host_console, "reason 3, 13") && strstr(host_console, "rip 0000000007654321"));
}
END_TEST

START_TEST(power_needs_the_machine)
{
    struct exo_op op = {.code = EXO_POWER, .handle = EXO_BOOT_CONSOLE, .arg = {EXO_POWER_OK}};
    ck_assert_uint_eq(end_by(op), 0);
    ck_assert_int_eq(host_completion(env)->status, -EXO_E_HANDLE);
    op.handle = EXO_BOOT_MACHINE, op.arg[0] = 0x42;
    ck_assert_uint_eq(end_by(op), 0x42);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("first");
    TCase *tests = tcase_create("first");
    tcase_add_test(tests, segments_are_where_they_belong);
    tcase_add_test(tests, too_small_machines);
    tcase_add_test(tests, exit_is_the_machines);
    tcase_add_test(tests, fault_at_full_depth);
    tcase_add_test(tests, power_needs_the_machine);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
