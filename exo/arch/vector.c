/* SPDX-License-Identifier: MIT */
/*
 * Vector state: which parts programs may use, and moving it between the
 * registers and the image in an environment's kernel frame. The kernel itself
 * touches no vector register, so the state stays in place until another
 * environment runs.
 */
#include "internal.h"
#include "x86.h"

/* x87, SSE, AVX and the three parts of AVX-512: 2,688 bytes at most. AMX alone would
 * outgrow the page, so it stays off; PKRU needs CR4.PKE, which stays off too. */
#define XCR0_WANTED 0xe7ull
#define XCR0_AVX512 0xe0ull
#define XCR0_AVX 0x04ull
#define FXSAVE_BYTES 512u

static uint64_t enabled; /* XCR0; 0: FXSAVE only */
static uint32_t image_bytes = FXSAVE_BYTES;
static bool has_xsaveopt;

static void xcr0_write(uint64_t value)
{
    __asm__ volatile("xsetbv" : : "c"(0), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)) : "memory");
}

void vector_enable(void)
{
    if (!(cpuid_read(1, 0).c & 1u << 26))
        return;
    cr4_write(cr4_read() | CR4_OSXSAVE);
    struct cpuid parts = cpuid_read(0xd, 0);
    enabled = parts.a & XCR0_WANTED;
    if (!(enabled & XCR0_AVX) || (enabled & XCR0_AVX512) != XCR0_AVX512)
        enabled &= ~XCR0_AVX512;
    xcr0_write(enabled);
    image_bytes = cpuid_read(0xd, 0).b; /* of what is enabled now */
    has_xsaveopt = cpuid_read(0xd, 1).a & 1u;
    if (image_bytes > EXO_PAGE_SIZE) {
        enabled &= 7;
        xcr0_write(enabled);
        image_bytes = cpuid_read(0xd, 0).b;
    }
    ASSERT(image_bytes <= EXO_PAGE_SIZE);
}

uint32_t arch_vector_bytes(void) { return image_bytes; }

void arch_vector_init(void *state)
{
    /* All parts in their initial state, except that MXCSR is read from the image even
     * then (Intel SDM vol. 1, 13.8). */
    uint8_t *image = state;
    __builtin_memset(image, 0, image_bytes);
    image[0] = 0x7f, image[1] = 0x03;   /* FCW: all x87 exceptions masked */
    image[24] = 0x80, image[25] = 0x1f; /* MXCSR: all SIMD exceptions masked */
}

static void state_save(void *state)
{
    uint32_t low = (uint32_t)enabled, high = (uint32_t)(enabled >> 32);
    if (enabled == 0)
        __asm__ volatile("fxsave64 (%0)" : : "r"(state) : "memory");
    else if (has_xsaveopt)
        __asm__ volatile("xsaveopt64 (%0)" : : "r"(state), "a"(low), "d"(high) : "memory");
    else
        __asm__ volatile("xsave64 (%0)" : : "r"(state), "a"(low), "d"(high) : "memory");
}

static void state_load(const void *state)
{
    uint32_t low = (uint32_t)enabled, high = (uint32_t)(enabled >> 32);
    if (enabled == 0)
        __asm__ volatile("fxrstor64 (%0)" : : "r"(state) : "memory");
    else
        __asm__ volatile("xrstor64 (%0)" : : "r"(state), "a"(low), "d"(high) : "memory");
}

/* Puts `env`'s state into the registers; NULL only saves what is there. */
void vector_switch(struct core *core, struct env *env)
{
    if (core->vector_owner)
        state_save(core->vector_owner->vector_state);
    core->vector_owner = env;
    if (env) {
        state_load(env->vector_state);
        env->vector_live = true;
    }
}
