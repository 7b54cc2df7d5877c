/* SPDX-License-Identifier: MIT */
/*
 * What a program finds when it starts: the address layout that every program of
 * this libos has, and the start page that its parent (apps/init) filled in. The
 * kernel knows nothing of this; the first program's layout (abi.h, EXO_BOOT_...)
 * is the same, with a start page of zeros.
 */
#ifndef LIBOS_START_H
#define LIBOS_START_H

#include <exo/abi.h>

#define LIBOS_START EXO_BOOT_BASE /* struct start_info, then its strings; LIBOS_START_PAGES in children: 1 */
#define LIBOS_CONTROL EXO_BOOT_CONTROL
#define LIBOS_INFO EXO_BOOT_INFO
#define LIBOS_SQ EXO_BOOT_SQ
#define LIBOS_CQ EXO_BOOT_CQ
#define LIBOS_STACK EXO_BOOT_STACK
#define LIBOS_ARCHIVE EXO_BOOT_ARCHIVE
#define LIBOS_MMAP 0x200000000000ull /* mmap and everything else the libos maps */
#define LIBOS_MMAP_END 0x600000000000ull

#define START_MAGIC 0x74726174736f6c62ull

#define START_CHANNELS 8u

struct start_channel { /* an end of a channel */
    char name[16];     /* as the manifest calls it; NUL-terminated */
    uint32_t handle;
    uint8_t receives;  /* 1: the receiving end */
    uint8_t places, frames, zero;
};

struct start_info {
    uint64_t magic;      /* START_MAGIC; 0 in the first program */
    char name[32];
    uint32_t console;    /* handles; 0: not granted */
    uint32_t queue;
    uint8_t mac[6];
    uint8_t dhcp;        /* 1: ask a DHCP server (asking for `address` if that is not 0) */
    uint8_t has_archive; /* the boot archive is mapped at LIBOS_ARCHIVE */
    uint32_t address, netmask, gateway, dns; /* network byte order */
    uint64_t archive_bytes;
    uint64_t program_headers; /* for AT_PHDR: address of the ELF program headers in memory */
    uint64_t program_header_count;
    uint64_t entry; /* musl's _start is linked in; this is the ELF entry, for AT_ENTRY */
    uint32_t argc, envc;
    uint32_t channel_count;
    uint32_t zero;
    struct start_channel channel[START_CHANNELS];
    uint32_t strings;       /* offset in this page: argc + envc NUL-terminated strings */
    uint32_t strings_bytes;
};

static inline const struct start_info *start_info(void)
{
    return (const struct start_info *)LIBOS_START;
}

#endif
