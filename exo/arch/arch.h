/* SPDX-License-Identifier: MIT */
/*
 * What the machine layer (arch/) offers the rest of the kernel. Nothing outside
 * arch/ and drivers/ touches a register, a port or a page-table bit's meaning
 * beyond what is here.
 */
#ifndef EXO_ARCH_H
#define EXO_ARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdnoreturn.h>

struct env;
struct core;

/* Virtual layout of the kernel half (drawn in docs/tour.md). */
#ifndef KERNEL_PHYSMAP /* tests on the host put it elsewhere */
#define KERNEL_PHYSMAP 0xffff800000000000ull /* all RAM, writable, never executable */
#endif
#define KERNEL_DEVICES 0xffffc00000000000ull /* device memory, uncached, mapped by device_map() */
#define KERNEL_IMAGE 0xffffffff80000000ull

static inline void *physical_memory(uint64_t address) { return (void *)(address + KERNEL_PHYSMAP); }

/* ---- boot ---------------------------------------------------------------- */

#define BOOT_RANGES 32u

struct boot_range {
    uint64_t start, end; /* physical bytes */
};

/* What multiboot2 or PVH said, copied out of low memory early and checked. */
struct boot_info {
    struct boot_range ram[BOOT_RANGES]; /* usable, page-aligned inward, sorted, not overlapping */
    unsigned ram_count;
    struct boot_range archive; /* the first module: the boot archive; empty if there is none */
    uint64_t acpi_rsdp;        /* physical, 0 if unknown */
    const char *protocol;      /* "multiboot2" or "pvh", for the log */
};

/* The physical extent of the kernel image (linker symbols), page-aligned. */
struct boot_range arch_kernel_image(void);

/* Called by the entry code once long mode, the boot stack and a first map are there:
 * parses, then calls kernel_main(). */
noreturn void arch_boot(uint32_t magic, uint64_t info);

/* Implemented by main.c. */
noreturn void kernel_main(const struct boot_info *boot);

/* Second half of arch set-up, called by kernel_main once frames can be taken: `take_frame`
 * gives zeroed frames for the kernel's own page tables. Builds the final kernel map
 * (physmap of all RAM with 2 MiB/1 GiB pages, NX; image with text RX, rodata R, data RW), sets
 * up GDT, TSS with ISTs, IDT, SYSCALL, SMEP, SMAP, UMIP, WP, NX, FSGSBASE, XCR0, local APIC, clock. */
void arch_init(struct core *core, const struct boot_info *boot, uint64_t (*take_frame)(void));
/* Physical address of the kernel's own top page table; its upper half goes into every environment's. */
uint64_t arch_kernel_root(void);

/* Selectors, in the order that SYSCALL and SYSRET want (Intel SDM vol. 3, 5.8.8). */
#define KERNEL_CS 0x08u
#define KERNEL_SS 0x10u
#define USER_SS 0x1bu
#define USER_CS 0x23u

/* ---- going to user mode --------------------------------------------------- */

/* Loads env's address space, FS/GS base and vector state where they are not loaded already
 * (core->space, core->vector_owner) and returns to user mode with env->context: by SYSRET
 * when env->from_syscall (then only rax, rbx, rbp, rsp, r12-r15, rip, rflags are restored, the
 * others are zeroed), else by IRETQ with the whole context. rflags and selectors are forced sane;
 * a non-canonical rip goes by IRETQ and faults in user mode. */
noreturn void arch_resume(struct core *core, struct env *env);
/* Saves the vector state and FS/GS base of whoever's are in the registers, if it is `env`
 * (before its frames are freed, or before it runs elsewhere). */
void arch_forget(struct core *core, struct env *env);
/* Waits with interrupts on until one came. */
void arch_idle(void);
/* Lets pending interrupts in for a moment (sti; nop; cli): handlers only set flags in the core. */
void arch_interrupt_window(void);
/* Drops one page of the loaded address space from the TLB. */
void arch_flush_page(uint64_t address);
/* Loads the kernel's own root (before an environment's tables go). */
void arch_leave_space(struct core *core);
/* Bytes of an XSAVE image with all enabled parts; EXO_CPU_... bits. An image is first
 * prepared with arch_vector_init(). */
uint32_t arch_vector_bytes(void);
uint64_t arch_cpu_features(void);
void arch_vector_init(void *state);

/* ---- interrupts, time ------------------------------------------------------ */

#define VECTOR_SERIAL 0x24u /* line 4 of the old interrupt controller, the only one that is let through */
#define VECTOR_TIMER 0x40u
#define VECTOR_NIC 0x41u
#define VECTOR_SPURIOUS 0xffu

/* Calls handler(argument) with interrupts off on that vector; the EOI is done for it. */
void interrupt_register(unsigned vector, void (*handler)(void *), void *argument);

uint64_t clock_now(void); /* ticks (TSC) */
uint64_t clock_hz(void);
uint64_t clock_wall(void); /* seconds since 1970 from the RTC, read at boot */
/* One-shot; core->timer_fired and core->attention are set by the interrupt. EXO_NEVER disarms. */
void timer_arm(uint64_t tick);

/* ---- devices --------------------------------------------------------------- */

/* Maps device memory uncached; NULL if it can't. */
void *device_map(uint64_t physical, uint64_t bytes);

struct pci_device {
    uint16_t bus, device, function;
    uint16_t vendor, id;
};

/* The first function with that vendor and one of two ids; false if there is none. */
bool pci_find(uint16_t vendor, uint16_t id, uint16_t other_id, struct pci_device *found);
uint32_t pci_read(const struct pci_device *device, unsigned offset, unsigned bytes);
void pci_write(const struct pci_device *device, unsigned offset, unsigned bytes, uint32_t value);
/* First capability of that id at or after `from` (0: the first); 0 if none. Bounded. */
unsigned pci_capability(const struct pci_device *device, unsigned id, unsigned from);
/* Physical address and size of a memory BAR; 0 if it is not one. */
uint64_t pci_bar(const struct pci_device *device, unsigned index, uint64_t *bytes);
/* Enables memory and bus mastering, and one MSI-X entry aimed at this core's `vector`. */
bool pci_enable_msix(const struct pci_device *device, unsigned entry, unsigned vector);

/* ---- console, end of the machine ------------------------------------------- */

void serial_write(const char *text, size_t length);
bool serial_read(uint8_t *byte); /* false: nothing was typed */
/* The next byte, or one that is there, sets core->device_fired and core->attention, once. */
void serial_listen(void);
noreturn void machine_exit(unsigned value); /* isa-debug-exit 0xf4, then halts */

/* printf subset (%s %c %d %u %x %lx %lu %llx %p %zu, width and 0 flag) on the console. */
void console_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Says what broke, with registers if there are any, a symbolised backtrace, and exits with EXO_POWER_PANIC. */
noreturn void panic(const char *format, ...) __attribute__((format(printf, 1, 2)));
#define ASSERT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition))                                                                          \
            panic("%s:%d: %s does not hold", __FILE__, __LINE__, #condition);                      \
    } while (0)

#endif
