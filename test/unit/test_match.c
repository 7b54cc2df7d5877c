/* SPDX-License-Identifier: MIT */
/*
 * Matches, their table, and the tree of queues over them: what fits what, what is refused,
 * who gets a packet, and that ending a queue gives everything back. Frames and
 * operations are stand-ins.
 */
#include <stdlib.h>
#include <string.h>

#include "suite.h"
#include "../../exo/net/match.c"
#include "../../exo/net/queue.c"

uint64_t flush_epoch;

/* ---- stand-ins ------------------------------------------------------------- */

#define TEST_FRAMES 400u

static uint8_t memory[TEST_FRAMES][EXO_PAGE_SIZE] __attribute__((aligned(4096)));
static struct frame table[TEST_FRAMES];
static struct env payer;
static unsigned freed, aborted, attended;
static int abort_status;

struct frame *frames = table;
struct env *envs[ENV_MAX];

void *frame_memory(frame_t frame) { return memory[frame.number]; }
void frame_disown(struct env *env, frame_t frame) { (void)env, (void)frame; }
void env_uncharge(struct env *env, uint64_t n) { env->frames_used -= (uint32_t)n; }
void nic_attend(void) { attended++; }

void frame_release(frame_t frame, uint32_t count)
{
    ck_assert_uint_eq(count, 1);
    table[frame.number].state = FRAME_FREE;
    freed++;
    memset(memory[frame.number], 0xa5, EXO_PAGE_SIZE); /* later use is found out */
}

void net_rx_abort(struct op *op, int status)
{
    (void)op;
    aborted++;
    abort_status = status;
}

static struct queue *root;

static void setup(void)
{
    memset(table, 0, sizeof table);
    memset(&payer, 0, sizeof payer);
    payer.index = 1;
    envs[1] = &payer;
    list_init(&queues_broadcast);
    list_init(&live);
    list_init(&drained);
    list_init(&ended);
    freed = aborted = attended = 0;
    root = queue_root_init((frame_t){1});
}

/* ---- matches --------------------------------------------------------------- */

static struct exo_match match_at(unsigned offset, const void *bytes, unsigned count)
{
    struct exo_match match = {{0}, {0}};
    memset(match.mask + offset, 0xff, count);
    memcpy(match.value + offset, bytes, count);
    return match;
}

static struct exo_match match_byte(unsigned offset, uint8_t mask, uint8_t value)
{
    struct exo_match match = {{0}, {0}};
    match.mask[offset] = mask;
    match.value[offset] = value;
    return match;
}

START_TEST(test_valid)
{
    struct exo_match match = match_byte(127, 0x0f, 0x05);
    ck_assert(match_valid(&match));
    match.value[127] = 0x15;
    ck_assert(!match_valid(&match));
    match.value[127] = 0;
    match.value[3] = 1;
    ck_assert(!match_valid(&match));
}
END_TEST

START_TEST(test_stricter)
{
    struct exo_match any = {{0}, {0}}, outer = match_at(0, "abcdef", 6);
    struct exo_match inner = outer, other = match_at(0, "abcdeg", 6);
    inner.mask[12] = 0xff;
    inner.value[12] = 8;
    ck_assert(match_stricter(&outer, &any));
    ck_assert(match_stricter(&outer, &outer));
    ck_assert(match_stricter(&inner, &outer));
    ck_assert(!match_stricter(&outer, &inner));
    ck_assert(!match_stricter(&other, &outer));
    inner.mask[5] = 0x7f;
    ck_assert(!match_stricter(&inner, &outer));
}
END_TEST

START_TEST(test_disjoint)
{
    struct exo_match a = match_byte(20, 0xf0, 0x40), b = match_byte(20, 0x1f, 0x01);
    ck_assert(match_disjoint(&a, &b) == false); /* only bit 4 in common, 0 in both */
    b.value[20] = 0x11;
    ck_assert(match_disjoint(&a, &b));
    struct exo_match elsewhere = match_byte(21, 0xff, 1);
    ck_assert(!match_disjoint(&a, &elsewhere));
    ck_assert(!match_disjoint(&a, &a));
}
END_TEST

/* Disjointness by definition against every packet of one byte at two places. */
START_TEST(test_disjoint_exhaustive)
{
    srand(1);
    for (unsigned round = 0; round < 300; round++) {
        struct exo_match m[2];
        for (unsigned i = 0; i < 2; i++) {
            uint8_t mask = (uint8_t)rand();
            m[i] = match_byte(9, mask, (uint8_t)rand() & mask);
        }
        bool common = false, inside = true;
        for (unsigned value = 0; value < 256; value++) {
            uint8_t packet[10] = {[9] = (uint8_t)value};
            bool first = match_fits(&m[0], match_words(&m[0]), packet, 10), second = match_fits(&m[1], match_words(&m[1]), packet, 10);
            common |= first && second;
            inside &= !first || second;
        }
        ck_assert_int_eq(common, !match_disjoint(&m[0], &m[1]));
        if (inside) /* every mask bit is meaningful, so both notions agree */
            ck_assert(match_stricter(&m[0], &m[1]));
        else
            ck_assert(!match_stricter(&m[0], &m[1]));
    }
}
END_TEST

START_TEST(test_fits_short)
{
    uint8_t *packet = malloc(14); /* of exactly that size: the sanitizer watches its end */
    memset(packet, 0, 14);
    packet[13] = 7;
    struct exo_match last = match_byte(13, 0xff, 7), past = match_byte(14, 0xff, 0);
    struct exo_match never = match_byte(100, 0x01, 1);
    ck_assert(match_fits(&last, match_words(&last), packet, 14));
    ck_assert(!match_fits(&last, match_words(&last), packet, 13));
    ck_assert(match_fits(&past, match_words(&past), packet, 14));
    ck_assert(!match_fits(&never, match_words(&never), packet, 14));
    free(packet);
}
END_TEST

START_TEST(test_checks)
{
    struct exo_match match = match_byte(40, 0x80, 0);
    ck_assert(match_checks(&match, 39, 2));
    ck_assert(match_checks(&match, 40, 1));
    ck_assert(!match_checks(&match, 41, 2));
    ck_assert(!match_checks(&match, 38, 2));
    ck_assert(!match_checks(&match, 500, 2));
    ck_assert(!match_checks(&match, 127, 2));
}
END_TEST

/* ---- table ----------------------------------------------------------------- */

START_TEST(test_table)
{
    static struct match_table t;
    static struct exo_match match[200];
    static struct match_node node[200];
    match_table_init(&t);
    for (unsigned i = 0; i < 200; i++) { /* 16 masks that differ, values that differ */
        match[i] = match_byte(0, 0xff, (uint8_t)i);
        match[i].mask[8 + i % 16] = 0xff;
        node[i].match = &match[i];
        node[i].owner = &match[i];
        ck_assert(!match_table_overlaps(&t, &match[i]));
        ck_assert(match_table_room(&t, &match[i], 1));
        match_table_add(&t, &node[i]);
    }
    struct exo_match one_more = match_byte(100, 0xff, 1);
    ck_assert(!match_table_room(&t, &one_more, 1));
    ck_assert(match_table_overlaps(&t, &one_more));
    uint8_t packet[64] = {0};
    for (unsigned i = 0; i < 200; i++) {
        packet[0] = (uint8_t)i;
        ck_assert_ptr_eq(match_table_find(&t, packet, sizeof packet), &match[i]);
        ck_assert_ptr_eq(match_table_find(&t, packet, 1), &match[i]);
        packet[8 + i % 16] = 1;
        ck_assert_ptr_null(match_table_find(&t, packet, sizeof packet));
        packet[8 + i % 16] = 0;
    }
    for (unsigned i = 0; i < 200; i += 2)
        match_table_remove(&t, &node[i]);
    for (unsigned i = 0; i < 200; i++) {
        packet[0] = (uint8_t)i;
        ck_assert_ptr_eq(match_table_find(&t, packet, sizeof packet), i % 2 ? &match[i] : NULL);
    }
    ck_assert_uint_eq(t.used, 0xaaaa);
    ck_assert(match_table_room(&t, &one_more, 1));
    for (unsigned i = 1; i < 200; i += 2)
        match_table_remove(&t, &node[i]);
    ck_assert_uint_eq(t.used, 0);
    for (unsigned i = 0; i < MATCH_BUCKETS; i++)
        ck_assert_ptr_null(t.bucket[i]);
}
END_TEST

/* Two masks whose values hash alike: the hash is no secret, so whoever makes a queue can choose them so. */
START_TEST(test_same_hash)
{
    static struct match_table t;
    static struct match_node node[2];
    struct exo_match match[2] = {{{0}, {0}}, {{0}, {0}}};
    uint64_t value = 0x0102030405060708, other = value ^ 1 ^ 2; /* the hash begins with the mask's number and is a bijection of the word */
    match_table_init(&t);
    memset(match[0].mask, 0xff, 8);
    memcpy(match[0].value, &value, 8);
    memset(match[1].mask + 8, 0xff, 8);
    memcpy(match[1].value + 8, &other, 8);
    for (unsigned i = 0; i < 2; i++) {
        node[i].match = &match[i];
        node[i].owner = &match[i];
        match_table_add(&t, &node[i]);
    }
    ck_assert_uint_eq(node[0].hash, node[1].hash);
    uint8_t packet[64] = {0};
    memcpy(packet, &value, 8);
    ck_assert_ptr_eq(match_table_find(&t, packet, sizeof packet), &match[0]);
    memset(packet, 0, 8);
    memcpy(packet + 8, &other, 8);
    ck_assert_ptr_eq(match_table_find(&t, packet, sizeof packet), &match[1]);
}
END_TEST

/* ---- queues ---------------------------------------------------------------- */

static uint32_t next_frame = 2;

static struct queue *carve(struct queue *parent, const struct exo_queue_spec *spec)
{
    ck_assert_int_eq(queue_check(parent, spec), 0);
    frame_t frame = {next_frame++};
    table[frame.number] = (struct frame){.state = FRAME_KERNEL, .kind = KIND_QUEUE, .owner = 1};
    payer.frames_used++;
    struct queue *queue = queue_build(parent, spec, frame);
    queue_hold(frame, 0);
    return queue;
}

/* Receives and sends with this address, as init grants it. */
static struct exo_queue_spec spec_for(const char *mac)
{
    static struct exo_queue_spec spec;
    memset(&spec, 0, sizeof spec);
    spec.rx_count = spec.tx_count = 1;
    spec.rx[0] = match_at(0, mac, 6);
    spec.tx[0] = match_at(6, mac, 6);
    return spec;
}

static struct queue *who(const char *mac, uint8_t type)
{
    uint8_t packet[60] = {0};
    memcpy(packet, mac, 6);
    packet[12] = type;
    return queue_classify(root, packet, sizeof packet);
}

START_TEST(test_classify)
{
    setup();
    struct exo_queue_spec a = spec_for("\x02" "aaaaa"), b = spec_for("\x02" "bbbbb");
    struct queue *qa = carve(root, &a), *qb = carve(root, &b);
    ck_assert_ptr_eq(who("\x02" "aaaaa", 8), qa);
    ck_assert_ptr_eq(who("\x02" "bbbbb", 8), qb);
    ck_assert_ptr_eq(who("\x02" "ccccc", 8), root);
    struct exo_queue_spec inner = a;
    inner.rx[0].mask[12] = 0xff;
    inner.rx[0].value[12] = 6;
    struct queue *qi = carve(qa, &inner);
    ck_assert_ptr_eq(who("\x02" "aaaaa", 6), qi);
    ck_assert_ptr_eq(who("\x02" "aaaaa", 8), qa);
    ck_assert_ptr_eq(who("\x02" "bbbbb", 6), qb);
    queue_drop(qi->frame, 0);
    ck_assert_ptr_eq(who("\x02" "aaaaa", 6), qa);
    queue_drop(qa->frame, 0);
    ck_assert_ptr_eq(who("\x02" "aaaaa", 6), root);
    queue_drop(qb->frame, 0);
    ck_assert_uint_eq(freed, 3);
    ck_assert_uint_eq(payer.frames_used, 0);
    ck_assert_uint_eq(root->child_count, 0);
    ck_assert_uint_eq(root->table.used, 0);
}
END_TEST

START_TEST(test_refusals)
{
    setup();
    struct exo_queue_spec a = spec_for("\x02" "aaaaa"), spec = a;
    struct queue *qa = carve(root, &a);
    ck_assert_int_eq(queue_check(root, &a), -EXO_E_OVERLAP);
    spec.rx_count = 5;
    ck_assert_int_eq(queue_check(qa, &spec), -EXO_E_RANGE);
    spec = a;
    spec.tx_count = 5;
    ck_assert_int_eq(queue_check(qa, &spec), -EXO_E_RANGE);
    spec = a;
    spec.zero = 1;
    ck_assert_int_eq(queue_check(qa, &spec), -EXO_E_RANGE);
    spec = a;
    spec.flags = 2;
    ck_assert_int_eq(queue_check(qa, &spec), -EXO_E_RANGE);
    spec = a;
    spec.rx[0].value[100] = 1; /* outside its mask */
    ck_assert_int_eq(queue_check(qa, &spec), -EXO_E_RANGE);
    spec = spec_for("\x02" "bbbbb"); /* a neighbour's packets */
    ck_assert_int_eq(queue_check(qa, &spec), -EXO_E_RIGHT);
    spec = a;
    spec.tx[0] = match_at(6, "\x02" "bbbbb", 6); /* a neighbour's name */
    ck_assert_int_eq(queue_check(qa, &spec), -EXO_E_RIGHT);
    spec = a;
    spec.tx[0] = match_at(6, "\x02" "aaaa", 5); /* wider than the grant */
    ck_assert_int_eq(queue_check(qa, &spec), -EXO_E_RIGHT);
    spec = a;
    spec.flags = EXO_QUEUE_BROADCAST; /* which the parent lacks */
    ck_assert_int_eq(queue_check(qa, &spec), -EXO_E_RIGHT);
    queue_drop(qa->frame, 0);
}
END_TEST

START_TEST(test_bounds)
{
    setup();
    struct exo_queue_spec spec = spec_for("\x02" "aaaaa");
    spec.flags = EXO_QUEUE_BROADCAST;
    struct queue *deep = carve(root, &spec);
    for (unsigned i = 1; i < QUEUE_DEPTH; i++) /* all the same grant, each takes everything */
        deep = carve(deep, &spec);
    ck_assert_int_eq(queue_check(deep, &spec), -EXO_E_FULL);
    ck_assert_ptr_eq(who("\x02" "aaaaa", 0), deep);
    ck_assert_uint_eq(deep->top->broadcasts, QUEUE_BROADCASTS);
    /* Nobody makes everybody's packets dearer by more queues that want them, below one that has room for children too. */
    ck_assert_int_eq(queue_check(deep->parent, &spec), -EXO_E_FULL);
    spec.flags = 0;
    spec.rx_count = 0;
    ck_assert_int_eq(queue_check(deep->parent, &spec), 0);

    spec = spec_for("\x02" "bbbbb");
    struct queue *wide = carve(root, &spec);
    for (unsigned i = 0; i < QUEUE_CHILDREN; i++) {
        struct exo_queue_spec child = spec;
        child.rx[0].mask[20] = 0xff;
        child.rx[0].value[20] = (uint8_t)i;
        carve(wide, &child);
    }
    ck_assert_int_eq(queue_check(wide, &spec), -EXO_E_FULL);
    /* Ending both gives back all that was carved out of them, in bounded steps. */
    queue_end(deep->top);
    queue_end(wide);
    ck_assert_ptr_eq(who("\x02" "aaaaa", 0), root);
    unsigned rounds = 0;
    while (!queue_reap(10))
        rounds++;
    ck_assert_uint_gt(rounds, 5);
    ck_assert_uint_eq(freed, QUEUE_DEPTH + 1 + QUEUE_CHILDREN);
    ck_assert_uint_eq(payer.frames_used, 0);
    ck_assert(list_empty(&queues_broadcast));
}
END_TEST

START_TEST(test_masks)
{
    setup();
    struct exo_queue_spec spec = spec_for("\x02" "aaaaa");
    for (unsigned i = 0; i < MATCH_MASKS; i++) {
        spec.rx[0] = match_byte(0, 0xff, (uint8_t)(2 * i));
        spec.rx[0].mask[20 + i] = 0xff;
        carve(root, &spec);
    }
    spec.rx[0] = match_byte(0, 0xff, 200);
    ck_assert_int_eq(queue_check(root, &spec), -EXO_E_STATE);
    spec.rx[0].mask[20] = 0xff;
    ck_assert_int_eq(queue_check(root, &spec), 0);
}
END_TEST

START_TEST(test_death)
{
    setup();
    struct exo_queue_spec a = spec_for("\x02" "aaaaa");
    struct queue *qa = carve(root, &a), *qi = carve(qa, &a);
    frame_t fa = qa->frame, fi = qi->frame;
    static struct op waiter[40];
    for (unsigned i = 0; i < 40; i++)
        list_push(i < 20 ? &qa->parked : &qi->parked, &waiter[i].wait);
    queue_drop(fa, 1); /* an older handle's */
    ck_assert(!qa->ended);
    queue_drop(fa, 0);
    ck_assert_uint_eq(attended, 1); /* too much for one step */
    ck_assert_uint_eq(table[fa.number].generation, 1);
    queue_hold(fa, 0); /* nobody can revive it */
    ck_assert(queue_reap(1000));
    ck_assert_uint_eq(aborted, 40);
    ck_assert_int_eq(abort_status, -EXO_E_DEAD);
    ck_assert_uint_eq(freed, 2);
    queue_drop(fi, 0); /* a handle that outlived its queue */
    ck_assert_uint_eq(freed, 2);
}
END_TEST

START_TEST(test_kill_and_fail)
{
    setup();
    struct exo_queue_spec a = spec_for("\x02" "aaaaa"), b = spec_for("\x02" "bbbbb");
    struct queue *qa = carve(root, &a), *qb = carve(root, &b);
    frame_t fa = qa->frame;
    static struct op waiter[20];
    for (unsigned i = 0; i < 20; i++)
        list_push(i < 10 ? &qa->parked : &qb->parked, &waiter[i].wait);
    ck_assert(!queue_kill(fa, 5));
    ck_assert(queue_kill(fa, 16));
    ck_assert_uint_eq(aborted, 10);
    ck_assert(!queue_fail(3));
    ck_assert(queue_fail(1000));
    ck_assert_uint_eq(aborted, 20);
    ck_assert_int_eq(abort_status, -EXO_E_DEVICE);
    queue_drop(qb->frame, 0);
    ck_assert_uint_eq(freed, 2);
    ck_assert_uint_eq(payer.frames_used, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("match");
    TCase *matches = tcase_create("matches"), *queues = tcase_create("queues");
    tcase_add_test(matches, test_valid);
    tcase_add_test(matches, test_stricter);
    tcase_add_test(matches, test_disjoint);
    tcase_add_test(matches, test_disjoint_exhaustive);
    tcase_add_test(matches, test_fits_short);
    tcase_add_test(matches, test_checks);
    tcase_add_test(matches, test_table);
    tcase_add_test(matches, test_same_hash);
    tcase_add_test(queues, test_classify);
    tcase_add_test(queues, test_refusals);
    tcase_add_test(queues, test_bounds);
    tcase_add_test(queues, test_masks);
    tcase_add_test(queues, test_death);
    tcase_add_test(queues, test_kill_and_fail);
    suite_add_tcase(suite, matches);
    suite_add_tcase(suite, queues);
    return suite_run(suite);
}
