/* SPDX-License-Identifier: MIT */
/*
 * A machine so small that all that can happen on it can be looked at: three environments, four frames to play with, a
 * network device that holds two packets. The kernel's own code runs on it. All of its state is an image of some 10 KiB
 * that is saved, loaded and compared whole: the statics of this program, and the used parts of its frames.
 * So whatever is not part of the state must not be a static variable.
 */
#ifndef BOUNDARY_MACHINE_H
#define BOUNDARY_MACHINE_H

#include <stdnoreturn.h>

#include "../../../exo/core.h"
#include "../../../exo/env.h"
#include "../../../exo/frame.h"
#include "../../../exo/space.h"

enum role { PARENT, FIRST, SECOND, ROLES }; /* SECOND is a child of PARENT, or of FIRST */

/* What an environment is made of: one run of frames, always the same for each role. */
enum part {
    PART_ENV, PART_HANDLES, PART_VECTOR, PART_INFO, PART_ROOT, /* EXO_ENV_FRAMES */
    PART_CONTROL, PART_SQ, PART_CQ, PART_SLOTS,
    PART_LEVEL3, PART_LEVEL2, PART_LEVEL1, PARTS,
};

#define FRAMES 72u
#define KERNEL_ROOT 1u
#define NIC_ROOT 2u
#define BLOCK(role) (8u + 16u * (role))
#define PLAYS 4u
#define PLAY(i) (64u + 2u * (i)) /* apart, so that each is like every other */

/* Three pages: two in a table that is there, one whose table is missing at first. */
#define PAGES 3u
#define BASE 0x8000000000ull
#define TABLE_B (BASE + 0x200000)
#define PAGE_ADDRESS(page) ((page) < 2 ? BASE + (page) * 0x1000ull : TABLE_B)

#define WORDS 8u           /* at the front of a frame: all that is used of a table */
#define PLAY_WORDS 24u     /* of a play frame, which can be a channel of two places */
#define HANDLES 8u         /* places of a handle table, from 1 on */
#define POISON 0x5b5b5b5b5b5b5b5bull /* present, if it were a table's entry */
#define SLOTS 2u           /* plan slots of an environment */
#define FOREVER 128u       /* completions: a ring that is never full */

struct limits {
    uint16_t quota[ROLES]; /* frames beyond those it is made of */
    uint16_t ring;         /* completions */
    uint16_t slack;        /* what a maker has besides, to build a child with */
    bool chain;            /* SECOND is FIRST's child */
    bool nic;
    bool late;             /* cores acknowledge flushes as moves of their own; else at once */
};

/* What the device reads. */
struct sent {
    uintptr_t owner;
    uint32_t count, frame[2];
};

#define DEVICE_PACKETS 2u

struct device {
    struct sent sent[DEVICE_PACKETS];
    uint32_t count;
    bool done, packet;
};

/* Two cores: the flush epoch that each has passed. */
#define CORES 2u
extern uint64_t core_passed[CORES];
extern bool cores_late;
/* Has that core forgotten what mappings of the frame it knew? */
static inline bool core_forgot(unsigned core, const struct frame *frame)
{
    return !cores_late || frame->generation <= core_passed[core];
}

extern struct device device;
extern uint64_t machine_now;
extern unsigned machine_look; /* the core is wanted at that look; 0: never */

/* An empty machine with PARENT running on it; the blocks of the others lie outside. */
void machine_start(const struct limits *limits);
/* Makes an environment's block free memory, or takes it out again. */
void block_add(enum role role);
void block_remove(enum role role);

/* The environment, or NULL. Its place in envs[] is not always the same. */
struct env *role_env(enum role role);
enum role env_role(const struct env *env);
/* What the limits of all add up to. */
uint32_t machine_quota(void);
/* Nobody is to be built any more. */
#define BUILD_SLACK (PARTS - EXO_ENV_FRAMES)
void slack_drop(void);
/* Play frame's index, or -1. */
static inline int play_index(uint32_t frame)
{
    return frame >= PLAY(0) && frame < FRAMES && frame % 2 == 0 ? (int)(frame - PLAY(0)) / 2 : -1;
}
static inline uint64_t *frame_words(uint32_t frame) { return frame_memory((frame_t){frame}); }
/* The channel that a play frame is, or NULL. */
struct channel *play_channel(unsigned i);
/* The device's queue, or NULL. */
const struct queue *machine_queue(void);
/* Plan slot `i` of an environment. */
struct plan *slot_plan(enum role role, unsigned i);

/* The image. */
size_t image_size(void);
void image_save(void *to);
void image_load(const void *from);
bool image_equal(const void *to);

/* Something does not hold: said with what led here (search.c). */
noreturn void violated(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define RULE(condition, ...)                                                                       \
    do {                                                                                           \
        if (!(condition))                                                                          \
            violated(__VA_ARGS__);                                                                 \
    } while (0)

#endif
