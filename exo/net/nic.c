/* SPDX-License-Identifier: MIT */
/*
 * The shared NIC between the queues and the driver: who gets an arriving packet,
 * who may put how much on the wire, and who pays for the kernel's time. A packet
 * that nobody waits for is dropped before it is copied, and counted.
 */
#include "nic.h"

#include "../arch/arch.h"
#include "../core.h"
#include "ops_net.h"

#define POLL_PACKETS 64u /* delivered in one poll */
#define POLL_SENT 128u   /* reaped in one poll */
#define POLL_ENDED 64u   /* steps of ending queues */
#define PACKET_DESCRIPTORS (NIC_PIECES + 1u)

/* Per environment, by its index; what the device still holds outlives the environment. */
static struct account {
    uint32_t descriptors; /* with the device */
    struct list waiting;  /* NET_TX operations without room */
} accounts[ENV_MAX];

static struct list starved; /* NET_TX operations without room, of those who have nothing to be reaped */
static struct nic_driver *driver;
static struct queue *root;
static frame_t root_frame;
static unsigned in_flight, held; /* packets with the device; those with an operation that waits for it */
static bool room_wanted;         /* an operation was parked for want of room */
static bool failure_told;        /* all that waited for the failed device has ended */

frame_t nic_root(void) { return root_frame; }
const struct nic_driver *nic_driver(void) { return driver; }
bool nic_failed(void) { return driver->failed(); }

bool nic_init(uint64_t (*take_frames)(unsigned count))
{
    for (unsigned i = 0; i < ENV_MAX; i++)
        list_init(&accounts[i].waiting);
    list_init(&starved);
    if (!virtio_net_driver.start(take_frames))
        return false;
    uint64_t memory = take_frames(1);
    if (!memory)
        return false;
    driver = &virtio_net_driver;
    root_frame.number = (uint32_t)(memory >> EXO_PAGE_SHIFT);
    root = queue_root_init(root_frame);
    driver->irq_on(false);
    const uint8_t *mac = driver->mac;
    console_printf("nic: %s %02x:%02x:%02x:%02x:%02x:%02x\n", driver->name, mac[0], mac[1], mac[2],
                   mac[3], mac[4], mac[5]);
    return true;
}

/* ---- receiving ------------------------------------------------------------- */

/* To the first who waits. How much of this a program can cause is bounded without a look at its
 * credit: it gets a packet only for a buffer that it posted in its own time. The time it takes, from *since on, is the receiver's; that of a
 * drop is who received last's, or else who paid for the queue's. */
static void deliver(struct queue *queue, const struct nic_packet *packet, uint32_t flags,
                    uint64_t *since)
{
    unsigned payer = queue->receiver ? queue->receiver : frame_entry(queue->frame)->owner;
    struct op *op = op_unpark(&queue->parked);
    if (op) {
        payer = op_plan(op)->env->index;
        net_rx_deliver(op, packet, packet->flags | flags);
        queue->received++;
    } else {
        queue->dropped++;
    }
    uint64_t now = clock_now();
    if (envs[payer])
        envs[payer]->credit -= (int64_t)(now - *since);
    *since = now;
}

static void route(const struct nic_packet *packet, uint64_t *since)
{
    struct queue *queue = queue_classify(root, packet->bytes, packet->length);
    bool group = packet->bytes[0] & 1; /* IEEE 802.3, 3.2.3: the first bit on the wire */
    if (!group || !queue->broadcast || queue == root)
        deliver(queue, packet, group ? EXO_RX_BROADCAST : 0, since);
    if (!group)
        return;
    struct list_node *at = queues_broadcast.head.next;
    for (; at != &queues_broadcast.head; at = at->next)
        deliver(LIST_ENTRY(at, struct queue, broadcast_link), packet, EXO_RX_BROADCAST, since);
}

/* ---- sending --------------------------------------------------------------- */

/* The owner word that travels with a packet: the operation, or an odd word with whose packet it is. */
static uintptr_t owner_word(const struct env *env, struct op *op)
{
    return op ? (uintptr_t)op : (uintptr_t)env->index << 1 | 1;
}

static void wake_first(struct list *list)
{
    struct op *op = op_unpark(list);
    if (op)
        op_wake(op);
}

static void reap_one(uintptr_t owner, unsigned descriptors)
{
    unsigned index = (unsigned)(owner >> 1);
    if (!(owner & 1)) {
        struct env *env = net_tx_done((struct op *)owner, driver->failed() ? -EXO_E_DEVICE : 0);
        env->tx_in_flight--;
        held--;
        index = env->index;
    }
    in_flight--;
    accounts[index].descriptors -= descriptors;
    wake_first(&accounts[index].waiting);
    wake_first(&starved);
}

static bool reap(void)
{
    uintptr_t owner;
    unsigned descriptors;
    for (unsigned budget = POLL_SENT; budget; budget--) {
        if (!driver->tx_reap(&owner, &descriptors))
            return true;
        reap_one(owner, descriptors);
    }
    return false;
}

/* An environment may have as much in flight as is still free: alone half of the ring, n of them
 * 1/(n+1) each (Choudhury and Hahne, dynamic thresholds for shared buffers, 1998). And it leaves what the largest packet
 * takes, so that however many are busy, who has nothing in flight yet finds room. */
bool nic_room(const struct env *env, unsigned descriptors)
{
    uint32_t own = accounts[env->index].descriptors;
    uint32_t wanted = own ? own + descriptors + PACKET_DESCRIPTORS : descriptors;
    for (unsigned tries = 0; tries < 2; tries++) {
        if (wanted <= driver->tx_room())
            return true;
        reap();
    }
    return false;
}

void nic_park(struct env *env, struct op *op)
{
    struct account *account = &accounts[env->index];
    room_wanted = true;
    op_park(op, account->descriptors ? &account->waiting : &starved);
}

void nic_pass(struct env *env)
{
    wake_first(&accounts[env->index].waiting);
    wake_first(&starved);
}

void nic_send(struct env *env, const uint8_t *head, uint32_t head_length,
              const struct nic_piece *pieces, unsigned count, uint64_t checksum, struct op *op)
{
    accounts[env->index].descriptors += count + 1;
    in_flight++;
    if (op) {
        env->tx_in_flight++;
        held++;
    }
    driver->tx(head, head_length, pieces, count, checksum, owner_word(env, op));
}

void nic_flush(void)
{
    if (driver)
        driver->tx_kick();
}

bool nic_env_quiet(const struct env *env)
{
    if (driver && env->tx_in_flight) {
        driver->tx_kick();
        reap();
    }
    return env->tx_in_flight == 0;
}

/* ---- polling --------------------------------------------------------------- */

static bool interrupts_on(void)
{
    room_wanted = room_wanted && in_flight;
    return driver->irq_on(held > 0 || room_wanted);
}

/* Everybody who waits for a failed device is told, in steps. */
static bool tell_failure(void)
{
    if (!failure_told)
        failure_told = queue_fail(POLL_ENDED);
    return !failure_told;
}

bool nic_poll(void)
{
    if (!driver)
        return false;
    bool more = !queue_reap(POLL_ENDED);
    more |= !reap();
    if (driver->tx_room() >= PACKET_DESCRIPTORS)
        wake_first(&starved); /* whom a reaped packet woke last time may be stopped */
    struct nic_packet packet;
    uint64_t since = clock_now();
    unsigned budget = POLL_PACKETS;
    for (; budget && driver->rx_next(&packet); budget--) {
        route(&packet, &since);
        driver->rx_done();
    }
    if (driver->failed())
        return tell_failure() || more;
    if (budget == 0 || more)
        return true;
    return interrupts_on();
}

void nic_attend(void)
{
    core_this()->device_fired = 1;
}

bool nic_idle(void)
{
    if (!driver)
        return !core_this()->device_fired;
    driver->tx_kick();
    if (driver->failed() ? failure_told : !interrupts_on())
        return !core_this()->device_fired;
    nic_attend();
    return false;
}
