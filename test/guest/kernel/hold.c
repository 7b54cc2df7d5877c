/* SPDX-License-Identifier: MIT */
/* Values for registers, and telling them apart: see hold.h. */
#include "hold.h"

#include <cpuid.h>
#include <stdio.h>
#include <string.h>

/* CF PF AF ZF SF DF OF AC ID: all that a program can set and that does not trap. */
#define FLAGS 0x240cd5ull
#define FLAGS_FIXED 0x202ull

static bool have_avx(void)
{
    unsigned a, b, c, d;
    if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c & (1u << 27)) == 0 || (c & (1u << 28)) == 0)
        return false;
    __asm__("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
    return (a & 6) == 6;
}

static uint64_t next(uint64_t *seed)
{
    *seed += 0x9e3779b97f4a7c15ull; /* splitmix64 */
    uint64_t z = *seed;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

void held_fill(struct held *held, uint64_t seed)
{
    memset(held, 0, sizeof(*held));
    for (unsigned i = 0; i < 14; i++)
        held->general[i] = next(&seed);
    held->rflags = (next(&seed) & FLAGS) | FLAGS_FIXED;
    held->mxcsr = 0x1f80u | (uint32_t)(next(&seed) & 3) << 13; /* all masked, some rounding */
    held->x87_control = (uint16_t)(0x37f | (next(&seed) & 3) << 10);
    for (unsigned i = 0; i < 16; i++)
        held->red_zone[i] = next(&seed);
    held->avx = have_avx();
    for (unsigned i = 0; i < 16; i++)
        for (unsigned k = 0; k < (held->avx != 0 ? 4 : 2); k++)
            held->vector[i][k] = next(&seed);
    held->x87[0] = next(&seed) | 1ull << 63; /* a normal number: the integer bit is set */
    held->x87[1] = 0x3fff + (next(&seed) & 0xff);
}

static unsigned differs(const char *what, unsigned index, uint64_t in, uint64_t out)
{
    if (in == out)
        return 0;
    printf("FAILED: %s %u was %016llx and is %016llx\n", what, index, (unsigned long long)in,
           (unsigned long long)out);
    return 1;
}

unsigned held_compare(const struct held *in, const struct held *out, bool crossing)
{
    static const uint8_t kept[] = { 1, 5, 10, 11, 12, 13 }; /* rbx rbp r12-r15 */
    unsigned bad = 0;
    for (unsigned i = 0; !crossing && i < 14; i++)
        bad += differs("general register", i, in->general[i], out->general[i]);
    for (unsigned i = 0; crossing && i < sizeof(kept); i++)
        bad += differs("general register", kept[i], in->general[kept[i]], out->general[kept[i]]);
    for (unsigned i = 0; !crossing && i < 16; i++)
        bad += differs("red zone", i, in->red_zone[i], out->red_zone[i]);
    if (!crossing)
        bad += differs("rflags", 0, in->rflags, out->rflags);
    bad += differs("mxcsr", 0, in->mxcsr, out->mxcsr);
    bad += differs("x87 control", 0, in->x87_control, out->x87_control);
    bad += differs("x87 stack", 0, in->x87[0], out->x87[0]);
    bad += differs("x87 stack", 1, in->x87[1] & 0xffff, out->x87[1] & 0xffff);
    for (unsigned i = 0; i < 16; i++)
        for (unsigned k = 0; k < 4; k++)
            bad += differs("vector register", i * 4 + k, in->vector[i][k], out->vector[i][k]);
    return bad;
}
