/* SPDX-License-Identifier: MIT */
/*
 * System calls on memory. There is no brk(): the C library falls back to mmap().
 */
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
