/* SPDX-License-Identifier: MIT */
/*
 * PCI configuration: through memory where ACPI's MCFG says so, else ports CF8 and
 * CFC (which reach the first 256 bytes). BARs are where the firmware put them.
 * MSI-X tables stay the kernel's: no program ever maps one.
 */
#include "internal.h"
#include "x86.h"

#define VENDOR 0x00u
#define COMMAND 0x04u
#define STATUS 0x06u
#define HEADER_TYPE 0x0eu
#define BAR0 0x10u
#define SECONDARY_BUS 0x19u
#define CAPABILITIES 0x34u

#define COMMAND_MEMORY 2u
#define COMMAND_MASTER 4u
#define COMMAND_INTX_OFF 0x400u
#define STATUS_CAPABILITIES 0x10u

#define CAPABILITY_MSIX 0x11u
#define MSIX_ENABLE 0x8000u
#define MSIX_MASK_ALL 0x4000u

/* ---- configuration space ---- */

/* The bus's part of the ECAM window, mapped when first touched. */
static volatile uint8_t *ecam_at(const struct pci_device *device, unsigned offset)
{
    if (acpi_facts.ecam == 0 || device->bus < acpi_facts.ecam_first_bus ||
        device->bus > acpi_facts.ecam_last_bus)
        return NULL;
    uint64_t function = (uint64_t)device->device << 3 | device->function;
    uint64_t address = acpi_facts.ecam + ((uint64_t)device->bus << 20 | function << 12);
    volatile uint8_t *page = device_map(address, EXO_PAGE_SIZE);
    return page ? page + offset : NULL;
}

static bool port_select(const struct pci_device *device, unsigned offset)
{
    if (offset > 255 || device->bus > 255)
        return false;
    port_write32(0xcf8, 0x80000000u | (uint32_t)device->bus << 16 | (uint32_t)device->device << 11 |
                            (uint32_t)device->function << 8 | (offset & 0xfc));
    return true;
}

uint32_t pci_read(const struct pci_device *device, unsigned offset, unsigned bytes)
{
    volatile uint8_t *at = ecam_at(device, offset);
    uint16_t port = (uint16_t)(0xcfc + (offset & 3));
    if (at)
        return bytes == 1 ? *at : bytes == 2 ? *(volatile uint16_t *)at : *(volatile uint32_t *)at;
    if (!port_select(device, offset))
        return UINT32_MAX;
    return bytes == 1 ? port_read8(port) : bytes == 2 ? port_read16(port) : port_read32(port);
}

void pci_write(const struct pci_device *device, unsigned offset, unsigned bytes, uint32_t value)
{
    volatile uint8_t *at = ecam_at(device, offset);
    uint16_t port = (uint16_t)(0xcfc + (offset & 3));
    if (at == NULL && !port_select(device, offset))
        return;
    if (bytes == 1 && at)
        *at = (uint8_t)value;
    else if (bytes == 1)
        port_write8(port, (uint8_t)value);
    else if (bytes == 2 && at)
        *(volatile uint16_t *)at = (uint16_t)value;
    else if (bytes == 2)
        port_write16(port, (uint16_t)value);
    else if (at)
        *(volatile uint32_t *)at = value;
    else
        port_write32(port, value);
}

/* ---- finding ---- */

struct search {
    uint16_t vendor, id, other_id;
    struct pci_device *found;
    uint32_t buses[8]; /* bit map: still to look at */
};

static bool function_check(struct search *search, struct pci_device *device)
{
    uint32_t ids = pci_read(device, VENDOR, 4);
    device->vendor = (uint16_t)ids;
    device->id = (uint16_t)(ids >> 16);
    if (device->vendor == 0xffff)
        return false;
    if ((pci_read(device, HEADER_TYPE, 1) & 0x7f) == 1) {
        uint32_t below = pci_read(device, SECONDARY_BUS, 1);
        if (below > device->bus) /* only forward, so the walk ends */
            search->buses[below / 32] |= 1u << below % 32;
    }
    if (device->vendor != search->vendor || (device->id != search->id && device->id != search->other_id))
        return false;
    *search->found = *device;
    return true;
}

static bool bus_check(struct search *search, unsigned bus)
{
    for (unsigned slot = 0; slot < 32; slot++) {
        struct pci_device device = {.bus = (uint16_t)bus, .device = (uint16_t)slot};
        if (function_check(search, &device))
            return true;
        if (device.vendor == 0xffff || !(pci_read(&device, HEADER_TYPE, 1) & 0x80))
            continue;
        for (device.function = 1; device.function < 8; device.function++)
            if (function_check(search, &device))
                return true;
    }
    return false;
}

bool pci_find(uint16_t vendor, uint16_t id, uint16_t other_id, struct pci_device *found)
{
    struct search search = {.vendor = vendor, .id = id, .other_id = other_id, .found = found};
    search.buses[0] = 1;
    for (unsigned bus = 0; bus < 256; bus++)
        if (search.buses[bus / 32] & 1u << bus % 32 && bus_check(&search, bus))
            return true;
    return false;
}

unsigned pci_capability(const struct pci_device *device, unsigned id, unsigned from)
{
    if (!(pci_read(device, STATUS, 2) & STATUS_CAPABILITIES))
        return 0;
    bool reached = from == 0;
    unsigned at = pci_read(device, CAPABILITIES, 1) & 0xfc;
    /* 48 fit; a list that runs in a circle ends too. */
    for (unsigned i = 0; i < 48 && at >= 0x40; i++) {
        reached = reached || at == from;
        if (reached && pci_read(device, at, 1) == id)
            return at;
        at = pci_read(device, at + 1, 1) & 0xfc;
    }
    return 0;
}

/* ---- BARs, MSI-X ---- */

uint64_t pci_bar(const struct pci_device *device, unsigned index, uint64_t *bytes)
{
    unsigned at = BAR0 + 4 * index;
    *bytes = 0;
    if (index > 5)
        return 0;
    uint32_t low = pci_read(device, at, 4), high = 0, mask_high = UINT32_MAX;
    bool wide = (low & 6) == 4;
    if (low & 1 || (wide && index == 5))
        return 0;
    /* Sizes are read back with decoding off, so that nothing answers at the odd address. */
    uint32_t command = pci_read(device, COMMAND, 2);
    pci_write(device, COMMAND, 2, command & ~COMMAND_MEMORY);
    pci_write(device, at, 4, UINT32_MAX);
    uint32_t mask_low = pci_read(device, at, 4);
    pci_write(device, at, 4, low);
    if (wide) {
        high = pci_read(device, at + 4, 4);
        pci_write(device, at + 4, 4, UINT32_MAX);
        mask_high = pci_read(device, at + 4, 4);
        pci_write(device, at + 4, 4, high);
    }
    pci_write(device, COMMAND, 2, command);
    uint64_t mask = (uint64_t)mask_high << 32 | (mask_low & ~15u);
    if ((mask_low & ~15u) == 0 && !wide)
        return 0;
    *bytes = ~mask + 1;
    return (uint64_t)high << 32 | (low & ~15u);
}

bool pci_enable_msix(const struct pci_device *device, unsigned entry, unsigned vector)
{
    unsigned at = pci_capability(device, CAPABILITY_MSIX, 0);
    if (at == 0)
        return false;
    uint32_t control = pci_read(device, at + 2, 2), where = pci_read(device, at + 4, 4);
    uint64_t bytes, bar = pci_bar(device, where & 7, &bytes);
    uint64_t offset = (where & ~7u) + entry * 16ull;
    if (entry > (control & 0x7ff) || bar == 0 || offset + 16 > bytes)
        return false;
    pci_write(device, COMMAND, 2,
              pci_read(device, COMMAND, 2) | COMMAND_MEMORY | COMMAND_MASTER | COMMAND_INTX_OFF);
    volatile uint32_t *table = device_map(bar + offset, 16);
    if (table == NULL)
        return false;
    pci_write(device, at + 2, 2, control | MSIX_ENABLE | MSIX_MASK_ALL);
    /* Fixed delivery, edge, to one APIC (Intel SDM vol. 3, 10.11). */
    table[0] = 0xfee00000u | apic_id() << 12;
    table[1] = 0;
    table[2] = vector;
    table[3] = 0; /* not masked */
    pci_write(device, at + 2, 2, (control | MSIX_ENABLE) & ~MSIX_MASK_ALL);
    return true;
}
