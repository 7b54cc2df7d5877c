/* SPDX-License-Identifier: MIT */
/* Other people's frames: every frame of the machine is tried, by number, in every way there is. */
#include "attack.h"

#define TRIED 32768u /* frames: 128 MiB, more than the test gives the machine */
#define SPARE 0x10000000000ull /* an address below which this program has no tables */
#define PLACE (LIBOS_START + 0x80000) /* a page with a table above it, and nothing there */

static int try_map(uint64_t frame, unsigned perm)
{
    return run_cell((struct exo_op){.code = EXO_MAP, .arg = {PLACE, frame, 1, perm}});
}

/* Which frames are ours: those that can be mapped. Nothing else may be. */
static unsigned frames_mappable(void)
{
    unsigned mapped = 0;
    for (uint64_t frame = 0; frame < TRIED; frame++) {
        if (try_map(frame, EXO_READ) == 0) {
            mapped++;
            run_cell((struct exo_op){.code = EXO_UNMAP, .arg = {PLACE, 1}});
        }
    }
    return mapped;
}

static void strange_numbers(void)
{
    static const uint64_t numbers[] = {0, UINT32_MAX, 1ull << 32, (1ull << 36) - 2, 1ull << 36, 1ull << 52, UINT64_MAX};
    for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        uint64_t n = numbers[i];
        refused("map a strange frame", try_map(n, EXO_READ), 0);
        refused("free a strange frame", run_cell((struct exo_op){.code = EXO_FREE, .arg = {n, 1}}), 0);
        refused("free a strange run", run_cell((struct exo_op){.code = EXO_FREE, .arg = {n, 65536}}), 0);
        refused("a strange table", run_cell((struct exo_op){.code = EXO_TABLE, .arg = {n, SPARE, 3}}), 0);
        refused("strange slots", run_cell((struct exo_op){.code = EXO_SLOTS, .arg = {n, 1, 4}}), 0);
        refused("a strange environment", run_cell((struct exo_op){.code = EXO_ENV_CREATE, .arg = {n, 10}}), 0);
    }
}

static void neighbours_frames(void)
{
    unsigned freed = 0, tables = 0;
    for (uint64_t frame = 0; frame < TRIED; frame++) {
        if (try_map(frame, EXO_READ) == 0) {
            run_cell((struct exo_op){.code = EXO_UNMAP, .arg = {PLACE, 1}});
            continue; /* ours */
        }
        freed += run_cell((struct exo_op){.code = EXO_FREE, .arg = {frame, 1}}) == 0;
        tables += run_cell((struct exo_op){.code = EXO_TABLE, .arg = {frame, SPARE, 3}}) == 0;
    }
    holds("nobody's frame could be freed that can't be mapped", freed == 0);
    holds("nobody's frame became a table", tables == 0);
}

static void own_kernel_frames(void)
{
    refused("the info page for writing", try_map(EXO_INFO_FRAME, EXO_READ | EXO_WRITE), 0);
    refused("the info page as code", try_map(EXO_INFO_FRAME, EXO_READ | EXO_EXEC), 0);
    refused("make the info page writable",
            run_cell((struct exo_op){.code = EXO_PROTECT, .arg = {LIBOS_INFO, 1, EXO_READ | EXO_WRITE}}), 0);
    refused("make completions writable",
            run_cell((struct exo_op){.code = EXO_PROTECT, .arg = {LIBOS_CQ, 4, EXO_READ | EXO_WRITE}}), 0);
    /* This program's code is shared, frozen, with the archive. */
    uint64_t code = (uint64_t)own_kernel_frames & ~0xfffull;
    refused("make shared code writable",
            run_cell((struct exo_op){.code = EXO_PROTECT, .arg = {code, 1, EXO_READ | EXO_WRITE}}), 0);
    refused("thaw shared code", run_cell((struct exo_op){.code = EXO_THAW, .arg = {code}}), 0);
    refused("share for writing", run_cell((struct exo_op){.code = EXO_SHARE,
            .arg = {PLACE, code, 1, EXO_READ | EXO_WRITE}}), 0);
    refused("share what is not frozen", run_cell((struct exo_op){.code = EXO_SHARE,
            .arg = {PLACE, LIBOS_START, 1, EXO_READ}}), 0);
}

static void addresses(void)
{
    uint64_t frame;
    void *memory = mem_map_run(1, &frame);
    holds("memory of one's own", memory != NULL);
    static const uint64_t bad[] = {EXO_USER_END, 0x0000800000000000ull, 0xffff800000000000ull,
                                   0xffffffff80000000ull, 0xfffffffffffff000ull, 1, 0x7ffffffff001ull};
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        refused("map outside", run_cell((struct exo_op){.code = EXO_MAP, .arg = {bad[i], frame, 1, EXO_READ}}), 0);
        refused("table outside", run_cell((struct exo_op){.code = EXO_TABLE, .arg = {frame, bad[i], 3}}), 0);
    }
    refused("free what is mapped", run_cell((struct exo_op){.code = EXO_FREE, .arg = {frame, 1}}), EXO_E_BUSY);
    refused("unmap into the kernel", run_cell((struct exo_op){.code = EXO_UNMAP, .arg = {EXO_USER_END - 4096, 2}}), 0);
    refused("run over the end", run_cell((struct exo_op){.code = EXO_UNMAP, .arg = {0xfffffffffffff000ull, 65536}}), 0);
}

int main(void)
{
    unsigned before = frames_mappable();
    strange_numbers();
    neighbours_frames();
    own_kernel_frames();
    addresses();
    unsigned after = frames_mappable();
    libos_log("%u frames can be mapped at first, %u at the end", before, after);
    holds("only its own frames can be mapped", before > 0 && after > 0 && after <= PLAN_INFO->frames_used);
    return attack_end();
}
