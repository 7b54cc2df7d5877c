/* SPDX-License-Identifier: MIT */
/*
 * GDT, TSS and IDT. Four vectors that can hit at any instruction have stacks of
 * their own (IST): #DB, NMI, #DF, #MC.
 */
#include "internal.h"
#include "offsets.h"
#include "x86.h"

struct tss { /* Intel SDM vol. 3, figure 7-11 */
    uint32_t zero0;
    uint32_t rsp[6]; /* RSP0..2, low half first: 4-aligned only */
    uint32_t zero1[2];
    uint32_t ist[14];
    uint32_t zero2[2];
    uint16_t zero3, io_map;
};

_Static_assert(sizeof(struct tss) == 104, "the processor's layout");

struct gate {
    uint16_t low, selector;
    uint8_t ist, type;
    uint16_t middle;
    uint32_t high, zero;
};

struct pointer {
    uint16_t zero[3], limit; /* so that `base` is aligned; the processor reads from `limit` */
    uint64_t base;
};

struct ist_stack {
    struct core *core; /* trap.S finds it by rounding rsp down */
    uint8_t bytes[IST_STACK_BYTES - sizeof(struct core *)];
};

#define TSS_SELECTOR 0x28u

enum ist { IST_DF, IST_NMI, IST_MC, IST_DB, IST_COUNT };

static struct tss tss;
static uint64_t gdt[7];
static struct gate idt[256];
static struct ist_stack ist_stacks[IST_COUNT]
    __attribute__((section(".bss.pages"), aligned(IST_STACK_BYTES)));

static void gate_set(unsigned vector, const char *stub, unsigned ist, unsigned privilege)
{
    uint64_t address = (uint64_t)stub;
    idt[vector] = (struct gate){
        .low = (uint16_t)address,
        .selector = KERNEL_CS,
        .ist = (uint8_t)ist,
        .type = (uint8_t)(0x8e | privilege << 5), /* interrupt gate: IF is cleared */
        .middle = (uint16_t)(address >> 16),
        .high = (uint32_t)(address >> 32),
    };
}

static void idt_init(void)
{
    for (unsigned i = 0; i < TRAP_STUBS; i++)
        gate_set(i, trap_stubs + 16 * i, 0, 0);
    gate_set(1, trap_stubs + 16 * 1, IST_DB + 1, 0);
    gate_set(2, trap_stubs + 16 * 2, IST_NMI + 1, 0);
    gate_set(8, trap_stubs + 16 * 8, IST_DF + 1, 0);
    gate_set(18, trap_stubs + 16 * 18, IST_MC + 1, 0);
    gate_set(3, trap_stubs + 16 * 3, 0, 3); /* int3 is a program's to use */
    struct pointer pointer = {.limit = sizeof idt - 1, .base = (uint64_t)idt};
    __asm__ volatile("lidt %0" : : "m"(pointer.limit), "m"(pointer));
}

static void tss_init(struct core *core)
{
    for (unsigned i = 0; i < IST_COUNT; i++) {
        uint64_t top = (uint64_t)&ist_stacks[i] + sizeof ist_stacks[i];
        ist_stacks[i].core = core;
        tss.ist[2 * i] = (uint32_t)top;
        tss.ist[2 * i + 1] = (uint32_t)(top >> 32);
    }
    tss.io_map = sizeof tss; /* beyond the end: no port is a program's */
}

static void gdt_init(void)
{
    uint64_t base = (uint64_t)&tss;
    gdt[KERNEL_CS / 8] = 0x00af9b000000ffff;
    gdt[KERNEL_SS / 8] = 0x00cf93000000ffff;
    gdt[USER_SS / 8] = 0x00cff3000000ffff;
    gdt[USER_CS / 8] = 0x00affb000000ffff;
    gdt[TSS_SELECTOR / 8] = (sizeof tss - 1) | (base & 0xffffff) << 16 | 0x89ull << 40 |
                            (base >> 24 & 0xff) << 56;
    gdt[TSS_SELECTOR / 8 + 1] = base >> 32;
    struct pointer pointer = {.limit = sizeof gdt - 1, .base = (uint64_t)gdt};
    __asm__ volatile("lgdt %0\n\t"
                     "pushq %2\n\t"
                     "leaq 1f(%%rip), %%rax\n\t"
                     "pushq %%rax\n\t"
                     "lretq\n"
                     "1:\tmovl %3, %%ss\n\t"
                     "movl %4, %%ds\n\t"
                     "movl %4, %%es\n\t"
                     "movl %4, %%fs\n\t"
                     "movl %4, %%gs\n\t"
                     "lldt %w4\n\t"
                     "ltr %w5"
                     :
                     : "m"(pointer.limit), "m"(pointer), "i"(KERNEL_CS),
                       "r"(KERNEL_SS), "r"(0), "r"(TSS_SELECTOR)
                     : "rax", "memory");
}

void segments_init(struct core *core)
{
    tss_init(core);
    gdt_init();
    idt_init();
    core->stack_top = (uint64_t)boot_stack_top;
    msr_write(MSR_GS_BASE, (uint64_t)core);
    msr_write(MSR_KERNEL_GS_BASE, 0);
}

void segments_set_kernel_stack(uint64_t top)
{
    tss.rsp[0] = (uint32_t)top;
    tss.rsp[1] = (uint32_t)(top >> 32);
}

bool stack_contains(uint64_t address)
{
    uint64_t low = (uint64_t)boot_stack_guard + EXO_PAGE_SIZE, high = (uint64_t)boot_stack_top;
    uint64_t ist = (uint64_t)ist_stacks;
    return (address >= low && address <= high - 8) ||
           (address >= ist && address <= ist + sizeof ist_stacks - 8);
}
