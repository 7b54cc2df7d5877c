/* SPDX-License-Identifier: MIT */
/* The start page. */
#include "start_page.h"

#include <string.h>

_Static_assert(sizeof(struct start_info) + MANIFEST_STRINGS <= EXO_PAGE_SIZE, "strings fit behind it");

static uint32_t netmask(unsigned prefix)
{
    uint8_t bytes[4];
    uint32_t mask = 0, host = prefix ? UINT32_MAX << (32 - prefix) : 0;
    for (unsigned i = 0; i < 4; i++)
        bytes[i] = (uint8_t)(host >> (24 - 8 * i));
    memcpy(&mask, bytes, 4);
    return mask;
}

void start_page_fill(struct start_info *info, const struct manifest_program *program,
                     const struct elf_program *elf, uint64_t archive_bytes)
{
    info->magic = START_MAGIC;
    memcpy(info->name, program->name, sizeof(program->name));
    memcpy(info->mac, program->net.mac, 6);
    info->dhcp = program->net.dhcp;
    info->address = program->net.address;
    info->netmask = netmask(program->net.prefix);
    info->gateway = program->net.gateway;
    info->dns = program->net.dns;
    info->has_archive = program->archive;
    info->archive_bytes = program->archive ? archive_bytes : 0;
    info->program_headers = elf->program_headers;
    info->program_header_count = elf->program_header_count;
    info->entry = elf->entry;
    info->argc = program->argc;
    info->envc = program->envc;
    info->strings = sizeof(*info);
    info->strings_bytes = program->strings_bytes;
    memcpy(info + 1, program->strings, program->strings_bytes);
}
