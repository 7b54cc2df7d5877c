/* SPDX-License-Identifier: MIT */
/*
 * The local APIC: end of interrupt, and the one-shot timer, by TSC deadline
 * where the processor has it and by the APIC's own counter elsewhere. Of the old
 * interrupt controllers one line is left, the serial port's (Intel SDM vol. 3, chapter 10).
 */
#include "internal.h"
#include "x86.h"

#define REG_ID 0x020u
#define REG_TPR 0x080u
#define REG_EOI 0x0b0u
#define REG_SPURIOUS 0x0f0u
#define REG_TIMER 0x320u
#define REG_THERMAL 0x330u
#define REG_COUNTERS 0x340u
#define REG_LINT0 0x350u
#define REG_LINT1 0x360u
#define REG_ERROR 0x370u
#define REG_COUNT_INITIAL 0x380u
#define REG_COUNT_NOW 0x390u
#define REG_DIVIDE 0x3e0u
#define REG_VERSION 0x030u

#define LVT_MASKED (1u << 16)
#define LVT_NMI (4u << 8)
#define LVT_EXTINT (7u << 8)
#define LVT_DEADLINE (2u << 17)
#define DIVIDE_BY_1 0xbu
#define DIVIDE_BY_16 0x3u

#define BASE_X2APIC (1ull << 10)
#define BASE_ENABLED (1ull << 11)

static volatile uint32_t *registers; /* NULL: x2APIC */
static bool deadline_mode;
/* Counts a tick, as a fraction of 1 << 32. */
static uint64_t counts_per_tick;

static uint32_t apic_read(unsigned reg)
{
    return registers ? registers[reg / 4] : (uint32_t)msr_read(MSR_X2APIC + (reg >> 4));
}

static void apic_write(unsigned reg, uint32_t value)
{
    if (registers)
        registers[reg / 4] = value;
    else
        msr_write(MSR_X2APIC + (reg >> 4), value);
}

void apic_eoi(void) { apic_write(REG_EOI, 0); }

uint32_t apic_id(void) { return registers ? apic_read(REG_ID) >> 24 : apic_read(REG_ID); }

/* Both 8259s: moved away from the exceptions' vectors, ending interrupts by themselves, and masked but for the
 * serial port's line. What they still send (spurious 7 and 15) lands on vectors without a handler. */
static void pic_silence(void)
{
    static const uint8_t words[2][4] = {{0x11, 0x20, 4, 3}, {0x11, 0x28, 2, 3}};
    for (unsigned i = 0; i < 2; i++) {
        uint16_t port = i ? 0xa0 : 0x20;
        port_write8(port, words[i][0]);
        for (unsigned word = 1; word < 4; word++)
            port_write8((uint16_t)(port + 1), words[i][word]);
        port_write8((uint16_t)(port + 1), i ? 0xff : 0xef);
    }
}

void apic_init(void)
{
    pic_silence();
    uint64_t base = msr_read(MSR_APIC_BASE);
    if (!(base & BASE_X2APIC)) {
        /* Firmware has no business moving it above what fits here; checked all the same. */
        registers = device_map(base & 0x000ffffffffff000ull, EXO_PAGE_SIZE);
        if (registers == NULL)
            boot_fail("the local APIC's registers are out of reach");
    }
    if (!(base & BASE_ENABLED))
        msr_write(MSR_APIC_BASE, base | BASE_ENABLED);
    unsigned entries = (apic_read(REG_VERSION) >> 16 & 0xff) + 1;
    apic_write(REG_TPR, 0);
    apic_write(REG_TIMER, LVT_MASKED);
    apic_write(REG_LINT0, LVT_EXTINT);
    apic_write(REG_LINT1, LVT_NMI);
    apic_write(REG_ERROR, LVT_MASKED);
    if (entries > 4)
        apic_write(REG_COUNTERS, LVT_MASKED);
    if (entries > 5)
        apic_write(REG_THERMAL, LVT_MASKED);
    apic_write(REG_SPURIOUS, 0x100 | VECTOR_SPURIOUS);
    apic_eoi(); /* of what the firmware may have left in service */
}

static void timer_interrupt(void *argument)
{
    struct core *core = argument;
    core->armed = EXO_NEVER;
    core->timer_fired = 1;
    core->attention = 1;
}

static uint64_t count_read(void) { return UINT32_MAX - apic_read(REG_COUNT_NOW); }

/* The counter's rate, from the TSC, whose rate is known by now. */
static void counter_measure(void)
{
    static const struct reference counter = {count_read, UINT32_MAX};
    struct clock_span span;

    bool measured = false;
    for (unsigned i = 0; i < 5 && !measured; i++) { /* a host that was away for seconds spoils a try */
        apic_write(REG_COUNT_INITIAL, UINT32_MAX);
        measured = clock_compare(&counter, 0, clock_hz() / 2000, &span) && span.ticks != 0 &&
                   span.counts != 0 && span.counts < 1ull << 31;
        apic_write(REG_COUNT_INITIAL, 0);
    }
    if (!measured)
        boot_fail("the local APIC's timer does not count");
    counts_per_tick = (span.counts << 32) / span.ticks;
    if (counts_per_tick == 0)
        boot_fail("the local APIC's timer is too slow");
}

void apic_timer_init(void)
{
    interrupt_register(VECTOR_TIMER, timer_interrupt, core_this());
    deadline_mode = cpu_has_tsc_deadline();
    if (deadline_mode) {
        apic_write(REG_TIMER, VECTOR_TIMER | LVT_DEADLINE);
        /* The mode is set by a store, the deadline by an MSR (SDM vol. 3, 10.5.4.1). */
        __asm__ volatile("mfence" : : : "memory");
    } else {
        apic_write(REG_DIVIDE, DIVIDE_BY_16);
        counter_measure();
        apic_write(REG_TIMER, VECTOR_TIMER);
    }
    timer_arm(EXO_NEVER);
}

/* A distance too long for the counter ends early, at a quarter of its range or so: the
 * scheduler looks at the time and arms it again. */
static uint32_t ticks_to_counts(uint64_t ticks)
{
    if (ticks >> 32)
        ticks = UINT32_MAX;
    uint64_t counts = (ticks * (counts_per_tick >> 4) >> 28) + 1;
    return counts > UINT32_MAX ? UINT32_MAX : (uint32_t)counts;
}

void timer_arm(uint64_t tick)
{
    core_this()->armed = tick;
    if (deadline_mode) {
        msr_write(MSR_TSC_DEADLINE, tick == EXO_NEVER ? 0 : tick);
        return;
    }
    uint32_t counts = 0;
    if (tick != EXO_NEVER) {
        uint64_t now = clock_now();
        counts = tick > now ? ticks_to_counts(tick - now) : 1;
    }
    apic_write(REG_COUNT_INITIAL, counts);
}
