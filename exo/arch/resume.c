/* SPDX-License-Identifier: MIT */
/*
 * Going to user mode, and what changes when another environment goes there:
 * address space, FS and GS base, vector state. FS and GS base in the registers
 * belong to core->space.
 */
#include "internal.h"
#include "offsets.h"
#include "x86.h"

#define AT(type, member, offset) _Static_assert(offsetof(type, member) == (offset), #member " moved")
AT(struct core, current, CORE_CURRENT);
AT(struct core, stack_top, CORE_STACK_TOP);
AT(struct env, context, 0);
AT(struct exo_context, rax, CONTEXT_RAX);
AT(struct exo_context, rbx, CONTEXT_RBX);
AT(struct exo_context, rbp, CONTEXT_RBP);
AT(struct exo_context, r12, CONTEXT_R12);
AT(struct exo_context, r13, CONTEXT_R13);
AT(struct exo_context, r14, CONTEXT_R14);
AT(struct exo_context, r15, CONTEXT_R15);
AT(struct exo_context, vector, CONTEXT_VECTOR);
AT(struct exo_context, rip, CONTEXT_RIP);
AT(struct exo_context, cs, CONTEXT_CS);
AT(struct exo_context, rflags, CONTEXT_RFLAGS);
AT(struct exo_context, rsp, CONTEXT_RSP);
AT(struct exo_context, ss, CONTEXT_SS);
AT(struct exo_context, address, CONTEXT_FRAME_END);

static void bases_save(struct env *env)
{
    /* The kernel's GS base is away for three instructions; an NMI then sets its own (trap.S). */
    __asm__ volatile("rdfsbase %0\n\tswapgs\n\trdgsbase %1\n\tswapgs"
                     : "=&r"(env->fs_base), "=&r"(env->gs_base));
}

/* Selectors are not kept for programs; loading them null clears what a neighbour left.
 * That may clear the bases too, so they come after (Intel SDM vol. 3, 3.4.4). */
static void bases_load(const struct core *core, const struct env *env)
{
    __asm__ volatile("movl %3, %%ds\n\t"
                     "movl %3, %%es\n\t"
                     "movl %3, %%fs\n\t"
                     "movl %3, %%gs\n\t"
                     "wrfsbase %0\n\t"
                     "wrgsbase %1\n\t"
                     "swapgs\n\t"
                     "wrgsbase %2"
                     :
                     : "r"(env->fs_base), "r"(env->gs_base), "r"(core), "r"(0)
                     : "memory");
}

static void space_switch(struct core *core, struct env *env)
{
    if (core->space)
        bases_save(core->space);
    cr3_write(env->root);
    bases_load(core, env);
    /* Faults push what the processor pushes right into the context. */
    segments_set_kernel_stack((uint64_t)env + CONTEXT_FRAME_END);
    core->space = env;
}

/* SYSRET and IRET can both fault on such an address before they have left kernel mode. */
static bool canonical(uint64_t rip) { return rip >> 47 == 0; }

/* The program gets the fault that its jump deserves. */
static noreturn void fault_at_rip(struct core *core, struct env *env)
{
    env->from_syscall = false;
    env->context.vector = 13;
    env->context.error = 0;
    env->context.address = 0;
    trap_again(core, core_fault);
}

noreturn void arch_resume(struct core *core, struct env *env)
{
    struct exo_context *context = &env->context;

    core->current = env;
    if (core->space != env)
        space_switch(core, env);
    if (core->vector_owner != env)
        vector_switch(core, env);
    if (!canonical(context->rip))
        fault_at_rip(core, env);
    if (env->from_syscall)
        resume_sysret(env);
    context->cs = USER_CS;
    context->ss = USER_SS;
    context->rflags = (context->rflags & RFLAGS_USER) | RFLAGS_FIXED;
    resume_iret(env);
}

void arch_leave_space(struct core *core)
{
    if (core->space)
        bases_save(core->space);
    core->space = NULL;
    cr3_write(arch_kernel_root());
}

void arch_forget(struct core *core, struct env *env)
{
    if (core->vector_owner == env)
        vector_switch(core, NULL);
    if (core->space == env)
        arch_leave_space(core);
}

void arch_idle(void) { __asm__ volatile("sti\n\thlt\n\tcli" : : : "memory"); }

void arch_interrupt_window(void) { __asm__ volatile("sti\n\tnop\n\tcli" : : : "memory"); }
