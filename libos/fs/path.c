/* SPDX-License-Identifier: MIT */
/*
 * Paths as text: making them absolute and normal. Asks no filesystem.
 */
#include <errno.h>
#include <string.h>

#include "fs_internal.h"

/* Takes the last name off. */
static size_t parent(const char *out, size_t length)
{
    while (length > 0 && out[--length] != '/')
        continue;
    return length;
}

/* Appends the names of `path` to out[0..length); the root is the empty string here. */
static int append(char *out, size_t *length, const char *path)
{
    while (*path != '\0') {
        size_t name = strcspn(path, "/");
        if (name == 2 && path[0] == '.' && path[1] == '.') {
            *length = parent(out, *length);
        } else if (name > 0 && !(name == 1 && path[0] == '.')) {
            if (*length + name + 2 > FS_PATH_MAX)
                return -ENAMETOOLONG;
            out[(*length)++] = '/';
            memcpy(out + *length, path, name);
            *length += name;
        }
        path += name;
        path += *path == '/';
    }
    return 0;
}

int path_normalize(const char *directory, const char *path, char out[FS_PATH_MAX])
{
    size_t length = 0;
    int error = 0;
    if (path[0] == '\0')
        return -ENOENT;
    if (path[0] != '/')
        error = append(out, &length, directory);
    if (error == 0)
        error = append(out, &length, path);
    if (length == 0)
        out[length++] = '/';
    out[length] = '\0';
    return error;
}
