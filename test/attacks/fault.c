/* SPDX-License-Identifier: MIT */
/*
 * Things that the machine itself must refuse: each is one argument, and the program must be
 * stopped at exactly that instruction.
 */
#include <stdint.h>

#include "attack.h"

#define KERNEL_IMAGE 0xffffffff80000000ull
#define KERNEL_MEMORY 0xffff800000100000ull
#define NOT_CANONICAL 0x0000800000000000ull

static const char constant[16] = "constant";

static volatile uint64_t *at(uint64_t address) { return (volatile uint64_t *)address; }
static void call(uint64_t address) { ((void (*)(void))address)(); }

static void read_kernel(void) { (void)*at(KERNEL_IMAGE + 0x1000); }
static void write_kernel(void) { *at(KERNEL_IMAGE + 0x1000) = 1; }
static void read_memory(void) { (void)*at(KERNEL_MEMORY); }
static void write_memory(void) { *at(KERNEL_MEMORY) = 1; }
static void jump_kernel(void) { call(KERNEL_IMAGE + 0x1000); }
static void jump_nowhere(void) { call(NOT_CANONICAL); }
static void jump_end(void) { call(EXO_USER_END); }
static volatile uint64_t null_page = 8; /* a variable, or the compiler would warn of what is meant here */
static void read_null(void) { (void)*at(null_page); }
static void read_archive(void) { (void)*at(LIBOS_ARCHIVE); }
static void write_info(void) { *at(LIBOS_INFO) = 1; }
static void write_completions(void) { *at(LIBOS_CQ) = 1; }
static void write_code(void) { *at((uint64_t)write_info) = 1; }
static void write_constant(void) { *at((uint64_t)constant) = 1; }

static void run_data(void)
{
    static unsigned char code[16] = {0xc3};
    call((uint64_t)code);
}

static void run_stack(void)
{
    volatile unsigned char code[16] = {0xc3};
    call((uint64_t)code);
}

static void run_ring(void) { call(LIBOS_SQ); }

static void divide(void)
{
    volatile int zero = 0, one = 1;
    one = one / zero;
}

#define INSTRUCTION(name, text, ...)                                                              \
    static void name(void) { __asm__ volatile(text : : __VA_ARGS__ : "memory", "rax", "rdx", "rcx"); }

static uint64_t table[2];
static const struct {
    uint32_t offset;
    uint16_t selector;
} gate = {0, 0x28}; /* in a table of selectors without gates */

INSTRUCTION(do_hlt, "hlt", "i"(0))
INSTRUCTION(do_cli, "cli", "i"(0))
INSTRUCTION(do_sti, "sti", "i"(0))
INSTRUCTION(do_in, "inb $0x64, %%al", "i"(0))
INSTRUCTION(do_out, "xor %%eax, %%eax; outb %%al, $0xf4", "i"(0))
INSTRUCTION(do_mov_cr0, "mov %%cr0, %%rax", "i"(0))
INSTRUCTION(do_mov_cr3, "xor %%eax, %%eax; mov %%rax, %%cr3", "i"(0))
INSTRUCTION(do_mov_cr4, "xor %%eax, %%eax; mov %%rax, %%cr4", "i"(0))
INSTRUCTION(do_mov_dr, "mov %%rax, %%dr7", "i"(0))
INSTRUCTION(do_rdmsr, "mov $0xc0000082, %%ecx; rdmsr", "i"(0))
INSTRUCTION(do_wrmsr, "mov $0xc0000082, %%ecx; wrmsr", "i"(0))
INSTRUCTION(do_lgdt, "lgdt %0", "m"(table))
INSTRUCTION(do_lidt, "lidt %0", "m"(table))
INSTRUCTION(do_sgdt, "sgdt %0", "m"(table))
INSTRUCTION(do_sidt, "sidt %0", "m"(table))
INSTRUCTION(do_sldt, "sldt %%eax", "i"(0))
INSTRUCTION(do_str, "str %%eax", "i"(0))
INSTRUCTION(do_smsw, "smsw %%eax", "i"(0))
INSTRUCTION(do_ltr, "xor %%eax, %%eax; ltr %%ax", "i"(0))
INSTRUCTION(do_invlpg, "invlpg %0", "m"(table))
INSTRUCTION(do_wbinvd, "wbinvd", "i"(0))
INSTRUCTION(do_clts, "clts", "i"(0))
INSTRUCTION(do_swapgs, "swapgs", "i"(0))
INSTRUCTION(do_xsetbv, "xor %%ecx, %%ecx; xor %%edx, %%edx; mov $7, %%eax; xsetbv", "i"(0))
INSTRUCTION(do_rdpmc, "xor %%ecx, %%ecx; rdpmc", "i"(0))
INSTRUCTION(do_mov_cr8, "xor %%eax, %%eax; mov %%rax, %%cr8", "i"(0))
INSTRUCTION(do_lldt, "xor %%eax, %%eax; lldt %%ax", "i"(0))
INSTRUCTION(do_lmsw, "xor %%eax, %%eax; lmsw %%ax", "i"(0))
INSTRUCTION(do_invd, "invd", "i"(0))
INSTRUCTION(do_sysret, "sysretq", "i"(0))
INSTRUCTION(do_ud2, "ud2", "i"(0))
INSTRUCTION(do_int_timer, "int $0x40", "i"(0))
INSTRUCTION(do_int_fault, "int $14", "i"(0))
INSTRUCTION(do_kernel_cs, "push $0x10; push %%rsp; pushfq; push $8; push $0; iretq", "i"(0))
INSTRUCTION(do_bad_ds, "mov $0x1000, %%eax; mov %%ax, %%ds", "i"(0))
INSTRUCTION(do_bad_stack, "mov %0, %%rsp; push %%rax", "r"(NOT_CANONICAL))

INSTRUCTION(do_sysenter, "sysenter", "i"(0))
INSTRUCTION(do_int_80, "int $0x80", "i"(0))
INSTRUCTION(do_far_call, "lcall *%0", "m"(gate))

/* SYSCALL as the last instruction that there can be: it returns to an address that is no program's. */
static void do_syscall_at_end(void)
{
    uint64_t page = EXO_USER_END - EXO_PAGE_SIZE;
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    for (unsigned level = 3; level >= 1; level--)
        plan_table(plan, env_self(), plan_alloc(plan, 1, 0), page, level);
    plan_map(plan, env_self(), page, plan_alloc(plan, 1, 0), 1, EXO_READ | EXO_WRITE);
    if (plan_run(plan))
        return;
    ((volatile uint8_t *)page)[EXO_PAGE_SIZE - 2] = 0x0f;
    ((volatile uint8_t *)page)[EXO_PAGE_SIZE - 1] = 0x05;
    run_cell((struct exo_op){.code = EXO_PROTECT, .arg = {page, 1, EXO_READ | EXO_EXEC}});
    __asm__ volatile("jmp *%0" : : "r"(EXO_USER_END - 2), "D"(PLAN_INFO->sq_head), "S"(0), "d"(0) : "memory", "rcx", "r11", "rax");
}

/* The return address of this function is overwritten from inside it. */
static __attribute__((noinline)) void smash_stack(void)
{
    volatile uint64_t small[2];
    for (unsigned i = 0; i < 8; i++)
        *(volatile uint64_t *)((uint64_t)small + i * 8) = 0x4141414141414141ull;
}

static __attribute__((noinline)) unsigned deeper(unsigned depth)
{
    volatile char room[4096];
    room[0] = (char)depth;
    if (depth == UINT32_MAX)
        return 0;
    return deeper(depth + 1) + (unsigned)room[0];
}

static void overflow_stack(void) { (void)deeper(0); }

static const struct {
    const char *name;
    void (*run)(void);
} attacks[] = {
#define A(name) {#name, name},
    A(read_kernel) A(write_kernel) A(read_memory) A(write_memory) A(jump_kernel) A(jump_nowhere)
    A(jump_end) A(read_null) A(read_archive) A(write_info) A(write_completions) A(write_code)
    A(write_constant) A(run_data) A(run_stack) A(run_ring) A(divide) A(smash_stack) A(overflow_stack)
    A(do_hlt) A(do_cli) A(do_sti) A(do_in) A(do_out) A(do_mov_cr0) A(do_mov_cr3) A(do_mov_cr4)
    A(do_mov_dr) A(do_rdmsr) A(do_wrmsr) A(do_lgdt) A(do_lidt) A(do_sgdt) A(do_sidt) A(do_sldt)
    A(do_str) A(do_smsw) A(do_ltr) A(do_invlpg) A(do_wbinvd) A(do_clts) A(do_swapgs) A(do_xsetbv)
    A(do_rdpmc) A(do_mov_cr8) A(do_lldt) A(do_lmsw) A(do_invd)
    A(do_sysret) A(do_ud2) A(do_int_timer) A(do_int_fault) A(do_kernel_cs) A(do_bad_ds)
    A(do_bad_stack) A(do_sysenter) A(do_int_80) A(do_far_call) A(do_syscall_at_end)
#undef A
};

int main(int argc, char **argv)
{
    for (unsigned i = 0; argc == 2 && i < sizeof(attacks) / sizeof(attacks[0]); i++) {
        if (strcmp(argv[1], attacks[i].name) != 0)
            continue;
        attacks[i].run();
        return survived(argv[1]);
    }
    libos_log("no such attack");
    return 2;
}
