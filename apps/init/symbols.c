/* SPDX-License-Identifier: MIT */
/*
 * Looks an address up in .symtab. Used for crash reports only, so it searches
 * linearly and allocates nothing; a damaged table gives "?" and nothing worse.
 */
#include "symbols.h"

#include <elf.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define SYMBOLS_MAX (1u << 20)
#define NAME_MAX_SHOWN 96u

struct file {
    const char *bytes;
    size_t size;
};

static bool file_copy(const struct file *file, uint64_t offset, void *to, size_t length)
{
    if (offset > file->size || length > file->size - offset)
        return false;
    memcpy(to, file->bytes + offset, length);
    return true;
}

/* Finds .symtab and its string table. */
static bool tables_find(const struct file *file, Elf64_Shdr *symbols, Elf64_Shdr *strings)
{
    Elf64_Ehdr header;
    if (!file_copy(file, 0, &header, sizeof(header)) || header.e_shentsize != sizeof(Elf64_Shdr))
        return false;
    for (unsigned i = 0; i < header.e_shnum; i++) {
        uint64_t at = header.e_shoff + i * sizeof(Elf64_Shdr);
        if (header.e_shoff > file->size || !file_copy(file, at, symbols, sizeof(*symbols)))
            return false;
        if (symbols->sh_type != SHT_SYMTAB)
            continue;
        if (symbols->sh_entsize != sizeof(Elf64_Sym) || symbols->sh_link >= header.e_shnum)
            return false;
        at = header.e_shoff + symbols->sh_link * sizeof(Elf64_Shdr);
        return file_copy(file, at, strings, sizeof(*strings)) && strings->sh_offset <= file->size &&
               strings->sh_size <= file->size - strings->sh_offset;
    }
    return false;
}

/* Is the address in the section that the symbol belongs to, and is that code? */
static bool section_holds(const struct file *file, const Elf64_Sym *symbol, uint64_t address)
{
    Elf64_Ehdr header;
    Elf64_Shdr section;
    if (!file_copy(file, 0, &header, sizeof(header)) || symbol->st_shndx >= header.e_shnum ||
        !file_copy(file, header.e_shoff + symbol->st_shndx * sizeof(section), &section, sizeof(section)))
        return false;
    return (section.sh_flags & SHF_EXECINSTR) && address >= section.sh_addr &&
           address - section.sh_addr < section.sh_size;
}

static bool symbol_holds(const struct file *file, const Elf64_Sym *symbol, uint64_t address)
{
    unsigned type = ELF64_ST_TYPE(symbol->st_info);
    if ((type != STT_FUNC && type != STT_NOTYPE) || address < symbol->st_value)
        return false;
    if (symbol->st_size)
        return address - symbol->st_value < symbol->st_size;
    /* Assembly labels often have no size; they reach as far as the nearest symbol decides. */
    return section_holds(file, symbol, address);
}

static void name_copy(const struct file *file, const Elf64_Shdr *strings, uint32_t name, char *text)
{
    size_t length = 0;
    if (name < strings->sh_size) {
        const char *from = file->bytes + strings->sh_offset + name;
        size_t most = strings->sh_size - name;
        for (; length < most && length < NAME_MAX_SHOWN && from[length]; length++)
            text[length] = from[length] > ' ' && from[length] < 0x7f ? from[length] : '?';
    }
    text[length] = '\0';
}

/* The symbol nearest below the address; its name is copied if `name` is not NULL. */
static bool symbol_find(const struct file *file, uint64_t address, Elf64_Sym *best, char *name)
{
    Elf64_Shdr symbols, strings;
    bool found = false;
    if (!tables_find(file, &symbols, &strings) || symbols.sh_offset > file->size)
        return false;
    uint64_t count = symbols.sh_size / sizeof(Elf64_Sym);
    for (uint64_t i = 0; i < count && i < SYMBOLS_MAX; i++) {
        Elf64_Sym symbol;
        if (!file_copy(file, symbols.sh_offset + i * sizeof(symbol), &symbol, sizeof(symbol)))
            break;
        if ((!found || symbol.st_value > best->st_value) && symbol_holds(file, &symbol, address)) {
            *best = symbol;
            found = true;
        }
    }
    if (found && name)
        name_copy(file, &strings, best->st_name, name);
    return found;
}

void symbols_name(const void *bytes, size_t file_size, uint64_t address, char *text, size_t size)
{
    struct file file = {bytes, file_size};
    char name[NAME_MAX_SHOWN + 1];
    Elf64_Sym best;
    if (symbol_find(&file, address, &best, name) && name[0])
        snprintf(text, size, "%s+0x%llx", name, (unsigned long long)(address - best.st_value));
    else
        memcpy(text, "?", 2);
}

uint64_t symbols_start(const void *bytes, size_t file_size, uint64_t address)
{
    struct file file = {bytes, file_size};
    Elf64_Sym best;
    return symbol_find(&file, address, &best, NULL) ? best.st_value : 0;
}
