/* SPDX-License-Identifier: MIT */
/*
 * The three ACPI tables that are of use without an interpreter: HPET and FADT
 * for a clock to compare the TSC with, MCFG for PCI configuration space
 * (ACPI 6.4, chapter 5; PCI Firmware 3.3, 4.1.2). Never trusts a length.
 */
#include "boot_parse.h"

#define HEADER_BYTES 36u
#define TABLE_MAX (1u << 20)
#define TABLES_MAX 256u

static bool sum_is_zero(const uint8_t *bytes, uint64_t length)
{
    uint8_t sum = 0;
    for (uint64_t i = 0; i < length; i++)
        sum = (uint8_t)(sum + bytes[i]);
    return sum == 0;
}

static bool name_is(const uint8_t *at, const char *name, unsigned length)
{
    for (unsigned i = 0; i < length; i++)
        if (at[i] != (uint8_t)name[i])
            return false;
    return true;
}

/* A whole table with a sound checksum, or NULL. */
static const uint8_t *table_at(const struct window *memory, uint64_t address, uint32_t *length)
{
    const uint8_t *table = address ? window_at(memory, address, HEADER_BYTES) : NULL;
    if (table == NULL)
        return NULL;
    *length = load32(table + 4);
    if (*length < HEADER_BYTES || *length > TABLE_MAX || !window_at(memory, address, *length))
        return NULL;
    return sum_is_zero(table, *length) ? table : NULL;
}

static void parse_hpet(const uint8_t *table, uint32_t length, struct acpi_facts *facts)
{
    /* Generic address at 40: {space, width, offset, size, address}. */
    if (length >= 56 && table[40] == 0)
        facts->hpet = load64(table + 44);
}

static void parse_fadt(const uint8_t *table, uint32_t length, struct acpi_facts *facts)
{
    if (length < 116)
        return;
    uint32_t flags = load32(table + 112), port = load32(table + 76);
    facts->century = table[108] < 128 ? table[108] : 0;
    /* Hardware-reduced ACPI (flag 20) has no PM timer; flag 8: 32 bits of it. */
    if (table[91] != 4 || (flags & 1u << 20) || port == 0 || port > 0xfffc)
        return;
    facts->pm_timer = (uint16_t)port;
    facts->pm_timer_bits = flags & 1u << 8 ? 32 : 24;
}

static void parse_mcfg(const uint8_t *table, uint32_t length, struct acpi_facts *facts)
{
    for (uint32_t at = 44; at + 16 <= length; at += 16) {
        if (load16(table + at + 8) != 0 || table[at + 11] < table[at + 10])
            continue;
        facts->ecam = load64(table + at);
        facts->ecam_first_bus = table[at + 10];
        facts->ecam_last_bus = table[at + 11];
        return;
    }
}

static void parse_table(const struct window *memory, uint64_t address, struct acpi_facts *facts)
{
    uint32_t length;
    const uint8_t *table = table_at(memory, address, &length);
    if (table == NULL)
        return;
    if (name_is(table, "HPET", 4))
        parse_hpet(table, length, facts);
    else if (name_is(table, "FACP", 4))
        parse_fadt(table, length, facts);
    else if (name_is(table, "MCFG", 4))
        parse_mcfg(table, length, facts);
}

static const uint8_t *rsdp_at(const struct window *memory, uint64_t address)
{
    const uint8_t *rsdp = window_at(memory, address, 20);
    if (rsdp && name_is(rsdp, "RSD PTR ", 8) && sum_is_zero(rsdp, 20))
        return rsdp;
    return NULL;
}

void acpi_parse(const struct window *memory, uint64_t address, struct acpi_facts *facts)
{
    *facts = (struct acpi_facts){0};
    const uint8_t *rsdp = address ? rsdp_at(memory, address) : NULL;
    for (uint64_t at = 0xe0000; rsdp == NULL && at < 0x100000; at += 16)
        rsdp = rsdp_at(memory, address = at);
    if (rsdp == NULL)
        return;
    uint32_t length, entry = 4;
    const uint8_t *root = NULL;
    if (rsdp[15] >= 2 && window_at(memory, address, 36)) {
        root = table_at(memory, load64(rsdp + 24), &length);
        entry = 8;
    }
    if (root == NULL) {
        root = table_at(memory, load32(rsdp + 16), &length);
        entry = 4;
    }
    if (root == NULL)
        return;
    unsigned count = (length - HEADER_BYTES) / entry;
    for (unsigned i = 0; i < count && i < TABLES_MAX; i++) {
        const uint8_t *at = root + HEADER_BYTES + i * entry;
        parse_table(memory, entry == 8 ? load64(at) : load32(at), facts);
    }
}
