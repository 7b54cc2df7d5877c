/* SPDX-License-Identifier: MIT */
/*
 * System calls on memory. There is no brk(): the C library falls back to mmap().
 */
#include <exo/abi.h>
#include <libos/mem.h>
#include <sys/mman.h>

#include "posix_internal.h"

#define UNUSED6 SYSCALL_UNUSED(a, b, c, d, e, f)

SYSCALL(mmap)
{
    if (((int)d & MAP_ANONYMOUS) != 0)
        return mem_mmap((uint64_t)a, (uint64_t)b, (int)c, (int)d, NULL, 0);
    FILE_OR_RETURN(file, e);
    const void *bytes;
    size_t size;
    int error = file->ops->view == NULL ? -ENODEV : file->ops->view(file, &bytes, &size);
    file_release(file);
    if (error < 0)
        return error;
    if (f < 0 || (f & 4095) != 0 || (uint64_t)f >= size)
        return -EINVAL;
    if (((int)d & MAP_SHARED) != 0 && ((int)c & PROT_WRITE) != 0)
        return -EACCES;
    return mem_mmap((uint64_t)a, (uint64_t)b, (int)c, (int)d, (const char *)bytes + f, size - (size_t)f);
}

SYSCALL(munmap)
{
    UNUSED6;
    return mem_munmap((uint64_t)a, (uint64_t)b);
}

SYSCALL(mremap)
{
    UNUSED6;
    return mem_mremap((uint64_t)a, (uint64_t)b, (uint64_t)c, (int)d);
}

SYSCALL(mprotect)
{
    UNUSED6;
    return mem_mprotect((uint64_t)a, (uint64_t)b, (int)c);
}

SYSCALL(madvise)
{
    UNUSED6;
    return mem_madvise((uint64_t)a, (uint64_t)b, (int)c);
}

SYSCALL(brk)
{
    UNUSED6;
    return 0;
}

static bool is_mapped(uint64_t address, uint64_t length)
{
    return (address & (EXO_PAGE_SIZE - 1)) == 0 && !mem_has_hole(address, length);
}

/* Nothing that is mapped is written back to anywhere. */
SYSCALL(msync)
{
    UNUSED6;
    return is_mapped((uint64_t)a, (uint64_t)b) ? 0 : -ENOMEM;
}

SYSCALL(mincore)
{
    UNUSED6;
    unsigned char *is_there = (unsigned char *)c;
    if (!is_mapped((uint64_t)a, (uint64_t)b))
        return (a & (EXO_PAGE_SIZE - 1)) != 0 ? -EINVAL : -ENOMEM;
    for (long at = a; at < a + b; at += EXO_PAGE_SIZE)
        *is_there++ = mem_frame_at((const void *)at) != 0;
    return 0;
}

/* Pages that are there stay; locking brings them in. */
SYSCALL(mlock)
{
    UNUSED6;
    if (mem_has_hole((uint64_t)a, (uint64_t)b))
        return -ENOMEM;
    return mem_touch((const void *)a, (size_t)b, false) < 0 ? -ENOMEM : 0;
}

SYSCALL(munlock)
{
    UNUSED6;
    return mem_has_hole((uint64_t)a, (uint64_t)b) ? -ENOMEM : 0;
}

SYSCALL(mlockall)
{
    UNUSED6;
    return -EPERM; /* pages come by demand, and it would take all that was ever reserved */
}

SYSCALL(munlockall)
{
    UNUSED6;
    return 0;
}
