/* SPDX-License-Identifier: MIT */
/* The first program in the boot archive: found when sound; cut or spoiled, refused with a reason, never a wrong read. */
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "suite.h"
#include "../../exo/image.h"
#include "exo/abi.h"

#define ELF_BYTES 8192u

static uint8_t archive[16384];
static uint64_t archive_bytes;

static void ustar_header(uint8_t *at, const char *name, uint64_t size)
{
    memset(at, 0, 512);
    strcpy((char *)at, name);
    sprintf((char *)at + 124, "%011llo", (unsigned long long)size);
    memcpy(at + 257, "ustar\00000", 8);
    memset(at + 148, ' ', 8);
    unsigned sum = 0;
    for (unsigned i = 0; i < 512; i++)
        sum += at[i];
    sprintf((char *)at + 148, "%06o", sum);
}

static void build(void)
{
    memset(archive, 0, sizeof archive);
    ustar_header(archive, ".pad", 3072);
    ustar_header(archive + 3584, "init", ELF_BYTES);
    uint8_t *file = archive + 4096;
    Elf64_Ehdr *elf = (Elf64_Ehdr *)file;
    memcpy(elf->e_ident, "\177ELF\2\1\1", 7);
    elf->e_type = ET_EXEC, elf->e_machine = EM_X86_64, elf->e_entry = 0x401000;
    elf->e_phoff = 64, elf->e_phentsize = sizeof(Elf64_Phdr), elf->e_phnum = 2;
    Elf64_Phdr *program = (Elf64_Phdr *)(file + 64);
    program[0] = (Elf64_Phdr){PT_LOAD, PF_R | PF_X, 4096, 0x401000, 0, 100, 100, 4096};
    program[1] = (Elf64_Phdr){PT_LOAD, PF_R | PF_W, 4196, 0x402064, 0, 200, 9000, 4096};
    archive_bytes = 4096 + ELF_BYTES + 1024;
}

/* In memory of exactly that size, so that the sanitizer sees a read beyond it. */
static const char *find(uint64_t bytes, struct image *image)
{
    uint8_t *copy = malloc(bytes ? bytes : 1);
    memcpy(copy, archive, bytes);
    const char *wrong = image_find(copy, bytes, image);
    if (!wrong)
        for (unsigned i = 0; i < image->count; i++) {
            const struct image_segment *segment = &image->segment[i];
            volatile uint8_t sum = 0; /* what the loader would read */
            for (uint64_t k = 0; k < segment->file_bytes; k++)
                sum ^= image->elf[segment->offset + k];
            (void)sum;
            ck_assert_uint_le(segment->start + segment->file_bytes, segment->address + segment->bytes);
        }
    free(copy);
    return wrong;
}

START_TEST(sound_one_is_found)
{
    struct image image;
    build();
    ck_assert_ptr_null(find(archive_bytes, &image));
    ck_assert_uint_eq(image.entry, 0x401000);
    ck_assert_uint_eq(image.count, 2);
    ck_assert_uint_eq(image.segment[0].perm, EXO_READ | EXO_EXEC);
    ck_assert_uint_eq(image.segment[1].address, 0x402000);
    ck_assert_uint_eq(image.segment[1].bytes, 0x64 + 9000);
}
END_TEST

START_TEST(every_cut_is_refused)
{
    struct image image;
    build();
    for (uint64_t bytes = 0; bytes < 4096 + ELF_BYTES; bytes += 61)
        ck_assert_ptr_nonnull(find(bytes, &image));
}
END_TEST

START_TEST(spoiled_ones_never_read_outside)
{
    srand(5);
    unsigned refused = 0;
    for (unsigned turn = 0; turn < 30000; turn++) {
        struct image image;
        build();
        for (unsigned i = 0; i < 1 + turn % 3; i++) {
            static const uint16_t where[] = {3584, 4096, 4096, 4096 + 64};
            unsigned at = where[rand() % 4] + (unsigned)rand() % 64;
            archive[at] = rand() % 2 ? (uint8_t)rand() : (uint8_t)(archive[at] ^ 1u << rand() % 8);
        }
        refused += find(archive_bytes, &image) != NULL;
    }
    ck_assert_uint_gt(refused, 10000);
}
END_TEST

/* As boot/xo/pack.py writes it. */
static void seal(void)
{
    uint64_t sum = 0, sums = 0, word;
    memcpy(archive + 512, "exosum01", 8);
    memcpy(archive + 520, &archive_bytes, 8);
    memset(archive + 528, 0, 16);
    for (uint64_t at = 0; at < archive_bytes; at += 8) {
        memcpy(&word, archive + at, 8);
        sum += word;
        sums += sum;
    }
    memcpy(archive + 528, &sum, 8);
    memcpy(archive + 536, &sums, 8);
}

START_TEST(sealed_ones_show_any_damage)
{
    struct image image;
    srand(9);
    build();
    for (unsigned i = 4096 + 256; i < archive_bytes; i++)
        archive[i] = (uint8_t)rand();
    seal();
    ck_assert_ptr_null(find(archive_bytes, &image));
    for (unsigned turn = 0; turn < 5000; turn++) {
        unsigned at = (unsigned)rand() % (unsigned)archive_bytes;
        uint8_t before = archive[at], other = (uint8_t)(before ^ (1 + rand() % 255));
        if (at >= 512 && at < 520) /* the magic itself: then there is no sum */
            continue;
        archive[at] = other;
        ck_assert_ptr_nonnull(find(archive_bytes, &image));
        archive[at] = before;
    }
    uint8_t two[16]; /* words that changed places */
    memcpy(two, archive + 6000 / 8 * 8, 16);
    memcpy(archive + 6000 / 8 * 8, two + 8, 8);
    memcpy(archive + 6000 / 8 * 8 + 8, two, 8);
    ck_assert_ptr_nonnull(find(archive_bytes, &image));
}
END_TEST

/* Sound ones that have no program, or one that is too much. */
START_TEST(too_many)
{
    struct image image;
    build();
    Elf64_Ehdr *elf = (Elf64_Ehdr *)(archive + 4096);
    Elf64_Phdr *program = (Elf64_Phdr *)(archive + 4096 + 64);
    for (unsigned i = 0; i <= IMAGE_SEGMENTS; i++) {
        program[i] = (Elf64_Phdr){PT_LOAD, PF_R, 4096, 0x401000 + i * 0x1000ull, 0, 100, 100, 4096};
        elf->e_phnum = (uint16_t)(i + 1);
        const char *wrong = find(archive_bytes, &image);
        if (i < IMAGE_SEGMENTS)
            ck_assert_ptr_null(wrong);
        else
            ck_assert_str_eq(wrong, "the first program has too many segments");
    }
    memset(archive, 0, sizeof archive);
    for (unsigned i = 0; i < sizeof archive / 512; i++)
        ustar_header(archive + i * 512, ".pad", 0);
    ck_assert_str_eq(find(sizeof archive, &image), "the boot archive does not begin with a program");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("image");
    TCase *tests = tcase_create("image");
    tcase_add_test(tests, sound_one_is_found);
    tcase_add_test(tests, every_cut_is_refused);
    tcase_add_test(tests, sealed_ones_show_any_damage);
    tcase_add_test(tests, spoiled_ones_never_read_outside);
    tcase_add_test(tests, too_many);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
