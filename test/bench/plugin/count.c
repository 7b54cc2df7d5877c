/* SPDX-License-Identifier: MIT */
/*
 * A TCG plugin that counts every executed guest instruction, by instruction: one
 * 64-bit counter for each distinct (virtual address, page of RAM, bytes), added to
 * by inline code. Everything else is a sum over those counters, made when somebody
 * asks: totals, kinds, executions of an address, a histogram. For one core.
 *
 *   -plugin count.so,control=DESCRIPTOR
 *
 * It takes commands from a socket that QEMU inherited, a line each; the guest does
 * not begin before `go`. See control.c.
 */
#include "count.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "qemu_plugin.h"

#define EXPORT __attribute__((visibility("default")))

EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

#define TABLE_BITS 21
#define COUNTED_MAX (1u << 23) /* distinct instructions; pages of it are touched as needed */

static struct counted *counted; /* [0] is not used: 0 ends a chain */
static uint64_t *counters;
static uint32_t counted_end = 1;
static uint32_t table[1u << TABLE_BITS];
static uint64_t mmio;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct mark marks[MARKS_MAX];
static unsigned mark_count;
static bool keep;

static uint32_t hash(uint64_t vaddr)
{
    return (uint32_t)(vaddr * 0x9e3779b97f4a7c15ull >> (64 - TABLE_BITS));
}

/* --- sums: with the lock held --- */

static void totals_sum(struct totals *totals)
{
    memset(totals, 0, sizeof(*totals));
    totals->mmio = mmio;
    for (uint32_t i = 1; i < counted_end; i++) {
        uint64_t n = counters[i];
        unsigned kind = counted[i].kind;
        bool user = kind & KIND_USER;
        totals->insns += n;
        totals->user += user ? n : 0;
        if (!(kind & (unsigned)~(KIND_USER | KIND_MOVE)))
            continue;
        totals->rep += kind & KIND_REP ? n : 0;
        totals->user_rep += user && (kind & KIND_REP) ? n : 0;
        totals->cr3 += kind & KIND_CR3 ? n : 0;
        totals->port += kind & KIND_PORT ? n : 0;
        totals->syscall += user && (kind & KIND_SYSCALL) ? n : 0;
        totals->hlt += kind & KIND_HLT ? n : 0;
        totals->iret += !user && (kind & KIND_IRET) ? n : 0;
    }
}

void count_totals(struct totals *totals)
{
    pthread_mutex_lock(&lock);
    totals_sum(totals);
    pthread_mutex_unlock(&lock);
}

uint64_t count_address(uint64_t vaddr)
{
    uint64_t sum = 0;
    pthread_mutex_lock(&lock);
    for (uint32_t i = table[hash(vaddr)]; i; i = counted[i].next)
        sum += counted[i].vaddr == vaddr ? counters[i] : 0;
    pthread_mutex_unlock(&lock);
    return sum;
}

void count_records(void (*take)(const struct counted *, uint64_t count, void *data), void *data)
{
    pthread_mutex_lock(&lock);
    uint32_t end = counted_end;
    pthread_mutex_unlock(&lock);
    for (uint32_t i = 1; i < end; i++)
        if (counters[i])
            take(&counted[i], counters[i], data);
}

void count_between(const struct mark *from, const struct mark *to,
                   void (*take)(const struct counted *, uint64_t count, void *data), void *data)
{
    for (uint32_t i = 1; i < to->kept_end; i++) {
        uint64_t before = i < from->kept_end ? from->kept[i] : 0;
        if (to->kept[i] > before)
            take(&counted[i], to->kept[i] - before, data);
    }
}

/* --- marks: the totals when an address is executed for the first time --- */

bool count_mark(const char *name, uint64_t vaddr, const uint8_t *bytes, unsigned length)
{
    if (mark_count == MARKS_MAX || length > MARK_BYTES)
        return false;
    struct mark *mark = &marks[mark_count];
    snprintf(mark->name, sizeof(mark->name), "%s", name);
    mark->vaddr = vaddr;
    memcpy(mark->bytes, bytes, length);
    mark->length = length;
    __atomic_store_n(&mark_count, mark_count + 1, __ATOMIC_RELEASE);
    return true;
}

const struct mark *count_marks(unsigned *count)
{
    *count = __atomic_load_n(&mark_count, __ATOMIC_ACQUIRE);
    return marks;
}

void count_keep(void)
{
    keep = true;
}

static void counters_keep(struct mark *mark)
{
    pthread_mutex_lock(&lock);
    mark->kept = malloc(counted_end * sizeof(*counters));
    if (mark->kept) {
        memcpy(mark->kept, counters, counted_end * sizeof(*counters));
        mark->kept_end = counted_end;
    }
    pthread_mutex_unlock(&lock);
}

static void mark_reached(unsigned vcpu, void *data)
{
    struct mark *mark = data;
    (void)vcpu;
    if (mark->reached)
        return;
    count_totals(&mark->totals);
    if (keep)
        counters_keep(mark);
    __atomic_store_n(&mark->reached, true, __ATOMIC_RELEASE);
}

static void marks_attach(struct qemu_plugin_insn *insn, uint64_t vaddr, const uint8_t *ram)
{
    for (unsigned i = 0; i < mark_count; i++) {
        struct mark *mark = &marks[i];
        unsigned room = 4096u - (unsigned)(vaddr & 4095);
        unsigned length = mark->length < room ? mark->length : room;
        if (mark->vaddr != vaddr || mark->reached || !ram || memcmp(ram, mark->bytes, length))
            continue;
        qemu_plugin_register_vcpu_insn_exec_cb(insn, mark_reached, QEMU_PLUGIN_CB_NO_REGS, mark);
    }
}

/* --- translation --- */

static uint32_t counted_find(uint64_t vaddr, const void *ram, const uint8_t *bytes, size_t size)
{
    uint32_t *head = &table[hash(vaddr)];
    for (uint32_t i = *head; i; i = counted[i].next)
        if (counted[i].vaddr == vaddr && counted[i].ram == ram && counted[i].size == size &&
            !memcmp(counted[i].bytes, bytes, size))
            return i;
    if (counted_end == COUNTED_MAX)
        return 0; /* [0] collects what has no place: never silently, see `lost` */
    struct counted *new = &counted[counted_end];
    new->vaddr = vaddr;
    new->ram = ram;
    new->size = (uint8_t)size;
    memcpy(new->bytes, bytes, size);
    new->kind = (uint8_t)(decode_kind(bytes, size) | (vaddr >> 63 ? 0 : KIND_USER));
    new->next = *head;
    *head = counted_end;
    return counted_end++;
}

uint64_t count_lost(void)
{
    return counters[0];
}

/* Where kernels map devices: above the direct maps and vmalloc areas' begin. RAM there (stacks,
 * modules) is told apart by QEMU, which costs more. */
static bool may_be_device(uint64_t vaddr)
{
    return (vaddr >= 0xffffc00000000000ull && vaddr < 0xffffea0000000000ull) ||
           vaddr >= 0xffffffffc0000000ull;
}

static void memory_touched(unsigned vcpu, qemu_plugin_meminfo_t info, uint64_t vaddr, void *data)
{
    (void)vcpu, (void)data;
    if (!may_be_device(vaddr))
        return;
    const struct qemu_plugin_hwaddr *address = qemu_plugin_get_hwaddr(info, vaddr);
    if (address && qemu_plugin_hwaddr_is_io(address))
        mmio++;
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    size_t n = qemu_plugin_tb_n_insns(tb);
    (void)id;
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < n; i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
        uint64_t vaddr = qemu_plugin_insn_vaddr(insn);
        size_t size = qemu_plugin_insn_size(insn);
        const uint8_t *ram = qemu_plugin_insn_haddr(insn);
        uint32_t index = counted_find(vaddr, ram, qemu_plugin_insn_data(insn),
                                      size < INSN_BYTES ? size : INSN_BYTES);
        qemu_plugin_register_vcpu_insn_exec_inline(insn, QEMU_PLUGIN_INLINE_ADD_U64, &counters[index], 1);
        marks_attach(insn, vaddr, ram);
        if (vaddr >> 63 && counted[index].kind & KIND_MOVE)
            qemu_plugin_register_vcpu_mem_cb(insn, memory_touched, QEMU_PLUGIN_CB_NO_REGS,
                                             QEMU_PLUGIN_MEM_RW, NULL);
    }
    pthread_mutex_unlock(&lock);
}

static void *space(size_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv);

int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
    if (strcmp(info->target_name, "x86_64") || !info->system_emulation || info->system.smp_vcpus != 1) {
        fprintf(stderr, "count: for x86_64 machines with one core\n");
        return -1;
    }
    if (argc != 1 || strncmp(argv[0], "control=", 8)) {
        fprintf(stderr, "count: needs control=DESCRIPTOR\n");
        return -1;
    }
    counted = space(sizeof(*counted) * (size_t)COUNTED_MAX);
    counters = space(sizeof(*counters) * (size_t)COUNTED_MAX);
    if (!counted || !counters || control_start(atoi(argv[0] + 8)))
        return -1;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    return 0;
}
