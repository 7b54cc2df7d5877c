/* SPDX-License-Identifier: MIT */
/* The machine layer, the device, how everything begins, and the image of it all. */
#include "machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../../../exo/arch/arch.h"
#include "../../../exo/flush.h"
#include "../../../exo/net/nic.h"

uint64_t machine_now;
unsigned machine_look;
struct device device;
uint64_t core_passed[CORES];
bool cores_late;

static struct frame table[FRAMES];
static struct limits limits;

/* ---- what the kernel asks of a machine ------------------------------------------------------ */

void *frame_memory(frame_t frame)
{
    return physical_memory((uint64_t)frame.number << EXO_PAGE_SHIFT);
}

void space_flush(struct env *env, page_t page) { (void)env, (void)page; }
uint64_t flush_slowest(void)
{
    uint64_t slowest = core_passed[0] < core_passed[1] ? core_passed[0] : core_passed[1];
    return cores_late ? slowest : flush_epoch;
}
uint64_t clock_now(void) { return machine_now; }
uint64_t clock_hz(void) { return 1000000000u; }
uint64_t arch_cpu_features(void) { return 0; }
uint32_t arch_vector_bytes(void) { return 512; }
void arch_vector_init(void *state) { (void)state; }
uint64_t arch_kernel_root(void) { return (uint64_t)KERNEL_ROOT << EXO_PAGE_SHIFT; }
void arch_forget(struct core *core, struct env *env) { (void)core, (void)env; }
void arch_leave_space(struct core *core) { core->space = NULL; }
void timer_arm(uint64_t tick) { (void)tick; }
void arch_idle(void) { violated("the core idles"); }
noreturn void arch_resume(struct core *core, struct env *env)
{
    violated("core %u resumes %u", core->number, env->index);
}

void arch_interrupt_window(void)
{
    if (machine_look && --machine_look == 0)
        core_this()->attention = 1;
}

bool serial_read(uint8_t *byte) { return (void)byte, false; }
void serial_listen(void) { }
void serial_write(const char *text, size_t length) { (void)text, (void)length; }
void console_printf(const char *format, ...) { (void)format; }
noreturn void machine_exit(unsigned value) { violated("the machine ends with %#x", value); }
noreturn void panic(const char *format, ...) { violated("panic: %s", format); }

/* ---- the device -------------------------------------------------------------------------------- */

static bool start(uint64_t (*take_frames)(unsigned count)) { return take_frames != NULL; }
static bool failed(void) { return false; }
static unsigned tx_room(void) { return (DEVICE_PACKETS - device.count) * 3; }
static void kick(void) {}
static bool irq_on(bool tx_too) { return (void)tx_too, false; }

static bool rx_next(struct nic_packet *packet)
{
    static const uint64_t bytes[8] = {POISON, POISON, POISON, POISON, POISON, POISON, POISON, POISON};
    *packet = (struct nic_packet){.bytes = (const uint8_t *)bytes, .length = sizeof bytes};
    return device.packet;
}

static void rx_done(void) { device.packet = false; }

static void tx(const uint8_t *head, uint32_t length, const struct nic_piece *pieces, unsigned parts,
               uint64_t checksum, uintptr_t owner)
{
    (void)head, (void)length, (void)checksum;
    RULE(device.count < DEVICE_PACKETS && parts <= 2, "more than the device can hold");
    struct sent *sent = &device.sent[device.count++];
    *sent = (struct sent){.owner = owner, .count = parts};
    for (unsigned i = 0; i < parts; i++)
        sent->frame[i] = (uint32_t)(pieces[i].address >> EXO_PAGE_SHIFT);
}

static bool tx_reap(uintptr_t *owner, unsigned *descriptors)
{
    if (!device.count || !device.done)
        return false;
    device.done = false;
    *owner = device.sent[0].owner;
    *descriptors = device.sent[0].count + 1;
    device.sent[0] = device.sent[1];
    device.sent[--device.count] = (struct sent){0};
    return true;
}

struct nic_driver virtio_net_driver = {
    .name = "pretended", .start = start, .rx_next = rx_next, .rx_done = rx_done,
    .tx_room = tx_room, .tx = tx, .tx_reap = tx_reap, .tx_kick = kick, .irq_on = irq_on,
    .failed = failed,
};

static uint64_t nic_memory(unsigned count)
{
    return count == 1 ? (uint64_t)NIC_ROOT << EXO_PAGE_SHIFT : 0;
}

/* ---- beginning ----------------------------------------------------------------------------------- */

static frame_t part(enum role role, enum part part) { return (frame_t){BLOCK(role) + part}; }

struct env *role_env(enum role role)
{
    const struct frame *frame = frame_entry(part(role, PART_ENV));
    return frame->state == FRAME_KERNEL && frame->kind == KIND_ENV ? frame_memory(part(role, PART_ENV)) : NULL;
}

enum role env_role(const struct env *env)
{
    RULE(env && env->frame.number >= BLOCK(0) && (env->frame.number - BLOCK(0)) % 16 == 0 && env->frame.number < PLAY(0),
         "not an environment: frame %u", env ? env->frame.number : 0);
    return (enum role)((env->frame.number - BLOCK(0)) / 16);
}

struct channel *play_channel(unsigned i)
{
    const struct frame *frame = &table[PLAY(i)];
    return frame->state == FRAME_KERNEL && frame->kind == KIND_CHANNEL ? frame_memory((frame_t){PLAY(i)}) : NULL;
}

const struct queue *machine_queue(void) { return limits.nic ? queue_at((frame_t){NIC_ROOT}) : NULL; }

struct plan *slot_plan(enum role role, unsigned i)
{
    char *at = frame_memory(part(role, PART_SLOTS));
    return (struct plan *)(void *)(at + i * plan_slot_bytes(0));
}

void block_add(enum role role)
{
    for (unsigned i = 0; i < PARTS; i++) {
        table[BLOCK(role) + i] = (struct frame){.state = FRAME_ABSENT, .generation = table[BLOCK(role) + i].generation};
        memset(frame_words(BLOCK(role) + i), 0x5b, WORDS * 8);
    }
    frame_add_free(BLOCK(role), PARTS);
}

void block_remove(enum role role)
{
    frame_t first;
    RULE(frame_take(PARTS, 0, number_of(BLOCK(role)), &first) == 0, "block %u is not free", role);
    for (unsigned i = 0; i < PARTS; i++)
        table[BLOCK(role) + i].state = FRAME_ABSENT;
}

static void parent_tables(struct env *env)
{
    unsigned missing;
    for (unsigned level = 3; level; level--) {
        frame_t frame = part(PARENT, PART_LEVEL1 + 1 - level);
        RULE(!space_table_add(env, (page_t){BASE}, level, frame, &missing), "level %u", level);
        frame_own(env, frame, FRAME_TABLE, KIND_NONE);
    }
}

uint32_t machine_quota(void)
{
    uint32_t quota = ROLES * PARTS + limits.slack;
    for (unsigned role = 0; role < ROLES; role++)
        quota += limits.quota[role];
    return quota;
}

void slack_drop(void)
{
    role_env(PARENT)->frames_limit -= BUILD_SLACK;
    if (limits.chain)
        role_env(FIRST)->frames_limit -= BUILD_SLACK;
    limits.slack = 0;
}

/* As first.c does it, but smaller. */
static void parent_start(void)
{
    frame_t first;
    block_add(PARENT);
    RULE(frame_take(PARTS, 0, number_of(BLOCK(PARENT)), &first) == 0, "no frames for the first program");
    for (unsigned i = 0; i < PARTS; i++)
        memset(frame_words(first.number + i), 0, EXO_PAGE_SIZE);
    struct env *env = env_create(NULL, first, machine_quota(), ENV_MAX - 2);
    env->frames_used = PARTS;
    for (unsigned i = PART_CONTROL; i <= PART_SLOTS; i++)
        frame_own(env, part(PARENT, i), FRAME_OWNED, KIND_NONE);
    parent_tables(env);
    env_set_rings(env, part(PARENT, PART_CONTROL), part(PARENT, PART_SQ), 1, part(PARENT, PART_CQ), 1);
    (void)env_donate_slots(env, part(PARENT, PART_SLOTS), 1, 0);
    env_start(env, 0, 0, 0);
    core_start(core_this(), env);
    if (limits.nic)
        RULE(handle_add(env, K_QUEUE, (frame_t){NIC_ROOT}) != 0, "no handle");
}

void machine_start(const struct limits *chosen)
{
    static bool mapped;
    if (!mapped && mmap((void *)KERNEL_PHYSMAP, FRAMES * EXO_PAGE_SIZE, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != (void *)KERNEL_PHYSMAP)
        violated("no memory");
    mapped = true;
    limits = *chosen;
    limits.slack = limits.chain ? 2 * BUILD_SLACK : BUILD_SLACK;
    memset((void *)KERNEL_PHYSMAP, 0, FRAMES * EXO_PAGE_SIZE);
    memset(envs, 0, sizeof envs);
    memset(cores, 0, sizeof cores);
    memset(&device, 0, sizeof device);
    machine_now = 1000;
    cores_late = false;
    frame_table_init(table, FRAMES);
    flush_init();
    frame_reserve(KERNEL_ROOT, 1);
    frame_reserve(NIC_ROOT, 1);
    for (unsigned i = 0; i < PLAYS; i++) {
        frame_add_free(PLAY(i), 1);
        memset(frame_words(PLAY(i)), 0x5b, PLAY_WORDS * 8);
    }
    if (limits.nic)
        RULE(nic_init(nic_memory), "no device");
    parent_start();
}

/* ---- the image ------------------------------------------------------------------------------------ */

extern char __data_start[], _end[]; /* the linker's: where this program's variables lie */

#define REGIONS 64u

static struct region {
    char *at;
    size_t bytes;
} regions[REGIONS];
static unsigned region_count;
static size_t image_bytes;

/* What is used of each part of an environment. The rest is always zero where it matters. */
static const uint16_t part_bytes[PARTS] = {
    [PART_ENV] = sizeof(struct env),
    [PART_HANDLES] = HANDLES * sizeof(struct handle),
    [PART_INFO] = offsetof(struct exo_info, taken) + 2 * sizeof(struct exo_taken),
    [PART_ROOT] = WORDS * 8,
    [PART_CONTROL] = offsetof(struct exo_control, context),
    [PART_SLOTS] = SLOTS * 5 * sizeof(struct op),
    [PART_LEVEL3] = WORDS * 8, [PART_LEVEL2] = WORDS * 8, [PART_LEVEL1] = WORDS * 8,
};

static void region_add(void *at, size_t bytes)
{
    RULE(region_count < REGIONS && bytes % 8 == 0, "an image of too many regions, or %zu bytes", bytes);
    regions[region_count++] = (struct region){at, bytes};
    image_bytes += bytes;
}

size_t image_size(void)
{
    if (image_bytes)
        return image_bytes;
    for (unsigned role = 0; role < ROLES; role++) {
        for (unsigned i = 0; i < PARTS; i++)
            if (part_bytes[i])
                region_add(frame_words(BLOCK(role) + i), part_bytes[i]);
        char *control = frame_memory(part(role, PART_CONTROL));
        region_add(control + offsetof(struct exo_control, spare), 16);
    }
    for (unsigned i = 0; i < PLAYS; i++)
        region_add(frame_words(PLAY(i)), PLAY_WORDS * 8);
    region_add((char *)frame_words(NIC_ROOT) + offsetof(struct queue, children),
               sizeof(struct queue) - offsetof(struct queue, children));
    char *data = (char *)(((uintptr_t)__data_start + 7) & ~7ul);
    region_add(data, (size_t)(_end - data) & ~7ul);
    return image_bytes;
}

void image_save(void *to)
{
    char *at = to;
    for (unsigned i = 0; i < region_count; at += regions[i++].bytes)
        memcpy(at, regions[i].at, regions[i].bytes);
}

void image_load(const void *from)
{
    const char *at = from;
    for (unsigned i = 0; i < region_count; at += regions[i++].bytes)
        memcpy(regions[i].at, at, regions[i].bytes);
}

bool image_equal(const void *to)
{
    const char *at = to;
    for (unsigned i = 0; i < region_count; at += regions[i++].bytes)
        if (memcmp(at, regions[i].at, regions[i].bytes))
            return false;
    return true;
}
