/* SPDX-License-Identifier: MIT */
/*
 * The boot archive's format: POSIX ustar (IEEE Std 1003.1, pax). Files and
 * directories; anything else, and padding entries named ".pad", is skipped. The data
 * stays where it is.
 */
#include "ustar.h"

#include <string.h>

#define BLOCK 512u
#define PADDING ".pad"

struct header { /* all fields are text, none of them terminated for sure */
    char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8];
    char type, link[100], magic[6], version[2], user[32], group[32], major[8], minor[8], prefix[155];
    char rest[12];
};

_Static_assert(sizeof(struct header) == BLOCK, "one block");

/* ---- one header ---------------------------------------------------------------- */

static bool octal(const char *text, size_t length, uint64_t *value)
{
    size_t i = 0;
    *value = 0;
    while (i < length && text[i] == ' ')
        i++;
    size_t first = i;
    for (; i < length && text[i] >= '0' && text[i] <= '7'; i++)
        *value = *value << 3 | (uint64_t)(text[i] - '0');
    return i > first && (i == length || text[i] == '\0' || text[i] == ' ');
}

static bool checksum_good(const struct header *header)
{
    const unsigned char *bytes = (const unsigned char *)header;
    uint64_t wanted, sum = 0;
    size_t at = offsetof(struct header, checksum);
    for (size_t i = 0; i < BLOCK; i++)
        sum += i >= at && i < at + sizeof(header->checksum) ? ' ' : bytes[i];
    return octal(header->checksum, sizeof(header->checksum), &wanted) && wanted == sum;
}

static size_t field_length(const char *field, size_t size)
{
    const char *end = memchr(field, '\0', size);
    return end == NULL ? size : (size_t)(end - field);
}

/* "prefix/name" without "./" in front and '/' at either end. */
static size_t name_of(const struct header *header, char out[USTAR_NAME_MAX + 2])
{
    size_t prefix = field_length(header->prefix, sizeof(header->prefix));
    size_t name = field_length(header->name, sizeof(header->name));
    size_t length = 0;
    memcpy(out, header->prefix, prefix);
    length += prefix;
    if (prefix > 0)
        out[length++] = '/';
    memcpy(out + length, header->name, name);
    length += name;
    size_t skip = 0;
    while (skip < length && (out[skip] == '/' || (out[skip] == '.' && skip + 1 < length && out[skip + 1] == '/')))
        skip++;
    while (length > skip && out[length - 1] == '/')
        length--;
    length -= skip;
    memmove(out, out + skip, length);
    out[length] = '\0';
    return length;
}

/* "a//b", "a/../b" and the like have no place in an index by name. */
static bool name_good(const char *name, size_t length)
{
    if (length == 0 || memchr(name, '\0', length) != NULL)
        return false;
    for (const char *part = name;; part++) {
        size_t n = strcspn(part, "/");
        if (n == 0 || (n == 1 && part[0] == '.') || (n == 2 && part[0] == '.' && part[1] == '.'))
            return false;
        part += n;
        if (*part == '\0')
            return true;
    }
}

/* ---- all headers --------------------------------------------------------------------- */

struct walk {
    const struct ustar *ustar;
    size_t next;  /* offset of the next header */
    size_t at;    /* of this one */
    uint64_t size;
    const struct header *header;
    char name[USTAR_NAME_MAX + 2];
    size_t length;
    const char *reason; /* why it ended early */
};

static bool all_zero(const void *block)
{
    const unsigned char *bytes = block;
    for (size_t i = 0; i < BLOCK; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

/* The next file or directory; false at the end, or with a reason. */
static bool walk_next(struct walk *walk)
{
    const struct ustar *ustar = walk->ustar;
    for (;;) {
        walk->at = walk->next;
        if (ustar->size - walk->at < BLOCK) {
            walk->reason = "it ends without an end mark";
            return false;
        }
        const struct header *header = (const struct header *)(const void *)(ustar->bytes + walk->at);
        if (all_zero(header))
            return false;
        if (memcmp(header->magic, "ustar", 5) != 0)
            walk->reason = "not a ustar header";
        else if (!checksum_good(header))
            walk->reason = "a header's checksum is wrong";
        else if (!octal(header->size, sizeof(header->size), &walk->size))
            walk->reason = "a file's size is not a number";
        else if (walk->size > ustar->size - walk->at - BLOCK)
            walk->reason = "a file ends behind the archive";
        if (walk->reason != NULL)
            return false;
        walk->next = walk->at + BLOCK + ((walk->size + BLOCK - 1) & ~(uint64_t)(BLOCK - 1));
        if (walk->next > ustar->size)
            walk->next = ustar->size;
        walk->length = name_of(header, walk->name);
        walk->header = header;
        bool wanted = header->type == '0' || header->type == '\0' || header->type == '5';
        if (!wanted || strcmp(walk->name, PADDING) == 0 || walk->length == 0)
            continue;
        if (!name_good(walk->name, walk->length)) {
            walk->reason = "a name with empty, \".\" or \"..\" parts";
            return false;
        }
        return true;
    }
}

bool ustar_measure(struct ustar *ustar, const void *bytes, size_t size, size_t *entries,
                   size_t *names, const char **reason)
{
    *ustar = (struct ustar){ .bytes = bytes, .size = size };
    struct walk walk = { .ustar = ustar };
    *entries = 1; /* the root */
    *names = 1;
    while (walk_next(&walk)) {
        *entries += 1;
        *names += walk.length + 1;
        /* Directories above it may be implied only. */
        for (size_t i = 0; i < walk.length; i++) {
            if (walk.name[i] != '/')
                continue;
            *entries += 1;
            *names += i + 1;
        }
    }
    ustar->bad_offset = walk.at;
    *reason = walk.reason;
    return walk.reason == NULL;
}

/* ---- the index ------------------------------------------------------------------------- */

static void entry_add(struct ustar *ustar, const char *name, size_t length, struct ustar_entry entry)
{
    if (ustar->count == ustar->capacity || ustar->names_capacity - ustar->names_size < length + 1)
        return; /* not after ustar_measure() */
    memcpy(ustar->names + ustar->names_size, name, length);
    ustar->names[ustar->names_size + length] = '\0';
    entry.name = (uint32_t)ustar->names_size;
    entry.length = (uint16_t)length;
    ustar->names_size += length + 1;
    ustar->entries[ustar->count++] = entry;
}

static int order(const struct ustar *ustar, const struct ustar_entry *a, const struct ustar_entry *b)
{
    int by_name = strcmp(ustar_name(ustar, a), ustar_name(ustar, b));
    if (by_name != 0)
        return by_name;
    return a->header < b->header ? -1 : a->header > b->header; /* implied ones last */
}

static void sift(struct ustar *ustar, size_t i, size_t count)
{
    struct ustar_entry *e = ustar->entries;
    for (size_t child; (child = 2 * i + 1) < count; i = child) {
        if (child + 1 < count && order(ustar, &e[child], &e[child + 1]) < 0)
            child++;
        if (order(ustar, &e[i], &e[child]) >= 0)
            return;
        struct ustar_entry swap = e[i];
        e[i] = e[child];
        e[child] = swap;
    }
}

static void sort(struct ustar *ustar)
{
    for (size_t i = ustar->count / 2; i-- > 0;)
        sift(ustar, i, ustar->count);
    for (size_t end = ustar->count; end-- > 1;) {
        struct ustar_entry swap = ustar->entries[0];
        ustar->entries[0] = ustar->entries[end];
        ustar->entries[end] = swap;
        sift(ustar, 0, end);
    }
}

/* Of entries with one name, the first in the archive stays. */
static void merge_equal(struct ustar *ustar)
{
    size_t kept = 1;
    for (size_t i = 1; i < ustar->count; i++)
        if (strcmp(ustar_name(ustar, &ustar->entries[i]),
                   ustar_name(ustar, &ustar->entries[kept - 1])) != 0)
            ustar->entries[kept++] = ustar->entries[i];
    ustar->count = kept;
}

void ustar_index(struct ustar *ustar)
{
    const struct ustar_entry implied = { .header = UINT32_MAX, .mode = 0555, .directory = true };
    struct walk walk = { .ustar = ustar };
    entry_add(ustar, "", 0, implied);
    while (walk_next(&walk)) {
        for (size_t i = 0; i < walk.length; i++)
            if (walk.name[i] == '/')
                entry_add(ustar, walk.name, i, implied);
        uint64_t mode = 0444, time = 0;
        octal(walk.header->mode, sizeof(walk.header->mode), &mode);
        octal(walk.header->mtime, sizeof(walk.header->mtime), &time);
        entry_add(ustar, walk.name, walk.length, (struct ustar_entry){
            .data = ustar->bytes + walk.at + BLOCK,
            .size = walk.header->type == '5' ? 0 : walk.size,
            .time = time,
            .header = (uint32_t)(walk.at / BLOCK),
            .mode = (uint16_t)(mode & 0777),
            .directory = walk.header->type == '5',
        });
    }
    sort(ustar);
    merge_equal(ustar);
}

/* ---- looking up ------------------------------------------------------------------------------ */

/* The first entry whose name is not below `name`. */
static size_t lower_bound(const struct ustar *ustar, const char *name)
{
    size_t low = 0, high = ustar->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(ustar_name(ustar, &ustar->entries[middle]), name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct ustar_entry *ustar_find(const struct ustar *ustar, const char *name)
{
    size_t i = lower_bound(ustar, name);
    if (i == ustar->count || strcmp(ustar_name(ustar, &ustar->entries[i]), name) != 0)
        return NULL;
    return &ustar->entries[i];
}

size_t ustar_child(const struct ustar *ustar, const struct ustar_entry *directory, size_t from)
{
    const char *prefix = ustar_name(ustar, directory);
    size_t length = directory->length, first = (size_t)(directory - ustar->entries) + 1;
    for (size_t i = from > first ? from : first; i < ustar->count; i++) {
        const char *name = ustar_name(ustar, &ustar->entries[i]);
        if (strncmp(name, prefix, length) != 0)
            break;
        if (length > 0 && name[length] != '/')
            continue; /* "a.b" sorts between "a" and "a/b" */
        if (strchr(name + length + (length > 0), '/') == NULL)
            return i;
    }
    return ustar->count;
}

const char *ustar_base(const struct ustar *ustar, const struct ustar_entry *entry)
{
    const char *name = ustar_name(ustar, entry), *slash = strrchr(name, '/');
    return slash == NULL ? name : slash + 1;
}
