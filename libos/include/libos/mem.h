/* SPDX-License-Identifier: MIT */
/*
 * The address space of the program: regions, demand paging, and runs of physical memory for
 * devices. All functions take and leave the libos themselves, except the ones that say otherwise.
 * Addresses and lengths are in bytes, multiples of the page size.
 */
#ifndef LIBOS_MEM_H
#define LIBOS_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* `count` physically consecutive frames, zeroed, mapped at consecutive pages, readable and
 * writable, there until mem_unmap_run(): never paged, safe for DMA and inside the libos. Gives
 * the first frame's number in *frame. NULL if there is no such memory. */
void *mem_map_run(uint32_t count, uint64_t *frame);
void mem_unmap_run(void *address, uint32_t count);

/* Eagerly mapped memory whose frames need not be consecutive. */
void *mem_map_eager(size_t bytes);

/* The frame mapped at an address of demand-paged or run memory; 0 if none is. Inside the libos. */
uint64_t mem_frame_at(const void *address);

/* Makes sure that each page in the range is mapped (and writable if `write`). 0, -EFAULT or
 * -ENOMEM. Inside the libos. */
int mem_touch(const void *address, size_t bytes, bool write);

/* Address space under mmap(): see sys/mman.h for the meaning of prot and flags. Inside the
 * libos. A negative errno value where it fails:
 * EINVAL   not page-aligned, or inside a page of MAP_HUGETLB; of a size of those that there is not; memory of the libos's own
 * ENOMEM   beyond the account or the address space; a hole; no frame to split a large page with (not when that gives some back)
 * EEXIST, EACCES, EFAULT as on Linux.
 * mem_madvise() knows MADV_DONTNEED, MADV_FREE, MADV_HUGEPAGE and MADV_NOHUGEPAGE; other advice is not taken.
 */
long mem_mmap(uint64_t address, uint64_t length, int prot, int flags, const void *file_bytes,
              uint64_t file_size);
long mem_mremap(uint64_t address, uint64_t old_length, uint64_t new_length, int flags);
int mem_munmap(uint64_t address, uint64_t length);
int mem_mprotect(uint64_t address, uint64_t length, int prot);
int mem_madvise(uint64_t address, uint64_t length, int advice);

/* Whether a part of the range, in the area of mmap(), is not mapped. */
bool mem_has_hole(uint64_t address, uint64_t length);

/*
 * The parent may want memory back (EXO_RECLAIM). Pages of zeros and empty page tables are given without the
 * program's help. When that is not enough, a thread that waits here hears how many pages are still wanted, and by
 * which tick: it gives up what it can best do without (munmap(), MADV_DONTNEED) and calls again. Past that tick pages
 * are taken by force, from the address of mem_spare() on, else from the lowest that mmap() gave; touching one is a SIGBUS.
 */
void mem_spare(const void *address);
uint64_t mem_reclaim_wait(uint64_t *deadline);
/* What was taken, run by run; false when there is no more. From then on the program knows: the pages of the run are
 * fresh ones, zeros, when they are touched again. */
bool mem_lost(uint64_t *start, uint64_t *bytes);

/* What the program uses: frames that are mapped (by demand, and for the libos itself), tables, regions. */
struct mem_usage {
    uint64_t frames, tables, regions, faults;
    uint64_t large; /* large pages, with 512 of the frames each */
};
void mem_usage(struct mem_usage *usage);

#endif
