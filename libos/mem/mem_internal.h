/* SPDX-License-Identifier: MIT */
/*
 * What the files of the memory layer share. The pager (mem_fault) can interrupt all
 * of them at any page fault, so what it reads is consistent whenever
 * memory that is not eagerly mapped is touched.
 */
#ifndef LIBOS_MEM_INTERNAL_H
#define LIBOS_MEM_INTERNAL_H

#include <exo/abi.h>
#include <libos/mem.h>

#include "regions.h"

#define PAGE_MASK ((uint64_t)EXO_PAGE_SIZE - 1)
#define CHUNK_BYTES (2ull << 20) /* what one lowest page table covers */

/* How much address space mmap() hands out. */
#define MEM_LOW 0x200000000000ull /* LIBOS_MMAP */
#define MEM_SPACE (64ull << 30)

/* Where the lowest page tables of that space are mapped, read-only: the
 * hardware's tables are the only record of what is mapped where. */
#define TABLE_WINDOW 0x680000000000ull

#define PTE_PRESENT 1ull
#define PTE_FRAME(pte) ((pte) >> 12 & 0xffffffffffull)

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

/* The pager. False: the access was wrong, or there is no memory (which is logged). */
bool mem_fault(uint64_t address, uint64_t error);
/* Says what is known about an address whose fault ends the program. */
void mem_explain(uint64_t address);

/* Page tables (tables.c): donates what is missing for the chunk that holds the address. 0 or
 * -EXO_E_... */
int tables_ensure(uint64_t address);
bool tables_present(uint64_t address);
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

/* Reserves address space of that length for a FIXED region; 0 if there is none. */
uint64_t space_reserve(uint64_t length);
void space_release(uint64_t start, uint64_t length);

#endif
