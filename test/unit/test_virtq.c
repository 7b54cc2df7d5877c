/* SPDX-License-Identifier: MIT */
/*
 * The driver's side of a virtio ring against a device that keeps to the rules and
 * devices that don't: whatever is written into the used ring, nothing but the chains
 * that were given comes back, each once.
 */
#include <stdlib.h>
#include <string.h>

#include "suite.h"
#include "../../exo/drivers/virtq.c"

#define SIZE 16u

static uint8_t memory[VIRTQ_BYTES] __attribute__((aligned(4096)));
static struct virtq queue;

static void fresh(bool event_index)
{
    memset(memory, 0, sizeof memory);
    virtq_init(&queue, memory, SIZE, event_index);
}

static uint16_t add(unsigned count)
{
    static const struct virtq_piece piece[8] = {{0x1000, 10, false}, {0x2000, 20, true}};
    uint16_t expected = virtq_head(&queue), head = virtq_add(&queue, piece, count);
    ck_assert_uint_eq(head, expected);
    return head;
}

/* The device's half. */
static void use(uint32_t id, uint32_t length)
{
    unsigned at = queue.used->index % SIZE;
    queue.used->ring[at].id = id;
    queue.used->ring[at].length = length;
    queue.used->index++;
}

START_TEST(test_round)
{
    fresh(true);
    uint32_t length;
    for (unsigned round = 0; round < 70000; round++) { /* the 16-bit indices wrap */
        uint16_t a = add(3), b = add(1), c = add(8);
        ck_assert_uint_eq(queue.free_count, SIZE - 12);
        ck_assert_uint_eq(queue.avail->index, (uint16_t)(3 * round + 3));
        ck_assert_uint_eq(queue.avail->ring[(uint16_t)(3 * round) % SIZE], a);
        ck_assert_uint_eq(virtq_take(&queue, &length), VIRTQ_NONE);
        use(c, 7);
        use(a, 8);
        ck_assert_uint_eq(virtq_take(&queue, &length), c);
        ck_assert_uint_eq(length, 7);
        ck_assert_uint_eq(virtq_take(&queue, &length), a);
        virtq_free(&queue, a);
        virtq_free(&queue, c);
        use(b, 0);
        ck_assert_uint_eq(virtq_take(&queue, &length), b);
        virtq_free(&queue, b);
        ck_assert_uint_eq(queue.free_count, SIZE);
        ck_assert_uint_eq(queue.in_device, 0);
        ck_assert_ptr_null(queue.broken);
    }
}
END_TEST

/* A chain that goes back to the device as it is: it has it again, once, and the ring is as full as it was. */
START_TEST(test_again)
{
    const unsigned before = 65000; /* the 16-bit indices wrap soon */
    fresh(true);
    uint32_t length;
    queue.avail_index = queue.used_index = queue.avail->index = queue.used->index = before;
    for (unsigned i = 0; i < SIZE; i++)
        add(1);
    for (unsigned round = 0; round < 1000; round++) {
        use((round * 7) % SIZE, 5);
        uint16_t head = virtq_take(&queue, &length);
        ck_assert_uint_eq(head, (round * 7) % SIZE);
        ck_assert_uint_eq(queue.in_device, SIZE - 1);
        virtq_again(&queue, head);
        ck_assert_uint_eq(queue.in_device, SIZE);
        ck_assert_uint_eq(queue.free_count, 0);
        ck_assert_uint_eq(queue.avail->ring[(before + round) % SIZE], head);
        ck_assert_uint_eq(queue.avail->index, (uint16_t)(before + SIZE + round + 1));
        ck_assert_uint_eq(queue.descriptors[head].address, 0x1000);
    }
    use(3, 0);
    ck_assert_uint_eq(virtq_take(&queue, &length), 3);
    use(3, 0); /* it has not gone back yet */
    ck_assert_uint_eq(virtq_take(&queue, &length), VIRTQ_NONE);
    ck_assert_ptr_nonnull(queue.broken);
}
END_TEST

START_TEST(test_chain)
{
    fresh(false);
    uint16_t head = add(2);
    const struct virtq_descriptor *first = &queue.descriptors[head];
    ck_assert_uint_eq(first->flags, F_NEXT);
    ck_assert_uint_eq(first->address, 0x1000);
    const struct virtq_descriptor *second = &queue.descriptors[first->next];
    ck_assert_uint_eq(second->flags, F_WRITE);
    ck_assert_uint_eq(second->length, 20);
}
END_TEST

START_TEST(test_lies)
{
    uint32_t length;
    fresh(true); /* a number outside the ring */
    add(1);
    use(SIZE, 0);
    ck_assert_uint_eq(virtq_take(&queue, &length), VIRTQ_NONE);
    ck_assert_ptr_nonnull(queue.broken);

    fresh(true); /* the middle of a chain */
    uint16_t head = add(3);
    use(queue.next[head], 0);
    ck_assert_uint_eq(virtq_take(&queue, &length), VIRTQ_NONE);
    ck_assert_ptr_nonnull(queue.broken);

    fresh(true); /* the same twice */
    head = add(1);
    add(1);
    use(head, 0);
    use(head, 0);
    ck_assert_uint_eq(virtq_take(&queue, &length), head);
    ck_assert_uint_eq(virtq_take(&queue, &length), VIRTQ_NONE);
    ck_assert_ptr_nonnull(queue.broken);

    fresh(true); /* more than it has */
    add(1);
    queue.used->index = 2;
    ck_assert_uint_eq(virtq_take(&queue, &length), VIRTQ_NONE);
    ck_assert_ptr_nonnull(queue.broken);

    fresh(true); /* an index that goes back */
    add(1);
    queue.used->index = 0xffff;
    ck_assert_uint_eq(virtq_take(&queue, &length), VIRTQ_NONE);
    ck_assert_ptr_nonnull(queue.broken);
    ck_assert_uint_eq(virtq_salvage(&queue), 0);
    ck_assert_uint_eq(virtq_salvage(&queue), VIRTQ_NONE);
}
END_TEST

/* Random rings, and random scribbling over all the memory that the device can write. */
START_TEST(test_scribble)
{
    srand(7);
    for (unsigned round = 0; round < 3000; round++) {
        fresh(round & 1);
        unsigned given = 0, returned = 0;
        uint32_t length;
        for (unsigned step = 0; step < 60; step++) {
            unsigned count = 1 + (unsigned)rand() % 4;
            if (queue.free_count >= count)
                add(count), given++;
            if (rand() % 4 == 0)
                use((uint32_t)rand() % (SIZE + 1), 0);
            if (rand() % 40 == 0)
                for (unsigned i = 0; i < sizeof memory; i++)
                    memory[i] = (uint8_t)rand();
            uint16_t head = virtq_take(&queue, &length);
            if (head != VIRTQ_NONE)
                virtq_free(&queue, head), returned++;
            virtq_needs_kick(&queue);
            virtq_interrupt_after(&queue, queue.in_device);
        }
        uint16_t head;
        while ((head = virtq_salvage(&queue)) != VIRTQ_NONE)
            virtq_free(&queue, head), returned++;
        ck_assert_uint_eq(given, returned);
        ck_assert_uint_eq(queue.free_count, SIZE);
    }
}
END_TEST

START_TEST(test_kick)
{
    fresh(true);
    ck_assert(!virtq_needs_kick(&queue));
    add(1);
    ck_assert(virtq_needs_kick(&queue)); /* avail_event 0: wants to hear of the first */
    ck_assert(!virtq_needs_kick(&queue));
    add(1);
    ck_assert(!virtq_needs_kick(&queue)); /* it did not move its wish: it is still looking */
    *avail_event(&queue) = 3;
    add(1);
    ck_assert(!virtq_needs_kick(&queue));
    add(1);
    ck_assert(virtq_needs_kick(&queue));
    fresh(false);
    add(1);
    ck_assert(virtq_needs_kick(&queue));
    queue.used->flags = USED_NO_NOTIFY;
    add(1);
    ck_assert(!virtq_needs_kick(&queue));
}
END_TEST

START_TEST(test_interrupt)
{
    fresh(true);
    uint16_t head[3] = {add(1), add(1), add(1)};
    uint32_t length;
    ck_assert(!virtq_interrupt_after(&queue, 3));
    ck_assert_uint_eq(*used_event(&queue), 2); /* when the index becomes 3 */
    use(head[0], 0);
    ck_assert(!virtq_interrupt_after(&queue, 3));
    use(head[1], 0);
    ck_assert(virtq_interrupt_after(&queue, 2)); /* too late to be told: so many are there */
    virtq_take(&queue, &length);
    ck_assert(virtq_interrupt_after(&queue, 1));
    virtq_take(&queue, &length);
    ck_assert(!virtq_interrupt_after(&queue, 1));
    ck_assert_uint_eq(*used_event(&queue), 2);
    ck_assert(!virtq_interrupt_after(&queue, 0));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("virtq");
    TCase *rings = tcase_create("rings");
    tcase_add_test(rings, test_round);
    tcase_add_test(rings, test_again);
    tcase_add_test(rings, test_chain);
    tcase_add_test(rings, test_lies);
    tcase_add_test(rings, test_scribble);
    tcase_add_test(rings, test_kick);
    tcase_add_test(rings, test_interrupt);
    tcase_set_timeout(rings, 30);
    suite_add_tcase(suite, rings);
    return suite_run(suite);
}
