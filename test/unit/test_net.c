/* SPDX-License-Identifier: MIT */
/*
 * The queue operations over a stand-in for the device: what is sent is what was checked, what
 * a device reads stays pinned, nobody fills the ring alone, packets go where they
 * belong or are counted as dropped, and a failed device ends everything.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "suite.h"
#include "../../exo/buffer.c"
#include "../../exo/net/match.c"
#include "../../exo/net/nic.c"
#include "../../exo/net/ops_receive.c"
#include "../../exo/net/ops_send.c"
#include "../../exo/net/segment.c"
#include "../../exo/net/ops_queue.c"
#include "../../exo/net/queue.c"

/* ---- stand-ins: memory, environments, operations ----------------------------- */

#define FRAMES 64u
#define MINE 10u   /* the first frame of environment 1; 20 in all */
#define THEIRS 40u /* of environment 2 */

static uint8_t memory[FRAMES][EXO_PAGE_SIZE] __attribute__((aligned(4096)));
static struct frame table[FRAMES];
static struct env program[3];
static struct handle handles[3][8];
static uint64_t ticks;
static uint8_t slot_memory[3][sizeof(struct plan) + 64 * sizeof(struct op)]
    __attribute__((aligned(16)));

struct frame *frames = table;
struct env *envs[ENV_MAX];
struct core cores[1];

void *frame_memory(frame_t frame) { return memory[frame.number]; }
void frame_disown(struct env *env, frame_t frame) { (void)env, (void)frame; }
void frame_release(frame_t first, uint32_t count)
{
    (void)count;
    table[first.number].state = FRAME_FREE;
}
bool env_charge(struct env *env, uint64_t n) { return env->frames_used += (uint32_t)n, true; }
void env_uncharge(struct env *env, uint64_t n) { env->frames_used -= (uint32_t)n; }
uint64_t clock_now(void) { return ticks += 10; }
void console_printf(const char *format, ...) { (void)format; }

uint64_t flush_epoch;

int flush_idle(struct op *op, frame_t first, uint64_t count)
{
    (void)op, (void)count;
    return frame_entry(first)->rights || frame_entry(first)->pins ? -EXO_E_BUSY : 0;
}

int frame_owned(const struct env *env, number_t given, uint64_t count, frame_t *first)
{
    uint64_t number = number_any(given);
    if (number >= FRAMES || count > FRAMES - number || table[number].state != FRAME_OWNED ||
        table[number].owner != env->index)
        return -EXO_E_FRAME;
    first->number = (uint32_t)number;
    return 0;
}

/* Page 100 + n of every program shows frame n. */
int space_lookup(struct env *env, page_t at, frame_t *frame, unsigned *perm)
{
    (void)env;
    uint64_t page = at.address >> EXO_PAGE_SHIFT;
    if (page < 100 || page >= 100 + FRAMES)
        return -EXO_E_ABSENT;
    frame->number = (uint32_t)(page - 100);
    *perm = EXO_READ;
    return 0;
}

struct handle *handle_find(struct env *env, number_t number, enum op_kind kind)
{
    uint64_t handle = number_any(number);
    struct handle *entry = &handles[env->index][handle & 7];
    bool lives = table[entry->frame].generation == entry->object_generation;
    return handle < 8 && entry->kind == kind && lives ? entry : NULL;
}

uint32_t handle_add(struct env *env, enum op_kind kind, frame_t object)
{
    for (uint32_t i = 1; i < 8; i++) {
        struct handle *entry = &handles[env->index][i];
        if (entry->kind)
            continue;
        *entry = (struct handle){.kind = (uint8_t)kind, .frame = object.number,
                                 .object_generation = table[object.number].generation};
        queue_hold(object, entry->object_generation);
        return i;
    }
    return 0;
}

void op_end(struct op *op, int status)
{
    op->status = status;
    op->state = OP_ENDED;
    op->where = WHERE_NONE;
}

void op_wake(struct op *op)
{
    op->state = OP_READY;
    op->where = WHERE_NONE;
}

void op_park(struct op *op, struct list *list)
{
    op->state = OP_PARKED;
    op->where = WHERE_LIST;
    list_push(list, &op->wait);
}

struct op *op_unpark(struct list *list)
{
    struct list_node *node = list_pop(list);
    return node ? LIST_ENTRY(node, struct op, wait) : NULL;
}

static struct plan *plan_of(unsigned env) { return (void *)slot_memory[env]; }

/* ---- stand-in: the device ----------------------------------------------------- */

#define RING 32u
#define SENT_MOST 512u /* packets that it can hold, if a test gives it more room */

static struct sent {
    uint8_t head[EXO_TX_HEAD];
    uint32_t head_length;
    struct nic_piece piece[NIC_PIECES];
    unsigned count;
    uint64_t checksum;
    uintptr_t owner;
} ring_of[SENT_MOST];
static unsigned ring_first, ring_count, ring_done, ring_free;
static const uint8_t *arriving;
static uint32_t arriving_length, arriving_flags = EXO_RX_CSUM_VALID;
static unsigned arriving_count; /* so often the same */
static bool device_failed, device_missing, irq_more, irq_for_sent;

static bool fake_start(uint64_t (*take_frames)(unsigned count)) { return take_frames && !device_missing; }
static bool fake_failed(void) { return device_failed; }
static unsigned fake_room(void) { return ring_free; }
static void fake_kick(void) {}

static bool fake_irq(bool tx_too)
{
    irq_for_sent = tx_too;
    return irq_more;
}

static bool fake_rx(struct nic_packet *packet)
{
    if (!arriving)
        return false;
    *packet = (struct nic_packet){arriving, arriving_length, arriving_flags};
    return true;
}

static void fake_rx_done(void)
{
    if (--arriving_count == 0)
        arriving = NULL;
}

static void fake_tx(const uint8_t *head, uint32_t head_length, const struct nic_piece *pieces,
                    unsigned count, uint64_t checksum, uintptr_t owner)
{
    ck_assert_uint_ge(ring_free, count + 1);
    ring_free -= count + 1;
    struct sent *sent = &ring_of[(ring_first + ring_count++) % SENT_MOST];
    *sent = (struct sent){.head_length = head_length, .count = count, .checksum = checksum,
                          .owner = owner};
    memcpy(sent->head, head, head_length);
    memcpy(sent->piece, pieces, count * sizeof *pieces);
}

static bool fake_reap(uintptr_t *owner, unsigned *descriptors)
{
    if (!ring_count || (!ring_done && !device_failed))
        return false;
    struct sent *sent = &ring_of[ring_first++ % SENT_MOST];
    ring_count--;
    ring_done -= ring_done > 0;
    *owner = sent->owner;
    *descriptors = sent->count + 1;
    ring_free += sent->count + 1;
    return true;
}

struct nic_driver virtio_net_driver = {
    .name = "stand-in", .start = fake_start, .rx_next = fake_rx, .rx_done = fake_rx_done,
    .tx_room = fake_room, .tx = fake_tx, .tx_reap = fake_reap, .tx_kick = fake_kick,
    .irq_on = fake_irq, .failed = fake_failed, .mac = {2, 0, 0, 0, 0, 1},
    .features = EXO_NIC_TX_CSUM | EXO_NIC_TX_SEGMENT,
};

static uint64_t take(unsigned count) { return count ? EXO_PAGE_SIZE : 0; } /* frame 1 */
static uint64_t take_nothing(unsigned count) { return count * 0ull; }

/* ---- helpers ------------------------------------------------------------------ */

static struct op *op_make(unsigned env, unsigned index, uint8_t code, uint32_t handle)
{
    struct op *op = &plan_of(env)->op[index];
    memset(op, 0, sizeof *op);
    op->cell.code = code;
    op->cell.handle = handle;
    op->index = (uint8_t)index;
    op->state = OP_READY;
    return op;
}

static int run(struct op *op)
{
    struct plan *plan = op_plan(op);
    switch (op->cell.code) {
    case EXO_QUEUE_CREATE: return op_queue_create(plan, op);
    case EXO_NET_RX: return op_net_rx(plan, op);
    default: return op_net_tx(plan, op);
    }
}

static const uint8_t mac[3][6] = {{0}, {2, 1, 1, 1, 1, 1}, {2, 2, 2, 2, 2, 2}};

/* Environment `env` gets a queue for its MAC, as handle 2, and may not choose the IPv4 protocol but UDP. */
static void give_queue(unsigned env, unsigned frame, uint32_t flags)
{
    struct exo_queue_spec *spec = (void *)memory[frame + 1];
    memset(spec, 0, sizeof *spec);
    spec->rx_count = spec->tx_count = 1;
    spec->flags = flags;
    memset(spec->rx[0].mask, 0xff, 6);
    memcpy(spec->rx[0].value, mac[env], 6);
    memset(spec->tx[0].mask + 6, 0xff, 6);
    memcpy(spec->tx[0].value + 6, mac[env], 6);
    spec->tx[0].mask[23] = 0xff;
    spec->tx[0].value[23] = 17;
    struct op *op = op_make(env, 0, EXO_QUEUE_CREATE, 1);
    op->cell.arg[0] = frame;
    op->cell.arg[1] = EXO_BUF(frame + 1, 0, sizeof *spec);
    ck_assert_int_eq(run(op), 0);
    ck_assert_uint_eq(op->result[0], 2);
    ck_assert_uint_eq(table[frame].kind, KIND_QUEUE);
    ck_assert_uint_eq(queue_at((frame_t){frame})->handles, 1);
}

static void setup(void)
{
    memset(table, 0, sizeof table);
    memset(program, 0, sizeof program);
    memset(handles, 0, sizeof handles);
    memset(accounts, 0, sizeof accounts);
    ring_first = ring_count = ring_done = in_flight = held = 0;
    ring_free = RING;
    device_failed = device_missing = failure_told = room_wanted = irq_more = irq_for_sent = false;
    arriving = NULL;
    arriving_flags = EXO_RX_CSUM_VALID;
    memset(cores, 0, sizeof cores);
    list_init(&queues_broadcast);
    list_init(&live);
    list_init(&drained);
    list_init(&ended);
    ck_assert(nic_init(take));
    for (unsigned i = 1; i < 3; i++) {
        program[i].index = (uint16_t)i;
        envs[i] = &program[i];
        plan_of(i)->env = &program[i];
        plan_of(i)->cells = 64;
        for (unsigned f = 0; f < 20; f++)
            table[(i == 1 ? MINE : THEIRS) + f] =
                (struct frame){.state = FRAME_OWNED, .owner = (uint16_t)i};
        handle_add(&program[i], K_QUEUE, nic_root());
    }
    give_queue(1, MINE, 0);
    give_queue(2, THEIRS, EXO_QUEUE_BROADCAST);
}

static uint8_t *packet_in(unsigned frame, unsigned env)
{
    for (unsigned i = 0; i < EXO_PAGE_SIZE; i++)
        memory[frame][i] = (uint8_t)(i * 7);
    memcpy(memory[frame] + 6, mac[env], 6);
    memory[frame][23] = 17;
    return memory[frame];
}

static struct op *send_op(unsigned env, unsigned index, unsigned frame, uint32_t length)
{
    struct op *op = op_make(env, index, EXO_NET_TX, 2);
    op->cell.arg[0] = EXO_BUF(frame, 0, length);
    return op;
}

/* ---- sending ------------------------------------------------------------------- */

START_TEST(test_send_small)
{
    setup();
    uint8_t *packet = packet_in(MINE + 2, 1);
    ck_assert_int_eq(run(send_op(1, 0, MINE + 2, 100)), 0);
    ck_assert_uint_eq(ring_of[0].head_length, 100);
    ck_assert_uint_eq(ring_of[0].count, 0);
    ck_assert_int_eq(memcmp(ring_of[0].head, packet, 100), 0);
    ck_assert_uint_eq(table[MINE + 2].pins, 0);
    ck_assert_uint_eq(accounts[1].descriptors, 1);
    ring_done = 1;
    nic_poll();
    ck_assert_uint_eq(accounts[1].descriptors, 0);
    ck_assert_uint_eq(in_flight, 0);
}
END_TEST

START_TEST(test_send_refused)
{
    setup();
    uint8_t *packet = packet_in(MINE + 2, 2); /* a neighbour's address */
    ck_assert_int_eq(run(send_op(1, 0, MINE + 2, 100)), -EXO_E_REFUSED);
    packet = packet_in(MINE + 2, 1);
    packet[23] = 6;
    ck_assert_int_eq(run(send_op(1, 0, MINE + 2, 1000)), -EXO_E_REFUSED);
    packet[23] = 17;
    ck_assert_int_eq(run(send_op(1, 0, MINE + 2, 20)), -EXO_E_REFUSED); /* byte 23 counts as 0 */
    ck_assert_int_eq(run(send_op(1, 0, MINE + 2, 13)), -EXO_E_RANGE);
    ck_assert_int_eq(run(send_op(1, 0, MINE + 2, 1515)), -EXO_E_RANGE);
    ck_assert_int_eq(run(send_op(1, 0, THEIRS + 2, 100)), -EXO_E_FRAME);
    ck_assert_int_eq(run(send_op(1, 0, 0xffffffff, 100)), -EXO_E_FRAME);
    struct op *op = send_op(1, 0, MINE + 2, 100);
    op->cell.handle = 3;
    ck_assert_int_eq(run(op), -EXO_E_HANDLE);
    ck_assert_uint_eq(ring_count, 0);
    ck_assert_uint_eq(table[MINE + 2].pins, 0);
}
END_TEST

START_TEST(test_send_checksum)
{
    setup();
    packet_in(MINE + 2, 1);
    struct op *op = send_op(1, 0, MINE + 2, 100);
    op->cell.arg[2] = EXO_TX_CSUM(34, 6);
    ck_assert_int_eq(run(op), 0);
    static const struct { uint32_t start, offset; } bad[] = {
        {16, 6}, {20, 3}, {6, 0}, {34, 65}, {100, 0}, {0, 99}, {0xffff, 0xffff}};
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        op = send_op(1, 0, MINE + 2, 100);
        op->cell.arg[2] = EXO_TX_CSUM(bad[i].start, bad[i].offset);
        ck_assert_int_eq(run(op), -EXO_E_RANGE);
    }
    op->cell.arg[2] = 1;
    ck_assert_int_eq(run(op), -EXO_E_RANGE);
    virtio_net_driver.features = 0; /* a device that can't */
    op->cell.arg[2] = EXO_TX_CSUM(34, 6);
    ck_assert_int_eq(run(op), -EXO_E_RANGE);
    virtio_net_driver.features = EXO_NIC_TX_CSUM | EXO_NIC_TX_SEGMENT;
    ck_assert_uint_eq(ring_count, 1);
}
END_TEST

START_TEST(test_send_pinned)
{
    setup();
    packet_in(MINE + 2, 1);
    struct op *op = op_make(1, 0, EXO_NET_TX, 2); /* 54 bytes, 1000 over two frames, 40, 20 */
    struct op *more = op_make(1, 1, EXO_MORE, 0);
    more->state = OP_CELL;
    op->cell.arg[0] = EXO_BUF(MINE + 2, 0, 54);
    op->cell.arg[1] = 3;
    op->cell.arg[3] = EXO_BUF(MINE + 3, 3596, 1000);
    op->cell.arg[4] = EXO_BUF(MINE + 6, 8, 40);
    ((struct exo_more *)&more->cell)->word[0] = EXO_BUF(MINE + 7, 4000, 20);
    ck_assert_int_eq(run(op), OP_PARK);
    ck_assert_int_eq(op->where, WHERE_DEVICE);
    ck_assert_uint_eq(ring_of[0].head_length, 128);
    ck_assert_uint_eq(ring_of[0].count, 3); /* neighbouring frames are one piece */
    ck_assert_uint_eq(ring_of[0].piece[0].address, (MINE + 3) * 4096 + 3596 + 74);
    ck_assert_uint_eq(ring_of[0].piece[0].length, 1000 - 74);
    ck_assert_uint_eq(ring_of[0].piece[2].address, (MINE + 7) * 4096 + 4000);
    for (unsigned i = 3; i < 8; i++)
        ck_assert_uint_eq(table[MINE + i].pins, i != 5);
    ck_assert_uint_eq(program[1].tx_in_flight, 1);
    ck_assert(!nic_env_quiet(&program[1]));
    op_net_tx_cancel(op_plan(op), op); /* changes what it ends with, nothing else */
    ck_assert_uint_eq(op->state, OP_PARKED);
    ck_assert_uint_eq(table[MINE + 3].pins, 1);
    ring_done = 1;
    nic_poll();
    ck_assert_uint_eq(op->state, OP_ENDED);
    ck_assert_int_eq(op->status, -EXO_E_CANCELLED);
    ck_assert_uint_eq(op->result[0] | op->result[1] | op->result[2] | op->result[3], 0);
    for (unsigned i = 3; i < 8; i++)
        ck_assert_uint_eq(table[MINE + i].pins, 0);
    ck_assert(nic_env_quiet(&program[1]));
    op->cell.arg[1] = 16;
    ck_assert_int_eq(run(op), -EXO_E_RANGE);
    op->cell.arg[1] = 10; /* more words than there are cells for */
    op->cell.arg[3] = op->cell.arg[4] = EXO_BUF(MINE + 6, 0, 1);
    for (unsigned i = 0; i < 7; i++)
        ((struct exo_more *)&more->cell)->word[i] = EXO_BUF(MINE + 6, 0, 1);
    ck_assert_int_eq(run(op), -EXO_E_RANGE);
}
END_TEST

/* ---- segments --------------------------------------------------------------------- */

#define SEGMENTS(bytes) (EXO_TX_CSUM(34, 16) | EXO_TX_SEGMENT(bytes))

/* TCP over IPv4 with `payload` bytes, in frames from MINE + 2 on; the queue checks the MAC address only. */
static struct op *segments_op(uint32_t payload)
{
    setup();
    struct queue *queue = queue_at((frame_t){MINE});
    queue->tx[0].mask[23] = queue->tx[0].value[23] = 0;
    queue->tx_words[0] = match_words(&queue->tx[0]);
    uint8_t *packet = packet_in(MINE + 2, 1);
    uint32_t length = 40 + payload;
    memset(packet + 12, 0, 42);
    packet[12] = 8;
    packet[14] = 0x45;
    packet[16] = (uint8_t)(length >> 8);
    packet[17] = (uint8_t)length;
    packet[23] = 6;
    packet[46] = 0x50;
    packet[47] = 0x18;
    struct op *op = op_make(1, 0, EXO_NET_TX, 2);
    op->cell.arg[0] = EXO_BUF(MINE + 2, 0, 14 + length);
    op->cell.arg[2] = SEGMENTS(1460);
    return op;
}

START_TEST(test_send_segments)
{
    struct op *op = segments_op(40000);
    ck_assert_int_eq(run(op), OP_PARK);
    ck_assert_uint_eq(ring_of[0].head_length, 128);
    ck_assert_uint_eq(ring_of[0].checksum, SEGMENTS(1460));
    ck_assert_uint_eq(ring_of[0].count, 1);
    ck_assert_uint_eq(ring_of[0].piece[0].length, 40054 - 128);
    for (unsigned i = 0; i < 12; i++)
        ck_assert_uint_eq(table[MINE + 2 + i].pins, i < 10);
    ring_done = 1;
    nic_poll();
    for (unsigned i = 0; i < 10; i++)
        ck_assert_uint_eq(table[MINE + 2 + i].pins, 0);
    ck_assert_int_eq(run(segments_op(13 * 4096 - 54)), OP_PARK);
    ck_assert_int_eq(run(segments_op(13 * 4096 - 53)), -EXO_E_RANGE); /* a frame too many */
    virtio_net_driver.features = EXO_NIC_TX_CSUM;
    ck_assert_int_eq(run(segments_op(4000)), -EXO_E_RANGE);
    virtio_net_driver.features |= EXO_NIC_TX_SEGMENT;
}
END_TEST

START_TEST(test_send_segments_forms)
{
    static const uint64_t words[] = {
        SEGMENTS(535), SEGMENTS(1461), SEGMENTS(65535), EXO_TX_SEGMENT(1460),
        EXO_TX_CSUM(35, 16) | EXO_TX_SEGMENT(1460), EXO_TX_CSUM(34, 15) | EXO_TX_SEGMENT(1460),
        EXO_TX_CSUM(34, 16) | EXO_TX_SEGMENT(1460) | 2ull << 32};
    static const struct { uint8_t at, value; } bytes[] = {
        {12, 0x86}, {13, 1}, {14, 0x46}, {14, 0x44}, {14, 0x65}, {16, 0}, {17, 1}, {20, 0x20}, {20, 1},
        {21, 1}, {23, 17}, {46, 0x40}, {46, 0}, {46, 0xf0}, {47, 0x19}, {47, 0x12}, {47, 0x14},
        {47, 0x38}, {47, 0x58}, {47, 0x90}};
    for (unsigned i = 0; i < sizeof words / sizeof words[0]; i++) {
        struct op *op = segments_op(4000);
        op->cell.arg[2] = words[i];
        ck_assert_int_eq(run(op), -EXO_E_RANGE);
    }
    for (unsigned i = 0; i < sizeof bytes / sizeof bytes[0]; i++) {
        struct op *op = segments_op(4000);
        memory[MINE + 2][bytes[i].at] = bytes[i].value;
        bool options = bytes[i].at == 46 && bytes[i].value == 0xf0; /* 60 bytes of header, and 1460 too many */
        ck_assert_int_eq(run(op), -EXO_E_RANGE);
        op = segments_op(4000);
        memory[MINE + 2][bytes[i].at] = bytes[i].value;
        op->cell.arg[2] = SEGMENTS(1400);
        ck_assert_int_eq(run(op), options ? OP_PARK : -EXO_E_RANGE);
    }
    struct op *op = segments_op(4000);
    op->cell.arg[0] = EXO_BUF(MINE + 2, 0, 100); /* shorter than what is looked at */
    ck_assert_int_eq(run(op), -EXO_E_RANGE);
    op = segments_op(4000);
    op->cell.arg[2] = EXO_TX_CSUM(34, 16); /* too long for a frame of its own */
    ck_assert_int_eq(run(op), -EXO_E_RANGE);
}
END_TEST

/* What the device writes anew must not be checked, each other bit may be. */
START_TEST(test_send_segments_checked_bits)
{
    for (unsigned bit = 0; bit < EXO_MATCH_BYTES * 8; bit++) {
        struct op *op = segments_op(4000);
        unsigned at = bit / 8;
        struct queue *queue = queue_at((frame_t){MINE});
        queue->tx[0].mask[at] |= (uint8_t)(1u << bit % 8);
        queue->tx[0].value[at] = memory[MINE + 2][at] & queue->tx[0].mask[at];
        queue->tx_words[0] = match_words(&queue->tx[0]);
        bool written = (at >= 16 && at < 20) || at == 24 || at == 25 || (at >= 38 && at < 42) ||
                       at == 47 || at == 50 || at == 51;
        ck_assert_int_eq(run(op), written ? -EXO_E_RANGE : OP_PARK);
    }
}
END_TEST

START_TEST(test_send_frozen)
{
    setup();
    packet_in(MINE + 2, 1);
    table[MINE + 2] = (struct frame){.state = FRAME_FROZEN, .rights = 1};
    struct op *op = send_op(1, 0, MINE + 2, 1000);
    ck_assert_int_eq(run(op), -EXO_E_FRAME); /* not by number */
    op->cell.arg[0] = EXO_BUF(100 + MINE + 2, 0, 1000);
    op->cell.flags = EXO_VPAGE;
    uint32_t used = program[1].frames_used;
    ck_assert_int_eq(run(op), OP_PARK);
    ck_assert_uint_eq(table[MINE + 2].rights, 2);
    ck_assert_uint_eq(program[1].frames_used, used + 1);
    table[MINE + 2].rights--; /* unmapped while it is in flight */
    ring_done = 1;
    nic_poll();
    ck_assert_uint_eq(table[MINE + 2].state, FRAME_FREE);
    ck_assert_uint_eq(program[1].frames_used, used);
    op->cell.arg[0] = EXO_BUF(100 + THEIRS + 2, 0, 1000); /* a page that shows another's frame */
    ck_assert_int_eq(run(op), -EXO_E_FRAME);
    op->cell.arg[0] = EXO_BUF(99, 0, 1000);
    ck_assert_int_eq(run(op), -EXO_E_FRAME);
    op = op_make(1, 0, EXO_NET_RX, 2); /* nothing is received into frozen memory */
    table[MINE + 2].state = FRAME_FROZEN;
    op->cell.arg[0] = EXO_BUF(100 + MINE + 2, 0, 1000);
    op->cell.flags = EXO_VPAGE;
    ck_assert_int_eq(run(op), -EXO_E_FRAME);
}
END_TEST

START_TEST(test_share)
{
    setup();
    packet_in(MINE + 2, 1);
    packet_in(THEIRS + 2, 2);
    unsigned sent = 0;
    while (run(send_op(1, sent, MINE + 2, 64)) == 0)
        sent++;
    ck_assert_uint_eq(sent, (RING - PACKET_DESCRIPTORS) / 2); /* alone: half of what nobody must leave */
    struct op *waits = &plan_of(1)->op[sent];
    ck_assert_uint_eq(waits->state, OP_PARKED);
    for (unsigned i = 0; i < (RING - PACKET_DESCRIPTORS) / 4; i++)
        ck_assert_int_eq(run(send_op(2, i, THEIRS + 2, 64)), 0); /* a newcomer finds room */
    ck_assert_uint_eq(waits->state, OP_PARKED);
    ring_done = sent;
    nic_poll();
    ck_assert_uint_eq(waits->state, OP_READY);
    ck_assert_int_eq(run(waits), 0);
    ring_done = ring_count;
    nic_poll();
    ck_assert_uint_eq(ring_free, RING);
    ck_assert_uint_eq(accounts[1].descriptors + accounts[2].descriptors, 0);
}
END_TEST

/* Many programs keep as much in flight as they may, and there is room for another's first packet, of as many
 * pieces as can be. */
START_TEST(test_newcomer)
{
    setup();
    packet_in(MINE + 2, 1);
    bool sends = true;
    for (unsigned turn = 0; sends; turn++) {
        sends = false;
        for (unsigned i = 3; i < ENV_MAX; i++) {
            program[1].index = (uint16_t)i; /* another each time, with the same queue */
            accounts[i].descriptors += turn == 0 && ring_free > PACKET_DESCRIPTORS ? (ring_free--, 1) : 0;
            if (accounts[i].descriptors && nic_room(&program[1], 1)) {
                accounts[i].descriptors++;
                ring_free--;
                sends = true;
            }
        }
    }
    ck_assert_uint_eq(ring_free, PACKET_DESCRIPTORS);
    program[1].index = 3;
    ck_assert(!nic_room(&program[1], 1));
    ck_assert(nic_room(&program[2], PACKET_DESCRIPTORS));
    ring_free--;
    ck_assert(!nic_room(&program[2], PACKET_DESCRIPTORS));
}
END_TEST

START_TEST(test_turn_passes)
{
    setup();
    packet_in(MINE + 2, 1);
    packet_in(MINE + 3, 2);
    while (run(send_op(1, 0, MINE + 2, 64)) == 0)
        ;
    struct op *first = &plan_of(1)->op[0];
    struct op *bad = send_op(1, 1, MINE + 3, 64), *good = send_op(1, 2, MINE + 2, 64);
    ck_assert_int_eq(run(bad), OP_PARK);
    ck_assert_int_eq(run(good), OP_PARK);
    ring_done = 2;
    nic_poll();
    ck_assert_int_eq(run(first), 0);
    ck_assert_uint_eq(good->state, OP_PARKED);
    ck_assert_int_eq(run(bad), -EXO_E_REFUSED);
    ck_assert_uint_eq(good->state, OP_READY);
}
END_TEST

/* Without a packet of its own to be reaped it is not forgotten, but woken with the first room there is for the largest packet. */
START_TEST(test_starved)
{
    setup();
    packet_in(MINE + 2, 1);
    packet_in(THEIRS + 2, 2);
    ring_free = PACKET_DESCRIPTORS - 2;
    struct op *waits = send_op(1, 0, MINE + 2, 64), *other = send_op(2, 0, THEIRS + 2, 64);
    ck_assert_int_eq(run(other), 0);
    ring_free = 0;
    ck_assert_int_eq(run(waits), OP_PARK);
    ck_assert(room_wanted);
    ring_free = PACKET_DESCRIPTORS - 1;
    nic_poll();
    ck_assert_uint_eq(waits->state, OP_PARKED);
    ck_assert(irq_for_sent); /* a packet's end may bring room */
    ring_free = PACKET_DESCRIPTORS;
    nic_poll();
    ck_assert_uint_eq(waits->state, OP_READY);
    ck_assert_int_eq(run(waits), 0);
    ring_done = 2;
    nic_poll();
    ck_assert(!irq_for_sent); /* nothing is with the device: nobody waits for it */
    ck_assert(!room_wanted);
}
END_TEST

/* CANCEL of what waits for room, before and after it was woken for it: then the room is another's. */
START_TEST(test_cancel_waiting)
{
    setup();
    packet_in(MINE + 2, 1);
    while (run(send_op(1, 0, MINE + 2, 64)) == 0)
        ;
    struct op *first = &plan_of(1)->op[0], *second = send_op(1, 1, MINE + 2, 64), *third = send_op(1, 2, MINE + 2, 64);
    ck_assert_int_eq(run(second), OP_PARK);
    ck_assert_int_eq(run(third), OP_PARK);
    op_net_tx_cancel(op_plan(first), first);
    list_remove(&first->wait); /* as the executor does */
    ck_assert_uint_eq(second->state, OP_PARKED);
    ring_done = 1;
    nic_poll();
    ck_assert_uint_eq(second->state, OP_READY);
    ck_assert_uint_eq(third->state, OP_PARKED);
    op_net_tx_cancel(op_plan(second), second);
    ck_assert_uint_eq(third->state, OP_READY);
    ck_assert_uint_eq(table[MINE + 2].pins, 0);
}
END_TEST

/* As many pieces as a packet can have: each is pinned until the end, and no other frame. */
START_TEST(test_send_most_pieces)
{
    setup();
    packet_in(MINE + 2, 1);
    struct op *op = op_make(1, 0, EXO_NET_TX, 2);
    struct op *more[2] = {op_make(1, 1, EXO_MORE, 0), op_make(1, 2, EXO_MORE, 0)};
    op->cell.arg[0] = EXO_BUF(MINE + 2, 0, 128);
    op->cell.arg[1] = NIC_PIECES;
    for (unsigned i = 0; i < NIC_PIECES; i++) {
        uint64_t word = EXO_BUF(MINE + 3 + i, 100, 50);
        if (i < 2)
            op->cell.arg[3 + i] = word;
        else
            ((struct exo_more *)&more[(i - 2) / 7]->cell)->word[(i - 2) % 7] = word;
    }
    more[0]->state = more[1]->state = OP_CELL;
    ck_assert_int_eq(run(op), OP_PARK);
    ck_assert_uint_eq(ring_of[0].count, NIC_PIECES);
    for (unsigned i = 0; i < 20; i++)
        ck_assert_uint_eq(table[MINE + i].pins, i >= 3 && i < 3 + NIC_PIECES);
    ring_done = 1;
    nic_poll();
    ck_assert_int_eq(op->status, 0);
    for (unsigned i = 0; i < 20; i++)
        ck_assert_uint_eq(table[MINE + i].pins, 0);
    ck_assert_uint_eq(accounts[1].descriptors, 0);
}
END_TEST

/* More ended than one poll looks at: it says so, and the next goes on. */
START_TEST(test_reap_in_steps)
{
    setup();
    packet_in(MINE + 2, 1);
    ring_free = 2 * SENT_MOST;
    for (unsigned i = 0; i < POLL_SENT + 10; i++)
        ck_assert_int_eq(run(send_op(1, 0, MINE + 2, 64)), 0);
    ring_done = ring_count;
    ck_assert(nic_poll());
    ck_assert_uint_eq(in_flight, 10);
    ck_assert(!nic_poll());
    ck_assert_uint_eq(in_flight, 0);
    ck_assert_uint_eq(accounts[1].descriptors, 0);
}
END_TEST

/* ---- receiving ------------------------------------------------------------------ */

static struct op *receive(unsigned env, unsigned index, uint64_t word)
{
    struct op *op = op_make(env, index, EXO_NET_RX, 2);
    op->cell.arg[0] = word;
    return op;
}

static uint8_t wire[EXO_PACKET_MAX];

static void arrive(const uint8_t *to, uint32_t length)
{
    for (unsigned i = 0; i < length; i++)
        wire[i] = (uint8_t)(i * 13);
    memcpy(wire, to, 6);
    arriving = wire;
    arriving_length = length;
    arriving_count = 1;
    nic_poll();
}

START_TEST(test_receive)
{
    setup();
    struct queue *queue = queue_at((frame_t){MINE});
    ck_assert_int_eq(run(receive(1, 0, EXO_BUF(MINE + 2, 0, 59))), -EXO_E_RANGE);
    ck_assert_int_eq(run(receive(1, 0, EXO_BUF(THEIRS + 2, 0, 2000))), -EXO_E_FRAME);
    ck_assert_int_eq(run(receive(1, 0, EXO_BUF(MINE + 19, 4000, 2000))), -EXO_E_FRAME);
    arrive(mac[1], 100);
    ck_assert_uint_eq(queue->dropped, 1);

    struct op *op = receive(1, 0, EXO_BUF(MINE + 2, 3000, 20000)); /* over six frames */
    int64_t credit = program[1].credit;
    ck_assert_int_eq(run(op), OP_PARK);
    ck_assert_uint_eq(table[MINE + 2].pins + table[MINE + 3].pins, 2);
    ck_assert_uint_eq(table[MINE + 4].pins, 0);
    arrive(mac[1], 1514);
    ck_assert_uint_eq(op->state, OP_ENDED);
    ck_assert_int_eq(op->status, 0);
    ck_assert_uint_eq(op->result[0], 1514);
    ck_assert_uint_eq(op->result[1], EXO_RX_CSUM_VALID);
    ck_assert_int_eq(memcmp(memory[MINE + 2] + 3000, wire, 1096), 0);
    ck_assert_int_eq(memcmp(memory[MINE + 3], wire + 1096, 1514 - 1096), 0);
    ck_assert_uint_eq(table[MINE + 2].pins + table[MINE + 3].pins, 0);
    ck_assert_int_lt(program[1].credit, credit);
    ck_assert_uint_eq(queue->received, 1);

    memset(memory[MINE + 2], 0xee, EXO_PAGE_SIZE);
    op = receive(1, 0, EXO_BUF(MINE + 2, 10, 60));
    ck_assert_int_eq(run(op), OP_PARK);
    arrive(mac[1], 61);
    ck_assert_uint_eq(op->result[0], 61);
    ck_assert_uint_eq(op->result[1], EXO_RX_CSUM_VALID | EXO_RX_CUT);
    ck_assert_uint_eq(memory[MINE + 2][69], wire[59]);
    ck_assert_uint_eq(memory[MINE + 2][70], 0xee);
}
END_TEST

START_TEST(test_receive_broadcast)
{
    setup();
    static const uint8_t all[6] = {255, 255, 255, 255, 255, 255};
    struct op *one = receive(1, 0, EXO_BUF(MINE + 2, 0, 2000));
    struct op *two = receive(2, 0, EXO_BUF(THEIRS + 2, 0, 2000));
    ck_assert_int_eq(run(one), OP_PARK);
    ck_assert_int_eq(run(two), OP_PARK);
    arrive(all, 60);
    ck_assert_uint_eq(one->state, OP_PARKED); /* did not ask for them */
    ck_assert_uint_eq(two->state, OP_ENDED);
    ck_assert_uint_eq(two->result[1], EXO_RX_CSUM_VALID | EXO_RX_BROADCAST);
    arrive(mac[2], 60);
    ck_assert_uint_eq(one->state, OP_PARKED); /* not its */
    op_net_rx_cancel(op_plan(one), one);
    list_remove(&one->wait);
    ck_assert_uint_eq(table[MINE + 2].pins, 0);
}
END_TEST

/* The device verified the transport checksum, says that it was never computed, or says nothing: then it is for the program to look, and
 * what is wrong comes like what is right. */
START_TEST(test_receive_checksums)
{
    static const uint32_t device[] = {EXO_RX_CSUM_VALID, EXO_RX_CSUM_NEEDED, 0};
    setup();
    for (unsigned i = 0; i < sizeof device / sizeof device[0]; i++) {
        struct op *op = receive(2, 0, EXO_BUF(THEIRS + 2, 0, i == 1 ? 60 : 2000));
        ck_assert_int_eq(run(op), OP_PARK);
        arriving_flags = device[i];
        arrive(mac[2], 100);
        ck_assert_int_eq(op->status, 0);
        ck_assert_uint_eq(op->result[1], device[i] | (i == 1 ? EXO_RX_CUT : 0));
        ck_assert_uint_eq(memory[THEIRS + 2][59], wire[59]);
    }
}
END_TEST

/* The third word is where the packet lies, by frame and as long as what was copied: SEND and NET_TX take it as it is. */
START_TEST(test_receive_names_what_came)
{
    static const struct { uint64_t posted; uint32_t length; uint64_t told; } cases[] = {
        {EXO_BUF(MINE + 2, 0, 2000), 60, EXO_BUF(MINE + 2, 0, 60)},
        {EXO_BUF(MINE + 2, 3000, 20000), 1514, EXO_BUF(MINE + 2, 3000, 1514)},
        {EXO_BUF(MINE + 2, 4095, 60), 60, EXO_BUF(MINE + 2, 4095, 60)},
        {EXO_BUF(MINE + 2, 10, 60), 61, EXO_BUF(MINE + 2, 10, 60)},
        {EXO_BUF(MINE + 2, 2596, 1500), 1514, EXO_BUF(MINE + 2, 2596, 1500)}, /* to the last byte of a frame */
        {EXO_BUF(MINE + 2, 2597, 1500), 1514, EXO_BUF(MINE + 2, 2597, 1500)}, /* and one byte more */
    };
    setup();
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t *here = memory[MINE + 2]; /* and the next frame behind it */
        memset(here, 0xee, 2 * EXO_PAGE_SIZE);
        struct op *op = receive(1, 0, cases[i].posted);
        ck_assert_int_eq(run(op), OP_PARK);
        arrive(mac[1], cases[i].length);
        ck_assert_uint_eq(op->result[0], cases[i].length);
        ck_assert_uint_eq(op->result[2], cases[i].told);
        ck_assert_uint_eq(op->result[3], 0);
        uint32_t at = EXO_BUF_OFFSET(cases[i].told), length = EXO_BUF_LENGTH(cases[i].told);
        ck_assert_int_eq(memcmp(here + at, wire, length), 0);
        ck_assert_uint_eq(here[at + length], 0xee);
        ck_assert(!at || here[at - 1] == 0xee);
        ck_assert_uint_eq(table[MINE + 2].pins + table[MINE + 3].pins, 0);
    }
}
END_TEST

/* A queue that asked for everybody's packets and whose match names a group hears a packet to it once. */
START_TEST(test_receive_group_once)
{
    setup();
    static const uint8_t group[6] = {0x01, 0, 0x5e, 0, 0, 7};
    struct queue *queue = queue_at((frame_t){THEIRS});
    match_table_remove(&root->table, &queue->node[0]);
    memcpy(queue->rx[0].value, group, 6);
    match_table_add(&root->table, &queue->node[0]);
    struct op *first = receive(2, 0, EXO_BUF(THEIRS + 2, 0, 2000)), *second = receive(2, 1, EXO_BUF(THEIRS + 3, 0, 2000));
    ck_assert_int_eq(run(first), OP_PARK);
    ck_assert_int_eq(run(second), OP_PARK);
    arrive(group, 60);
    ck_assert_uint_eq(first->state, OP_ENDED);
    ck_assert_uint_eq(first->result[1], EXO_RX_CSUM_VALID | EXO_RX_BROADCAST);
    ck_assert_uint_eq(second->state, OP_PARKED);
    ck_assert_uint_eq(queue->received, 1);
    ck_assert_uint_eq(root->received + root->dropped, 0);
}
END_TEST

/* One poll delivers so many and no more, and says that there is more. */
START_TEST(test_receive_in_steps)
{
    setup();
    struct queue *queue = queue_at((frame_t){MINE});
    memcpy(wire, mac[1], 6);
    arriving = wire;
    arriving_length = 60;
    arriving_count = POLL_PACKETS + 3;
    ck_assert(nic_poll());
    ck_assert_uint_eq(queue->dropped, POLL_PACKETS);
    ck_assert(!nic_poll());
    ck_assert_uint_eq(queue->dropped, POLL_PACKETS + 3);
}
END_TEST

/* A packet that came while the interrupt was being asked for: the core does not sleep. */
START_TEST(test_idle)
{
    setup();
    ck_assert(nic_idle());
    irq_more = true;
    ck_assert(nic_poll()); /* the same at the end of a poll */
    ck_assert(!nic_idle());
    ck_assert_uint_eq(cores[0].device_fired, 1);
    irq_more = false;
    ck_assert(!nic_idle()); /* not seen to yet */
    cores[0].device_fired = 0;
    ck_assert(nic_idle());
}
END_TEST

/* No card, or no memory for its root queue: no driver, and nothing that could use one. */
START_TEST(test_no_device)
{
    setup();
    driver = NULL;
    device_missing = true;
    ck_assert(!nic_init(take));
    device_missing = false;
    ck_assert(!nic_init(take_nothing));
    ck_assert(!nic_poll());
    ck_assert(nic_idle());
    nic_flush();
    ck_assert(nic_env_quiet(&program[1]));
    ck_assert(nic_init(take));
}
END_TEST

START_TEST(test_pins_bounded)
{
    setup();
    table[MINE + 3].pins = UINT16_MAX;
    struct op *op = receive(1, 0, EXO_BUF(MINE + 2, 4000, 1000));
    ck_assert_int_eq(run(op), -EXO_E_BUSY);
    ck_assert_uint_eq(table[MINE + 2].pins, 0);
}
END_TEST

START_TEST(test_device_fails)
{
    setup();
    packet_in(MINE + 2, 1);
    struct op *tx = send_op(1, 0, MINE + 2, 1000), *rx = receive(1, 1, EXO_BUF(MINE + 3, 0, 2000));
    ck_assert_int_eq(run(tx), OP_PARK);
    ck_assert_int_eq(run(rx), OP_PARK);
    device_failed = true;
    while (nic_poll())
        ;
    ck_assert_int_eq(tx->status, -EXO_E_DEVICE);
    ck_assert_int_eq(rx->status, -EXO_E_DEVICE);
    ck_assert_uint_eq(table[MINE + 2].pins + table[MINE + 3].pins, 0);
    ck_assert_int_eq(run(tx), -EXO_E_DEVICE);
    ck_assert_int_eq(run(rx), -EXO_E_DEVICE);
    ck_assert(!nic_poll()); /* all were told */
    cores[0].device_fired = 0;
    ck_assert(nic_idle());
}
END_TEST

/* More who wait than one poll tells; the core does not sleep before all of them know. */
START_TEST(test_device_fails_in_steps)
{
    setup();
    packet_in(MINE + 2, 1);
    for (unsigned i = 0; i < 60; i++)
        ck_assert_int_eq(run(receive(1, i, EXO_BUF(MINE + 3, 0, 2000))), OP_PARK);
    for (unsigned i = 0; i < 20; i++)
        ck_assert_int_eq(run(receive(2, i, EXO_BUF(THEIRS + 3, 0, 2000))), OP_PARK);
    ck_assert_uint_eq(table[MINE + 3].pins, 60);
    device_failed = true;
    ck_assert(nic_poll());
    ck_assert_uint_gt(table[MINE + 3].pins + table[THEIRS + 3].pins, 0);
    ck_assert(!nic_idle());
    unsigned rounds = 0;
    while (nic_poll())
        rounds++;
    ck_assert_uint_le(rounds, 2);
    ck_assert_uint_eq(table[MINE + 3].pins + table[THEIRS + 3].pins, 0);
    for (unsigned i = 0; i < 60; i++)
        ck_assert_int_eq(plan_of(1)->op[i].status, -EXO_E_DEVICE);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("net");
    TCase *all = tcase_create("operations");
    tcase_add_test(all, test_send_small);
    tcase_add_test(all, test_send_refused);
    tcase_add_test(all, test_send_checksum);
    tcase_add_test(all, test_send_pinned);
    tcase_add_test(all, test_send_segments);
    tcase_add_test(all, test_send_segments_forms);
    tcase_add_test(all, test_send_segments_checked_bits);
    tcase_add_test(all, test_send_frozen);
    tcase_add_test(all, test_share);
    tcase_add_test(all, test_newcomer);
    tcase_add_test(all, test_turn_passes);
    tcase_add_test(all, test_starved);
    tcase_add_test(all, test_cancel_waiting);
    tcase_add_test(all, test_send_most_pieces);
    tcase_add_test(all, test_reap_in_steps);
    tcase_add_test(all, test_receive);
    tcase_add_test(all, test_receive_checksums);
    tcase_add_test(all, test_receive_names_what_came);
    tcase_add_test(all, test_receive_group_once);
    tcase_add_test(all, test_receive_in_steps);
    tcase_add_test(all, test_idle);
    tcase_add_test(all, test_no_device);
    tcase_add_test(all, test_receive_broadcast);
    tcase_add_test(all, test_pins_bounded);
    tcase_add_test(all, test_device_fails);
    tcase_add_test(all, test_device_fails_in_steps);
    suite_add_tcase(suite, all);
    return suite_run(suite);
}
