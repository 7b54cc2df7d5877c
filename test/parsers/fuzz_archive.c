/* SPDX-License-Identifier: MIT */
/*
 * The file system's index of an archive, of any bytes: what it lists can be found and read. The first byte says whether
 * checksums are put right, and how much is cut off the end.
 */
#include "../../libos/fs/ustar.h"
#include "fuzz.h"

static void check_entry(const struct ustar *ustar, const struct ustar_entry *entry)
{
    const char *name = ustar_name(ustar, entry), *base = ustar_base(ustar, entry);
    HOLDS(strlen(name) == entry->length && entry->length < USTAR_NAME_MAX);
    HOLDS(base >= name && base <= name + entry->length && !strchr(base, '/'));
    HOLDS(ustar_find(ustar, name) == entry);
    if (entry->directory)
        for (size_t at = ustar_child(ustar, entry, 0), before = 0; at < ustar->count; before = at) {
            HOLDS(before <= at);
            at = ustar_child(ustar, entry, at + 1);
        }
    else
        read_all(entry->data, entry->size);
}

static size_t check_index(struct ustar *ustar, size_t entries, size_t names)
{
    ustar->count = ustar->names_size = 0;
    ustar->entries = malloc(entries * sizeof *ustar->entries + 1);
    ustar->names = malloc(names + 1);
    ustar->capacity = entries;
    ustar->names_capacity = names;
    if (!ustar->entries || !ustar->names)
        abort();
    ustar_index(ustar);
    HOLDS(ustar->count <= entries && ustar->names_size <= names);
    for (size_t i = 0; i < ustar->count; i++)
        check_entry(ustar, &ustar->entries[i]);
    (void)ustar_find(ustar, "nothing/of/that/name");
    free(ustar->entries);
    free(ustar->names);
    return ustar->count;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    struct ustar ustar;
    size_t entries, names;
    const char *reason = NULL;
    if (count < 1)
        return 0;
    size_t cut = bytes[0] >> 1, size = cut < count - 1 ? count - 1 - cut : 0;
    uint8_t *copy = copy_of(bytes + 1, size);
    if (bytes[0] & 1)
        ustar_seal(copy, size);
    memset(&ustar, 0, sizeof ustar);
    if (ustar_measure(&ustar, copy, size, &entries, &names, &reason))
        /* What was measured is enough: with more room nothing more is found. */
        HOLDS(check_index(&ustar, entries, names) == check_index(&ustar, entries + 64, names + 4096));
    else
        HOLDS(reason && ustar.bad_offset <= size);
    free(copy);
    return 0;
}
