/* SPDX-License-Identifier: MIT */
/*
 * The manifest: which programs the machine runs and what each of them is given.
 * Parses text into one fixed-size structure and checks it as a whole. Hardware-
 * free and without allocation; the format is described in docs/manifest.md.
 */
#ifndef INIT_MANIFEST_H
#define INIT_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MANIFEST_PROGRAMS 24u
#define MANIFEST_NAME 16u      /* with its NUL; a console label has as many characters */
#define MANIFEST_PATH 100u     /* what an archive's name field holds */
#define MANIFEST_WORDS 32u     /* in a line, its first word included */
#define MANIFEST_STRINGS 2048u /* of arguments and environment of one program */
#define MANIFEST_BYTES 65536u  /* of the whole text */
#define MANIFEST_CHILDREN 60u  /* programs that programs may start */
#define MANIFEST_SLOTS 32u     /* CPU time slots in the cycle */
#define MANIFEST_CHANNELS 32u
#define MANIFEST_ENDS 8u       /* of channels, in one program */

enum manifest_expect {
    EXPECT_RUN,   /* keeps running; ending with status 0 is fine too */
    EXPECT_EXIT,  /* ends by itself with `expect_status` */
    EXPECT_CRASH, /* faults */
    EXPECT_STOP,  /* faults so deeply that the kernel stops it */
};

struct manifest_net {
    bool present, dhcp, broadcast;
    uint8_t mac[6];
    uint8_t prefix;                   /* of the address; 0 with DHCP */
    uint32_t address, gateway, dns;   /* network byte order; 0: not given */
};

struct manifest_program {
    char name[MANIFEST_NAME];
    char file[MANIFEST_PATH];
    unsigned line;
    uint64_t frames;     /* quota */
    uint64_t reclaim;    /* frames asked back from it; 0: none */
    unsigned reclaim_after, reclaim_within; /* ms after the start, and how much later by force */
    unsigned children;   /* programs it may start, theirs included */
    unsigned slots;      /* 0: an equal share of what others leave */
    struct manifest_net net;
    bool archive, console;
    enum manifest_expect expect;
    int expect_status;
    bool ends;           /* the machine may end once this one (and the others marked so) has */
    unsigned argc, envc; /* argv[0] is the name */
    unsigned strings_bytes;
    char strings[MANIFEST_STRINGS]; /* argc + envc of them, each with its NUL */
    uint32_t seen;       /* words used so far, to refuse a second one */
};

struct manifest_channel {
    char name[MANIFEST_NAME], from[MANIFEST_NAME], to[MANIFEST_NAME]; /* its own; of programs */
    unsigned line;
    unsigned sender, receiver; /* index in program[] */
    unsigned places, frames;   /* messages; frames in one */
};

struct manifest {
    unsigned count, channel_count;
    unsigned table_ms;   /* how often the resource table is shown; 0: in crash reports only */
    bool end_when;       /* some programs have `ends`; otherwise all must end */
    struct manifest_program program[MANIFEST_PROGRAMS];
    struct manifest_channel channel[MANIFEST_CHANNELS];
};

struct manifest_error {
    unsigned line; /* 0: of the whole text */
    char text[160];
};

/* Parses `length` bytes of text. False with the first error. */
bool manifest_parse(struct manifest *manifest, const char *text, size_t length,
                    struct manifest_error *error);

/* Part of manifest_parse(): has every program what it can't do without? */
bool manifest_complete(const struct manifest *manifest, struct manifest_error *error);

/* What a machine has to give away. */
struct manifest_supply {
    uint64_t frames;
    unsigned slots, places; /* CPU time slots; programs, theirs included */
};

/* Does the machine have what it gives away? Also shares out the slots that nobody asked for, so that
 * every program has some. */
bool manifest_fit(struct manifest *manifest, const struct manifest_supply *supply,
                  struct manifest_error *error);

#endif
