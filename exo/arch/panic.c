/* SPDX-License-Identifier: MIT */
/*
 * The end after a bug in the kernel: what broke, registers, a backtrace with
 * names, exit status EXO_POWER_PANIC. Trusts nothing that it follows.
 */
#include "internal.h"
#include "x86.h"

#define DEPTH_MAX 32u

/* Generated from the first link (exo/meson.build), sorted by address; absent in that link itself. */
extern const struct kernel_symbol {
    uint64_t address;
    const char *name;
} kernel_symbols[] __attribute__((weak));
extern const unsigned kernel_symbol_count __attribute__((weak));

static bool in_text(uint64_t address)
{
    return address >= (uint64_t)kernel_start && address < (uint64_t)kernel_text_end;
}

/* `back` is 1 for a return address: what it belongs to is the call before it. */
static void address_print(uint64_t address, unsigned back)
{
    const struct kernel_symbol *best = NULL;
    const unsigned *count = &kernel_symbol_count;
    __asm__("" : "+r"(count)); /* keeps the compiler from knowing that it is not NULL */
    for (unsigned i = 0; count && i < *count && kernel_symbols[i].address <= address - back; i++)
        best = &kernel_symbols[i];
    if (best && in_text(address))
        console_printf("  %016lx %s+0x%lx\n", address, best->name, address - best->address);
    else
        console_printf("  %016lx\n", address);
}

/* Each frame is {saved rbp, return address}, in one of the kernel's stacks. */
static void backtrace_print(uint64_t rip, uint64_t rsp, uint64_t rbp)
{
    console_printf("backtrace:\n");
    if (rip)
        address_print(rip, 0);
    /* After a call to nowhere the caller is on the stack's top and in no frame yet. */
    if (rip && !in_text(rip) && rsp % 8 == 0 && stack_contains(rsp) && in_text(*(const uint64_t *)rsp))
        address_print(*(const uint64_t *)rsp, 1);
    for (unsigned i = 0; i < DEPTH_MAX && rbp % 8 == 0; i++) {
        if (!stack_contains(rbp) || !stack_contains(rbp + 8))
            break;
        const uint64_t *frame = (const uint64_t *)rbp;
        if (!in_text(frame[1]))
            break;
        address_print(frame[1], 1);
        if (frame[0] <= rbp)
            break;
        rbp = frame[0];
    }
}

/* A panic inside a panic gives up at once. */
static void panic_enter(void)
{
    static bool panicking;
    __asm__ volatile("cli");
    if (panicking)
        machine_exit(EXO_POWER_PANIC);
    panicking = true;
}

static void current_print(void)
{
    const struct env *env = core_this()->current;
    if (env)
        console_printf("running: environment %u\n", env->index);
}

noreturn void panic(const char *format, ...)
{
    va_list arguments;
    panic_enter();
    console_printf("\nexo: panic: ");
    va_start(arguments, format);
    console_vprintf(format, arguments);
    va_end(arguments);
    console_printf("\n");
    current_print();
    backtrace_print(0, 0, (uint64_t)__builtin_frame_address(0));
    machine_exit(EXO_POWER_PANIC);
}

noreturn void panic_registers(const struct exo_context *c, const char *what)
{
    panic_enter();
    console_printf("\nexo: panic: %s in %s mode, vector %lu, error 0x%lx, cr2 0x%lx\n", what,
                   c->cs & 3 ? "user" : "kernel", c->vector, c->error, cr2_read());
    current_print();
    console_printf("rip %016lx  rsp %016lx  rflags %lx  cs %lx  cr3 %lx\n", c->rip, c->rsp, c->rflags,
                   c->cs, cr3_read());
    console_printf("rax %016lx  rbx %016lx  rcx %016lx  rdx %016lx\n", c->rax, c->rbx, c->rcx, c->rdx);
    console_printf("rsi %016lx  rdi %016lx  rbp %016lx  r8  %016lx\n", c->rsi, c->rdi, c->rbp, c->r8);
    console_printf("r9  %016lx  r10 %016lx  r11 %016lx  r12 %016lx\n", c->r9, c->r10, c->r11, c->r12);
    console_printf("r13 %016lx  r14 %016lx  r15 %016lx\n", c->r13, c->r14, c->r15);
    backtrace_print(c->rip, c->rsp, c->rbp);
    machine_exit(EXO_POWER_PANIC);
}

noreturn void boot_fail(const char *format, ...)
{
    va_list arguments;
    console_printf("exo: can't start: ");
    va_start(arguments, format);
    console_vprintf(format, arguments);
    va_end(arguments);
    console_printf("\n");
    machine_exit(EXO_POWER_BOOT);
}
