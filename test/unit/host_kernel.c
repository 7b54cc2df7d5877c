/* SPDX-License-Identifier: MIT */
/* The pretended machine: memory, a clock, and (host_nic.c) a network device. */
#include "host_kernel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../../exo/arch/arch.h"
#include "../../exo/channel.h"
#include "../../exo/first.h"
#include "../../exo/flush.h"
#include "../../exo/net/nic.h"

uint64_t host_now, host_armed, host_step;
uint32_t host_pinned;
unsigned host_attention;
char host_console[4096];

static struct frame table[HOST_FRAMES];
static uint64_t tail[ENV_MAX]; /* cells written by the test, per environment */
static uint64_t header[ENV_MAX];

/* ---- what the machine layer would supply --------------------------------------------- */

void *frame_memory(frame_t frame)
{
    return physical_memory((uint64_t)frame.number << EXO_PAGE_SHIFT);
}

void space_flush(struct env *env, page_t page) { (void)env, (void)page; }

/* The slower of two cores: as far as the test lets it come. */
uint64_t host_flushed;
uint64_t flush_slowest(void) { return host_flushed < flush_epoch ? host_flushed : flush_epoch; }

uint64_t clock_now(void) { return host_now += host_step; }
uint64_t clock_hz(void) { return 1000000000u; }
uint64_t arch_cpu_features(void) { return 0; }
uint32_t arch_vector_bytes(void) { return 512; }
void arch_vector_init(void *state) { (void)state; }
uint64_t arch_kernel_root(void) { return (uint64_t)(HOST_FRAMES - 1) << EXO_PAGE_SHIFT; }
void arch_forget(struct core *core, struct env *env) { (void)core, (void)env; }
void arch_leave_space(struct core *core) { core->space = NULL; }
void timer_arm(uint64_t tick) { host_armed = tick; }

/* Where the scheduler comes out: in a program, or idle. */
static jmp_buf out;
static struct env *resumed;

void arch_idle(void)
{
    resumed = NULL;
    longjmp(out, 1);
}

noreturn void arch_resume(struct core *core, struct env *env)
{
    core->current = core->space = env;
    resumed = env;
    longjmp(out, 1);
}

struct env *host_leave(void)
{
    if (!setjmp(out))
        core_leave(core_this());
    return resumed;
}

struct env *host_syscall(struct env *env, uint64_t submit, uint64_t wait_for, uint64_t deadline)
{
    core_this()->current = resumed = env;
    if (!setjmp(out) && !core_syscall(submit, wait_for, deadline, core_this()))
        core_leave(core_this());
    return resumed;
}

struct env *host_fault(struct env *env, uint64_t vector)
{
    core_this()->current = env;
    env->context.vector = vector;
    if (!setjmp(out))
        core_fault(core_this());
    return resumed;
}

/* Stands for an interrupt that comes after so many looks; the timer's comes when it is time. */
void arch_interrupt_window(void)
{
    if (host_step && clock_now() >= host_armed)
        core_this()->timer_fired = core_this()->attention = 1;
    if (host_attention && --host_attention == 0)
        core_this()->attention = 1;
}

const char *host_typed = "";

bool serial_read(uint8_t *byte)
{
    *byte = (uint8_t)*host_typed;
    return *byte ? host_typed++ : false;
}

void serial_listen(void) { }

void serial_write(const char *text, size_t length)
{
    strncat(host_console, text, length);
}

void console_printf(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    size_t used = strlen(host_console);
    vsnprintf(host_console + used, sizeof host_console - used, format, arguments);
    va_end(arguments);
}

static jmp_buf *ending; /* who expects it */
static unsigned ended_with;

noreturn void machine_exit(unsigned value)
{
    if (ending) {
        ended_with = value;
        longjmp(*ending, 1);
    }
    fprintf(stderr, "machine_exit(%#x)\n", value);
    abort();
}

unsigned host_end(void (*act)(void))
{
    jmp_buf here;
    ended_with = 0;
    ending = &here;
    if (!setjmp(here))
        act();
    ending = NULL;
    return ended_with;
}

noreturn void panic(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    abort();
}

/* ---- building ------------------------------------------------------------------------------ */

static void memory_map(void)
{
    static bool mapped;
    if (mapped)
        return;
    void *at = mmap((void *)KERNEL_PHYSMAP, HOST_FRAMES * EXO_PAGE_SIZE, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    HOLDS(at == (void *)KERNEL_PHYSMAP);
    mapped = true;
}

static uint64_t take_frames(unsigned count)
{
    frame_t first;
    HOLDS(frame_take(count, 0, number_of(EXO_ANY), &first) == 0);
    frame_reserve(first.number, count);
    return (uint64_t)first.number << EXO_PAGE_SHIFT;
}

/* The frames behind the archive page and its one "program" page. */
static struct env *start(bool nic, const struct image *image, uint32_t free)
{
    memory_map();
    memset((void *)KERNEL_PHYSMAP, 0x5a, HOST_FRAMES * EXO_PAGE_SIZE);
    memset(envs, 0, sizeof envs);
    memset(cores, 0, sizeof cores);
    memset(tail, 0, sizeof tail);
    host_flushed = UINT64_MAX;
    flush_init();
    host_console[0] = 0;
    host_typed = "";
    host_now = 1000000;
    host_attention = 0;
    host_pinned = 0;
    frame_table_init(table, HOST_FRAMES);
    frame_reserve(HOST_FRAMES - 1, 1);
    frame_reserve(1, 1); /* the archive: one page */
    frame_add_free(2, free);
    HOLDS(!nic || nic_init(take_frames));
    struct boot_range archive = {EXO_PAGE_SIZE, 2 * EXO_PAGE_SIZE};
    struct env *env = first_create(&archive, image, nic);
    core_start(core_this(), env);
    core_this()->current = env;
    return env;
}

static const struct image no_image = {.entry = 0x400000};
struct env *host_start(void) { return start(false, &no_image, HOST_FRAMES - 3); }
struct env *host_start_nic(void) { return start(true, &no_image, HOST_FRAMES - 3); }
struct env *host_start_image(const struct image *image, uint32_t frames_of) { return start(false, image, frames_of); }

void host_stop_nic(void)
{
    struct queue *root = queue_at(nic_root());
    HOLDS(root->child_count == 0 && list_empty(&queues_broadcast) && host_nic_empty());
    list_remove(&root->link);
}

void host_plan(struct env *env, unsigned flags)
{
    struct exo_plan *plan =
        (struct exo_plan *)(uintptr_t)&env->sq[tail[env->index] & (env->sq_size - 1)];
    header[env->index] = tail[env->index]++;
    *plan = (struct exo_plan){.code = EXO_PLAN, .flags = (uint8_t)flags};
}

struct exo_op *host_op(struct env *env, unsigned code)
{
    struct exo_plan *plan =
        (struct exo_plan *)(uintptr_t)&env->sq[header[env->index] & (env->sq_size - 1)];
    struct exo_op *op =
        (struct exo_op *)(uintptr_t)&env->sq[tail[env->index]++ & (env->sq_size - 1)];
    plan->cells++;
    *op = (struct exo_op){.code = (uint8_t)code};
    return op;
}

uint64_t host_built(const struct env *env) { return tail[env->index]; }

void host_continue(struct env *env)
{
    struct core *core = core_this();
    for (unsigned i = 0; i < 10000 && env_runnable(env); i++) {
        core->attention = 0;
        core->current = env;
        if (env_continue(env) && !core->attention)
            return;
    }
}

long host_enter(struct env *env)
{
    core_this()->current = env;
    env->from_syscall = true;
    env_enter(env, tail[env->index], 0, 0);
    host_continue(env);
    return (long)env->context.rax;
}

const struct exo_completion *host_completion(struct env *env)
{
    if (env->control->cq_head == env->cq_tail)
        return NULL;
    return &env->cq[env->control->cq_head++ & (env->cq_size - 1)];
}

struct env *host_child(struct env *parent, uint32_t quota, unsigned slots, unsigned slot_class,
                       uint32_t *handle)
{
    unsigned give = 3 + slots;
    host_plan(parent, 0);
    host_op(parent, EXO_ALLOC)->arg[0] = EXO_ENV_FRAMES;
    host_op(parent, EXO_ALLOC)->arg[0] = give;
    for (unsigned i = 0; i < 2; i++)
        ((struct exo_op *)(uintptr_t)&parent->sq[(tail[parent->index] - 2 + i) & (parent->sq_size - 1)])
            ->arg[2] = EXO_ANY;
    HOLDS(host_enter(parent) == 0);
    uint64_t parts = host_completion(parent)->result, first = host_completion(parent)->result;
    (void)host_completion(parent);

    host_plan(parent, 0);
    struct exo_op *op = host_op(parent, EXO_ENV_CREATE);
    op->arg[0] = parts;
    op->arg[1] = quota;
    HOLDS(host_enter(parent) == 0);
    *handle = (uint32_t)host_completion(parent)->result;
    (void)host_completion(parent);

    host_plan(parent, EXO_PLAN_QUIET);
    op = host_op(parent, EXO_GIVE);
    op->handle = *handle, op->arg[0] = first, op->arg[1] = give, op->flags = EXO_QUIET;
    op = host_op(parent, EXO_ENV_RINGS);
    op->handle = *handle, op->arg[0] = first, op->arg[1] = first + 1, op->arg[2] = 1;
    op->arg[3] = first + 2, op->arg[4] = 1, op->flags = EXO_QUIET;
    if (slots) {
        op = host_op(parent, EXO_SLOTS);
        op->handle = *handle, op->arg[0] = first + 3, op->arg[1] = slots, op->arg[2] = slot_class;
        op->flags = EXO_QUIET;
    }
    op = host_op(parent, EXO_ENV_START);
    op->handle = *handle, op->arg[0] = 0x400000, op->arg[1] = 0x800000, op->flags = EXO_QUIET;
    HOLDS(host_enter(parent) == 0);
    struct env *child = handle_env(parent, number_of(*handle), false);
    tail[child->index] = 0;
    return child;
}

/* ---- what must always hold --------------------------------------------------------------------- */

/* What the lists and tables of all programs add up to. */
static struct sums {
    uint32_t mappings[HOST_FRAMES], writable[HOST_FRAMES]; /* of a table: entries in use */
    uint32_t pins[HOST_FRAMES], sent[HOST_FRAMES];         /* sent: messages that it moves in */
} sums;

static void hold_count(uint32_t *sum, const uint32_t *frame, unsigned count)
{
    for (unsigned i = 0; i < count && frame[i]; i++) {
        HOLDS(frame[i] < HOST_FRAMES);
        sum[frame[i]]++;
    }
}

/* What an operation holds while it is parked: for the device, for a packet, in a message. */
static void op_holds(const struct op *op)
{
    if (op->state != OP_PARKED)
        return;
    if (op->where == WHERE_DEVICE)
        hold_count(sums.pins, op->held, NIC_PIECES);
    else if (op->cell.code == EXO_NET_RX)
        hold_count(sums.pins, (const uint32_t *)&op->result[0], 2);
    else if (op->cell.code == EXO_SEND && EXO_BUF_FRAME(op->result[0]))
        hold_count(op->cell.flags & EXO_VPAGE ? sums.pins : sums.sent, (const uint32_t *)&op->result[2],
                  (EXO_BUF_OFFSET(op->result[0]) + EXO_BUF_LENGTH(op->result[0]) - 1) / EXO_PAGE_SIZE + 1);
}

/* Rings, as long as they are its own: a dying program's go one by one. */
static void ring_pins(const struct env *env)
{
    if (!env->control)
        return;
    uint64_t sq_frames = env->sq_size * sizeof(struct exo_op) / EXO_PAGE_SIZE;
    for (uint32_t i = 0; i <= sq_frames; i++) {
        uint32_t number = i ? env->sq_frame + i - 1 : env->control_frame;
        bool own = frames[number].owner == env->index && frames[number].state == FRAME_OWNED;
        HOLDS(own || env->state == ENV_DYING);
        sums.pins[number] += own;
    }
}

/* Pins are what is held, and a frame on its way is in one message. */
static void pins_check(void)
{
    for (unsigned i = 0; i < HOST_FRAMES; i++) {
        HOLDS(sums.sent[i] == (frames[i].state == FRAME_KERNEL && frames[i].kind == KIND_SENT));
        HOLDS(frames[i].pins == sums.pins[i] + (host_pinned && i == host_pinned));
        HOLDS(frames[i].pins == 0 || frames[i].state == FRAME_OWNED || frames[i].state == FRAME_FROZEN);
    }
}

static unsigned list_length(const struct list *list)
{
    unsigned length = 0;
    for (const struct list_node *at = list->head.next; at != &list->head; at = at->next) {
        HOLDS(at->next->prev == at);
        HOLDS(++length < 100000);
    }
    return length;
}

static unsigned lists_check(const struct env *env)
{
    unsigned owned = 0;
    for (uint32_t i = env->owned, before = FRAME_NONE; i != FRAME_NONE; i = frames[i].next) {
        HOLDS(frames[i].owner == env->index);
        HOLDS(frames[i].prev == before);
        HOLDS(frames[i].state == FRAME_OWNED || frames[i].state == FRAME_TABLE ||
               frames[i].state == FRAME_KERNEL);
        before = i;
        HOLDS(++owned < HOST_FRAMES);
    }
    return owned;
}

/* Frames that its ALLOCs took and that are on nobody's list yet. */
static unsigned plan_taken(const struct plan *plan)
{
    unsigned taken = 0;
    for (unsigned i = 0; i < plan->cells; i++) {
        const struct op *op = &plan->op[i];
        bool started = op->state == OP_READY || op->state == OP_PARKED;
        if (op->cell.code == EXO_ALLOC && started && flush_steps(op)[1])
            taken += (unsigned)(op->cell.arg[0] - flush_steps(op)[0]);
    }
    return taken;
}

/* Every slot is free or in use, every plan is on the lists that it says. */
static unsigned plans_check(const struct env *env)
{
    unsigned free = 0, used = 0, taken = 0, ready = 0, held = 0, reserved = 0;
    for (uint32_t i = env->owned; i != FRAME_NONE; i = frames[i].next) {
        if (frames[i].kind != KIND_SLOTS || slots_base(&frames[i]) != i)
            continue;
        char *at = frame_memory((frame_t){i});
        uint64_t size = plan_slot_bytes(slots_class(&frames[i]));
        uint64_t bytes = (uint64_t)slots_frames(&frames[i]) * EXO_PAGE_SIZE;
        for (; bytes >= size; at += size, bytes -= size) {
            const struct plan *plan = (const struct plan *)(void *)at;
            if (!plan->admitted)
                continue;
            HOLDS(plan->env == env && !plan->busy);
            for (unsigned op = 0; op < plan->cells; op++)
                op_holds(&plan->op[op]);
            HOLDS(env->state == ENV_DYING || (plan->ended & (plan->waiting | plan->runnable)) == 0);
            used++;
            taken += plan_taken(plan);
            ready += plan->on_ready;
            held += plan->held.next != NULL;
            reserved += plan->reserved;
        }
    }
    if (env->state == ENV_DYING)
        return taken; /* the frames of its free slots may be somebody else's already */
    for (unsigned i = 0; i < PLAN_CLASSES; i++)
        free += list_length(&env->pool.free[i]);
    HOLDS(free + used == env->pool.slots);
    HOLDS(list_length(&env->ready) == ready);
    HOLDS(list_length(&env->held) == held);
    HOLDS(env->frames_reserved == reserved);
    return taken;
}

static void leaf_count(const struct env *env, uint32_t number, bool writable)
{
    HOLDS(number < HOST_FRAMES);
    const struct frame *frame = &frames[number];
    HOLDS(frame->state == FRAME_FROZEN || frame->owner == env->index);
    HOLDS(!writable || frame->state == FRAME_OWNED);
    HOLDS(frame->state != FRAME_KERNEL || frame->kind == KIND_CQ || frame->kind == KIND_INFO);
    sums.mappings[number]++;
    sums.writable[number] += writable;
}

/* Whole, or as far as it is there. */
static void large_count(const struct env *env, uint64_t entry)
{
    bool whole = entry & 1;
    uint64_t low = whole ? 0 : entry >> 44 & 511, high = whole ? LARGE_PAGES : entry >> 53 & 1023;
    uint32_t first = (uint32_t)(entry >> 12);
    HOLDS(entry & 0x80 && first % LARGE_PAGES == 0 && low < high && high <= LARGE_PAGES);
    HOLDS(!(entry & 0x18) && (!whole || !(entry >> 44 & 0x7ffff))); /* cached; no bits that have no meaning */
    for (uint64_t i = low; i < high; i++)
        leaf_count(env, first + (uint32_t)i, entry & 2);
}

/* Counts what a program's tables map, and that it may. */
static void tables_count(const struct env *env, uint32_t root, unsigned level)
{
    const uint64_t *entry = frame_memory((frame_t){root});
    for (unsigned i = 0; i < (level == 4 ? 256 : 512); i++) {
        if (i % 4 == 0 && !(entry[i] | entry[i + 1] | entry[i + 2] | entry[i + 3]))
            i += 3; /* most are empty */
        if (!entry[i])
            continue;
        uint32_t number = (uint32_t)(entry[i] >> 12);
        if (level < 4)
            sums.writable[root]++;
        if (level == 2 && (entry[i] & 0x81) != 1) {
            large_count(env, entry[i]);
            continue;
        }
        HOLDS(entry[i] & 1 && !(entry[i] & 0x80) && number < HOST_FRAMES);
        if (level > 1) {
            HOLDS(frames[number].state == FRAME_TABLE && frames[number].owner == env->index);
            tables_count(env, number, level - 1);
            continue;
        }
        leaf_count(env, number, entry[i] & 2);
    }
}

static void mappings_check(void)
{
    for (unsigned i = 1; i < ENV_MAX; i++)
        if (envs[i])
            tables_count(envs[i], (uint32_t)(envs[i]->root >> EXO_PAGE_SHIFT), 4);
    for (unsigned i = 0; i < HOST_FRAMES; i++) {
        const struct frame *frame = &frames[i];
        if (frame->state == FRAME_KERNEL && frame->kind == KIND_SLOTS)
            continue;
        HOLDS(frame->rights == sums.mappings[i] + (frame->state == FRAME_FROZEN ? frame->pins : 0));
        HOLDS(frame->writable == sums.writable[i]);
    }
}

/* A RECLAIM under way is its parent's; one that waits has not enough, and only force makes the child stand still. */
static void reclaim_check(const struct env *env)
{
    const struct op *op = env->reclaim;
    HOLDS(op || (!env->seized && !env->reclaim_untold && !env->info->reclaim));
    if (!op)
        return;
    uint64_t count = op->cell.arg[0];
    HOLDS(op->cell.code == EXO_RECLAIM && op_plan((struct op *)(uintptr_t)op)->env == env->parent);
    HOLDS(op->state == (env->seized ? OP_READY : op->state) && op->state != OP_ENDED);
    HOLDS(env->info->reclaim == count);
    HOLDS(op->state != OP_PARKED || env->frames_used + env->frames_reserved + count > env->frames_limit);
}

/* Frames and rights that lie in a channel's places, which its receiver was charged for. */
struct sent {
    uint32_t reserved, moved, rights;
};

static void channel_check(const struct channel *channel, struct sent *sent)
{
    unsigned senders = 0, receivers = list_length(&channel->receiving);
    for (unsigned i = 1; i < ENV_MAX; i++)
        for (unsigned k = 0; envs[i] && k < HANDLES_MAX; k++)
            senders += envs[i]->handles[k].kind == K_SENDER &&
                       channel_at(&envs[i]->handles[k]) == channel;
    sent->reserved += channel->places * channel->carry;
    for (unsigned i = 0; i < channel->used; i++) {
        const struct message *message = &channel->place[(channel->first + i) % channel->places];
        HOLDS(message->count <= channel->carry);
        for (unsigned k = 0; k < message->count; k++) {
            const struct frame *frame = &frames[message->frame[k]];
            HOLDS(message->frozen ? frame->state == FRAME_FROZEN
                                   : frame->state == FRAME_KERNEL && frame->kind == KIND_SENT);
            HOLDS(message->frozen || frame->owner == 0);
        }
        hold_count(message->frozen ? sums.pins : sums.sent, message->frame, message->count);
        *(message->frozen ? &sent->rights : &sent->moved) += message->count;
    }
    HOLDS(envs[frames[channel->frame.number].owner] == channel->receiver);
    HOLDS(channel->used <= channel->places && channel->places <= EXO_CHANNEL_PLACES);
    if (channel->ended)
        return;
    HOLDS(channel->senders == senders);
    HOLDS(list_empty(&channel->sending) || channel->used == channel->places);
    HOLDS(receivers == 0 || channel->used <= channel->woken); /* no lost wake-up */
    HOLDS(receivers == 0 || senders || channel->used || channel->woken);
    HOLDS(channel->woken <= channel->used || (senders == 0 && channel->used == 0));
}

static struct sent channels_check(void)
{
    struct sent sent = {0};
    uint32_t unowned = 0;
    for (unsigned i = 0; i < HOST_FRAMES; i++) {
        if (frames[i].state != FRAME_KERNEL)
            continue;
        if (frames[i].kind == KIND_CHANNEL)
            channel_check(frame_memory((frame_t){i}), &sent);
        unowned += frames[i].kind == KIND_SENT && frames[i].owner == 0;
    }
    HOLDS(sent.moved == unowned); /* each in one place */
    return sent;
}

/* Every CPU slot is its owner's who counts it. */
static void slots_check(void)
{
    unsigned owned[ENV_MAX] = {0};
    for (unsigned i = 0; i < EXO_CPU_SLOTS; i++) {
        HOLDS(envs[core_this()->slot_owner[i]]);
        owned[core_this()->slot_owner[i]]++;
    }
    for (unsigned i = 1; i < ENV_MAX; i++)
        HOLDS(!envs[i] || envs[i]->cpu_slots == owned[i]);
}

void host_check(void)
{
    unsigned rights = 0, free = 0, owned = 0, used = 0, places = 0, unowned = 0;
    bool dying = false;
    memset(&sums, 0, sizeof sums);
    for (unsigned i = 0; i < HOST_FRAMES; i++) {
        const struct frame *frame = &frames[i];
        unowned += frame->state == FRAME_FREE;
        if (frame->state == FRAME_FREE && frame->kind)
            free += 1u << (frame->kind - 1);
        HOLDS(frame->state != FRAME_FROZEN || frame->rights);
        HOLDS(frame->generation <= flush_epoch);
        bool moved = frame->state == FRAME_KERNEL && (frame->kind == KIND_SLOTS || frame->kind == KIND_SENT);
        HOLDS(!moved || flush_passed(frame)); /* a core could still write there */
        rights += frame->state == FRAME_FROZEN ? frame->rights : 0;
        HOLDS(frame->state != FRAME_FROZEN || frame->writable == 0);
    }
    HOLDS(free == frames_free);
    for (unsigned i = 1; i < ENV_MAX; i++) {
        if (!envs[i])
            continue;
        HOLDS(envs[i]->index == i);
        dying |= envs[i]->state == ENV_DYING;
        owned += lists_check(envs[i]);
        reclaim_check(envs[i]);
        ring_pins(envs[i]);
        unowned -= plans_check(envs[i]);
        used += envs[i]->frames_used;
        places += envs[i]->places + 1u;
        HOLDS(envs[i]->frames_used + envs[i]->frames_reserved <= envs[i]->frames_limit);
    }
    HOLDS(unowned == free);
    struct sent sent = channels_check();
    HOLDS(used == owned + rights - sent.rights + sent.reserved);
    HOLDS(places == ENV_MAX - 1);
    pins_check();
    if (!dying)
        mappings_check();
    slots_check();
}
