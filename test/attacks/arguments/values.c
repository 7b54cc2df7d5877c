/* SPDX-License-Identifier: MIT */
/* Hostile values: see values.h. One list a kind; an operation's argument gets all of its kind's. */
#include "values.h"

#include <libos/start.h>

#include "world.h"

struct list {
    struct value *values;
    unsigned count;
};

static void add(struct list *list, uint64_t word, enum blame blame, const char *what)
{
    if (list->count < VALUES_MAX)
        list->values[list->count++] = (struct value){word, blame, what};
}

/* Frame numbers that fit a buffer word, and what lies in those frames. */
static void add_frames(struct list *list)
{
    add(list, 0, OTHERS, "frame 0");
    add(list, 0x100, OTHERS, "the kernel's image");
    add(list, 0x101, OTHERS, "the kernel's image, further on");
    add(list, 0xa0, OTHERS, "the video memory's window");
    add(list, 0xf0, OTHERS, "the firmware");
    add(list, 0xfee00, OTHERS, "the interrupt controller's window");
    add(list, 0xfebf0, OTHERS, "a device's window");
    add(list, 0x6000, OTHERS, "the first frame beyond memory");
    add(list, UINT32_MAX, OTHERS, "frame 2^32 - 1");
    add(list, 1ull << 32, OTHERS, "frame 2^32");
    add(list, (1ull << 32) + world.run, OTHERS, "an own frame and 2^32");
    add(list, (1ull << 36) - 2, OTHERS, "frame 2^36 - 2");
    add(list, world.victim, OTHERS, "the victim's first frame");
    add(list, world.victim + 63, OTHERS, "the victim's last frame");
    add(list, world.nobodys, FREE, "a free frame");
    add(list, world.top, KERNELS, "its own top page table");
    add(list, world.run + RUN_TABLES, KERNELS, "its own page table");
    add(list, world.run + RUN_TABLES + 3, KERNELS, "its own empty page table");
    add(list, world.info, KERNELS, "its own info page");
    add(list, world.cq, KERNELS, "its own completion ring");
    add(list, world.info - 1, OTHERS, "its own vector state");
    add(list, world.info - 2, OTHERS, "its own handle table");
    add(list, world.info - 3, OTHERS, "its own environment");
    add(list, world.slots, OTHERS, "its own plan slots");
    add(list, world.run + RUN_QUEUE, OTHERS, "its own queue");
    add(list, world.run + RUN_CHANNEL, OTHERS, "its own channel");
    add(list, world.run + RUN_MESSAGE, OTHERS, "a frame in a channel");
    add(list, world.run + RUN_FROZEN, OTHERS, "a frozen frame, by its number");
    add(list, world.run + RUN_SHARED, OTHERS, "a shared frame, by its number");
    add(list, world.run + RUN_FRESH, OTHERS, "a child's environment");
    add(list, world.run + RUN_STOPPED + 4, OTHERS, "a child's top page table");
    add(list, world.run + RUN_READY_RINGS, OTHERS, "a child's control page");
    add(list, world.run + RUN_GIVEN, CHILDS, "a child's frame");
    add(list, world.sq, BUSY, "its own submission ring");
    add(list, world.pinned, BUSY, "a pinned frame");
    add(list, world.run + RUN_MAPPED, BUSY, "a mapped frame");
    add(list, world.run + RUN_IDLE + RUN_IDLE_COUNT - 1, ODD, "the last of its idle frames");
}

static void frame_values(struct list *list)
{
    add_frames(list);
    add(list, world.control, BUSY, "its own control page");
    add(list, EXO_INFO_FRAME, KERNELS, "the number that stands for the info page");
    add(list, 1ull << 36, OTHERS, "frame 2^36");
    add(list, (1ull << 36) + world.run, OTHERS, "an own frame and 2^36");
    add(list, (1ull << 52) + world.run, OTHERS, "an own frame and 2^52");
    add(list, (1ull << 63) + world.run, OTHERS, "an own frame and 2^63");
    add(list, UINT64_MAX - 7, OTHERS, "a number that wraps");
}

/* Every frame in four shapes: a byte, over its end, as much as there can be, both. The control page is left out: what
 * the program lets write there hurts itself alone. */
static void buffer_values(struct list *list)
{
    struct value frames[64];
    struct list source = {frames, 0};
    add_frames(&source);
    for (unsigned i = 0; i < source.count; i++) {
        uint64_t frame = frames[i].word;
        if (frame >> 36)
            continue;
        add(list, EXO_BUF(frame, 0, 60), frames[i].blame, frames[i].what);
        add(list, EXO_BUF(frame, 4095, 2), frames[i].blame, frames[i].what);
        add(list, EXO_BUF(frame, 4095, 65536), frames[i].blame, frames[i].what);
    }
    add(list, EXO_BUF(world.run, 0, 65536), BAD, "16 frames, of which some are not for buffers");
    add(list, EXO_BUF(world.buffer + 1, 4095, 65536), ODD, "17 frames, from an own one on");
    add(list, UINT64_MAX, OTHERS, "all bits");
}

unsigned values_by_page(struct value values[VALUES_MAX])
{
    struct list list = {values, 0};
    add(&list, EXO_BUF(0xfff800000ull, 0, 60), BAD, "a page of all memory");
    add(&list, EXO_BUF(0xfffffffffull, 0, 60), BAD, "the last page");
    add(&list, EXO_BUF(0xfffffffffull, 4095, 65536), BAD, "over the last page");
    add(&list, EXO_BUF(EXO_USER_END >> 12, 0, 60), BAD, "the page behind user space");
    add(&list, EXO_BUF((EXO_USER_END >> 12) - 1, 4095, 2), BAD, "over the end of user space");
    add(&list, EXO_BUF(0x800000000ull, 0, 60), BAD, "a page that is not canonical");
    add(&list, EXO_BUF(AT_FREE >> 12, 0, 60), BAD, "a hole");
    add(&list, EXO_BUF(AT_NO_TABLE >> 12, 0, 60), BAD, "a hole without tables");
    add(&list, EXO_BUF(0, 0, 60), ODD, "page 0");
    add(&list, EXO_BUF(LIBOS_INFO >> 12, 0, 60), BAD, "the info page");
    add(&list, EXO_BUF(LIBOS_CQ >> 12, 0, 60), BAD, "the completion ring");
    add(&list, EXO_BUF(AT_FROZEN >> 12, 0, 60), ODD, "a frozen page");
    add(&list, EXO_BUF(AT_SHARED >> 12, 4095, 2), ODD, "two pages of one frozen frame");
    add(&list, EXO_BUF(AT_MAPPED >> 12, 0, 60), ODD, "an owned page");
    return list.count;
}

/* Addresses of the program itself are not here: what it unmaps of its own hurts itself alone. */
static void address_values(struct list *list)
{
    add(list, EXO_USER_END, BAD, "the end of user space");
    add(list, 0x0000800000000000ull, BAD, "not canonical, low");
    add(list, 0xffff7ffffffff000ull, BAD, "not canonical, high");
    add(list, 0xffff800000000000ull, BAD, "the kernel's view of all memory");
    add(list, 0xffff800000000000ull + (world.victim << 12), BAD, "the kernel's view of the victim");
    add(list, 0xffffc00000000000ull, BAD, "the kernel's devices");
    add(list, 0xffffffff80000000ull, BAD, "the kernel's image");
    add(list, 0xfffffffffffff000ull, BAD, "the last page");
    add(list, SPARE + 1, BAD, "not aligned");
    add(list, SPARE + 0x800, BAD, "half a page further");
    add(list, (1ull << 63) + SPARE, BAD, "an own address and 2^63");
    add(list, (1ull << 48) + SPARE, BAD, "an own address and 2^48");
    add(list, EXO_USER_END - PAGE, ODD, "the last page of user space");
    add(list, 0, ODD, "0");
    add(list, AT_MAPPED, ODD, "an owned page");
    add(list, AT_FROZEN, ODD, "a frozen page");
    add(list, AT_SHARED, ODD, "a shared page");
    add(list, AT_FREE, ODD, "a hole");
    add(list, AT_TABLE, ODD, "under an empty table");
    add(list, AT_NO_TABLE, ODD, "without tables");
    add(list, AT_TABLE - PAGE, ODD, "the last page of a table");
}

static void count_values(struct list *list)
{
    static const uint64_t bad[] = {0, 65537, 1u << 17, 1u << 31, 1ull << 32, (1ull << 32) + 1, 1ull << 48, 1ull << 52,
                                   (1ull << 52) + 1, 1ull << 63, (1ull << 63) + 1, UINT64_MAX};
    static const uint64_t odd[] = {2, 3, 16, 17, 512, 1023, 1024, 1025, 32768, 65535, 65536};
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        add(list, bad[i], BAD, "a count out of range");
    for (unsigned i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
        add(list, odd[i], ODD, "a count");
}

static void perm_values(struct list *list)
{
    for (unsigned i = 0; i < 18; i++)
        add(list, i, (i & ~EXO_LARGE) == 0 || (i & ~EXO_LARGE) > EXO_NONE ? BAD : ODD, "rights");
    for (unsigned i = 2; i <= EXO_NONE + 1; i++)
        add(list, i | EXO_LARGE, i > EXO_NONE ? BAD : ODD, "rights to a large page");
    add(list, 0xff, BAD, "rights");
    add(list, (1ull << 32) + EXO_READ, BAD, "rights and 2^32");
    add(list, (1ull << 63) + EXO_READ, BAD, "rights and 2^63");
    add(list, UINT64_MAX, BAD, "rights");
}

static void small_values(struct list *list)
{
    static const uint64_t odd[] = {0, 1, 2, 3, 4, 5, 11, 16, 31, 32, 33, 63, 64, 65, 128, 255, 256, 257};
    static const uint64_t bad[] = {65535, 65536, 65537, 1ull << 32, (1ull << 32) + 1, (1ull << 32) + 4, 1ull << 63,
                                   UINT64_MAX};
    for (unsigned i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
        add(list, odd[i], ODD, "a small number");
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        add(list, bad[i], BAD, "a small number out of range");
}

static void word_values(struct list *list)
{
    static const uint64_t odd[] = {0, 1u << 16, UINT32_MAX, 1ull << 32, 1ull << 63, UINT64_MAX, 0xffffffff80000000ull,
                                   0xffff800000000000ull, 0x0000800000000000ull, EXO_USER_END, EXO_USER_END + 1};
    for (unsigned i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
        add(list, odd[i], ODD, "a word");
    add(list, world.victim, ODD, "the victim's frame as a word");
    add(list, (0x7777ull << 32) + (world.slots << 5), ODD, "a plan's number in its own slots");
    add(list, (1ull << 32) + (world.victim << 5), ODD, "a plan's number in the victim's memory");
}

/* Handles as arguments: every place of a table, and generations that are not there. */
static void handle_values(struct list *list)
{
    static const uint64_t bad[] = {0, 63, 126, 127, 128, 129, 0xffff, 0x10000, 0xffffffff, 1ull << 32, (1ull << 32) + 2,
                                   1ull << 63, UINT64_MAX};
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        add(list, bad[i], BAD, "a handle of nothing");
    for (uint64_t i = 32; i < 126; i++)
        add(list, i, BAD, "an empty place");
    add(list, (uint64_t)world.console + 0x10000, BAD, "the console, a generation late");
    add(list, (uint64_t)world.queue + 0x10000, BAD, "the queue, a generation late");
    add(list, (1ull << 32) + world.console, BAD, "the console and 2^32");
    add(list, (uint64_t)world.carved - 0x10000, BAD, "a queue that has ended");
    add(list, world.fresh, BAD, "a child");
    add(list, world.receiver, ODD, "a channel's receiving end");
    add(list, world.sender, ODD, "a channel's sending end");
    add(list, world.carved, ODD, "a queue");
}

unsigned values_of(enum kind kind, struct value values[VALUES_MAX])
{
    struct list list = {values, 0};
    switch (kind) {
    case ZERO:
        add(&list, 1, BAD, "1 where 0 belongs");
        add(&list, 1ull << 63, BAD, "2^63 where 0 belongs");
        break;
    case FRAME: frame_values(&list); break;
    case COUNT: count_values(&list); break;
    case ADDR: address_values(&list); break;
    case PERM: perm_values(&list); break;
    case BUF: buffer_values(&list); break;
    case SMALL: small_values(&list); break;
    case HANDLE: handle_values(&list); break;
    default: word_values(&list); break; /* WORD, TICK: nothing is out of range */
    }
    return list.count;
}
