/* SPDX-License-Identifier: MIT */
/* Runs cases by name and counts failures. */
#include "check.h"

int check_failures;

int check_main(const struct check_case *cases, int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0); /* what was said before a crash must be heard */
    for (const struct check_case *c = cases; c->name != NULL; c++) {
        int wanted = argc < 2;
        for (int i = 1; i < argc; i++)
            wanted |= strcmp(argv[i], c->name) == 0;
        if (!wanted)
            continue;
        int before = check_failures;
        c->run();
        printf("%s %s\n", check_failures == before ? "ok" : "FAILED", c->name);
    }
    return check_failures != 0;
}
