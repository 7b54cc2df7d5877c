/* SPDX-License-Identifier: MIT */
/* A program of the manifest on its way through life. */
#ifndef INIT_CHILD_H
#define INIT_CHILD_H

#include <libos/plan.h>
#include <libos/start.h>
#include <stdbool.h>

#include "elf.h"
#include "manifest.h"

struct child {
    const struct manifest_program *program;
    const uint8_t *file; /* its ELF file, where it lies in the archive */
    size_t file_bytes;
    struct elf_program elf;
    uint32_t env; /* handle */
    unsigned channel_count; /* ends of channels */
    struct start_channel channel[START_CHANNELS];
    bool ended, failed;
    /* How it stopped: reason and two words, as ENV_WAIT tells. */
    struct plan_run wait;
    struct plan_result result[3];
    struct plan_run reclaim; /* of memory that is asked back */
    struct plan_result reclaimed[2];
    bool reclaim_said;
};

/* Checks the program's file and whether its memory can hold it and `more` frames; gives up with a message. */
void child_check(struct child *child, uint64_t archive_pages, uint64_t more);

/* Makes the environment, with nothing in it yet. */
void child_make(struct child *child);

/* Fills it with everything the manifest grants, but for CPU time; not started. */
void child_build(struct child *child, const void *archive, uint64_t archive_bytes);

/* The next `count` CPU slots go to it. */
void child_start(struct child *child);

/* Ends it and takes back what it had. False if something is missing then. */
bool child_reap(struct child *child);

#endif
