/* SPDX-License-Identifier: MIT */
/*
 * The Linux guest's half of the primitives: what stands there beside plans and what is made of
 * them. Plans have io_uring beside them, by its rings alone: there is no library between that could
 * cost something.
 */
#include "micro.h"

#include <fcntl.h>
#include <linux/io_uring.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define RING_ENTRIES 4096
#define RAW_RUNS (200 + MICRO_WARM)

static void enter_nothing(void)
{
    syscall(SYS_getppid);
}

MICRO(enter_nothing, 2000)

/* ---- io_uring ---- */

static struct {
    int fd;
    unsigned *submission_tail, *completion_head, *completion_tail;
    unsigned submission_mask, completion_mask;
    struct io_uring_sqe *submission;
    struct io_uring_cqe *completion;
} ring;

static void *ring_map(size_t bytes, uint64_t what)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring.fd, (off_t)what);
    if (at == MAP_FAILED)
        micro_fail("the rings of io_uring");
    return at;
}

static void ring_open(void)
{
    struct io_uring_params p = {.flags = IORING_SETUP_SINGLE_ISSUER};
    ring.fd = (int)syscall(SYS_io_uring_setup, RING_ENTRIES, &p);
    if (ring.fd < 0)
        micro_fail("io_uring_setup");
    /* One mapping holds both rings; the array of the submissions is its end. */
    char *at = ring_map(p.sq_off.array + p.sq_entries * sizeof(unsigned), IORING_OFF_SQ_RING);
    ring.submission = ring_map(p.sq_entries * sizeof(struct io_uring_sqe), IORING_OFF_SQES);
    ring.submission_tail = (unsigned *)(at + p.sq_off.tail);
    ring.submission_mask = p.sq_entries - 1;
    ring.completion_head = (unsigned *)(at + p.cq_off.head);
    ring.completion_tail = (unsigned *)(at + p.cq_off.tail);
    ring.completion_mask = p.cq_entries - 1;
    ring.completion = (struct io_uring_cqe *)(at + p.cq_off.cqes);
    for (unsigned i = 0; i < p.sq_entries; i++)
        ((unsigned *)(at + p.sq_off.array))[i] = i;
}

static int completions_take(void)
{
    int error = 0;
    unsigned head = *ring.completion_head, tail = __atomic_load_n(ring.completion_tail, __ATOMIC_ACQUIRE);
    for (; head != tail; head++)
        if (ring.completion[head & ring.completion_mask].res < 0)
            error = ring.completion[head & ring.completion_mask].res;
    __atomic_store_n(ring.completion_head, head, __ATOMIC_RELEASE);
    return error;
}

static struct io_uring_sqe *nop_write(unsigned tail)
{
    struct io_uring_sqe *nop = &ring.submission[tail & ring.submission_mask];
    *nop = (struct io_uring_sqe){.opcode = IORING_OP_NOP, .user_data = tail};
    return nop;
}

static void nops_enter(unsigned count, unsigned wait, unsigned flags)
{
    if (syscall(SYS_io_uring_enter, ring.fd, count, wait, flags, NULL, 0) != (long)count || completions_take())
        micro_fail("io_uring_enter");
}

/* In one system call `count` operations that do nothing, each after the one before it. All
 * completions are waited for and taken. */
static void nops(unsigned count)
{
    unsigned tail = *ring.submission_tail;
    for (unsigned i = 0; i < count; i++)
        nop_write(tail++)->flags = i + 1 < count ? IOSQE_IO_LINK : 0;
    __atomic_store_n(ring.submission_tail, tail, __ATOMIC_RELEASE);
    nops_enter(count, count, IORING_ENTER_GETEVENTS);
}

/* They lie in the ring already, without links and without completions, and each system call takes
 * `count` of them. */
static void raw_prepare(unsigned count)
{
    unsigned tail = *ring.submission_tail;
    for (unsigned i = 0; i < count; i++)
        nop_write(tail++)->flags = IOSQE_CQE_SKIP_SUCCESS;
    __atomic_store_n(ring.submission_tail, tail, __ATOMIC_RELEASE);
}

static void plan_1_nop(void)
{
    nops(1);
}

static void plan_4_nops(void)
{
    nops(4);
}

static void plan_16_nops(void)
{
    nops(16);
}

static void raw_1_nop(void)
{
    nops_enter(1, 0, 0);
}

static void raw_4_nops(void)
{
    nops_enter(4, 0, 0);
}

static void raw_16_nops(void)
{
    nops_enter(16, 0, 0);
}

MICRO(plan_1_nop, 1000)
MICRO(plan_4_nops, 1000)
MICRO(plan_16_nops, 1000)
MICRO(raw_1_nop, 200)
MICRO(raw_4_nops, 200)
MICRO(raw_16_nops, 200)

static void plans_run(void)
{
    ring_open();
    micro_run_plan_1_nop();
    micro_run_plan_4_nops();
    micro_run_plan_16_nops();
    raw_prepare(RAW_RUNS);
    micro_run_raw_1_nop();
    raw_prepare(4 * RAW_RUNS);
    micro_run_raw_4_nops();
    raw_prepare(16 * RAW_RUNS);
    micro_run_raw_16_nops();
}

/* ---- time ---- */

static int timer;

static void timer_once(void)
{
    struct itimerspec soon = {.it_value.tv_nsec = 100000};
    uint64_t times;
    if (timerfd_settime(timer, 0, &soon, NULL) || read(timer, &times, sizeof(times)) != sizeof(times))
        micro_fail("timerfd");
}

MICRO(timer_once, 200)

/* Linux turns transparent huge pages off on a machine with less than 512 MiB. */
static void huge_pages_enable(void)
{
    int fd = open("/sys/kernel/mm/transparent_hugepage/enabled", O_WRONLY);
    if (fd < 0 || write(fd, "madvise", 7) != 7)
        micro_fail("transparent huge pages");
    close(fd);
}

int main(void)
{
    micro_run_enter_nothing();
    plans_run();
    timer = timerfd_create(CLOCK_MONOTONIC, 0);
    micro_run_timer_once();
    micro_posix();
    huge_pages_enable();
    micro_touch();
    micro_signals();
    micro_programs();
    printf("micro: done\n");
    fflush(stdout);
    for (;;)
        pause();
}
