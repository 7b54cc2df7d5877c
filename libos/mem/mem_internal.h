/* SPDX-License-Identifier: MIT */
/*
 * What the files of the memory layer share. The pager (mem_fault) can interrupt all
 * of them at any page fault, so what it reads is consistent whenever
 * memory that is not eagerly mapped is touched.
 */
#ifndef LIBOS_MEM_INTERNAL_H
#define LIBOS_MEM_INTERNAL_H

#include <errno.h>
#include <exo/abi.h>
#include <libos/mem.h>
#include <libos/start.h>

#include "regions.h"

#define PAGE_MASK ((uint64_t)EXO_PAGE_SIZE - 1)
#define CHUNK_BYTES (2ull << 20) /* what one lowest page table covers */

/* How much address space mmap() hands out. */
#define MEM_LOW 0x200000000000ull /* LIBOS_MMAP */
#define MEM_SPACE (64ull << 30)

/* Where the lowest page tables of that space are mapped, read-only: the
 * hardware's tables are the only record of what is mapped where. */
#define TABLE_WINDOW 0x680000000000ull
/* And the tables above them, of which there are 64 at most: beside the rings, where a table is in any case. */
#define SECOND_WINDOW (EXO_BOOT_BASE + 0x100000)

#define PTE_PRESENT 1ull
#define PTE_LARGE 0x80ull
#define PTE_FRAME(pte) ((pte) >> 12 & 0xffffffffull) /* of one that is no whole large page too */

/* Rights of a region's pages: what is there in a guard stays there. */
#define PAGE_PERM(perm) ((perm) == 0 ? EXO_NONE : (perm))

extern struct regions mem_regions;
extern struct mem_usage mem_count;
/* For a plan that is run at once, outside the pager: nothing in this layer lets another thread
 * run. */
extern struct plan_buffer mem_plan;

/* The libos's own memory and the first stack lie below, what the program asks for above: a forced reclaim takes
 * that first. In the middle of a chunk, so that stack and heap begin with one page table. */
#define MEM_DEMAND (MEM_LOW + (65ull << 20))

/* Pages that a forced reclaim took and the program does not know of (reclaim.c). */
bool lost_any(uint64_t start, uint64_t end);
/* The program gave the range another meaning: what was there before is of no interest. */
void lost_forget(uint64_t start, uint64_t end);
/* Waits to be asked for memory. Once, at the start. */
void reclaim_init(void);

/* Makes what lies behind the end of a file in the archive zeros, as far as its last page goes (tail.c). 0 or -EXO_E_...: then it
 * is not to be shown. */
int tail_zero(const void *bytes, uint64_t size);

/* The pager. False: the access was wrong, or there is no memory (which is logged). */
bool mem_fault(uint64_t address, uint64_t error);
/* Says what is known about an address whose fault ends the program. */
void mem_explain(uint64_t address);

/*
 * Page tables (tables.c). What maps the chunk that holds the address: 0 if nothing does, an entry
 * with PTE_LARGE, or one that names its table.
 */
extern uint64_t tables_shown;
static inline uint64_t chunk_entry(uint64_t address)
{
    uint64_t chunk = (address - MEM_LOW) / CHUNK_BYTES;
    bool shown = (tables_shown >> ((address - MEM_LOW) >> 30) & 1) != 0;
    return shown ? ((const volatile uint64_t *)SECOND_WINDOW)[chunk] : 0;
}
/* Whether it has a table of small pages. */
static inline bool tables_present(uint64_t address)
{
    return (chunk_entry(address) & (PTE_PRESENT | PTE_LARGE)) == PTE_PRESENT;
}
/* Donates what is missing for that. 0 or -EXO_E_... */
int tables_ensure(uint64_t address);
/* What is missing for a large page, and for the table that may split it later. */
int tables_above_ensure(uint64_t address);
/* Gives the chunk's table back if it maps nothing. False if it maps something. */
bool tables_clear(uint64_t address);
/* Gives the lowest tables that map nothing back to the kernel, while a reclaim wants more. */
void tables_give(void);
/* The page-table entry of a page whose chunk is present. */
static inline const volatile uint64_t *table_entry(uint64_t address)
{
    return (const volatile uint64_t *)TABLE_WINDOW + ((address - MEM_LOW) >> EXO_PAGE_SHIFT);
}

/* Maps new frames at `count` pages (within one chunk) that are empty: one run if possible, else
 * several. */
int pages_populate(uint64_t address, uint32_t count, unsigned perm, bool one_run, uint64_t *frame);
/* Unmaps and frees every page in the range. */
void pages_drop(uint64_t start, uint64_t end);
/* Changes the rights of every page that is mapped in the range. */
int pages_protect(uint64_t start, uint64_t end, unsigned perm);

/*
 * Large pages (large.c). What changes a part of one splits it before it changes anything: so the pages of a large one
 * always lie in one region.
 */
static inline bool chunk_is_large(uint64_t address)
{
    return (chunk_entry(address) & PTE_LARGE) != 0;
}
/* All of it is there. What a forced reclaim has left of one can't be touched until it is split. */
static inline bool large_is_whole(uint64_t address)
{
    uint64_t entry = chunk_entry(address);
    return (entry & PTE_LARGE) != 0 && (entry & PTE_PRESENT) != 0;
}
/* The first page and the number of pages that are there, and the first one's frame. */
uint32_t large_pages(uint64_t address, uint64_t *start, uint64_t *frame);
/* Before a region may have the first one: address space for the reserve. */
bool large_prepare(void);
/* Backs the chunk around an address by one, if that region and the memory there is allow it. */
bool large_make(const struct region *region, uint64_t address);
/* Makes small pages of it. 0, also if there is none; or -EXO_E_... when there is no frame for the table. Where it
 * `frees` a page next, there always is. */
int large_split(uint64_t address, bool frees);
/* Splits what lies on both sides of `start`, or of `end`. */
int large_borders(uint64_t start, uint64_t end, bool frees);
int large_protect(uint64_t address, unsigned perm);
/* To a chunk that is empty. */
int large_move(uint64_t from, uint64_t to, unsigned perm);
/* One is gone, or something was taken by force: counts what there is. */
void large_gone(void);
void large_recount(void);
/* Frames for splitting come and go with the large pages. Outside the pager, when it does not fit. */
extern bool reserve_unfit;
void reserve_fit(void);

/* Address space (space.c). Room for an operation on the array of regions. */
bool space_room(void);
/* Page-aligned and inside the mmap area, or a negative errno value; makes the length whole pages. */
static inline int space_range(uint64_t address, uint64_t *length)
{
    if ((address & PAGE_MASK) != 0 || *length > MEM_SPACE)
        return -EINVAL;
    *length = (*length + PAGE_MASK) & ~PAGE_MASK;
    if (address < mem_regions.low || address > mem_regions.high || *length > mem_regions.high - address)
        return -ENOMEM;
    return 0;
}
static inline bool space_in_archive(uint64_t address)
{
    return address >= LIBOS_ARCHIVE && address < MEM_LOW;
}
/* In the middle of a huge page (MAP_HUGETLB): nothing may begin or end there. */
bool space_inside_huge(uint64_t address);
/* Reserves address space of that length for a FIXED region; 0 if there is none. */
uint64_t space_reserve(uint64_t length);
void space_release(uint64_t start, uint64_t length);

#endif
