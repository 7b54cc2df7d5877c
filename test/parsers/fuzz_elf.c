/* SPDX-License-Identifier: MIT */
/* init's reader of programs and of their symbols, on any bytes. The first two say which address is looked up. */
#include "../../apps/init/elf.h"
#include "../../apps/init/symbols.h"
#include "fuzz.h"

#define PAGE 4096u

static void check_segment(const struct elf_program *program, unsigned i, const uint8_t *bytes, size_t count)
{
    const struct elf_segment *segment = &program->segment[i];
    HOLDS(segment->address % PAGE == 0 && segment->pages > 0 && segment->pages <= ELF_PAGES_MAX);
    HOLDS(segment->address >= ELF_LOW && segment->address + segment->pages * PAGE <= ELF_HIGH);
    HOLDS(i == 0 || segment->address >= program->segment[i - 1].address + program->segment[i - 1].pages * PAGE);
    HOLDS(segment->data_start < PAGE && segment->data_start + segment->file_bytes <= segment->pages * PAGE);
    HOLDS(segment->file_bytes <= count && segment->offset + segment->data_start <= count - segment->file_bytes);
    read_all(bytes + segment->offset + segment->data_start, segment->file_bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    struct elf_program program;
    char text[32];
    if (count < 2)
        return 0;
    uint8_t *copy = copy_of(bytes + 2, count - 2);
    uint64_t address = 0x400000 + (uint64_t)bytes[0] * 256 + bytes[1];
    if (!elf_read(copy, count - 2, &program)) {
        HOLDS(program.count > 0 && program.count <= ELF_SEGMENTS);
        for (unsigned i = 0; i < program.count; i++)
            check_segment(&program, i, copy, count - 2);
    }
    for (size_t size = 8; size <= sizeof text; size += 8) {
        memset(text, 0xee, sizeof text);
        symbols_name(copy, count - 2, address, text, size);
        HOLDS(memchr(text, 0, size));
        for (const char *at = text; *at; at++)
            HOLDS(*at >= 0x20 && *at < 0x7f);
    }
    HOLDS(symbols_start(copy, count - 2, address) <= address);
    free(copy);
    return 0;
}
