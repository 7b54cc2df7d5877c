/* SPDX-License-Identifier: MIT */
/*
 * NIC queues by plans alone: packets out and in (the network's gateway answers ARP and ping), grants that are
 * checked, queues carved from queues, frames that are pinned while a device may write them.
 */
#include "child.h"
#include "tally.h"

#define RW (EXO_READ | EXO_WRITE)
#define ARP_BYTES 60u
#define SECOND 1000000u
#define ALL UINT64_MAX

/* Two pages for packets that go and come. */
static uint64_t tx_frame, rx_frame;
static uint8_t *const tx = (uint8_t *)SPARE, *const rx = (uint8_t *)(SPARE + PAGE);
static const uint8_t gateway_ip[4] = { 10, 0, 2, 2 };
static uint8_t gateway_mac[6];

static uint32_t queue(void)
{
    return start_info()->queue;
}

struct counts {
    uint64_t received, dropped, sent;
};

static struct counts counts_of(uint32_t handle)
{
    OK(OP_ON(handle, QUEUE_INFO, 0));
    return (struct counts){ op_result[1], op_result[2], op_result[3] };
}

/* ---- packets ----------------------------------------------------------------------------------------- */

static void ethernet(const uint8_t to[6], uint16_t type)
{
    memset(tx, 0, PAGE);
    memcpy(tx, to, 6);
    memcpy(tx + 6, start_info()->mac, 6);
    tx[12] = (uint8_t)(type >> 8);
    tx[13] = (uint8_t)type;
}

/* Who has the gateway's address? */
static void arp_request(void)
{
    static const uint8_t all[6] = { 255, 255, 255, 255, 255, 255 };
    static const uint8_t head[8] = { 0, 1, 8, 0, 6, 4, 0, 1 };
    ethernet(all, 0x0806);
    memcpy(tx + 14, head, 8);
    memcpy(tx + 22, start_info()->mac, 6);
    memcpy(tx + 28, &start_info()->address, 4);
    memcpy(tx + 38, gateway_ip, 4);
}

static bool is_arp_reply(const struct exo_completion *c)
{
    return c->status == 0 && c->result >= 42 && memcmp(rx, start_info()->mac, 6) == 0 && rx[12] == 8 &&
           rx[13] == 6 && rx[21] == 2 && memcmp(rx + 28, gateway_ip, 4) == 0;
}

static uint16_t checksum(const uint8_t *bytes, unsigned count)
{
    uint32_t sum = 0;
    for (unsigned i = 0; i < count; i += 2)
        sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
    while (sum >> 16 != 0)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

static void put16(uint8_t *at, unsigned n)
{
    at[0] = (uint8_t)(n >> 8);
    at[1] = (uint8_t)n;
}

/* A ping to the gateway whose frame has `length` bytes, an even number. */
static void ping_request(unsigned length)
{
    ethernet(gateway_mac, 0x0800);
    uint8_t *ip = tx + 14, *icmp = tx + 34;
    ip[0] = 0x45;
    put16(ip + 2, length - 14);
    ip[8] = 64;
    ip[9] = 1;
    memcpy(ip + 12, &start_info()->address, 4);
    memcpy(ip + 16, gateway_ip, 4);
    put16(ip + 10, checksum(ip, 20));
    icmp[0] = 8;
    for (unsigned i = 8; i < length - 34; i++)
        icmp[i] = (uint8_t)(i * 7);
    put16(icmp + 2, checksum(icmp, length - 34));
}

/* A buffer is posted, the packet in tx[] is sent, and something comes within the time. */
static const struct exo_completion *exchange(uint32_t out, uint32_t in, uint32_t length, uint32_t room)
{
    struct plan *plan = tally_plan(EXO_PLAN_QUIET | EXO_PLAN_ANNOUNCE);
    uint64_t words[1] = { EXO_BUF(tx_frame, 0, length) };
    plan_unordered(plan, true);
    struct length_ref got = plan_net_rx(plan, handle_number(in), EXO_BUF(rx_frame, 0, room));
    plan_quiet(plan, true);
    plan_net_tx(plan, out, words, 1, 0);
    struct tick_ref late = plan_timer(plan, tick_number(tick_after_us(10 * SECOND)));
    plan_after(plan, plan_bit(got) | plan_bit(late), EXO_START_ANY);
    plan_cancel(plan, word_number(0), plan_bit(got) | plan_bit(late));
    memset(rx, 0xee, PAGE);
    plan_submit(plan);
    CHECK(tally_wait(2, 20 * SECOND)); /* the announcement, and the packet or its end */
    (void)tally_wait(4, 10000);        /* the timer, which is cancelled, and the plan's end */
    return tally_of(0) != NULL ? tally_of(0) : &tally.seen[0];
}

/* ---- sending and receiving ---------------------------------------------------------------------------- */

static void info(void)
{
    static const uint8_t mac[6] = { 0x52, 0x54, 0x00, 0x12, 0x34, 0x56 };
    uint64_t word = 0;
    OK(OP_ON(queue(), QUEUE_INFO, 0));
    memcpy(&word, mac, 6);
    CHECK((op_result[0] & 0xffffffffffff) == word);
    CHECK((op_result[0] >> 48 & ~3ull) == 0);
    CHECK(op_result[3] == 0);
    FAILS(HANDLE, OP_ON(queue() + 0x10000, QUEUE_INFO, 0));
}

static void arp(void)
{
    struct counts before = counts_of(queue());
    arp_request();
    const struct exo_completion *c = exchange(queue(), queue(), ARP_BYTES, 2048);
    CHECK(is_arp_reply(c) && (c->more & EXO_RX_BROADCAST) == 0);
    memcpy(gateway_mac, rx + 6, 6);
    struct counts after = counts_of(queue());
    CHECK(after.sent == before.sent + 1 && after.received == before.received + 1);
    CHECK(after.dropped == before.dropped);
}

static void ping(void)
{
    for (unsigned length = 98; length <= 1514; length += 236) {
        ping_request(length);
        const struct exo_completion *c = exchange(queue(), queue(), length, 2048);
        CHECK(c->status == 0 && c->result == length && (c->more & EXO_RX_CUT) == 0);
        CHECK(rx[34] == 0 && memcmp(rx + 42, tx + 42, length - 42) == 0);
        CHECK(rx[length] == 0xee);
        /* The same into a buffer that is too short: what fits, and the length that it had. */
        c = exchange(queue(), queue(), length, 80);
        CHECK(c->status == 0 && c->result == length && (c->more & EXO_RX_CUT) != 0);
        CHECK(memcmp(rx + 42, tx + 42, 38) == 0 && rx[80] == 0xee);
    }
}

/* One packet from ten places, eight of them in MORE cells; into a buffer over two pages. */
static void scattered(void)
{
    uint64_t words[10];
    unsigned length = 500, at = 0;
    ping_request(length);
    for (unsigned i = 0; i < 10; i++) {
        unsigned part = i < 9 ? 14 + i * 3 : length - at;
        words[i] = EXO_BUF(tx_frame, at, part);
        at += part;
    }
    struct plan *plan = tally_plan(0);
    plan_unordered(plan, true);
    plan_net_rx(plan, handle_number(queue()), EXO_BUF(tx_frame, 4000, 1600));
    plan_net_tx(plan, queue(), words, 10, 0);
    CHECK(plan_submit(plan) == 0);
    CHECK(tally_wait(3, 10 * SECOND));
    CHECK(tally_of(0)->status == 0 && tally_of(0)->result == length && tally_of(1)->status == 0);
    CHECK(memcmp(tx + 4000 + 42, tx + 42, length - 42) == 0);
}

static int send_words(const uint64_t *words, unsigned count, uint64_t sum)
{
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    plan_net_tx(plan, queue(), words, count, sum);
    return plan_run(plan);
}

static int send_one(uint64_t word)
{
    return send_words(&word, 1, 0);
}

static void send_refused(void)
{
    uint64_t sent = counts_of(queue()).sent, words[16];
    arp_request();
    FAILS(RANGE, send_one(EXO_BUF(tx_frame, 0, 13)));
    FAILS(RANGE, send_one(EXO_BUF(tx_frame, 0, 1515)));
    FAILS(FRAME, send_one(EXO_BUF(0, 0, 60)));
    FAILS(FRAME, send_one(EXO_BUF(start_info()->queue + 1000000, 0, 60)));
    for (unsigned i = 0; i < 16; i++)
        words[i] = EXO_BUF(tx_frame, 0, 120);
    FAILS(RANGE, send_words(words, 16, 0)); /* 1920 bytes */
    FAILS(RANGE, OP_ON(queue(), NET_TX, words[0], 3, 0, words[0], words[0])); /* and no MORE cell */
    FAILS(RANGE, OP_ON(queue(), NET_TX, words[0], 16));
    FAILS(HANDLE, OP_ON(start_info()->console, NET_TX, words[0]));
    /* Another's address, by one bit. */
    tx[11] ^= 1;
    FAILS(REFUSED, send_one(EXO_BUF(tx_frame, 0, 60)));
    tx[11] ^= 1;
    tx[6] ^= 0x80;
    FAILS(REFUSED, send_one(EXO_BUF(tx_frame, 0, 60)));
    tx[6] ^= 0x80;
    FAILS(REFUSED, send_one(EXO_BUF(tx_frame, 6, 60)));
    /* A checksum that the device would write into the checked bytes, or outside of the packet. */
    uint64_t word = EXO_BUF(tx_frame, 0, 60);
    int over = send_words(&word, 1, EXO_TX_CSUM(6, 2));
    CHECK(over == -EXO_E_RANGE);
    CHECK(send_words(&word, 1, EXO_TX_CSUM(14, 60)) == -EXO_E_RANGE);
    CHECK(send_words(&word, 1, EXO_TX_CSUM(60, 0)) == -EXO_E_RANGE);
    CHECK(send_words(&word, 1, 12345) == -EXO_E_RANGE);
    CHECK(counts_of(queue()).sent == sent);
    /* By page, also from memory that is frozen. */
    struct exo_op cell = { .code = EXO_NET_TX, .flags = EXO_VPAGE, .handle = queue(),
                           .arg = { EXO_BUF(SPARE >> 12, 0, 60) } };
    OK(op_run(cell));
    cell.arg[0] = EXO_BUF((SPARE >> 12) + 100, 0, 60);
    FAILS(FRAME, op_run(cell));
    CHECK(counts_of(queue()).sent == sent + 1);
}

static void receive_refused(void)
{
    FAILS(RANGE, OP_ON(queue(), NET_RX, EXO_BUF(rx_frame, 0, 59)));
    FAILS(FRAME, OP_ON(queue(), NET_RX, EXO_BUF(0, 0, 100)));
    FAILS(FRAME, OP_ON(queue(), NET_RX, EXO_BUF(1ull << 35, 0, 100)));
    struct exo_op cell = { .code = EXO_NET_RX, .flags = EXO_VPAGE, .handle = queue() };
    cell.arg[0] = EXO_BUF((uint64_t)receive_refused >> 12, 0, 100); /* frozen code */
    FAILS(FRAME, op_run(cell));
    cell.arg[0] = EXO_BUF(LIBOS_INFO >> 12, 0, 100); /* the kernel's */
    FAILS(FRAME, op_run(cell));
    cell.arg[0] = EXO_BUF(LIBOS_CQ >> 12, 0, 100);
    FAILS(FRAME, op_run(cell));
    cell.arg[0] = EXO_BUF(0xffffffff8, 0, 100);
    FAILS(FRAME, op_run(cell));
}

/* What comes while nobody waits is dropped, and counted. */
static void dropped(void)
{
    struct counts before = counts_of(queue()), now;
    uint64_t end = tick_after_us(10 * SECOND);
    arp_request();
    OK(send_one(EXO_BUF(tx_frame, 0, 60)));
    do {
        OK(OP(TIMER, tick_after_us(1000)));
        now = counts_of(queue());
    } while (now.dropped == before.dropped && __builtin_ia32_rdtsc() < end);
    CHECK(now.dropped > before.dropped && now.received == before.received);
}

/* ---- frames that a device may write --------------------------------------------------------------------- */

static void pinned(void)
{
    struct child child;
    uint64_t frame = frames_take(1);
    child_create(&child, 20);
    struct plan *plan = tally_plan(EXO_PLAN_ANNOUNCE);
    plan_net_rx(plan, handle_number(queue()), EXO_BUF(frame, 0, 2048));
    CHECK(plan_submit(plan) == 0);
    tally_take();
    uint64_t id = tally.seen[0].result;
    FAILS(BUSY, OP(FREE, frame, 1));
    FAILS(BUSY, OP_ON(child.env, GIVE, frame, 1));
    FAILS(BUSY, OP(TABLE, frame, SPARE + (2ull << 20), 1));
    FAILS(BUSY, OP(SLOTS, frame, 1, 4));
    OK(OP(MAP, SPARE + 2 * PAGE, frame, 1, EXO_READ));
    FAILS(BUSY, OP(FREEZE, SPARE + 2 * PAGE, 1));
    OK(OP(UNMAP, SPARE + 2 * PAGE, 1));
    OK(OP(CANCEL, id, ALL));
    CHECK(op_result[0] == 1);
    CHECK(tally_wait(3, SECOND) && tally_of(0)->status == -EXO_E_CANCELLED);
    OK(OP(FREE, frame, 1));
    child_kill(&child);
}

/* ---- queues from queues ----------------------------------------------------------------------------------- */

static struct exo_queue_spec *const spec = (struct exo_queue_spec *)(SPARE + PAGE);

/* Like our own queue, but for one kind of packet only. */
static void spec_fill(uint16_t type)
{
    memset(spec, 0, sizeof(*spec));
    spec->rx_count = spec->tx_count = 1;
    memset(spec->rx[0].mask, 0xff, 6);
    memcpy(spec->rx[0].value, start_info()->mac, 6);
    memset(spec->tx[0].mask + 6, 0xff, 6);
    memcpy(spec->tx[0].value + 6, start_info()->mac, 6);
    for (struct exo_match *match = spec->rx; match != NULL; match = match == spec->rx ? spec->tx : NULL) {
        memset(match->mask + 12, 0xff, 2);
        put16(match->value + 12, type);
    }
}

static int create(uint64_t frame)
{
    return OP_ON(queue(), QUEUE_CREATE, frame, EXO_BUF(rx_frame, 0, sizeof(*spec)));
}

static void create_refused(void)
{
    uint64_t frame = frames_take(1), used = account_used();
    spec_fill(0x0806);
    FAILS(RANGE, OP_ON(queue(), QUEUE_CREATE, frame, EXO_BUF(rx_frame, 0, sizeof(*spec) - 1)));
    FAILS(FRAME, OP_ON(queue(), QUEUE_CREATE, frame, EXO_BUF(0, 0, sizeof(*spec))));
    FAILS(FRAME, create(0));
    FAILS(BUSY, create(rx_frame)); /* mapped */
    FAILS(HANDLE, OP_ON(0, QUEUE_CREATE, frame, EXO_BUF(rx_frame, 0, sizeof(*spec))));
    spec->rx_count = EXO_MATCHES + 1;
    FAILS(RANGE, create(frame));
    spec_fill(0x0806);
    spec->zero = 1;
    FAILS(RANGE, create(frame));
    spec_fill(0x0806);
    spec->flags = 2;
    FAILS(RANGE, create(frame));
    spec_fill(0x0806);
    spec->rx[0].value[100] = 1; /* outside the mask: fits nothing */
    FAILS(RANGE, create(frame));
    /* More than our own: another address, any address, everybody's packets. */
    spec_fill(0x0806);
    spec->rx[0].value[5] ^= 1;
    FAILS(RIGHT, create(frame));
    spec_fill(0x0806);
    spec->rx[0].mask[0] = 0xfe;
    FAILS(RIGHT, create(frame));
    spec_fill(0x0806);
    spec->tx[0].value[11] ^= 1;
    FAILS(RIGHT, create(frame));
    spec_fill(0x0806);
    memset(spec->tx, 0, sizeof(spec->tx));
    FAILS(RIGHT, create(frame));
    spec_fill(0x0806);
    spec->flags = EXO_QUEUE_BROADCAST; /* ours does not have it */
    FAILS(RIGHT, create(frame));
    CHECK(account_used() == used);
    frames_give_back(frame, 1);
}

static void carved(void)
{
    uint64_t used = account_used(), frame = frames_take(2);
    spec_fill(0x0806);
    OK(create(frame));
    uint32_t inner = (uint32_t)op_result[0];
    FAILS(OVERLAP, create(frame + 1));
    FAILS(FRAME, create(frame));
    FAILS(FRAME, OP(FREE, frame, 1));
    /* ARP goes there now, and nothing else leaves from there. */
    arp_request();
    const struct exo_completion *c = exchange(inner, inner, ARP_BYTES, 2048);
    CHECK(is_arp_reply(c));
    struct counts outer = counts_of(queue());
    CHECK(counts_of(inner).received == 1 && counts_of(inner).sent == 1);
    ping_request(98);
    FAILS(REFUSED, OP_ON(inner, NET_TX, EXO_BUF(tx_frame, 0, 98)));
    c = exchange(queue(), queue(), 98, 2048);
    CHECK(c->status == 0 && c->result == 98);
    CHECK(counts_of(inner).received == 1 && counts_of(queue()).received == outer.received + 1);
    /* Its last handle ends it, and what waits there hears of it. */
    struct plan *plan = tally_plan(0);
    plan_net_rx(plan, handle_number(inner), EXO_BUF(rx_frame, 0, 2048));
    CHECK(plan_submit(plan) == 0);
    OK(OP(HANDLE_DROP, inner));
    CHECK(tally_wait(2, SECOND) && tally_of(0)->status == -EXO_E_DEAD);
    FAILS(HANDLE, OP_ON(inner, QUEUE_INFO, 0));
    FAILS(HANDLE, OP(HANDLE_DROP, inner));
    arp_request();
    c = exchange(queue(), queue(), ARP_BYTES, 2048); /* ours again */
    CHECK(is_arp_reply(c));
    frames_give_back(frame + 1, 1);
    CHECK(account_used() == used);
}

/* ---- a child with a queue ------------------------------------------------------------------------------------ */

static void wait_for_packets(uint64_t handle)
{
    struct plan_buffer buffer;
    uint64_t frame = frames_take(4);
    for (;;) {
        struct plan *plan = plan_begin(&buffer);
        plan_unordered(plan, true);
        for (unsigned i = 0; i < 4; i++)
            plan_net_rx(plan, handle_number((uint32_t)handle), EXO_BUF(frame + i, 0, 2048));
        if (plan_run(plan) != 0)
            child_exit(1);
    }
}

/* Killed while packets come for it; all that it had comes back, and so do the packets. */
static void killed(void)
{
    struct child child = child_spawn(wait_for_packets, 0, CHILD_QUOTA); /* for what building one leaves here */
    child_kill(&child);
    uint64_t used = account_used();
    for (unsigned i = 0; i < 10; i++) {
        uint64_t frame = frames_take(1);
        spec_fill(0x0806);
        OK(create(frame));
        uint32_t inner = (uint32_t)op_result[0];
        CHECK(child_create(&child, CHILD_QUOTA) && child_copy(&child, 1, 0));
        OK(OP_ON(child.env, HANDLE_COPY, inner));
        CHECK(child_start(&child, wait_for_packets, op_result[0]));
        OK(OP(HANDLE_DROP, inner));
        OK(OP(TIMER, tick_after_us(2000)));
        arp_request();
        for (unsigned k = 0; k < 6; k++)
            OK(send_one(EXO_BUF(tx_frame, 0, 60)));
        if (i % 2 == 0)
            OK(OP(TIMER, tick_after_us(1000)));
        child_kill(&child);
        CHECK(account_used() == used);
    }
    OK(OP(TIMER, tick_after_us(20000)));
    arp_request();
    CHECK(is_arp_reply(exchange(queue(), queue(), ARP_BYTES, 2048)));
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        { "info", info },
        { "arp", arp },
        { "ping", ping },
        { "scattered", scattered },
        { "send-refused", send_refused },
        { "receive-refused", receive_refused },
        { "dropped", dropped },
        { "pinned", pinned },
        { "create-refused", create_refused },
        { "carved", carved },
        { "killed", killed },
        { NULL, NULL },
    };
    tally_begin();
    tx_frame = frames_take(2);
    rx_frame = tx_frame + 1;
    tables_make(SPARE);
    OK(OP(MAP, SPARE, tx_frame, 2, RW));
    return check_main(cases, argc, argv);
}
