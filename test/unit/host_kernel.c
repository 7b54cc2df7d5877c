/* SPDX-License-Identifier: MIT */
/* The pretended machine: memory, a clock, nothing else. */
#include "host_kernel.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../../exo/arch/arch.h"
#include "../../exo/first.h"
#include "../../exo/net/nic.h"
#include "../../exo/net/queue.h"

#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition);          \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

uint64_t host_now;
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

void space_flush(struct env *env, uint64_t address) { (void)env, (void)address; }
uint64_t clock_now(void) { return host_now; }
uint64_t clock_hz(void) { return 1000000000u; }
uint64_t arch_cpu_features(void) { return 0; }
uint32_t arch_vector_bytes(void) { return 512; }
void arch_vector_init(void *state) { (void)state; }
uint64_t arch_kernel_root(void) { return (uint64_t)(HOST_FRAMES - 1) << EXO_PAGE_SHIFT; }
void arch_forget(struct core *core, struct env *env) { (void)core, (void)env; }
void arch_leave_space(struct core *core) { core->space = NULL; }
void arch_idle(void) { abort(); }
void timer_arm(uint64_t tick) { (void)tick; }
noreturn void arch_resume(struct core *core, struct env *env)
{
    (void)core, (void)env;
    abort();
}

/* Stands for an interrupt that comes after so many looks. */
void arch_interrupt_window(void)
{
    if (host_attention && --host_attention == 0)
        core_this()->attention = 1;
}

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

noreturn void machine_exit(unsigned value)
{
    fprintf(stderr, "machine_exit(%#x)\n", value);
    abort();
}

noreturn void panic(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    abort();
}

/* ---- no NIC ---------------------------------------------------------------------------- */

frame_t nic_root(void) { return (frame_t){0}; }
bool nic_poll(void) { return false; }
bool nic_env_quiet(const struct env *env) { return env->tx_in_flight == 0; }
void nic_flush(void) {}
bool nic_idle(void) { return true; }
void queue_hold(frame_t frame, uint64_t generation) { (void)frame, (void)generation; }
void queue_drop(frame_t frame, uint64_t generation) { (void)frame, (void)generation; }
bool queue_kill(frame_t frame, unsigned budget) { return (void)frame, (void)budget, true; }
#define NO_NIC(name)                                                                               \
    int op_##name(struct plan *plan, struct op *op) { return (void)plan, (void)op, -EXO_E_DEVICE; }
NO_NIC(queue_create)
NO_NIC(queue_info)
NO_NIC(net_rx)
NO_NIC(net_tx)
void op_net_rx_cancel(struct plan *plan, struct op *op) { (void)plan, (void)op; }
void op_net_tx_cancel(struct plan *plan, struct op *op) { (void)plan, (void)op; }

/* ---- building ------------------------------------------------------------------------------ */

static void memory_map(void)
{
    static bool mapped;
    if (mapped)
        return;
    void *at = mmap((void *)KERNEL_PHYSMAP, HOST_FRAMES * EXO_PAGE_SIZE, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    EXPECT(at == (void *)KERNEL_PHYSMAP);
    mapped = true;
}

/* The frames behind the archive page and its one "program" page. */
struct env *host_start(void)
{
    memory_map();
    memset((void *)KERNEL_PHYSMAP, 0x5a, HOST_FRAMES * EXO_PAGE_SIZE);
    memset(envs, 0, sizeof envs);
    memset(cores, 0, sizeof cores);
    memset(tail, 0, sizeof tail);
    host_console[0] = 0;
    host_now = 1000000;
    host_attention = 0;
    frame_table_init(table, HOST_FRAMES);
    frame_reserve(HOST_FRAMES - 1, 1);
    frame_reserve(1, 1); /* the archive: one page */
    frame_add_free(2, HOST_FRAMES - 3);
    struct boot_range archive = {EXO_PAGE_SIZE, 2 * EXO_PAGE_SIZE};
    struct image image = {.entry = 0x400000};
    struct env *env = first_create(&archive, &image, false);
    core_start(core_this(), env);
    core_this()->current = env;
    return env;
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
    env->context.rdi = tail[env->index];
    env->context.rsi = env->context.rdx = 0;
    env->from_syscall = true;
    env_enter(env);
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
    EXPECT(host_enter(parent) == 0);
    uint64_t parts = host_completion(parent)->result, first = host_completion(parent)->result;
    (void)host_completion(parent);

    host_plan(parent, 0);
    struct exo_op *op = host_op(parent, EXO_ENV_CREATE);
    op->arg[0] = parts;
    op->arg[1] = quota;
    EXPECT(host_enter(parent) == 0);
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
    EXPECT(host_enter(parent) == 0);
    struct env *child = handle_env(parent, *handle, false);
    tail[child->index] = 0;
    return child;
}

/* ---- what must always hold --------------------------------------------------------------------- */

static unsigned lists_check(const struct env *env)
{
    unsigned owned = 0;
    for (uint32_t i = env->owned, before = FRAME_NONE; i != FRAME_NONE; i = frames[i].next) {
        EXPECT(frames[i].owner == env->index);
        EXPECT(frames[i].prev == before);
        EXPECT(frames[i].state == FRAME_OWNED || frames[i].state == FRAME_TABLE ||
               frames[i].state == FRAME_KERNEL);
        before = i;
        owned++;
    }
    return owned;
}

void host_check(void)
{
    unsigned rights = 0, free = 0, owned = 0, used = 0;
    for (unsigned i = 0; i < HOST_FRAMES; i++) {
        const struct frame *frame = &frames[i];
        free += frame->state == FRAME_FREE;
        rights += frame->state == FRAME_FROZEN ? frame->rights : 0;
        EXPECT(frame->state != FRAME_FROZEN || frame->writable == 0);
    }
    EXPECT(free == frames_free);
    for (unsigned i = 1; i < ENV_MAX; i++) {
        if (!envs[i])
            continue;
        owned += lists_check(envs[i]);
        used += envs[i]->frames_used;
        EXPECT(envs[i]->frames_used + envs[i]->frames_reserved <= envs[i]->frames_limit);
    }
    EXPECT(used == owned + rights);
}
