/* SPDX-License-Identifier: MIT */
/*
 * What the processor must have, what is used when it has it, and the control
 * registers and SYSCALL registers that follow from both.
 */
#include "internal.h"
#include "x86.h"

/* SYSCALL clears these: TF, IF, DF, IOPL, NT, AC. Without TF the kernel is never
 * single-stepped, without AC SMAP holds. */
#define FMASK 0x47700u

static uint32_t leaf7_b(void) { return cpuid_read(0, 0).a >= 7 ? cpuid_read(7, 0).b : 0; }

void cpu_check(void)
{
    if (!(cpuid_read(0x80000001, 0).d & 1u << 20))
        boot_fail("this processor cannot forbid execution of data (no NX)");
    if (!(leaf7_b() & 1u))
        boot_fail("this processor has no FSGSBASE (Intel since 2012, AMD since 2014; QEMU: -cpu max)");
    if (!(cpuid_read(1, 0).d & 1u << 9))
        boot_fail("this processor has no local APIC");
    if (!(cpuid_read(1, 0).c & 1u << 26)) /* programs keep their threads' vector state with it */
        boot_fail("this processor has no XSAVE");
    if (!(cpuid_read(0x80000001, 0).d & 1u << 11))
        boot_fail("this processor has no SYSCALL");
}

bool cpu_has_tsc_deadline(void) { return cpuid_read(1, 0).c & 1u << 24; }
bool cpu_has_gib_pages(void) { return cpuid_read(0x80000001, 0).d & 1u << 26; }
bool cpu_on_hypervisor(void) { return cpuid_read(1, 0).c & 1u << 31; }

uint64_t arch_cpu_features(void)
{
    uint64_t features = 0;
    uint32_t basic = cpuid_read(1, 0).c;
    if (basic & 1u << 30)
        features |= EXO_CPU_RDRAND;
    if (basic & 1u << 26 && cpuid_read(0xd, 1).a & 1u)
        features |= EXO_CPU_XSAVEOPT;
    if (cpuid_read(0x80000000, 0).a >= 0x80000007 && cpuid_read(0x80000007, 0).d & 1u << 8)
        features |= EXO_CPU_INVARIANT_TSC;
    return features;
}

static void cpu_enable_syscall(void)
{
    msr_write(MSR_EFER, msr_read(MSR_EFER) | EFER_SCE | EFER_NXE);
    /* SYSRET takes CS and SS relative to the upper selector (Intel SDM vol. 3, 5.8.8). */
    msr_write(MSR_STAR, (uint64_t)(USER_SS - 8) << 48 | (uint64_t)KERNEL_CS << 32);
    msr_write(MSR_LSTAR, (uint64_t)&trap_syscall);
    msr_write(MSR_CSTAR, 0); /* there is no 32-bit code segment to come from */
    msr_write(MSR_FMASK, FMASK);
}

void cpu_enable(void)
{
    uint64_t cr0 = cr0_read(), cr4 = cr4_read();
    uint32_t b = leaf7_b();

    cr0 &= ~(CR0_EM | CR0_TS);
    cr0_write(cr0 | CR0_MP | CR0_NE | CR0_WP | CR0_AM);
    cr4 |= CR4_PAE | CR4_MCE | CR4_PGE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_FSGSBASE;
    if (b & 1u << 7)
        cr4 |= CR4_SMEP;
    if (b & 1u << 20)
        cr4 |= CR4_SMAP;
    if (cpuid_read(7, 0).c & 1u << 2)
        cr4 |= CR4_UMIP;
    cr4_write(cr4);
    cpu_enable_syscall();
    vector_enable();
}
