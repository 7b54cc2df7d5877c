/* SPDX-License-Identifier: MIT */
/*
 * The kernel's own page tables: all RAM at KERNEL_PHYSMAP (writable, never
 * executable, without the kernel's text and constants, which so have no
 * writable alias), the image with the rights of its parts, device memory. All
 * of it is supervisor-only and global. What environments map below is exo/space.c's.
 */
#include "internal.h"
#include "x86.h"

#define P 0x001ull
#define W 0x002ull
#define PWT 0x008ull
#define PCD 0x010ull
#define LARGE 0x080ull
#define GLOBAL 0x100ull
#define NX (1ull << 63)
#define ADDRESS 0x000ffffffffff000ull

#define RIGHTS_DATA (P | W | GLOBAL | NX)
#define RIGHTS_CONST (P | GLOBAL | NX)
#define RIGHTS_TEXT (P | GLOBAL)
#define RIGHTS_DEVICE (P | W | GLOBAL | NX | PCD | PWT)

/* Where KERNEL_DEVICES ends: the top 2 GiB are the image's. */
#define DEVICES_END (1ull << 45)

static uint64_t root;
static uint64_t (*frame_source)(void);

static uint64_t table_take(void)
{
    uint64_t frame = frame_source();
    if (frame == 0)
        boot_fail("too little memory for the kernel's page tables");
    return frame;
}

static uint64_t *table_below(uint64_t *entry)
{
    if (!(*entry & P))
        *entry = table_take() | P | W;
    return physical_memory(*entry & ADDRESS);
}

/* Size of the largest page that `address` -> `physical` can start with. */
static uint64_t page_size(uint64_t address, uint64_t physical, uint64_t bytes)
{
    uint64_t both = address | physical;
    if (bytes >= 1ull << 30 && both % (1ull << 30) == 0 && cpu_has_gib_pages())
        return 1ull << 30;
    if (bytes >= 1ull << 21 && both % (1ull << 21) == 0)
        return 1ull << 21;
    return 1ull << 12;
}

/* The entry that maps, or is to map, a page of that size; one already mapped by a larger
 * page or divided into smaller ones comes back as it is. */
static uint64_t *entry_find(uint64_t address, uint64_t size, uint64_t *found_size)
{
    uint64_t *table = physical_memory(root);
    unsigned shift = 39;
    for (;; shift -= 9) {
        uint64_t *entry = &table[address >> shift & 511];
        bool leaf = shift == 12 || (shift < 39 && (*entry & P) && (*entry & LARGE));
        if (leaf || (1ull << shift == size && !(*entry & P))) {
            *found_size = 1ull << shift;
            return entry;
        }
        table = table_below(entry);
    }
}

static void map(uint64_t address, uint64_t physical, uint64_t bytes, uint64_t rights)
{
    while (bytes > 0) {
        uint64_t size;
        uint64_t *entry = entry_find(address, page_size(address, physical, bytes), &size);
        if (!(*entry & P))
            *entry = physical | rights | (size > 1ull << 12 ? LARGE : 0);
        uint64_t step = size - address % size;
        if (step >= bytes)
            return;
        address += step;
        physical += step;
        bytes -= step;
    }
}

static void map_image(const char *start, const char *end, uint64_t rights)
{
    map((uint64_t)start, (uint64_t)start - KERNEL_IMAGE, (uint64_t)(end - start), rights);
}

static void map_ram(uint64_t start, uint64_t end)
{
    uint64_t hole = (uint64_t)kernel_start - KERNEL_IMAGE;
    uint64_t hole_end = (uint64_t)kernel_rodata_end - KERNEL_IMAGE;
    if (start < hole_end && end > hole) {
        if (start < hole)
            map(KERNEL_PHYSMAP + start, start, hole - start, RIGHTS_DATA);
        start = hole_end;
    }
    if (start < end)
        map(KERNEL_PHYSMAP + start, start, end - start, RIGHTS_DATA);
}

void paging_init(const struct boot_info *boot, uint64_t (*take_frame)(void))
{
    frame_source = take_frame;
    root = table_take();
    for (unsigned i = 0; i < boot->ram_count; i++)
        map_ram(boot->ram[i].start, boot->ram[i].end);
    map_image(kernel_start, kernel_text_end, RIGHTS_TEXT);
    map_image(kernel_text_end, kernel_rodata_end, RIGHTS_CONST);
    map_image(kernel_rodata_end, boot_stack_guard, RIGHTS_DATA);
    map_image(boot_stack_guard + EXO_PAGE_SIZE, kernel_end, RIGHTS_DATA);
    /* Environments copy the root's upper half, so the devices' entry is made now. */
    uint64_t *top = physical_memory(root);
    (void)table_below(&top[KERNEL_DEVICES >> 39 & 511]);
    /* The first map's entries may be global by no means, but they go with CR3 anyway. */
    cr3_write(root);
}

uint64_t arch_kernel_root(void) { return root; }

void *device_map(uint64_t physical, uint64_t bytes)
{
    uint64_t start = physical & ~(uint64_t)(EXO_PAGE_SIZE - 1);
    if (bytes == 0 || physical >= DEVICES_END || bytes > DEVICES_END - physical)
        return NULL;
    uint64_t end = (physical + bytes + EXO_PAGE_SIZE - 1) & ~(uint64_t)(EXO_PAGE_SIZE - 1);
    map(KERNEL_DEVICES + start, start, end - start, RIGHTS_DEVICE);
    return (void *)(KERNEL_DEVICES + physical);
}

void arch_flush_page(uint64_t address)
{
    __asm__ volatile("invlpg (%0)" : : "r"(address) : "memory");
}
