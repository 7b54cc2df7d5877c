/* SPDX-License-Identifier: MIT */
/*
 * What boot loaders leave in memory, sound and spoiled: multiboot2 and PVH
 * information, memory maps, ACPI tables. Every truncation must end in an error text or in
 * a sound result; the sanitizers see to it that nothing outside the window is read.
 */
#include <stdlib.h>
#include <string.h>

#include "suite.h"
#include "../../exo/arch/acpi.c"
#include "../../exo/arch/multiboot2.c"
#define parse_map pvh_parse_map
#include "../../exo/arch/pvh.c"
#undef parse_map
#include "../../exo/arch/ranges.c"

#define BASE 0x10000ull

static const struct boot_range kernel = {0x100000, 0x140000};

/* Bytes under construction, at physical address BASE. */
static struct bytes {
    uint8_t data[4096];
    size_t length;
} made;

static void put(const void *bytes, size_t length)
{
    memcpy(made.data + made.length, bytes, length);
    made.length += length;
}

static void put32(uint32_t value) { put(&value, sizeof value); }
static void put64(uint64_t value) { put(&value, sizeof value); }
static void align8(void) { made.length = (made.length + 7) & ~(size_t)7; }
static void set32(size_t at, uint32_t value) { memcpy(made.data + at, &value, sizeof value); }

static void begin(void) { memset(&made, 0, sizeof made); }

/* A copy of exactly that many bytes, so that one too many is found out. */
static struct window window_make(size_t length)
{
    uint8_t *copy = malloc(length ? length : 1);
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, made.data, length);
    return (struct window){copy, BASE, BASE + length};
}

static void window_free(struct window *window) { free((void *)(uintptr_t)window->bytes); }

static void check_ram(const struct boot_info *boot)
{
    for (unsigned i = 0; i < boot->ram_count; i++) {
        ck_assert_uint_lt(boot->ram[i].start, boot->ram[i].end);
        ck_assert_uint_eq((boot->ram[i].start | boot->ram[i].end) % 4096, 0);
        ck_assert_uint_ge(boot->ram[i].start, 0x100000);
        if (i)
            ck_assert_uint_gt(boot->ram[i].start, boot->ram[i - 1].end);
    }
}

/* ---- multiboot2 ---- */

static void put_entry(uint64_t start, uint64_t bytes, uint32_t type)
{
    put64(start), put64(bytes), put32(type), put32(0);
}

static void multiboot2_make(void)
{
    begin();
    put32(0), put32(0);
    put32(TAG_MODULE), put32(16 + 8), put32(0x142000), put32(0x145123), put("archive", 8);
    put32(TAG_MEMORY_MAP), put32(16 + 3 * 24), put32(24), put32(0);
    put_entry(0, 0x9fc00, 1);
    put_entry(0x100000, 0x3f00000, 1);
    put_entry(0x3fe0000, 0x20000, 2);
    put32(TAG_RSDP_OLD), put32(8 + 20), put("RSD PTR ............", 20);
    align8();
    put32(TAG_END), put32(8);
    set32(0, (uint32_t)made.length);
}

START_TEST(test_multiboot2_good)
{
    struct boot_info boot;
    multiboot2_make();
    struct window window = window_make(made.length);
    ck_assert_ptr_null(multiboot2_parse(&window, BASE, &boot));
    ck_assert_ptr_null(boot_check(&boot, kernel));
    ck_assert_uint_eq(boot.ram_count, 1);
    ck_assert_uint_eq(boot.ram[0].start, 0x100000);
    ck_assert_uint_eq(boot.ram[0].end, 0x3fe0000);
    ck_assert_uint_eq(boot.archive.start, 0x142000);
    ck_assert_uint_eq(boot.archive.end, 0x145123);
    ck_assert_uint_ne(boot.acpi_rsdp, 0);
    window_free(&window);
}
END_TEST

START_TEST(test_multiboot2_cut)
{
    struct boot_info boot;
    multiboot2_make();
    for (size_t length = 0; length < made.length; length++) {
        struct window window = window_make(length);
        ck_assert_ptr_nonnull(multiboot2_parse(&window, BASE, &boot));
        window_free(&window);
    }
    /* The same with a total size that says so: no end tag. */
    size_t whole = made.length;
    for (size_t length = 0; length < whole; length++) {
        set32(0, (uint32_t)length);
        struct window window = window_make(whole);
        ck_assert_ptr_nonnull(multiboot2_parse(&window, BASE, &boot));
        window_free(&window);
    }
}
END_TEST

START_TEST(test_multiboot2_spoiled)
{
    struct boot_info boot;
    multiboot2_make();
    size_t whole = made.length;
    for (size_t at = 0; at < whole; at++) {
        for (unsigned value = 0; value < 256; value += 51) {
            multiboot2_make();
            made.data[at] = (uint8_t)value;
            struct window window = window_make(whole);
            if (multiboot2_parse(&window, BASE, &boot) == NULL) {
                check_ram(&boot);
                (void)boot_check(&boot, kernel);
            }
            window_free(&window);
        }
    }
}
END_TEST

START_TEST(test_multiboot2_elsewhere)
{
    struct boot_info boot;
    multiboot2_make();
    struct window window = window_make(made.length);
    ck_assert_ptr_nonnull(multiboot2_parse(&window, 0, &boot));
    ck_assert_ptr_nonnull(multiboot2_parse(&window, BASE + 4, &boot));
    ck_assert_ptr_nonnull(multiboot2_parse(&window, BASE + made.length, &boot));
    ck_assert_ptr_nonnull(multiboot2_parse(&window, UINT64_MAX - 7, &boot));
    window_free(&window);
}
END_TEST

/* ---- PVH ---- */

static void pvh_make(void)
{
    begin();
    put32(BOOT_MAGIC_PVH), put32(1), put32(0), put32(1);
    put64(BASE + 56), put64(0), put64(0xe0000), put64(BASE + 88);
    put32(3), put32(0);
    put64(0x3f00000), put64(0x1234), put64(0), put64(0);
    put_entry(0, 0x9fc00, 1);
    put_entry(0x100000, 0x3ee0000, 1);
    put_entry(0, 0, 0);
}

START_TEST(test_pvh_good)
{
    struct boot_info boot;
    pvh_make();
    struct window window = window_make(made.length);
    ck_assert_ptr_null(pvh_parse(&window, BASE, &boot));
    ck_assert_ptr_null(boot_check(&boot, kernel));
    ck_assert_uint_eq(boot.ram_count, 1);
    ck_assert_uint_eq(boot.archive.end, 0x3f01234);
    ck_assert_uint_eq(boot.acpi_rsdp, 0xe0000);
    window_free(&window);
}
END_TEST

START_TEST(test_pvh_cut)
{
    struct boot_info boot;
    pvh_make();
    for (size_t length = 0; length < made.length; length++) {
        struct window window = window_make(length);
        ck_assert_ptr_nonnull(pvh_parse(&window, BASE, &boot));
        window_free(&window);
    }
}
END_TEST

START_TEST(test_pvh_spoiled)
{
    struct boot_info boot;
    pvh_make();
    size_t whole = made.length;
    for (size_t at = 0; at < whole; at++) {
        for (unsigned value = 0; value < 256; value += 51) {
            pvh_make();
            made.data[at] = (uint8_t)value;
            struct window window = window_make(whole);
            if (pvh_parse(&window, BASE, &boot) == NULL) {
                check_ram(&boot);
                (void)boot_check(&boot, kernel);
            }
            window_free(&window);
        }
    }
}
END_TEST

/* ---- ranges ---- */

START_TEST(test_ranges)
{
    struct boot_info boot = {0};
    ranges_add(&boot, 0x300800, 0x2000); /* inward */
    ck_assert_uint_eq(boot.ram[0].start, 0x301000);
    ck_assert_uint_eq(boot.ram[0].end, 0x302000);
    ranges_add(&boot, 0x200000, 0x1000);
    ranges_add(&boot, 0x201000, 0x100000); /* touches both */
    ck_assert_uint_eq(boot.ram_count, 1);
    ck_assert_uint_eq(boot.ram[0].start, 0x200000);
    ck_assert_uint_eq(boot.ram[0].end, 0x302000);
    ranges_remove(&boot, 0x250fff, 2); /* outward: two pages */
    ck_assert_uint_eq(boot.ram_count, 2);
    ck_assert_uint_eq(boot.ram[0].end, 0x250000);
    ck_assert_uint_eq(boot.ram[1].start, 0x252000);
    ranges_clip(&boot, 0x252000);
    ck_assert_uint_eq(boot.ram_count, 1);
    ranges_remove(&boot, 0, UINT64_MAX);
    ck_assert_uint_eq(boot.ram_count, 0);
    ranges_add(&boot, UINT64_MAX - 4096, 8192);
    ranges_add(&boot, 0, 0x100000);
    ck_assert_uint_eq(boot.ram_count, 0);
    ranges_add(&boot, 0x100000, UINT64_MAX);
    check_ram(&boot);
}
END_TEST

START_TEST(test_ranges_many)
{
    struct boot_info boot = {0};
    for (uint64_t i = 0; i < 3 * BOOT_RANGES; i++)
        ranges_add(&boot, 0x100000 + (i * 7 % (3 * BOOT_RANGES)) * 0x2000, 0x1000);
    ck_assert_uint_eq(boot.ram_count, BOOT_RANGES);
    check_ram(&boot);
    ranges_remove(&boot, 0x100000, 0x1000);
    check_ram(&boot);
    /* One with a hole would be two, and there is no room: what is behind the hole stays unused. */
    struct boot_info full = {0};
    for (uint64_t i = 0; i < BOOT_RANGES; i++)
        ranges_add(&full, 0x100000 + i * 0x8000, 0x4000);
    ranges_remove(&full, 0x101000, 0x1000);
    check_ram(&full);
    ck_assert_uint_eq(full.ram_count, BOOT_RANGES);
    ck_assert_uint_eq(full.ram[0].end, 0x101000);
    ck_assert_uint_eq(full.ram[1].start, 0x108000);
}
END_TEST

START_TEST(test_check)
{
    struct boot_info boot = {0};
    ck_assert_ptr_nonnull(boot_check(&boot, kernel));
    ranges_add(&boot, 0x100000, 0x100000);
    ck_assert_ptr_null(boot_check(&boot, kernel));
    boot.archive = (struct boot_range){0x150800, 0x160000};
    ck_assert_ptr_nonnull(boot_check(&boot, kernel));
    boot.archive = (struct boot_range){0x150000, 0x200001};
    ck_assert_ptr_nonnull(boot_check(&boot, kernel));
    boot.archive = (struct boot_range){0x13f000, 0x150000};
    ck_assert_ptr_nonnull(boot_check(&boot, kernel));
    boot.archive = (struct boot_range){0x160000, 0x150000};
    ck_assert_ptr_nonnull(boot_check(&boot, kernel));
    boot.archive = (struct boot_range){0x140000, 0x200000};
    ck_assert_ptr_null(boot_check(&boot, kernel));
    ck_assert_ptr_nonnull(boot_check(&boot, (struct boot_range){0x1ff000, 0x201000}));
    ck_assert_ptr_null(boot_check(&boot, (struct boot_range){0x120000, 0x140000})); /* it may lie on either side */
    ck_assert_ptr_nonnull(boot_check(&boot, (struct boot_range){0x120000, 0x141000}));
    boot.archive = (struct boot_range){0x100000, 0x120000};
    ck_assert_ptr_null(boot_check(&boot, (struct boot_range){0x120000, 0x140000}));
    ck_assert_ptr_nonnull(boot_check(&boot, (struct boot_range){0x11f000, 0x140000}));
}
END_TEST

/* ---- ACPI ---- */

static void sum_make(size_t start, size_t length, size_t at)
{
    uint8_t sum = 0;
    made.data[at] = 0;
    for (size_t i = 0; i < length; i++)
        sum = (uint8_t)(sum + made.data[start + i]);
    made.data[at] = (uint8_t)(0 - sum);
}

static size_t table_begin(const char *name, uint32_t length)
{
    size_t at = made.length;
    put(name, 4), put32(length);
    memset(made.data + at + 8, 0, length - 8);
    made.length = at + length;
    return at;
}

static void acpi_make(void)
{
    begin();
    put("RSD PTR ", 8), put("\0EXOEXO\0", 8), put32(BASE + 64);
    sum_make(0, 20, 8);
    made.length = 64;
    size_t root = table_begin("RSDT", 36 + 12);
    size_t hpet = table_begin("HPET", 56), fadt = table_begin("FACP", 244), mcfg = table_begin("MCFG", 60);
    set32(root + 36, (uint32_t)(BASE + hpet));
    set32(root + 40, (uint32_t)(BASE + fadt));
    set32(root + 44, (uint32_t)(BASE + mcfg));
    set32(hpet + 44, 0xfed00000);
    set32(fadt + 76, 0x608);
    made.data[fadt + 91] = 4;
    made.data[fadt + 108] = 50;
    set32(mcfg + 44, 0xb0000000);
    made.data[mcfg + 55] = 255;
    sum_make(root, 48, root + 9);
    sum_make(hpet, 56, hpet + 9);
    sum_make(fadt, 244, fadt + 9);
    sum_make(mcfg, 60, mcfg + 9);
}

START_TEST(test_acpi_good)
{
    struct acpi_facts facts;
    acpi_make();
    struct window window = window_make(made.length);
    acpi_parse(&window, BASE, &facts);
    ck_assert_uint_eq(facts.hpet, 0xfed00000);
    ck_assert_uint_eq(facts.pm_timer, 0x608);
    ck_assert_uint_eq(facts.pm_timer_bits, 24);
    ck_assert_uint_eq(facts.century, 50);
    ck_assert_uint_eq(facts.ecam, 0xb0000000);
    ck_assert_uint_eq(facts.ecam_last_bus, 255);
    window_free(&window);
}
END_TEST

START_TEST(test_acpi_spoiled)
{
    struct acpi_facts facts;
    acpi_make();
    size_t whole = made.length;
    for (size_t at = 0; at < whole; at++) {
        acpi_make();
        made.data[at] ^= 0x5a;
        struct window window = window_make(whole);
        acpi_parse(&window, BASE, &facts);
        /* Whatever was spoiled has lost its checksum, and with it its facts. */
        ck_assert(facts.hpet == 0 || facts.hpet == 0xfed00000);
        ck_assert(facts.pm_timer == 0 || facts.pm_timer == 0x608);
        ck_assert(facts.ecam == 0 || facts.ecam == 0xb0000000);
        window_free(&window);
        window = window_make(at);
        acpi_parse(&window, BASE, &facts);
        window_free(&window);
    }
}
END_TEST

/* The tables of acpi_make() with these bytes of one of them changed, and its sum made right again. */
enum { RSDT = 64, HPET = RSDT + 48, FADT = HPET + 56, MCFG = FADT + 244 };

static struct acpi_facts acpi_with(size_t table, size_t at, uint32_t value, size_t bytes)
{
    struct acpi_facts facts;
    acpi_make();
    uint32_t length;
    memcpy(&length, made.data + table + 4, sizeof length);
    memcpy(made.data + table + at, &value, bytes);
    sum_make(table, length, table + 9);
    struct window window = window_make(made.length);
    acpi_parse(&window, BASE, &facts);
    window_free(&window);
    return facts;
}

/* Tables that are sound and say that there is nothing here for us. */
START_TEST(test_acpi_refusals)
{
    ck_assert_uint_eq(acpi_with(HPET, 40, 1, 1).hpet, 0);       /* in ports */
    ck_assert_uint_eq(acpi_with(FADT, 91, 0, 1).pm_timer, 0);   /* no timer */
    ck_assert_uint_eq(acpi_with(FADT, 76, 0, 4).pm_timer, 0);   /* nor its port */
    ck_assert_uint_eq(acpi_with(FADT, 76, 0xfffd, 4).pm_timer, 0);
    ck_assert_uint_eq(acpi_with(FADT, 76, 0xfffc, 4).pm_timer, 0xfffc);
    ck_assert_uint_eq(acpi_with(FADT, 112, 1u << 20, 4).pm_timer, 0); /* hardware-reduced */
    ck_assert_uint_eq(acpi_with(FADT, 112, 1u << 8, 4).pm_timer_bits, 32);
    ck_assert_uint_eq(acpi_with(FADT, 108, 128, 1).century, 0); /* no CMOS register */
    ck_assert_uint_eq(acpi_with(MCFG, 52, 1, 2).ecam, 0);       /* another segment */
    ck_assert_uint_eq(acpi_with(MCFG, 54, 0xff00 | 7, 2).ecam_first_bus, 7);
    ck_assert_uint_eq(acpi_with(MCFG, 54, 7, 2).ecam, 0);       /* its last bus before its first */
    ck_assert_uint_eq(acpi_with(MCFG, 0, 0, 4).ecam, 0);        /* another name */
    ck_assert_uint_eq(acpi_with(HPET, 0, 0, 4).ecam, 0xb0000000);
    /* Too short for what is looked for, and sound. */
    acpi_make();
    set32(HPET + 4, 55), set32(FADT + 4, 115), set32(MCFG + 4, 59);
    sum_make(HPET, 55, HPET + 9), sum_make(FADT, 115, FADT + 9), sum_make(MCFG, 59, MCFG + 9);
    struct acpi_facts facts;
    struct window window = window_make(made.length);
    acpi_parse(&window, BASE, &facts);
    ck_assert_uint_eq(facts.hpet | facts.pm_timer | facts.ecam | facts.century, 0);
    window_free(&window);
}
END_TEST

/* Of revision 2 the table with 64-bit addresses counts, if it is sound; and no more tables than there may be. */
START_TEST(test_acpi_roots)
{
    struct acpi_facts facts;
    for (unsigned spoiled = 0; spoiled < 2; spoiled++) {
        acpi_make();
        size_t root = table_begin("XSDT", 36 + 16);
        set32(root + 36, (uint32_t)(BASE + FADT)), set32(root + 40, 1); /* 2^32 and that is not there */
        set32(root + 44, (uint32_t)(BASE + HPET));
        sum_make(root, 52, root + 9);
        made.data[root + 10] ^= (uint8_t)spoiled;
        made.data[15] = 2;
        set32(20, 36), set32(24, (uint32_t)(BASE + root));
        sum_make(0, 20, 8);
        struct window window = window_make(made.length);
        acpi_parse(&window, BASE, &facts);
        ck_assert_uint_eq(facts.hpet, 0xfed00000);
        ck_assert_uint_eq(facts.pm_timer, spoiled ? 0x608 : 0); /* only the old one has that */
        window_free(&window);
    }
    acpi_make();
    size_t root = table_begin("RSDT", 36 + 257 * 4);
    set32(root + 36 + 256 * 4, (uint32_t)(BASE + FADT));
    set32(root + 36 + 255 * 4, (uint32_t)(BASE + HPET));
    sum_make(root, 36 + 257 * 4, root + 9);
    set32(16, (uint32_t)(BASE + root));
    sum_make(0, 20, 8);
    struct window window = window_make(made.length);
    acpi_parse(&window, BASE, &facts);
    ck_assert_uint_eq(facts.hpet, 0xfed00000);
    ck_assert_uint_eq(facts.pm_timer, 0);
    window_free(&window);
}
END_TEST

/* Where nobody said where it is, or said something wrong, it is looked for where a BIOS has it. */
START_TEST(test_acpi_looked_for)
{
    struct acpi_facts facts;
    const uint64_t places[] = {0xe0000, 0xe0030, 0xffff0};
    acpi_make();
    for (unsigned i = 0; i < 3; i++) {
        uint64_t place = places[i];
        uint8_t *all = calloc(1, 0x110000 - BASE);
        memcpy(all, made.data, made.length);
        memcpy(all + place - BASE, made.data, 20);
        memset(all, 0, 20);
        struct window window = {all, BASE, 0x110000};
        for (uint64_t said = 0; said <= BASE; said += BASE) {
            acpi_parse(&window, said, &facts);
            ck_assert_uint_eq(facts.hpet, 0xfed00000);
        }
        all[place - BASE] ^= 1;
        acpi_parse(&window, 0, &facts);
        ck_assert_uint_eq(facts.hpet, 0);
        free(all);
    }
}
END_TEST

/* The newer description of ACPI counts, wherever it stands; the first module is the archive. */
START_TEST(test_multiboot2_twice)
{
    struct boot_info boot;
    for (unsigned newer = 0; newer < 2; newer++) {
        multiboot2_make();
        size_t end = made.length -= 8;
        for (unsigned i = 0; i < 2; i++) {
            put32(i == newer ? TAG_RSDP_NEW : TAG_RSDP_OLD), put32(8 + 20), put("RSD PTR ............", 20);
            align8();
        }
        put32(TAG_MODULE), put32(16 + 8), put32(0x200000), put32(0x201000), put("another", 8);
        put32(TAG_END), put32(8);
        set32(0, (uint32_t)made.length);
        struct window window = window_make(made.length);
        ck_assert_ptr_null(multiboot2_parse(&window, BASE, &boot));
        ck_assert_uint_eq(boot.acpi_rsdp, BASE + end + newer * 32 + 8);
        ck_assert_uint_eq(boot.archive.start, 0x142000);
        window_free(&window);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("boot");
    TCase *cases = tcase_create("boot");
    tcase_add_test(cases, test_multiboot2_good);
    tcase_add_test(cases, test_multiboot2_cut);
    tcase_add_test(cases, test_multiboot2_spoiled);
    tcase_add_test(cases, test_multiboot2_elsewhere);
    tcase_add_test(cases, test_pvh_good);
    tcase_add_test(cases, test_pvh_cut);
    tcase_add_test(cases, test_pvh_spoiled);
    tcase_add_test(cases, test_ranges);
    tcase_add_test(cases, test_ranges_many);
    tcase_add_test(cases, test_check);
    tcase_add_test(cases, test_acpi_good);
    tcase_add_test(cases, test_acpi_spoiled);
    tcase_add_test(cases, test_acpi_refusals);
    tcase_add_test(cases, test_acpi_roots);
    tcase_add_test(cases, test_acpi_looked_for);
    tcase_add_test(cases, test_multiboot2_twice);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
