/* SPDX-License-Identifier: MIT */
/*
 * The frame table: one struct frame for every physical page, indexed by frame
 * number, and the buddy allocator that keeps the free ones. Who may write,
 * read, own or free a frame is decided from this table and nowhere else.
 */
#ifndef EXO_FRAME_H
#define EXO_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "number.h"

/* A frame number that was checked: below frame_count. Numbers from a program
 * become one only through frame_checked() or frame_owned(). */
typedef struct {
    uint32_t number;
} frame_t;

enum frame_state {
    FRAME_ABSENT, /* no RAM there, or the firmware's: never handed out */
    FRAME_FREE,
    FRAME_OWNED,
    FRAME_FROZEN,
    FRAME_TABLE,
    FRAME_KERNEL,
};

/* What a KERNEL frame holds. */
enum frame_kind {
    KIND_NONE,
    KIND_BOOT,  /* kernel image, frame table, drivers' buffers: never freed */
    KIND_ENV,   /* an object: env.h */
    KIND_QUEUE, /* an object: net/queue.h */
    KIND_PART,  /* part of an environment: handle table, vector state */
    KIND_INFO,  /* its owner may map it read-only, like CQ */
    KIND_CQ,
    KIND_SLOTS, /* plan slots */
    KIND_CHANNEL, /* an object: channel.h */
    KIND_SENT,  /* a message's: with a parked SEND (on its sender's list) or in a channel's place (on none) */
};

#define FRAME_ORDERS 11u /* runs of 1 << 0 .. 1 << 10 frames */
#define FRAME_NONE 0u    /* frame 0 is never handed out, so 0 ends lists */

struct frame {
    uint8_t state; /* enum frame_state */
    uint8_t kind;  /* enum frame_kind; of a FREE run's first frame: its order + 1, else 0 */
    uint16_t owner; /* env index; 0 is the kernel */
    uint16_t pins;  /* rings, DMA */
    uint16_t writable; /* writable mappings; of a TABLE: entries in use */
    uint32_t rights;  /* mappings (of a frozen frame: all rights) */
    uint32_t next, prev; /* in the owner's list, or the list of free runs of one order */
    uint64_t generation; /* a flush epoch (flush.h): when the last object in it ended, or a mapping of it went */
};

_Static_assert(sizeof(struct frame) == 32, "kept small: one for every page of the machine");

extern struct frame *frames; /* [frame_count] */
extern uint32_t frame_count;
extern uint32_t frames_free; /* now */

/* Memory of a frame, through the kernel's own map of all memory. */
void *frame_memory(frame_t frame);

/* Sets up an empty table over `memory` (frame_count entries, zeroed by the call, every frame ABSENT). */
void frame_table_init(struct frame *memory, uint32_t count);
/* Adds [first, first + count) to the free frames. They must be ABSENT. */
void frame_add_free(uint32_t first, uint32_t count);
/* Marks ABSENT frames as the kernel's for good (image, archive, table). */
void frame_reserve(uint32_t first, uint32_t count);

/* Takes a run: count frames aligned to 1 << align, at `wanted` or (EXO_ANY) anywhere.
 * They are nobody's and on no list yet: frame_own() puts them there.
 * 0, or -EXO_E_NO_FRAMES, -EXO_E_RANGE. Contents are whatever was there. */
int frame_take(uint32_t count, unsigned align, number_t wanted, frame_t *first);
/* A run goes back to the free frames; it must be on no list, without rights and pins. */
void frame_release(frame_t first, uint32_t count);

struct env;
/* Puts a frame on an environment's list, charged to it / takes it off. State is the caller's business. */
void frame_own(struct env *env, frame_t frame, enum frame_state state, enum frame_kind kind);
void frame_disown(struct env *env, frame_t frame);

static inline struct frame *frame_entry(frame_t frame) { return &frames[frame.number]; }

/* The only door for numbers from a program: true if [number, number + count) exists. */
bool frame_checked(number_t number, uint64_t count, frame_t *first);
/* 0 if all are OWNED by env, else -EXO_E_FRAME. At most 16 are looked at by a caller's step. */
int frame_owned(const struct env *env, number_t number, uint64_t count, frame_t *first);

#endif
