/* SPDX-License-Identifier: MIT */
/*
 * Time is the TSC. Its rate comes from whoever knows it: the hypervisor, CPUID,
 * or a comparison of a millisecond with the HPET, the ACPI PM timer or, as the
 * last resort, the PIT. Every loop here is bounded: a clock that stands still
 * costs a message, not the boot.
 */
#include "internal.h"
#include "x86.h"

#define HZ_LOWEST 50000000ull
#define HZ_HIGHEST 20000000000ull
#define HZ_GUESS 1000000000ull /* what QEMU counts under -icount, and a plausible machine */

#define FEMTO 1000000000000000ull
#define HPET_USUAL 0xfed00000ull
#define PM_TIMER_HZ 3579545ull
#define PIT_HZ 1193182ull

static uint64_t hz, wall;

uint64_t clock_now(void) { return tsc_read(); }
uint64_t clock_hz(void) { return hz; }
uint64_t clock_wall(void) { return wall; }

static bool plausible(uint64_t value) { return value >= HZ_LOWEST && value <= HZ_HIGHEST; }

/* ---- comparing two clocks ---- */

struct sample {
    uint64_t tick, count, width;
};

/* A reading between two of the TSC; of a few, the one least disturbed by whatever
 * else the host does. */
static struct sample sample_take(const struct reference *reference)
{
    struct sample best = {.width = UINT64_MAX};
    for (unsigned i = 0; i < 6; i++) {
        uint64_t before = tsc_read();
        uint64_t count = reference->read();
        uint64_t after = tsc_read();
        if (after - before < best.width)
            best = (struct sample){before + (after - before) / 2, count, after - before};
    }
    return best;
}

/* Waits for `counts` of the reference or `ticks` of the TSC, whichever comes first. */
bool clock_compare(const struct reference *reference, uint64_t counts, uint64_t ticks,
                   struct clock_span *span)
{
    struct sample from = sample_take(reference);
    for (unsigned reads = 0; reads < 2000000; reads++) {
        uint64_t passed = (reference->read() - from.count) & reference->mask;
        if ((counts && passed >= counts) || tsc_read() - from.tick >= ticks)
            break;
    }
    struct sample to = sample_take(reference);
    span->ticks = to.tick - from.tick;
    span->counts = (to.count - from.count) & reference->mask;
    /* Disturbed readings: both ends together may be wrong by 1 %. */
    return span->ticks / 100 > (from.width + to.width) / 2;
}

/* The TSC's rate against a reference of that rate; 0 if it does not count. */
static uint64_t rate_measure(const struct reference *reference, uint64_t reference_hz)
{
    for (unsigned attempt = 0; attempt < 4; attempt++) {
        struct clock_span span;
        /* A millisecond; 10 ms at 10 GHz if the reference stands still. */
        bool sound = clock_compare(reference, reference_hz / 1000, 100000000, &span);
        if (span.counts < 8 || span.ticks > UINT64_MAX / reference_hz)
            return 0;
        uint64_t rate = span.ticks * reference_hz / span.counts;
        if ((sound || attempt == 3) && plausible(rate))
            return rate;
    }
    return 0;
}

/* ---- those who simply know ---- */

static uint64_t rate_hypervisor(void)
{
    if (!cpu_on_hypervisor())
        return 0;
    struct cpuid base = cpuid_read(0x40000000, 0);
    /* The timing leaf that VMware began and KVM and QEMU took over: kHz. */
    if (base.a >= 0x40000010 && base.a < 0x40010000) {
        uint64_t rate = cpuid_read(0x40000010, 0).a * 1000ull;
        if (plausible(rate))
            return rate;
    }
    /* KVM's clock (Linux: Documentation/virt/kvm/x86/msr.rst): nanoseconds are
     * ((ticks << shift) * mul) >> 32. */
    if (base.b != 0x4b4d564b || base.c != 0x564b4d56 || base.d != 0x4d)
        return 0;
    if (base.a < 0x40000001 || !(cpuid_read(0x40000001, 0).a & 1u << 3))
        return 0;
    static volatile struct {
        uint32_t version, zero;
        uint64_t tsc, system;
        uint32_t mul;
        int8_t shift;
        uint8_t flags, pad[2];
    } kvm __attribute__((aligned(64)));
    msr_write(MSR_KVM_SYSTEM_TIME, ((uint64_t)&kvm - KERNEL_IMAGE) | 1);
    uint64_t mul = kvm.mul, rate = 0;
    int shift = kvm.shift;
    msr_write(MSR_KVM_SYSTEM_TIME, 0);
    if (mul && shift > -32 && shift < 32) {
        rate = (1000000000ull << 32) / mul;
        rate = shift < 0 ? rate << -shift : rate >> shift;
    }
    return plausible(rate) ? rate : 0;
}

static uint64_t rate_cpuid(void)
{
    uint32_t leaves = cpuid_read(0, 0).a;
    if (leaves < 0x15)
        return 0;
    struct cpuid ratio = cpuid_read(0x15, 0); /* ticks = crystal * b / a */
    if (ratio.a == 0 || ratio.b == 0)
        return 0;
    uint64_t rate = (uint64_t)ratio.c * ratio.b / ratio.a;
    if (rate == 0 && leaves >= 0x16)
        rate = (cpuid_read(0x16, 0).a & 0xffff) * 1000000ull; /* base frequency in MHz */
    return plausible(rate) ? rate : 0;
}

/* ---- references ---- */

static volatile uint64_t *hpet;

static uint64_t hpet_read(void) { return *(volatile uint32_t *)&hpet[0xf0 / 8]; }

static uint64_t rate_hpet(void)
{
    static const struct reference reference = {hpet_read, UINT32_MAX};
    if (acpi_facts.hpet == 0 && cpu_on_hypervisor() && acpi_facts.pm_timer)
        return 0; /* the firmware says that there is none, and there is better than a guess */
    hpet = device_map(acpi_facts.hpet ? acpi_facts.hpet : HPET_USUAL, 1024);
    if (hpet == NULL)
        return 0;
    uint64_t capabilities = hpet[0];
    uint64_t period = capabilities >> 32; /* femtoseconds; 100 ns at most (IA-PC HPET 1.0a, 2.3.4) */
    if (period < 1000 || period > 100000000 || (capabilities & 0xff) == 0 || (capabilities & 0xff) == 0xff)
        return 0;
    hpet[0x10 / 8] |= 1; /* it counts */
    return rate_measure(&reference, FEMTO / period);
}

static uint64_t pm_timer_read(void) { return port_read32(acpi_facts.pm_timer); }

static uint64_t rate_pm_timer(void)
{
    struct reference reference = {pm_timer_read, 0xffffff};
    if (acpi_facts.pm_timer == 0)
        return 0;
    return rate_measure(&reference, PM_TIMER_HZ);
}

/* Channel 2 counts down from 65535, latched for every reading (Intel 8254). */
static uint64_t pit_read(void)
{
    port_write8(0x43, 0x80);
    uint32_t low = port_read8(0x42);
    return 0xffff - (low | (uint32_t)port_read8(0x42) << 8);
}

static uint64_t rate_pit(void)
{
    static const struct reference reference = {pit_read, 0xffff};
    uint8_t gate = port_read8(0x61);
    port_write8(0x61, (uint8_t)((gate & ~2u) | 1u)); /* gate on, speaker off */
    port_write8(0x43, 0xb0);                          /* channel 2, both bytes, mode 0 */
    port_write8(0x42, 0xff);
    port_write8(0x42, 0xff);
    uint64_t rate = rate_measure(&reference, PIT_HZ);
    port_write8(0x61, gate);
    return rate;
}

void clock_init(void)
{
    static const struct {
        const char *name;
        uint64_t (*rate)(void);
    } sources[] = {
        {"hypervisor", rate_hypervisor}, {"cpuid", rate_cpuid}, {"hpet", rate_hpet},
        {"pm timer", rate_pm_timer},     {"pit", rate_pit},
    };
    const char *source = "a guess";

    hz = HZ_GUESS;
    for (unsigned i = 0; i < sizeof sources / sizeof sources[0]; i++) {
        uint64_t rate = sources[i].rate();
        if (rate) {
            hz = rate;
            source = sources[i].name;
            break;
        }
    }
    wall = rtc_read(acpi_facts.century);
    console_printf("exo: clock at %lu kHz, by %s\n", (unsigned long)(hz / 1000), source);
}
