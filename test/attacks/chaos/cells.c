/* SPDX-License-Identifier: MIT */
/* Random plans: cells that are well formed more often than not, so that they come far, of what is there. */
#include <libos/start.h>

#include "chaos.h"

#define EXO_X(number, NAME, text, h, a, b, c, d, e, r0, r1, r2, r3)                                  \
    [number] = {#text, h, {a, b, c, d, e}, {r0, r1, r2, r3}},
const struct shape shapes[EXO_CODE_END] = {EXO_OPS(EXO_X)};
#undef EXO_X

uint64_t noise_state;

uint64_t noise(void) /* splitmix64 */
{
    uint64_t z = noise_state += 0x9e3779b97f4a7c15ull;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

void list_add(struct list *list, uint64_t entry) { list->entry[list->count++ % LIST_MAX] = entry; }

uint64_t list_any(const struct list *list)
{
    unsigned count = list->count < LIST_MAX ? list->count : LIST_MAX;
    return count ? list->entry[below(count)] : 0;
}

bool list_remove(struct list *list, uint64_t entry)
{
    unsigned count = list->count < LIST_MAX ? list->count : LIST_MAX;
    for (unsigned i = 0; i < count; i++)
        if (list->entry[i] == entry) {
            list->entry[i] = list->entry[--count];
            list->count = count;
            return true;
        }
    return false;
}

/* ---- values ------------------------------------------------------------------------------------------- */

#define FRAMES 0x8000u /* of the machine */

struct making {
    bool wild, odd; /* odd: with values that the door refuses, which is then the end of the whole plan */
    uint64_t own;
};

static bool odd(const struct making *making, unsigned one_in) { return making->odd && below(one_in) == 0; }

/* Never one that the program itself lives in, if the operation may write there, unless wild. */
static uint64_t frame_any(const struct making *making, bool written)
{
    if (making->wild && below(2))
        return making->own + below(CHILD_RUN);
    switch (below(16)) {
    case 0: return written ? 0 : below(FRAMES); /* somebody's */
    case 1: return 0x100 + below(0x100); /* the kernel's */
    case 2: return noise() >> (28 + below(8)) | 1ull << 20;
    case 3: return EXO_INFO_FRAME;
    default: return list_any(&known.frames);
    }
}

static uint64_t address_any(const struct making *making)
{
    static const uint64_t own[] = {CHILD_CODE, EXO_BOOT_CONTROL, EXO_BOOT_INFO, EXO_BOOT_SQ, EXO_BOOT_CQ, 0};
    if (making->wild && below(4))
        return below(8) ? CHILD_CODE + below(32) * PAGE : own[below(6)];
    if (odd(making, 8))
        return below(2) ? PLAY + below(PAGE) : 0xffff800000000000ull + below(1ull << 20) * PAGE;
    switch (below(24)) {
    case 0: return EXO_USER_END - PAGE;
    case 1:
    case 2: return PLAY + below(PLAY_LEAVES) * 512 * PAGE;
    default: return PLAY + below(48) * PAGE;
    }
}

static uint64_t tick_any(void)
{
    uint64_t now = __builtin_ia32_rdtsc(), ms = PLAN_INFO->tick_hz / 1000;
    switch (below(8)) {
    case 0: return 0;
    case 1: return EXO_NEVER;
    case 2: return noise();
    default: return now + below(ms);
    }
}

static uint64_t count_any(const struct making *making, unsigned code)
{
    static const uint64_t counts[] = {1, 1, 1, 2, 3, 4, 5, 8, 16, 40, 64};
    if (odd(making, 16))
        return below(3) ? below(1ull << 17) : 0;
    if (code != EXO_ALLOC && code != EXO_ENV_CREATE && below(2))
        return 1; /* of so many there is more */
    return code == EXO_ENV_CREATE ? 5 + below(40) : counts[below(11)];
}

static uint64_t small_any(const struct making *making, unsigned code)
{
    if (odd(making, 16))
        return noise() >> below(64);
    if (code == EXO_SLOTS)
        return 4ull << 2 * below(3);
    if (code == EXO_ALLOC && below(8) == 0)
        return 9; /* as a large page wants it */
    return code == EXO_CPU_GIVE ? below(32) : below(5);
}

static uint64_t perm_any(const struct making *making, unsigned code)
{
    static const uint64_t perms[] = {EXO_READ, EXO_READ, EXO_READ | EXO_WRITE, EXO_READ | EXO_EXEC, EXO_NONE};
    if (odd(making, 16))
        return noise();
    return perms[below(5)] | (code != EXO_PROTECT && below(6) == 0 ? EXO_LARGE : 0);
}

static uint64_t word_any(unsigned code, unsigned k)
{
    static const uint64_t words[] = {0, 1, 2, 'x', 60, 1000, EXO_ANY, PLAY, 1ull << 63};
    if (code == EXO_ALLOC && below(4))
        return EXO_ANY;
    if (code == EXO_CANCEL && k == 0)
        return below(2) ? list_any(&known.plans) : 0;
    if (code == EXO_NET_TX && below(4))
        return 0;
    return below(8) ? words[below(9)] : noise();
}

/* Within one frame: the one behind may be the program's own. */
static uint64_t buffer_any(const struct making *making, struct exo_op *op)
{
    uint64_t offset = below(4) ? 0 : below(PAGE), frame = frame_any(making, true);
    if (op->code == EXO_NET_TX && below(4))
        return EXO_BUF(known.packet, 0, 14 + below(400));
    if (op->code == EXO_QUEUE_CREATE && below(4))
        return EXO_BUF(known.packet + 1, 0, sizeof(struct exo_queue_spec));
    if (op->code == EXO_SEND && below(4) == 0)
        return 0;
    if (op->flags & EXO_VPAGE)
        frame = address_any(making) >> EXO_PAGE_SHIFT;
    return EXO_BUF(frame & 0xfffffffff, offset, 1 + below(PAGE - offset));
}

static uint32_t handle_any(const struct making *making, enum kind kind)
{
    if (odd(making, 8))
        return (uint32_t)(below(12) | below(4) << 16);
    switch (kind) {
    case ENV: return below(2) ? (uint32_t)list_any(&known.children) : 0;
    case QUEUE: return below(2) ? known.queue : (uint32_t)list_any(&known.queues);
    case CONSOLE: return known.console;
    case SENDER: return (uint32_t)list_any(&known.senders);
    case RECEIVER: return (uint32_t)list_any(&known.receivers);
    default: return (uint32_t)below(3);
    }
}

static uint64_t handle_argument(const struct making *making, unsigned code)
{
    const struct list *lists[] = {&known.queues, &known.senders, &known.receivers};
    if (code == EXO_HANDLE_DROP && !making->wild) { /* not what it stands on */
        uint64_t handle = list_any(lists[below(3)]);
        return handle ? handle : 0x7f0000 + below(4);
    }
    return handle_any(making, (enum kind)(QUEUE + below(5)));
}

static uint64_t value_any(const struct making *making, struct exo_op *op, unsigned k)
{
    switch ((enum kind)shapes[op->code].arg[k]) {
    case ZERO: return odd(making, 50) ? noise() : 0;
    case WORD: return word_any(op->code, k);
    case FRAME: return frame_any(making, false);
    case COUNT: return count_any(making, op->code);
    case ADDR: return address_any(making);
    case PERM: return perm_any(making, op->code);
    case BUF: return buffer_any(making, op);
    case TICK: return tick_any();
    case SMALL: return small_any(making, op->code);
    default: return handle_argument(making, op->code);
    }
}

/* ---- references and edges ------------------------------------------------------------------------------ */

static bool fits(enum kind result, enum kind argument)
{
    return result != ZERO && (argument == WORD || result == argument || (result == FRAME && argument == BUF));
}

/* Whether the operation writes where its buffer is: then no addend makes one of the program's own frames of it. */
static int32_t addend(const struct exo_op *op)
{
    bool writes = op->code == EXO_NET_RX || op->code == EXO_ENV_READ || op->code == EXO_ENV_INFO;
    return writes || below(4) ? 0 : (int32_t)below(8);
}

/* Takes a result of an earlier operation for argument k, if one fits. */
static void refer(struct exo_op *op, const struct exo_op *plan, unsigned index, unsigned k)
{
    for (unsigned tries = 0; index && tries < 4; tries++) {
        unsigned from = (unsigned)below(index), word = (unsigned)below(4);
        if (!fits((enum kind)shapes[plan[from].code].result[word], (enum kind)shapes[op->code].arg[k]))
            continue;
        op->uses |= (uint16_t)(1u << k);
        op->after |= 1ull << from;
        op->arg[k] = EXO_REF(from, word, addend(op));
        return;
    }
}

/* An operation on a child, or a queue, that the same plan makes. */
static void refer_handle(struct exo_op *op, const struct exo_op *plan, unsigned index)
{
    for (unsigned from = 0; from < index; from++) {
        bool child = plan[from].code == EXO_ENV_CREATE && shapes[op->code].handle == ENV;
        bool queue = plan[from].code == EXO_QUEUE_CREATE && shapes[op->code].handle == QUEUE;
        bool creates = op->code == EXO_CHANNEL_CREATE; /* its second handle would be nobody knows whose */
        if ((!child && !queue) || creates || shapes[op->code].arg[4] != ZERO || below(2))
            continue;
        op->uses |= 1u << 5;
        op->after |= 1ull << from;
        op->handle = 0;
        op->arg[4] = EXO_REF(from, 0, 0);
        return;
    }
}

static bool told_always(unsigned code) /* what comes of them must be taken back some day */
{
    return code == EXO_ALLOC || code == EXO_ENV_CREATE || code == EXO_QUEUE_CREATE || code == EXO_CHANNEL_CREATE;
}

/* What a plan must not be, now and then. */
static void spoil(struct exo_op *op)
{
    switch (below(6)) {
    case 0: op->code = (uint8_t)(below(2) ? EXO_CODE_END + below(100) : below(3)); break;
    case 1: op->flags = (uint8_t)noise(); break;
    case 2: op->uses ^= (uint16_t)(1u << below(16)); break;
    case 3: op->after = noise() & noise(); break;
    case 4: op->handle = (uint32_t)noise(); break;
    default: op->arg[4] ^= noise(); break;
    }
    if (told_always(op->code)) {
        op->flags &= (uint8_t)~EXO_QUIET;
        op->uses &= 0x1f;
    }
}

/* ---- an operation, a plan -------------------------------------------------------------------------------- */

/* There is no object for it. */
static bool lonely(unsigned code)
{
    enum kind kind = (enum kind)shapes[code].handle;
    return kind == MACHINE || (kind == SENDER && !known.senders.count) || (kind == RECEIVER && !known.receivers.count);
}

static unsigned code_any(bool wild, bool standing, bool first)
{
    static const uint8_t waits[] = {EXO_TIMER, EXO_TIMER, EXO_RECV, EXO_NET_RX, EXO_ENV_WAIT, EXO_RECLAIM_WAIT};
    unsigned code;
    if (standing && first)
        return waits[below(6)];
    do
        code = (unsigned)below(EXO_CODE_END);
    while (!shapes[code].name || (code == EXO_ENV_EXIT && (!wild || below(16))) || (code == EXO_CONSOLE_WRITE && below(16)) ||
           (!wild && standing && told_always(code) && code != EXO_ALLOC) || (lonely(code) && below(16)));
    return code;
}

static struct exo_op op_make(const struct making *making, const struct exo_op *plan, unsigned index, bool standing)
{
    unsigned code = code_any(making->wild, standing, index == 0);
    struct exo_op op = {.code = (uint8_t)code, .tag = code};
    op.flags = (uint8_t)((below(4) ? 0 : EXO_QUIET) | (below(6) ? 0 : EXO_VPAGE));
    if (told_always(code) && !making->wild)
        op.flags &= (uint8_t)~EXO_QUIET;
    if (shapes[code].handle != NONE)
        op.handle = handle_any(making, (enum kind)shapes[code].handle);
    if (code == EXO_SLOTS && !making->wild && !(op.handle = (uint32_t)list_any(&known.children)))
        op.handle = 0x7f0000; /* nobody: slots stay for good, and would be all of its frames one day */
    for (unsigned k = 0; k < 5; k++) {
        op.arg[k] = value_any(making, &op, k);
        bool drops = code == EXO_HANDLE_DROP && !making->wild;
        if (below(3) == 0 && !drops)
            refer(&op, plan, index, k);
    }
    refer_handle(&op, plan, index);
    if (index && below(3) == 0)
        op.after |= 1ull << below(index);
    if (standing && index)
        op.after |= 1;
    if (op.after && below(4) == 0)
        op.flags |= (uint8_t)below(4);
    return op;
}

unsigned plan_make(struct exo_op *cells, unsigned most, bool wild, uint64_t own)
{
    struct making making = {wild, below(4) == 0, own};
    unsigned count = 1 + (unsigned)below(most);
    bool standing = below(8) == 0;
    struct exo_plan *header = (struct exo_plan *)(void *)cells;
    *header = (struct exo_plan){.code = EXO_PLAN, .cells = (uint16_t)count};
    header->flags = (uint8_t)(EXO_PLAN_ANNOUNCE | (standing ? EXO_PLAN_STANDING : 0));
    header->work = below(8) ? 0 : (uint32_t)below(40);
    for (unsigned i = 0; i < count; i++)
        cells[i + 1] = op_make(&making, cells + 1, i, standing);
    if (making.odd && below(2))
        spoil(&cells[1 + below(count)]);
    return count + 1;
}
