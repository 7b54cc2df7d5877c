/* SPDX-License-Identifier: MIT */
/*
 * Matches over the first bytes of a packet, and the table that finds the one a
 * packet fits. Hardware-free and without memory of its own: nodes live inside the
 * objects that are looked up. Knows no protocol.
 */
#ifndef EXO_MATCH_H
#define EXO_MATCH_H

#include <exo/abi.h>
#include <stdbool.h>
#include <stdint.h>

#include "../list.h"

/* Fixed bounds of one table: a look-up costs at most MATCH_MASKS hashes. */
#define MATCH_MASKS 16u
#define MATCH_BUCKETS 64u

/* No value bit outside the mask: such a match would fit nothing. */
bool match_valid(const struct exo_match *match);
/* Everything that fits `inner` also fits `outer`: mask a superset, values equal. */
bool match_stricter(const struct exo_match *inner, const struct exo_match *outer);
/* No packet fits both: m1 & m2 & (v1 ^ v2) is not zero. */
bool match_disjoint(const struct exo_match *one, const struct exo_match *other);
/* Which words a mask touches: bit i for the i-th 8 bytes. */
uint16_t match_words(const struct exo_match *match);
/* Bytes past the packet's end count as 0. `words` is what match_words() said. */
bool match_fits(const struct exo_match *match, uint16_t words, const uint8_t *packet,
                uint32_t length);
/* One of the bytes [first, first + count) has a checked bit. */
bool match_checks(const struct exo_match *match, uint32_t first, uint32_t count);

/* A match's place in a table. */
struct match_node {
    const struct exo_match *match; /* must stay where it is while the node is in a table */
    void *owner;                   /* what a look-up is for */
    struct match_node *next;       /* in its bucket */
    struct list_node same;         /* others with the same mask */
    uint64_t hash;
    uint8_t mask; /* index of its mask in the table */
};

struct match_mask {
    struct list nodes; /* all with this mask; the first one's is looked at */
    uint16_t words;
};

/*
 * Owners in one table have pairwise disjoint matches, so at most one owner fits a
 * packet and the order of look-ups does not matter.
 */
struct match_table {
    uint16_t used; /* bit i: mask[i] is in use */
    struct match_mask mask[MATCH_MASKS];
    struct match_node *bucket[MATCH_BUCKETS];
};

void match_table_init(struct match_table *table);
/* True if something in the table is not disjoint from `match`. */
bool match_table_overlaps(const struct match_table *table, const struct exo_match *match);
/* True if the table has room for the distinct masks of these matches. */
bool match_table_room(const struct match_table *table, const struct exo_match *matches,
                      unsigned count);
/* The caller made sure of room; node->match and node->owner are set. */
void match_table_add(struct match_table *table, struct match_node *node);
void match_table_remove(struct match_table *table, struct match_node *node);
/* Whose match the packet fits, or NULL. */
void *match_table_find(const struct match_table *table, const uint8_t *packet, uint32_t length);

#endif
