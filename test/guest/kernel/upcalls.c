/* SPDX-License-Identifier: MIT */
/*
 * Faults and events, as the kernel delivers them: what is in the control page, how deep faults nest, when
 * events are upcalls and when only a bit. In children, which have an upcall entry of their own or none.
 */
#include "../../../libos/core/core.h"
#include "../../../libos/plan/ring.h"
#include "child.h"

#define SLICE (EXO_UPCALL_SLICE - 256)
#define COMPLETION (EXO_UPCALL_COMPLETION - 256)

/* ---- what a fault tells ------------------------------------------------------------------------------ */

static void fault_divide(uint64_t n)
{
    __asm__ volatile("xor %%edx, %%edx; div %0" : : "r"(n - n) : "rax", "rdx");
}

static void fault_opcode(uint64_t n)
{
    (void)n;
    __asm__ volatile("ud2");
}

static void fault_general(uint64_t n)
{
    *(volatile uint64_t *)(n | 0x8000000000000000ull) = 1;
}

static void fault_privilege(uint64_t n)
{
    (void)n;
    __asm__ volatile("hlt");
}

static void fault_read(uint64_t n)
{
    (void)*(volatile uint64_t *)(n + 0x123);
}

static void fault_write(uint64_t n)
{
    *(volatile uint64_t *)(n + 0x234) = 1;
}

static void fault_execute(uint64_t n)
{
    ((void (*)(void))n)();
}

static void fault_x87(uint64_t n)
{
    uint16_t strict = 0x37f & ~4u;
    (void)n;
    __asm__ volatile("fldcw %0; fld1; fldz; fdivrp; fwait" : : "m"(strict));
}

static const struct fault {
    const char *name;
    void (*run)(uint64_t);
    uint64_t vector, error, address;
} faults[] = {
    { "divide", fault_divide, 0, 0, 0 },
    { "opcode", fault_opcode, 6, 0, 0 },
    { "general", fault_general, 13, 0, 0 },
    { "privilege", fault_privilege, 13, 0, 0 },
    { "read", fault_read, 14, 4, SPARE + 0x123 },
    { "write", fault_write, 14, 6, SPARE + 0x234 },
    { "execute", fault_execute, 14, 0x14, SPARE },
    { "x87", fault_x87, 16, 0, 0 },
};
#define FAULTS (sizeof(faults) / sizeof(faults[0]))

/* Without an entry the kernel stops the program at its first fault, and says which. */
static void first_fault(void)
{
    for (unsigned i = 0; i < FAULTS; i++) {
        uint64_t stop[3];
        struct exo_control control;
        struct child child = child_spawn(faults[i].run, SPARE, CHILD_QUOTA);
        child_wait(&child, stop);
        bool right = stop[0] == EXO_STOP_NESTED && stop[1] == faults[i].vector && stop[2] == faults[i].address;
        CHECK(child_read(&child, LIBOS_CONTROL, &control, sizeof(control)) == sizeof(control));
        CHECK(control.depth == 0 && control.last.vector == faults[i].vector);
        if (!right)
            printf("FAILED: %s: stopped for %llu, %llu, %#llx\n", faults[i].name,
                   (unsigned long long)stop[0], (unsigned long long)stop[1], (unsigned long long)stop[2]);
        CHECK(right);
        child_kill(&child);
    }
}

static struct exo_context told;
static uint32_t told_depth;

/* An entry that only tells what it finds. */
static void tell(uint64_t depth)
{
    told = PLAN_CONTROL->context[depth];
    told_depth = PLAN_CONTROL->depth;
    child_exit(depth);
}

static _Alignas(16) unsigned char stacks[EXO_DEPTH][8192];

static void entry_set(void (*entry)(uint64_t))
{
    for (unsigned i = 0; i < EXO_DEPTH; i++)
        PLAN_CONTROL->stack[i] = (uint64_t)(stacks[i] + sizeof(stacks[i]) - 8); /* as after a call */
    PLAN_CONTROL->entry = (uint64_t)entry;
}

static void fault_and_tell(uint64_t i)
{
    entry_set(tell);
    faults[i].run(SPARE);
}

static void fault_told(void)
{
    struct exo_context context;
    for (unsigned i = 0; i < FAULTS; i++) {
        struct child child = child_spawn(fault_and_tell, i, CHILD_QUOTA);
        child_stopped(&child, EXO_STOP_EXIT, 0);
        CHECK(child_read(&child, (uint64_t)&told, &context, sizeof(context)) == sizeof(context));
        bool right = context.vector == faults[i].vector && context.error == faults[i].error &&
                     context.address == faults[i].address;
        if (!right)
            printf("FAILED: %s: vector %llu, error %#llx, address %#llx\n", faults[i].name,
                   (unsigned long long)context.vector, (unsigned long long)context.error,
                   (unsigned long long)context.address);
        CHECK(right);
        uint64_t from = i == 6 ? SPARE : (uint64_t)faults[i].run; /* the jump has been made */
        CHECK(context.rip >= from && context.rip < from + 64);
        CHECK(context.rsp < LIBOS_STACK && context.rsp > LIBOS_STACK - PAGE);
        CHECK((context.cs & 3) == 3 && (context.ss & 3) == 3 && (context.rflags & 0x200) != 0);
        child_kill(&child);
    }
}

/* ---- nesting -------------------------------------------------------------------------------------------- */

/* Each upcall faults again, at an address that tells the depth. */
static void fault_deeper(uint64_t depth)
{
    *(volatile uint64_t *)(SPARE + 0x1000 * (depth + 1)) = 1;
}

static void nest(uint64_t n)
{
    entry_set(fault_deeper);
    *(volatile uint64_t *)(SPARE + n) = 1;
}

static void nesting(void)
{
    uint64_t stop[3];
    struct exo_control control;
    struct child child = child_spawn(nest, 0, CHILD_QUOTA);
    child_wait(&child, stop);
    CHECK(stop[0] == EXO_STOP_NESTED && stop[1] == 14 && stop[2] == SPARE + 0x4000);
    CHECK(child_read(&child, LIBOS_CONTROL, &control, sizeof(control)) == sizeof(control));
    CHECK(control.depth == 4);
    for (unsigned i = 0; i < EXO_DEPTH; i++) {
        const struct exo_context *c = &control.context[i];
        CHECK(c->vector == 14 && c->address == SPARE + 0x1000 * i);
        uint64_t from = i == 0 ? (uint64_t)nest : (uint64_t)fault_deeper;
        CHECK(c->rip >= from && c->rip < from + 128);
        uint64_t stack = i == 0 ? LIBOS_STACK : control.stack[i - 1] + 8;
        CHECK(c->rsp < stack && c->rsp > stack - 512);
    }
    CHECK(control.last.vector == 14 && control.last.address == SPARE + 0x4000);
    struct exo_info info;
    child_read(&child, LIBOS_INFO, &info, sizeof(info));
    CHECK(info.upcalls == 4);
    child_kill(&child);
}

/* Down and up again many times: a depth that was left is there again. */
static volatile uint64_t returns;
static void climb(uint64_t n);

static void unwind(uint64_t depth)
{
    if (depth < EXO_DEPTH - 1)
        *(volatile uint64_t *)SPARE = 1;
    returns++;
    PLAN_CONTROL->depth = depth < EXO_DEPTH ? 0 : 1;
    climb(0);
}

/* Never returns to what faulted: it starts over on the first stack, at depth 0. */
static void climb(uint64_t n)
{
    (void)n;
    if (returns == 50)
        child_exit(50);
    __asm__ volatile("mov %0, %%rsp; movq %1, %%rax; movl $1, (%%rax)"
                     : : "r"(LIBOS_STACK - 64), "r"(SPARE) : "memory");
    child_exit(1);
}

static void climb_start(uint64_t n)
{
    entry_set(unwind);
    climb(n);
}

static void climbing(void)
{
    struct child child = child_spawn(climb_start, 0, CHILD_QUOTA);
    child_stopped(&child, EXO_STOP_EXIT, 50);
    struct exo_info info;
    child_read(&child, LIBOS_INFO, &info, sizeof(info));
    CHECK(info.upcalls == 50 * EXO_DEPTH);
    child_kill(&child);
}

/* ---- events ------------------------------------------------------------------------------------------------- */

/* Counts, and goes on as the libos does. Jumped to, so that everything but rdi and rsp is free to use. */
extern volatile uint64_t upcalls_counted[2];
volatile uint64_t upcalls_counted[2];
void count_entry(void);
__asm__(".text\n"
        "count_entry:\n"
        "    movabs $0x700000001000, %rax\n"
        "    imul $192, %rdi, %rcx\n"
        "    mov 184(%rax, %rcx), %rdx\n"
        "    sub $256, %rdx\n"
        "    jb 1f\n"
        "    lea upcalls_counted(%rip), %rax\n"
        "    incq (%rax, %rdx, 8)\n"
        "1:  jmp upcall_entry\n");
_Static_assert(LIBOS_CONTROL == 0x700000001000ull && sizeof(struct exo_context) == 192 &&
                   offsetof(struct exo_control, context) + offsetof(struct exo_context, vector) == 184,
               "count_entry has the numbers");

/* A child that finds something wrong ends with the line's number. */
#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition))                                                                          \
            child_exit(__LINE__);                                                                  \
    } while (0)

static void count_events(uint32_t want)
{
    upcall_init();
    PLAN_CONTROL->want = want;
    PLAN_CONTROL->entry = (uint64_t)count_entry;
}

static void spin_us(uint64_t us)
{
    uint64_t end = tick_after_us(us);
    while (__builtin_ia32_rdtsc() < end)
        continue;
}

/* For as long as it takes until a slot of its own has ended: others want the CPU, too. */
#define SPIN_UNTIL(condition)                                                                      \
    do {                                                                                           \
        uint64_t end_ = tick_after_us(5000000);                                                    \
        while (!(condition))                                                                       \
            EXPECT(__builtin_ia32_rdtsc() < end_);                                                 \
    } while (0)

static bool pending(unsigned event)
{
    return (*(volatile uint32_t *)&PLAN_CONTROL->pending >> event & 1) != 0;
}

#define MANY_SLOTS_US (EXO_CPU_SLOT_US * 20u)

/* Not wanted: only a bit, and no upcall. */
static void unwanted(uint64_t n)
{
    (void)n;
    count_events(0);
    uint64_t upcalls = PLAN_INFO->upcalls; /* upcall_init() wants them at first */
    PLAN_CONTROL->pending = 0;
    SPIN_UNTIL(pending(SLICE));
    spin_us(MANY_SLOTS_US);
    EXPECT(PLAN_INFO->upcalls == upcalls);
    EXPECT(PLAN_CONTROL->depth == 0);
}

static void wanted(uint64_t n)
{
    (void)n;
    count_events(1u << SLICE);
    uint64_t early = PLAN_INFO->upcalls - upcalls_counted[SLICE];
    EXPECT(early <= 1);
    for (unsigned round = 0; round < 5; round++) {
        uint64_t before = upcalls_counted[SLICE];
        libos_slice_ended = false;
        SPIN_UNTIL(upcalls_counted[SLICE] > before);
        EXPECT(libos_slice_ended);
    }
    EXPECT(upcalls_counted[COMPLETION] == 0);
    EXPECT(!pending(SLICE) && PLAN_CONTROL->depth == 0);
    /* In an upcall, whatever the depth, an event is a bit. */
    for (uint32_t depth = 1; depth <= EXO_DEPTH; depth++) {
        *(volatile uint32_t *)&PLAN_CONTROL->depth = depth;
        uint64_t before = PLAN_INFO->upcalls;
        SPIN_UNTIL(pending(SLICE));
        spin_us(MANY_SLOTS_US);
        EXPECT(PLAN_CONTROL->depth == depth && PLAN_INFO->upcalls == before);
        PLAN_CONTROL->pending = 0;
    }
    PLAN_CONTROL->depth = 0;
    uint64_t before = upcalls_counted[SLICE];
    SPIN_UNTIL(upcalls_counted[SLICE] > before);
    EXPECT(PLAN_INFO->upcalls == upcalls_counted[SLICE] + early);
}

static volatile bool timer_ended;

static void timer_done(struct completion_target *self, const struct exo_completion *completion)
{
    (void)self, (void)completion;
    timer_ended = true;
}

/* A completion that comes while the program computes. */
static void completions(uint64_t asked)
{
    static struct completion_target target = { timer_done };
    static struct plan_buffer buffer;
    count_events(asked != 0 ? 1u << COMPLETION : 0);
    uint64_t tail, counted = upcalls_counted[SLICE];
    do { /* once more if it came before the crossing was over: that is no event */
        struct plan *plan = plan_begin(&buffer);
        plan_target(plan, &target);
        plan_timer(plan, tick_number(tick_after_us(10000)));
        tail = PLAN_INFO->cq_tail;
        EXPECT(plan_submit(plan) == 0);
    } while (PLAN_INFO->cq_tail != tail && !pending(COMPLETION) && upcalls_counted[COMPLETION] == 0);
    uint64_t crossings = PLAN_INFO->crossings;
    SPIN_UNTIL(PLAN_INFO->cq_tail == tail + 1);
    SPIN_UNTIL(pending(COMPLETION) || upcalls_counted[COMPLETION] != 0); /* the libos clears what it asked for */
    spin_us(MANY_SLOTS_US);
    EXPECT(PLAN_INFO->crossings == crossings);
    EXPECT(upcalls_counted[COMPLETION] == (asked != 0) && upcalls_counted[SLICE] == counted);
    completion_dispatch();
    EXPECT(timer_ended);
}

static void events(void)
{
    static void (*const lives[])(uint64_t) = { unwanted, wanted, completions, completions };
    for (unsigned i = 0; i < 4; i++) {
        struct child child = child_spawn(lives[i], i % 2, CHILD_QUOTA);
        child_stopped(&child, EXO_STOP_EXIT, 0);
        child_kill(&child);
    }
}

/* ---- control pages that make no sense ----------------------------------------------------------------------- */

static void bad_entry(uint64_t entry)
{
    entry_set((void (*)(uint64_t))entry);
    fault_write(SPARE);
}

static void bad_depth(uint64_t depth)
{
    entry_set(tell);
    PLAN_CONTROL->depth = (uint32_t)depth;
    fault_write(SPARE);
}

static void bad_stack(uint64_t stack)
{
    entry_set(fault_deeper);
    for (unsigned i = 0; i < EXO_DEPTH; i++)
        PLAN_CONTROL->stack[i] = stack;
    fault_write(SPARE);
}

/* Whatever it says there, the program is stopped with a fault of its own, and nobody else. */
static void nonsense(void)
{
    static const struct {
        void (*run)(uint64_t);
        uint64_t argument;
    } tries[] = {
        { bad_entry, 1 },
        { bad_entry, EXO_USER_END },
        { bad_entry, 0x0000800000000000ull },
        { bad_entry, 0xffffffff80001000ull },
        { bad_depth, EXO_DEPTH },
        { bad_depth, UINT32_MAX },
        { bad_stack, 0 },
        { bad_stack, 0x0000800000000000ull },
        { bad_stack, 0xffff800000100000ull },
        { bad_stack, 1 },
    };
    for (unsigned i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
        uint64_t stop[3];
        struct child child = child_spawn(tries[i].run, tries[i].argument, CHILD_QUOTA);
        child_wait(&child, stop);
        CHECK(stop[0] == EXO_STOP_NESTED && (stop[1] == 13 || stop[1] == 14 || stop[1] == 12));
        child_kill(&child);
    }
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        { "first-fault", first_fault },
        { "fault-told", fault_told },
        { "nesting", nesting },
        { "climbing", climbing },
        { "events", events },
        { "nonsense", nonsense },
        { NULL, NULL },
    };
    return check_main(cases, argc, argv);
}
