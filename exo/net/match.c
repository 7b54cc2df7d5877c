/* SPDX-License-Identifier: MIT */
/*
 * Matches and the table over them: see match.h. Works on 8 bytes at a time and
 * looks only at the words of a packet that a mask touches.
 */
#include "match.h"

#include <stddef.h>

#define WORDS (EXO_MATCH_BYTES / 8u)

static uint64_t word_at(const uint8_t *bytes, unsigned index)
{
    uint64_t word;
    __builtin_memcpy(&word, bytes + 8u * index, 8);
    return word;
}

/* The same of a packet that may end before or inside the word. */
static uint64_t packet_word(const uint8_t *packet, uint32_t length, unsigned index)
{
    uint32_t start = 8u * index;
    if (length >= start + 8u)
        return word_at(packet, index);
    uint64_t word = 0;
    for (uint32_t i = start; i < length; i++)
        word |= (uint64_t)packet[i] << 8 * (i - start); /* little-endian, as word_at() reads */
    return word;
}

uint16_t match_words(const struct exo_match *match)
{
    unsigned words = 0;
    for (unsigned i = 0; i < WORDS; i++)
        if (word_at(match->mask, i))
            words |= 1u << i;
    return (uint16_t)words;
}

bool match_valid(const struct exo_match *match)
{
    uint64_t outside = 0;
    for (unsigned i = 0; i < WORDS; i++)
        outside |= word_at(match->value, i) & ~word_at(match->mask, i);
    return outside == 0;
}

bool match_stricter(const struct exo_match *inner, const struct exo_match *outer)
{
    for (unsigned i = 0; i < WORDS; i++) {
        uint64_t mask = word_at(outer->mask, i);
        if (mask & ~word_at(inner->mask, i))
            return false;
        if (mask & (word_at(inner->value, i) ^ word_at(outer->value, i)))
            return false;
    }
    return true;
}

bool match_disjoint(const struct exo_match *one, const struct exo_match *other)
{
    for (unsigned i = 0; i < WORDS; i++)
        if (word_at(one->mask, i) & word_at(other->mask, i)
            & (word_at(one->value, i) ^ word_at(other->value, i)))
            return true;
    return false;
}

bool match_fits(const struct exo_match *match, uint16_t words, const uint8_t *packet,
                uint32_t length)
{
    for (unsigned left = words; left; left &= left - 1) {
        unsigned i = (unsigned)__builtin_ctz(left);
        if ((packet_word(packet, length, i) & word_at(match->mask, i)) != word_at(match->value, i))
            return false;
    }
    return true;
}

bool match_checks(const struct exo_match *match, uint32_t first, uint32_t count)
{
    for (uint32_t i = first; i < first + count && i < EXO_MATCH_BYTES; i++)
        if (match->mask[i])
            return true;
    return false;
}

/* ---- the table ----------------------------------------------------------- */

static uint64_t hash_step(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * 0x9e3779b97f4a7c15ull; /* 2^64 over the golden ratio */
    return hash ^ hash >> 32;
}

static unsigned bucket_of(uint64_t hash)
{
    return (unsigned)(hash % MATCH_BUCKETS);
}

/* Same values hash differently under different masks, or one value could crowd a bucket. */
static uint64_t hash_packet(unsigned index, const struct exo_match *match, unsigned words,
                            const uint8_t *packet, uint32_t length)
{
    uint64_t hash = index + 1;
    for (; words; words &= words - 1) {
        unsigned i = (unsigned)__builtin_ctz(words);
        hash = hash_step(hash, packet_word(packet, length, i) & word_at(match->mask, i));
    }
    return hash;
}

static bool same_mask(const struct exo_match *one, const struct exo_match *other)
{
    return __builtin_memcmp(one->mask, other->mask, EXO_MATCH_BYTES) == 0;
}

static const struct match_node *mask_first(const struct match_mask *mask)
{
    return LIST_ENTRY(mask->nodes.head.next, struct match_node, same);
}

static int mask_find(const struct match_table *table, const struct exo_match *match)
{
    for (unsigned used = table->used; used; used &= used - 1) {
        int i = __builtin_ctz(used);
        if (same_mask(mask_first(&table->mask[i])->match, match))
            return i;
    }
    return -1;
}

void match_table_init(struct match_table *table)
{
    table->used = 0;
    for (unsigned i = 0; i < MATCH_MASKS; i++)
        list_init(&table->mask[i].nodes);
    for (unsigned i = 0; i < MATCH_BUCKETS; i++)
        table->bucket[i] = NULL;
}

bool match_table_overlaps(const struct match_table *table, const struct exo_match *match)
{
    for (unsigned used = table->used; used; used &= used - 1) {
        const struct list *nodes = &table->mask[__builtin_ctz(used)].nodes;
        for (struct list_node *at = nodes->head.next; at != &nodes->head; at = at->next)
            if (!match_disjoint(LIST_ENTRY(at, struct match_node, same)->match, match))
                return true;
    }
    return false;
}

bool match_table_room(const struct match_table *table, const struct exo_match *matches,
                      unsigned count)
{
    unsigned needed = 0;
    for (unsigned i = 0; i < count; i++) {
        bool known = mask_find(table, &matches[i]) >= 0;
        for (unsigned j = 0; j < i && !known; j++)
            known = same_mask(&matches[j], &matches[i]);
        needed += !known;
    }
    return needed + (unsigned)__builtin_popcount(table->used) <= MATCH_MASKS;
}

void match_table_add(struct match_table *table, struct match_node *node)
{
    int found = mask_find(table, node->match);
    if (found < 0) {
        found = __builtin_ctz(~(unsigned)table->used); /* match_table_room() saw a free one */
        table->used = (uint16_t)(table->used | 1u << found);
        table->mask[found].words = match_words(node->match);
    }
    struct match_mask *mask = &table->mask[found];
    node->mask = (uint8_t)found;
    node->hash = hash_packet((unsigned)found, node->match, mask->words, node->match->value,
                             EXO_MATCH_BYTES);
    list_push(&mask->nodes, &node->same);
    node->next = table->bucket[bucket_of(node->hash)];
    table->bucket[bucket_of(node->hash)] = node;
}

void match_table_remove(struct match_table *table, struct match_node *node)
{
    struct match_node **at = &table->bucket[bucket_of(node->hash)];
    while (*at != node)
        at = &(*at)->next;
    *at = node->next;
    list_remove(&node->same);
    if (list_empty(&table->mask[node->mask].nodes))
        table->used = (uint16_t)(table->used & ~(1u << node->mask));
}

void *match_table_find(const struct match_table *table, const uint8_t *packet, uint32_t length)
{
    for (unsigned used = table->used; used; used &= used - 1) {
        unsigned i = (unsigned)__builtin_ctz(used);
        const struct match_mask *mask = &table->mask[i];
        uint64_t hash = hash_packet(i, mask_first(mask)->match, mask->words, packet, length);
        const struct match_node *node = table->bucket[bucket_of(hash)];
        for (; node; node = node->next)
            if (node->hash == hash && node->mask == i &&
                match_fits(node->match, mask->words, packet, length))
                return node->owner;
    }
    return NULL;
}
