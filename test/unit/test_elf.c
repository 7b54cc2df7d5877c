/* SPDX-License-Identifier: MIT */
/* Programs and their symbols: a good one is understood, a damaged one is refused, never followed. */
#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "suite.h"
#include "../../apps/init/elf.h"
#include "../../apps/init/symbols.h"

#define FILE_BYTES 0x4000u

static struct {
    union {
        uint8_t bytes[FILE_BYTES];
        Elf64_Ehdr header;
    };
} file;
static struct elf_program program;

static Elf64_Phdr *phdr(unsigned i) { return (Elf64_Phdr *)(void *)(file.bytes + 64) + i; }

/* Code at 0x400000 (with the headers), data with bss at 0x402010, a symbol table. */
static void file_make(void)
{
    memset(&file, 0, sizeof(file));
    memcpy(file.header.e_ident, ELFMAG "\x02\x01\x01", 7);
    file.header.e_type = ET_EXEC;
    file.header.e_machine = EM_X86_64;
    file.header.e_version = 1;
    file.header.e_entry = 0x400200;
    file.header.e_phoff = 64;
    file.header.e_phentsize = sizeof(Elf64_Phdr);
    file.header.e_phnum = 2;
    *phdr(0) = (Elf64_Phdr){.p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_vaddr = 0x400000,
                            .p_filesz = 0x1800, .p_memsz = 0x1800, .p_align = 4096};
    *phdr(1) = (Elf64_Phdr){.p_type = PT_LOAD, .p_flags = PF_R | PF_W, .p_offset = 0x2010,
                            .p_vaddr = 0x402010, .p_filesz = 0x100, .p_memsz = 0x3000, .p_align = 4096};
    file.header.e_shoff = 0x3000;
    file.header.e_shentsize = sizeof(Elf64_Shdr);
    file.header.e_shnum = 3;
    Elf64_Shdr *sections = (Elf64_Shdr *)(void *)(file.bytes + 0x3000);
    sections[0] = (Elf64_Shdr){.sh_flags = SHF_EXECINSTR, .sh_addr = 0x400200, .sh_size = 0x600};
    sections[1] = (Elf64_Shdr){.sh_type = SHT_SYMTAB, .sh_offset = 0x3200, .sh_size = 3 * sizeof(Elf64_Sym),
                               .sh_entsize = sizeof(Elf64_Sym), .sh_link = 2};
    sections[2] = (Elf64_Shdr){.sh_type = SHT_STRTAB, .sh_offset = 0x3400, .sh_size = 32};
    Elf64_Sym *symbols = (Elf64_Sym *)(void *)(file.bytes + 0x3200);
    symbols[1] = (Elf64_Sym){.st_name = 1, .st_info = STT_FUNC, .st_shndx = 1, .st_value = 0x400200, .st_size = 0x40};
    symbols[2] = (Elf64_Sym){.st_name = 6, .st_info = STT_NOTYPE, .st_shndx = 0, .st_value = 0x400300};
    memcpy(file.bytes + 0x3400, "\0main\0la\1bel", 13);
}

static void refused(const char *part)
{
    const char *problem = elf_read(file.bytes, FILE_BYTES, &program);
    ck_assert_msg(problem && strstr(problem, part), "expected \"%s\", got \"%s\"", part, problem ? problem : "(good)");
    file_make();
}

START_TEST(good)
{
    file_make();
    ck_assert_ptr_null(elf_read(file.bytes, FILE_BYTES, &program));
    ck_assert_uint_eq(program.count, 2);
    ck_assert_uint_eq(program.program_headers, 0x400040);
    ck_assert_uint_eq(program.segment[0].pages, 2);
    ck_assert(program.segment[0].execute && !program.segment[0].write);
    ck_assert_uint_eq(program.segment[1].address, 0x402000);
    ck_assert_uint_eq(program.segment[1].pages, 4);
    ck_assert_uint_eq(program.segment[1].offset, 0x2000);
    ck_assert_uint_eq(program.segment[1].data_start, 0x10);
    ck_assert_uint_eq(program.segment[1].file_bytes, 0x100);
}
END_TEST

START_TEST(damaged)
{
    file_make();
    file.bytes[0] = 0, refused("does not begin");
    file.header.e_machine = EM_386, refused("not for x86_64");
    file.header.e_type = ET_DYN, refused("fixed address");
    file.header.e_phentsize = 1, refused("damaged");
    file.header.e_phnum = 0, refused("no program headers");
    file.header.e_phnum = 65535, refused("no program headers");
    file.header.e_phoff = UINT64_MAX - 8, refused("cut off");
    file.header.e_phoff = FILE_BYTES - 60, refused("cut off");
    phdr(1)->p_filesz = FILE_BYTES, refused("cut off");
    phdr(1)->p_offset = UINT64_MAX - 0xfef, refused("cut off");
    phdr(0)->p_memsz = 0x100, refused("larger in the file");
    phdr(1)->p_vaddr = 0x402011, refused("aligned");
    phdr(1)->p_vaddr = 0x10, refused("outside");
    phdr(1)->p_vaddr = 0xffffffff80000010, refused("outside");
    phdr(1)->p_memsz = UINT64_MAX, refused("outside");
    phdr(1)->p_flags = PF_R | PF_W | PF_X, refused("writable and executable");
    phdr(1)->p_vaddr = 0x401010, refused("share a page");
    phdr(1)->p_type = PT_INTERP, refused("statically");
    file.header.e_entry = 0x402010, refused("entry");
    file.header.e_entry = 0x401800, refused("entry");
    phdr(0)->p_type = phdr(1)->p_type = PT_NOTE, refused("nothing to load");
}
END_TEST

static void symbol_is(uint64_t address, const char *expected)
{
    char text[64];
    symbols_name(file.bytes, FILE_BYTES, address, text, sizeof(text));
    ck_assert_str_eq(text, expected);
}

START_TEST(symbols)
{
    file_make();
    symbol_is(0x400200, "main+0x0");
    symbol_is(0x40023f, "main+0x3f");
    symbol_is(0x400240, "?");
    symbol_is(0x400310, "la?bel+0x10");
    symbol_is(0x400800, "?"); /* behind the code */
    symbol_is(0, "?");
    char small[8];
    symbols_name(file.bytes, FILE_BYTES, 0x400310, small, sizeof(small));
    ck_assert_str_eq(small, "la?bel+");
}
END_TEST

/* Cut anywhere and any byte changed: no read outside the copy (the sanitizers watch). */
START_TEST(noise)
{
    char text[40];
    file_make();
    for (size_t size = 0; size < FILE_BYTES; size += size < 300 ? 1 : 61) {
        uint8_t *cut = malloc(size ? size : 1);
        memcpy(cut, file.bytes, size);
        (void)elf_read(cut, size, &program);
        symbols_name(cut, size, 0x400210, text, sizeof(text));
        free(cut);
    }
    srand(1);
    for (unsigned round = 0; round < 100000; round++) {
        file_make();
        for (unsigned i = 0; i < 3; i++) {
            static const unsigned start[] = {0, 64, 0x3000, 0x3200};
            file.bytes[start[(unsigned)rand() % 4] + (unsigned)rand() % 192] = (uint8_t)rand();
        }
        if (!elf_read(file.bytes, FILE_BYTES, &program))
            for (unsigned i = 0; i < program.count; i++)
                ck_assert(program.segment[i].offset + program.segment[i].data_start + program.segment[i].file_bytes <=
                          FILE_BYTES);
        symbols_name(file.bytes, FILE_BYTES, 0x400210, text, sizeof(text));
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("elf");
    TCase *tests = tcase_create("elf");
    tcase_add_test(tests, good);
    tcase_add_test(tests, damaged);
    tcase_add_test(tests, symbols);
    tcase_add_test(tests, noise);
    tcase_set_timeout(tests, 60);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
