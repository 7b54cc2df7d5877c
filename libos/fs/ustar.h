/* SPDX-License-Identifier: MIT */
/*
 * Reading a ustar archive in memory: an index of its entries, sorted by name.
 * Free of the libos: it builds on the host under the tests. Trusts no header.
 */
#ifndef LIBOS_FS_USTAR_H
#define LIBOS_FS_USTAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define USTAR_NAME_MAX 256

struct ustar_entry {
    const unsigned char *data;
    uint64_t size;
    uint64_t time;     /* seconds since 1970 */
    uint32_t header;   /* block number of its header; UINT32_MAX: a directory that is only implied */
    uint32_t name;     /* offset in the names */
    uint16_t length;   /* of the name, without leading or trailing '/' */
    uint16_t mode;
    bool directory;
};

struct ustar {
    const unsigned char *bytes;
    size_t size;
    struct ustar_entry *entries;
    size_t count, capacity;
    char *names; /* NUL-terminated */
    size_t names_size, names_capacity;
    size_t bad_offset; /* where the index stopped, if it did */
};

/*
 * How much memory the index needs, for the caller to supply: entries and bytes of names. False if
 * the archive is corrupt: then bad_offset and *reason say where and how.
 */
bool ustar_measure(struct ustar *ustar, const void *bytes, size_t size, size_t *entries,
                   size_t *names, const char **reason);
/* Fills the index in ustar->entries and ustar->names, which the caller has set, with their
 * capacities. */
void ustar_index(struct ustar *ustar);
/* By name without leading '/'; "" is the root. NULL if there is none. */
const struct ustar_entry *ustar_find(const struct ustar *ustar, const char *name);
/* The entries directly in a directory, in order: the index of the first at or behind `from`, or
 * count. */
size_t ustar_child(const struct ustar *ustar, const struct ustar_entry *directory, size_t from);
static inline const char *ustar_name(const struct ustar *ustar, const struct ustar_entry *entry)
{
    return ustar->names + entry->name;
}
/* The part of its name behind the last '/'. */
const char *ustar_base(const struct ustar *ustar, const struct ustar_entry *entry);

#endif
