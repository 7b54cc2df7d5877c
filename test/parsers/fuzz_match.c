/* SPDX-License-Identifier: MIT */
/*
 * The match engine against its definitions: matches of any bits are compared in pairs, put into a table as a queue's
 * parent does, and packets are looked up there and in a plain list. Bytes of the input come in turn: a match is {how
 * many checked bytes, then for each its place, mask and value}.
 */
#include "../../exo/net/match.h"
#include "fuzz.h"

#define NODES 24u

static const uint8_t *input;
static size_t left;

static uint8_t next(void) { return left ? (left--, *input++) : 0; }

static struct exo_match match_make(void)
{
    struct exo_match match;
    memset(&match, 0, sizeof match);
    for (unsigned count = next() % 9; count > 0; count--) {
        unsigned at = next() % EXO_MATCH_BYTES;
        match.mask[at] = next();
        match.value[at] = next();
        if (next() % 8) /* most are valid */
            match.value[at] &= match.mask[at];
    }
    return match;
}

static bool fits(const struct exo_match *match, const uint8_t *packet, uint32_t length)
{
    for (unsigned i = 0; i < EXO_MATCH_BYTES; i++)
        if (((i < length ? packet[i] : 0) & match->mask[i]) != match->value[i])
            return false;
    return true;
}

static void check_pair(const struct exo_match *a, const struct exo_match *b)
{
    uint8_t both[EXO_MATCH_BYTES]; /* fits both, if anything does */
    bool apart = false, stricter = true;
    for (unsigned i = 0; i < EXO_MATCH_BYTES; i++) {
        both[i] = a->value[i] | b->value[i];
        apart |= a->mask[i] & b->mask[i] & (a->value[i] ^ b->value[i]);
        stricter &= !(b->mask[i] & ~a->mask[i]) && !((a->value[i] ^ b->value[i]) & b->mask[i]);
    }
    HOLDS(match_disjoint(a, b) == apart && match_disjoint(b, a) == apart);
    HOLDS(match_stricter(a, b) == stricter);
    HOLDS(apart == !(fits(a, both, sizeof both) && fits(b, both, sizeof both)));
}

static unsigned table_fill(struct match_table *table, struct exo_match *match, struct match_node *node)
{
    unsigned count = 0;
    match_table_init(table);
    for (unsigned tries = 0; tries < NODES && left; tries++) {
        struct exo_match made = match_make();
        bool valid = true, overlaps = false;
        for (unsigned i = 0; i < EXO_MATCH_BYTES; i++)
            valid &= !(made.value[i] & ~made.mask[i]);
        HOLDS(match_valid(&made) == valid);
        for (unsigned i = 0; i < count && valid; i++) {
            check_pair(&made, &match[i]);
            overlaps |= !match_disjoint(&made, &match[i]);
        }
        if (!valid)
            continue;
        HOLDS(match_table_overlaps(table, &made) == overlaps);
        if (overlaps || !match_table_room(table, &made, 1))
            continue;
        match[count] = made;
        node[count] = (struct match_node){.match = &match[count], .owner = &match[count]};
        match_table_add(table, &node[count]);
        count++;
    }
    return count;
}

static void look_up(const struct match_table *table, const struct exo_match *match, const bool *there, unsigned count,
                    const uint8_t *packet, uint32_t length)
{
    const void *expected = NULL;
    for (unsigned i = 0; i < count; i++) {
        bool one = fits(&match[i], packet, length);
        HOLDS(match_fits(&match[i], match_words(&match[i]), packet, length) == one);
        if (one && there[i]) {
            HOLDS(!expected); /* they are disjoint */
            expected = &match[i];
        }
    }
    HOLDS(match_table_find(table, packet, length) == expected);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    static struct exo_match match[NODES];
    struct match_node node[NODES];
    struct match_table table;
    bool there[NODES];
    input = bytes, left = count;
    unsigned made = table_fill(&table, match, node);
    memset(there, true, sizeof there);
    for (unsigned round = 0; round < 2 * made; round++) {
        unsigned which = next() % made;
        uint32_t length = next() % 4 ? EXO_MATCH_BYTES : next() % (EXO_MATCH_BYTES + 1);
        uint8_t packet[EXO_MATCH_BYTES];
        memcpy(packet, match[which].value, sizeof packet);
        packet[next() % EXO_MATCH_BYTES] ^= next();
        uint8_t *exact = copy_of(packet, length);
        look_up(&table, match, there, made, exact, length);
        free(exact);
        uint32_t first = next() % 200, some = next() % 200;
        bool checked = false;
        for (uint32_t i = first; i < first + some && i < EXO_MATCH_BYTES; i++)
            checked |= match[which].mask[i];
        HOLDS(match_checks(&match[which], first, some) == checked);
        if (next() % 4 == 0 && there[which]) {
            match_table_remove(&table, &node[which]);
            there[which] = false;
        }
    }
    return 0;
}
