/* SPDX-License-Identifier: MIT */
/* What the files of arch/ offer each other and nobody else. */
#ifndef EXO_ARCH_INTERNAL_H
#define EXO_ARCH_INTERNAL_H

#include <stdarg.h>

#include "../core.h"
#include "arch.h"
#include "boot_parse.h"

/* kernel.ld and entry.S */
extern char kernel_start[], kernel_text_end[], kernel_rodata_end[], kernel_end[];
extern char boot_stack_guard[], boot_stack_top[];
extern uint64_t boot_low[512]; /* first map's table of GiB */

/* The boundary of what can be reached before arch_init(): [0, this). */
#define BOOT_MAP_END (4ull << 30)

/* cpu.c: required and optional features, control registers, SYSCALL. */
void cpu_check(void);
void cpu_enable(void);
bool cpu_has_tsc_deadline(void);
bool cpu_has_gib_pages(void);
bool cpu_on_hypervisor(void);

/* segments.c: GDT, TSS, IDT of the boot core. */
void segments_init(struct core *core);
void segments_set_kernel_stack(uint64_t top);
/* True if [address, address + 8) lies in one of the kernel's stacks. */
bool stack_contains(uint64_t address);

/* paging.c */
void paging_init(const struct boot_info *boot, uint64_t (*take_frame)(void));

/* vector.c */
void vector_enable(void);
void vector_switch(struct core *core, struct env *env);

/* apic.c */
void apic_init(void);
void apic_timer_init(void);
void apic_eoi(void);
uint32_t apic_id(void);

/* clock.c, rtc.c */
void clock_init(void);
uint64_t rtc_read(uint8_t century_register);

/* A counter that goes up and is read by a function; for comparing it with the TSC. */
struct reference {
    uint64_t (*read)(void);
    uint64_t mask; /* it wraps behind this */
};
/* Ratio of two clocks over about `wait` TSC ticks or reference counts, whichever is known. */
struct clock_span {
    uint64_t ticks, counts;
};
bool clock_compare(const struct reference *reference, uint64_t counts, uint64_t ticks,
                   struct clock_span *span);

/* acpi.c fills this at boot, before frames are handed out. */
extern struct acpi_facts acpi_facts;

/* console.c, serial.c, panic.c */
void serial_init(void);
void serial_drain(void);
void console_vprintf(const char *format, va_list arguments);
noreturn void panic_registers(const struct exo_context *context, const char *what);
/* A bad machine, not a bug: says why and exits with EXO_POWER_BOOT. */
noreturn void boot_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* trap.S */
extern char trap_stubs[];
void trap_syscall(void);
noreturn void resume_sysret(struct env *env);
noreturn void resume_iret(struct env *env);
noreturn void trap_again(struct core *core, void (*function)(struct core *core));
/* trap.c, called by trap.S */
noreturn void trap_user(struct core *core);
void trap_kernel(struct exo_context *context);

#endif
