/* SPDX-License-Identifier: MIT */
/* Malformed plans: codes, edges, references, handles, counts, buffers. Each is refused with an error. */
#include "attack.h"

static uint64_t frame;
static struct exo_op cells[EXO_PLAN_MAX + 1];
static struct plan_result results[EXO_PLAN_MAX];

/* A plan of `count` cells as they stand in cells[1...]. */
static int run_cells(unsigned count)
{
    struct plan plan = {.cell = cells, .results = results, .count = (uint16_t)count, .last = 0};
    struct exo_plan *header = (struct exo_plan *)(void *)&cells[0];
    *header = (struct exo_plan){.code = EXO_PLAN, .cells = (uint16_t)count};
    return plan_run(&plan);
}

static void codes(void)
{
    static const bool known[256] = {
#define EXO_X(number, NAME, name, h, a, b, c, d, e, r0, r1, r2, r3) [number] = true,
        EXO_OPS(EXO_X)
#undef EXO_X
    };
    for (unsigned code = 0; code < 256; code++)
        if (!known[code])
            refused("a code that does not exist", run_cell((struct exo_op){.code = (uint8_t)code}), 0);
}

static void edges(void)
{
    cells[1] = cells[2] = (struct exo_op){.code = EXO_NOP};
    cells[1].after = 1;
    refused("waits for itself", run_cells(2), EXO_E_EDGE);
    cells[1].after = 2;
    refused("waits for a later one", run_cells(2), EXO_E_EDGE);
    cells[1].after = 1ull << 63;
    refused("waits for one outside", run_cells(2), EXO_E_EDGE);
    cells[1].after = 0;
    cells[2] = (struct exo_op){.code = EXO_NOP, .uses = 1, .arg = {EXO_REF(0, 0, 0)}};
    refused("uses without waiting", run_cells(2), 0);
    cells[2].after = 1;
    cells[2].arg[0] = EXO_REF(1, 0, 0);
    refused("uses its own result", run_cells(2), 0);
    cells[2].arg[0] = EXO_REF(0, 4, 0);
    refused("a fifth result", run_cells(2), 0);
    cells[2].arg[0] = EXO_REF(0, 0, 0) | 1ull << 60;
    refused("a reference with dirt in it", run_cells(2), 0);
    cells[2] = (struct exo_op){.code = EXO_FREE, .after = 1, .uses = 1, .arg = {EXO_REF(0, 0, 0), 1}};
    cells[1].arg[0] = frame;
    refused("a word where a frame belongs", run_cells(2), EXO_E_TYPE);
    cells[2] = (struct exo_op){.code = EXO_ALLOC, .after = 1, .uses = 1, .arg = {EXO_REF(0, 0, 0), 0, EXO_ANY}};
    refused("a price from a result", run_cells(2), 0);
    cells[2] = (struct exo_op){.code = EXO_NOP, .uses = 0x8000};
    refused("bits of uses that mean nothing", run_cells(2), 0);
    cells[2] = (struct exo_op){.code = EXO_NOP, .flags = 0xf0};
    refused("flags that mean nothing", run_cells(2), 0);
    cells[2] = (struct exo_op){.code = EXO_NOP, .arg = {0, 1}};
    refused("an argument that must be zero", run_cells(2), 0);
}

static void handles(void)
{
    static const uint8_t codes_with_handle[] = {EXO_GIVE, EXO_ENV_START, EXO_ENV_KILL, EXO_ENV_WAIT,
                                                EXO_CONSOLE_WRITE, EXO_QUEUE_INFO, EXO_POWER};
    static const uint32_t bad[] = {1, 2, 3, 50, 127, 128, 0xffff, 0x10001, 0xffffffff};
    uint32_t console = start_info()->console;
    for (unsigned c = 0; c < sizeof(codes_with_handle); c++)
        for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
            uint8_t code = codes_with_handle[c];
            if (bad[i] == console && code == EXO_CONSOLE_WRITE)
                continue;
            struct exo_op op = {.code = code, .handle = bad[i]};
            if (code == EXO_GIVE)
                op.arg[0] = frame, op.arg[1] = 1;
            if (code == EXO_CONSOLE_WRITE)
                op.arg[0] = EXO_BUF(frame, 0, 1);
            refused("a handle of nobody's", run_cell(op), EXO_E_HANDLE);
        }
    refused("kill oneself by handle 0", run_cell((struct exo_op){.code = EXO_ENV_KILL}), 0);
    refused("give to oneself", run_cell((struct exo_op){.code = EXO_GIVE, .arg = {frame, 1}}), 0);
    refused("a CPU slot that is init's",
            run_cell((struct exo_op){.code = EXO_CPU_GIVE, .handle = 1, .arg = {0, 1}}), 0);
    refused("a queue out of nothing", run_cell((struct exo_op){.code = EXO_QUEUE_CREATE, .handle = EXO_BOOT_NIC,
            .arg = {frame, EXO_BUF(frame, 0, sizeof(struct exo_queue_spec))}}), 0);
}

static void numbers(void)
{
    static const uint64_t counts[] = {0, 65537, 1ull << 32, UINT64_MAX};
    for (unsigned i = 0; i < 4; i++) {
        refused("alloc count", run_cell((struct exo_op){.code = EXO_ALLOC, .arg = {counts[i], 0, EXO_ANY}}), 0);
        refused("free count", run_cell((struct exo_op){.code = EXO_FREE, .arg = {frame, counts[i]}}), 0);
        refused("map count", run_cell((struct exo_op){.code = EXO_MAP, .arg = {LIBOS_MMAP, frame, counts[i], 1}}), 0);
    }
    refused("alignment", run_cell((struct exo_op){.code = EXO_ALLOC, .arg = {1, 99, EXO_ANY}}), 0);
    refused("rights", run_cell((struct exo_op){.code = EXO_MAP, .arg = {LIBOS_MMAP, frame, 1, 0xff}}), 0);
    refused("level 0", run_cell((struct exo_op){.code = EXO_TABLE, .arg = {frame, LIBOS_MMAP, 0}}), 0);
    refused("level 4", run_cell((struct exo_op){.code = EXO_TABLE, .arg = {frame, LIBOS_MMAP, 4}}), 0);
    refused("slot class", run_cell((struct exo_op){.code = EXO_SLOTS, .arg = {frame, 1, 5}}), 0);
    refused("a stop reason", run_cell((struct exo_op){.code = EXO_ENV_EXIT, .arg = {EXO_STOP_KILLED}}), 0);
    refused("a second pair of rings", run_cell((struct exo_op){.code = EXO_ENV_RINGS, .arg = {frame, frame, 1, frame, 1}}), 0);
}

static void buffers(void)
{
    uint32_t console = start_info()->console;
    static const struct {
        uint64_t word;
        const char *what;
    } bad[] = {
        {EXO_BUF(0, 0, 16), "frame 0"},
        {EXO_BUF(0xfffffffffull, 0, 16), "the last frame number"},
        {EXO_BUF(1, 0, 1), "somebody's frame"},
        {EXO_BUF(0x100, 4095, 2), "a piece of the kernel"},
    };
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        refused(bad[i].what, run_cell((struct exo_op){.code = EXO_CONSOLE_WRITE, .handle = console, .arg = {bad[i].word}}), 0);
    refused("past the end of one's frames",
            run_cell((struct exo_op){.code = EXO_CONSOLE_WRITE, .handle = console, .arg = {EXO_BUF(frame, 4095, 60000)}}), 0);
    refused("a page of the kernel", run_cell((struct exo_op){.code = EXO_CONSOLE_WRITE, .flags = EXO_VPAGE,
            .handle = console, .arg = {EXO_BUF(0xfff800000ull, 0, 16)}}), 0);
    refused("a page where nothing is", run_cell((struct exo_op){.code = EXO_CONSOLE_WRITE, .flags = EXO_VPAGE,
            .handle = console, .arg = {EXO_BUF(0x123456789ull, 0, 16)}}), 0);
}

static void headers(void)
{
    struct exo_plan *header = (struct exo_plan *)(void *)&cells[0];
    (void)header;
    cells[1] = (struct exo_op){.code = EXO_MORE};
    refused("MORE in front", run_cells(1), 0);
    for (unsigned i = 1; i <= EXO_PLAN_MAX; i++)
        cells[i] = (struct exo_op){.code = EXO_NOP};
    cells[2] = (struct exo_op){.code = EXO_MORE};
    refused("MORE behind what takes none", run_cells(2), 0);
}

int main(void)
{
    if (!mem_map_run(1, &frame))
        return 2;
    codes();
    edges();
    handles();
    numbers();
    buffers();
    headers();
    return attack_end();
}
