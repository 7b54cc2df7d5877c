/* SPDX-License-Identifier: MIT */
/* Checks in guest programs: a line for every one that fails, and a count for the exit status. */
#ifndef TEST_GUEST_CHECK_H
#define TEST_GUEST_CHECK_H

#include <errno.h>
#include <stdio.h>
#include <string.h>

extern int check_failures;

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            printf("FAILED %s:%d: %s (errno: %s)\n", __FILE__, __LINE__, #condition,          \
                   strerror(errno));                                                               \
            check_failures++;                                                                      \
        }                                                                                          \
    } while (0)

struct check_case {
    const char *name;
    void (*run)(void);
};

/* Runs those named in argv, or all. */
int check_main(const struct check_case *cases, int argc, char **argv);

#endif
