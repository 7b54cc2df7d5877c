/* SPDX-License-Identifier: MIT */
/*
 * Reads and checks an ELF64 program. Every number of the file is checked before
 * it is used; sums are made only of numbers that were bounded first.
 */
#include "elf.h"

#include <elf.h>
#include <string.h>

#define PAGE 4096ull

static const char *header_check(const Elf64_Ehdr *header, size_t size)
{
    if (memcmp(header->e_ident, ELFMAG, SELFMAG) != 0)
        return "it does not begin like an ELF file";
    if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_ident[EI_DATA] != ELFDATA2LSB ||
        header->e_machine != EM_X86_64)
        return "it is not for x86_64";
    if (header->e_type != ET_EXEC)
        return "it is not linked to a fixed address (-static -no-pie)";
    if (header->e_version != EV_CURRENT || header->e_phentsize != sizeof(Elf64_Phdr))
        return "its header is damaged";
    if (header->e_phnum == 0 || header->e_phnum > 64)
        return "it has no program headers, or too many";
    if (header->e_phoff > size || header->e_phnum * sizeof(Elf64_Phdr) > size - header->e_phoff)
        return "it is cut off before its program headers end";
    return NULL;
}

static const char *segment_check(const Elf64_Phdr *header, size_t size)
{
    if (header->p_offset > size || header->p_filesz > size - header->p_offset)
        return "it is cut off before a segment ends";
    if (header->p_filesz > header->p_memsz)
        return "a segment is larger in the file than in memory";
    if (header->p_vaddr < ELF_LOW || header->p_vaddr >= ELF_HIGH ||
        header->p_memsz > ELF_HIGH - header->p_vaddr || header->p_memsz > ELF_PAGES_MAX * PAGE - header->p_vaddr % PAGE)
        return "a segment lies outside the addresses of programs";
    if ((header->p_vaddr - header->p_offset) % PAGE)
        return "a segment is not aligned to pages";
    if ((header->p_flags & PF_W) && (header->p_flags & PF_X))
        return "a segment is writable and executable at once";
    return NULL;
}

static const char *segment_add(struct elf_program *program, const Elf64_Phdr *header)
{
    uint64_t skip = header->p_vaddr % PAGE;
    struct elf_segment segment = {
        .address = header->p_vaddr - skip,
        .pages = (skip + header->p_memsz + PAGE - 1) / PAGE,
        .offset = header->p_offset - skip, /* congruent, so at least `skip` */
        .data_start = skip,
        .file_bytes = header->p_filesz,
        .write = header->p_flags & PF_W,
        .execute = header->p_flags & PF_X,
    };
    if (program->count == ELF_SEGMENTS)
        return "it has too many segments";
    if (program->count) {
        const struct elf_segment *last = &program->segment[program->count - 1];
        if (segment.address < last->address + last->pages * PAGE)
            return "two segments share a page or are out of order";
    }
    program->segment[program->count++] = segment;
    return NULL;
}

static bool inside(const struct elf_segment *segment, uint64_t address, uint64_t bytes)
{
    uint64_t start = segment->address + segment->data_start;
    return address >= start && address - start <= segment->file_bytes &&
           bytes <= segment->file_bytes - (address - start);
}

/* Where the program headers are once loaded, and whether the entry is code. */
static const char *program_finish(struct elf_program *program, const Elf64_Ehdr *header)
{
    bool entry_is_code = false;
    uint64_t table = header->e_phoff, bytes = header->e_phnum * sizeof(Elf64_Phdr);
    for (unsigned i = 0; i < program->count; i++) {
        const struct elf_segment *segment = &program->segment[i];
        if (segment->execute && inside(segment, header->e_entry, 1))
            entry_is_code = true;
        uint64_t content = segment->offset + segment->data_start;
        if (table >= content && table - content <= segment->file_bytes &&
            bytes <= segment->file_bytes - (table - content))
            program->program_headers = segment->address + (table - segment->offset);
    }
    program->entry = header->e_entry;
    program->program_header_count = header->e_phnum;
    return entry_is_code ? NULL : "its entry is not in its code";
}

const char *elf_read(const void *bytes, size_t size, struct elf_program *program)
{
    Elf64_Ehdr header;
    memset(program, 0, sizeof(*program));
    if (size < sizeof(header))
        return "it is shorter than an ELF header";
    memcpy(&header, bytes, sizeof(header));
    const char *problem = header_check(&header, size);
    for (unsigned i = 0; !problem && i < header.e_phnum; i++) {
        Elf64_Phdr segment;
        memcpy(&segment, (const char *)bytes + header.e_phoff + i * sizeof(segment), sizeof(segment));
        if (segment.p_type == PT_INTERP || segment.p_type == PT_DYNAMIC)
            return "it is not statically linked";
        if (segment.p_type != PT_LOAD || segment.p_memsz == 0)
            continue;
        problem = segment_check(&segment, size);
        if (!problem)
            problem = segment_add(program, &segment);
    }
    if (!problem && !program->count)
        problem = "it has nothing to load";
    return problem ? problem : program_finish(program, &header);
}
