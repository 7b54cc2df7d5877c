/* SPDX-License-Identifier: MIT */
/*
 * The C half of faults and interrupts. From user mode they end in core_fault()
 * or core_interrupt(); in kernel mode only interrupts are allowed, and only
 * inside arch_idle() and arch_interrupt_window().
 */
#include "internal.h"
#include "x86.h"

#define EXCEPTIONS 32u
#define HANDLERS 48u /* vectors from 32 on that can have one */
#define RFLAGS_TF 0x100ull
#define DR6_CLEAR 0xffff0ff0ull

static struct {
    void (*handler)(void *);
    void *argument;
} handlers[HANDLERS];

static const char *const exception_names[EXCEPTIONS] = {
    "divide error", "debug", "NMI", "breakpoint", "overflow", "bound", "invalid opcode",
    "no coprocessor", "double fault", "coprocessor overrun", "invalid TSS", "segment missing",
    "stack fault", "general protection", "page fault", "exception 15", "x87 error",
    "alignment", "machine check", "SIMD error", "virtualization", "control protection",
    "exception 22", "exception 23", "exception 24", "exception 25", "exception 26",
    "exception 27", "hypervisor injection", "VMM communication", "security", "exception 31",
};

void interrupt_register(unsigned vector, void (*handler)(void *), void *argument)
{
    ASSERT(vector >= EXCEPTIONS && vector < EXCEPTIONS + HANDLERS);
    handlers[vector - EXCEPTIONS].argument = argument;
    handlers[vector - EXCEPTIONS].handler = handler;
}

static void interrupt_dispatch(uint64_t vector)
{
    if (vector == VECTOR_SPURIOUS)
        return; /* Intel SDM vol. 3, 10.9: no EOI */
    /* Without a handler: what firmware left enabled, or the old interrupt controllers' spurious ones. */
    if (vector < EXCEPTIONS + HANDLERS && handlers[vector - EXCEPTIONS].handler)
        handlers[vector - EXCEPTIONS].handler(handlers[vector - EXCEPTIONS].argument);
    apic_eoi();
}

noreturn void trap_user(struct core *core)
{
    struct env *env = core->current;
    uint64_t vector = env->context.vector;

    env->from_syscall = false;
    if (vector >= EXCEPTIONS) {
        interrupt_dispatch(vector);
        core_interrupt(core);
    }
    if (vector == 2 || vector == 8 || vector == 18)
        panic_registers(&env->context, exception_names[vector]);
    if (vector == 1)
        dr6_write(DR6_CLEAR); /* sticky, and the next program's too */
    /* Only a page fault's CR2 is this program's; otherwise it may be a neighbour's. */
    env->context.address = vector == 14 ? cr2_read() : 0;
    core_fault(core);
}

void trap_kernel(struct exo_context *context)
{
    if (context->vector >= EXCEPTIONS) {
        interrupt_dispatch(context->vector);
        return;
    }
    if (context->vector == 1) {
        /* A single step that a program armed and that hit behind its SYSCALL. */
        context->rflags &= ~RFLAGS_TF;
        dr6_write(DR6_CLEAR);
        return;
    }
    panic_registers(context, exception_names[context->vector]);
}
