/* SPDX-License-Identifier: MIT */
/* The POSIX layer below libc: memory, files, pipes, time, signals, randomness. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libos/file.h>
#include <libos/mem.h>
#include <libos/plan.h>
#include <libos/thread.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

#define PAGE 4096u

/* ---- memory ---------------------------------------------------------------------- */

static uint64_t frames(void)
{
    struct mem_usage usage;
    mem_usage(&usage);
    return usage.frames;
}

static void heap(void)
{
    unsigned seed = 1;
    static char *piece[500];
    static size_t size[500];
    for (int i = 0; i < 20000; i++) {
        seed = seed * 1103515245 + 12345;
        unsigned k = seed >> 8 & 255;
        if (piece[k] != NULL) {
            CHECK(piece[k][0] == (char)k && piece[k][size[k] - 1] == (char)k);
            free(piece[k]);
        }
        size[k] = 1 + (seed >> 16) % (i % 100 == 0 ? 300000 : 2000);
        piece[k] = malloc(size[k]);
        CHECK(piece[k] != NULL);
        piece[k][0] = piece[k][size[k] - 1] = (char)k;
    }
    for (int k = 0; k < 256; k++)
        free(piece[k]);
    uint64_t before = frames();
    for (int i = 0; i < 50; i++) {
        char *big = malloc(1 << 20);
        CHECK(big != NULL);
        memset(big, 1, 1 << 20);
        big = realloc(big, 3 << 20);
        CHECK(big != NULL && big[(1 << 20) - 1] == 1);
        free(big);
    }
    CHECK(frames() <= before + 16);
    char *volatile never = malloc((size_t)1 << 40);
    CHECK(never == NULL && errno == ENOMEM);
}

static sigjmp_buf back;
static volatile uintptr_t fault_address;

static void on_fault(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)context;
    fault_address = (uintptr_t)info->si_addr;
    siglongjmp(back, 1);
}

static bool faults(volatile char *address, bool write)
{
    struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO }, old;
    sigaction(SIGSEGV, &action, &old);
    fault_address = 0;
    bool faulted = true;
    if (sigsetjmp(back, 1) == 0) {
        if (write)
            *address = 1;
        else
            (void)*address;
        faulted = false;
    }
    sigaction(SIGSEGV, &old, NULL);
    return faulted && fault_address == (uintptr_t)address;
}

static void mapping(void)
{
    uint64_t before = frames();
    int flags = MAP_PRIVATE | MAP_ANONYMOUS;
    char *m = mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE, flags, -1, 0);
    CHECK(m != MAP_FAILED && ((uintptr_t)m & (PAGE - 1)) == 0);
    for (unsigned i = 0; i < 64; i++)
        CHECK(m[i * PAGE] == 0 && (m[i * PAGE + 5] = (char)i) == (char)i);
    CHECK(munmap(m + 10 * PAGE, PAGE) == 0);
    CHECK(faults(m + 10 * PAGE, false));
    CHECK(m[11 * PAGE + 5] == 11 && m[9 * PAGE + 5] == 9);
    CHECK(mmap(m + 10 * PAGE, PAGE, PROT_READ, flags | MAP_FIXED, -1, 0) == m + 10 * PAGE);
    CHECK(m[10 * PAGE + 5] == 0);
    CHECK(faults(m + 10 * PAGE, true));
    CHECK(mprotect(m + 20 * PAGE, 2 * PAGE, PROT_READ) == 0);
    CHECK(faults(m + 20 * PAGE, true) && m[20 * PAGE + 5] == 20);
    CHECK(mprotect(m + 20 * PAGE, 2 * PAGE, PROT_READ | PROT_WRITE) == 0);
    m[20 * PAGE] = 3;
    CHECK(madvise(m + 30 * PAGE, PAGE, MADV_DONTNEED) == 0 && m[30 * PAGE + 5] == 0);
    CHECK(m[31 * PAGE + 5] == 31);
    CHECK(munmap(m, 64 * PAGE) == 0);
    CHECK(frames() <= before);
    CHECK(mmap(NULL, 0, PROT_READ, flags, -1, 0) == MAP_FAILED && errno == EINVAL);
    char *reserve = mmap(NULL, 1ull << 32, PROT_NONE, flags, -1, 0);
    CHECK(reserve != MAP_FAILED && faults(reserve + PAGE, false));
    CHECK(mprotect(reserve + PAGE, PAGE, PROT_READ | PROT_WRITE) == 0);
    reserve[PAGE] = 1;
    CHECK(munmap(reserve, 1ull << 32) == 0);
    CHECK(faults((char *)8, false));
}

static void moving(void)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS;
    uint64_t before = frames();
    unsigned pages = 700;
    char *m = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, flags, -1, 0);
    char *wall = mmap(m + pages * PAGE, PAGE, PROT_READ, flags | MAP_FIXED, -1, 0);
    CHECK(m != MAP_FAILED && wall == m + pages * PAGE);
    for (unsigned i = 0; i < pages; i += 1 + i / 100)
        m[i * PAGE] = (char)(i | 1);
    uint64_t touched = frames();
    char *n = mremap(m, pages * PAGE, 2 * pages * PAGE, MREMAP_MAYMOVE);
    CHECK(n != MAP_FAILED && n != m && frames() == touched);
    for (unsigned i = 0; i < pages; i += 1 + i / 100)
        CHECK(n[i * PAGE] == (char)(i | 1));
    n[(2 * pages - 1) * PAGE] = 1;
    CHECK(faults(m, false));
    CHECK(mremap(n, 2 * pages * PAGE, PAGE, 0) == n && n[0] == 1 && faults(n + PAGE, false));
    CHECK(munmap(n, PAGE) == 0 && munmap(wall, PAGE) == 0);
    CHECK(frames() <= before);
}

static void runs(void)
{
    uint64_t frame = 0, before = frames();
    char *run = mem_map_run(40, &frame);
    CHECK(run != NULL && frame != 0);
    for (unsigned i = 0; i < 40; i++)
        CHECK(mem_frame_at(run + i * PAGE) == frame + i && run[i * PAGE] == 0);
    memset(run, 1, 40 * PAGE);
    mem_unmap_run(run, 40);
    CHECK(frames() == before);
    CHECK(mem_map_run(1u << 16, &frame) == NULL);
}

/* ---- plans ------------------------------------------------------------------------------ */

static unsigned heard, refused;
static uint64_t heard_sum;

static void hear(struct completion_target *self, const struct exo_completion *completion)
{
    (void)self;
    heard++;
    heard_sum += completion->result;
    refused += completion->status != 0;
}

/* Many times more completions than the ring holds, and nobody takes any until the end. */
static void full_rings(void)
{
    static struct completion_target target = { hear };
    struct plan_buffer buffer;
    uint64_t sum = 0;
    libos_enter();
    for (unsigned i = 0; i < 3000; i++) {
        struct plan *plan = plan_begin(&buffer);
        plan_target(plan, &target);
        plan_nop(plan, word_number(i));
        plan_flags(plan, EXO_PLAN_QUIET, &target);
        plan_push(plan);
        sum += i;
        if (i % 7 == 0)
            plan_flush();
    }
    plan_flush();
    while (heard < 3000 && (completion_dispatch() != 0 || plan_flush() >= 0))
        continue;
    libos_leave();
    CHECK(heard == 3000 && heard_sum == sum && refused == 0);
}

/* The pager works while the rings are full of what nobody has taken. */
static void faults_with_full_rings(void)
{
    static struct completion_target target = { hear };
    struct plan_buffer buffer;
    volatile char *m = mmap(NULL, 200 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    heard = refused = 0;
    libos_enter();
    for (unsigned i = 0; i < PLAN_INFO->cq_size; i++) {
        struct plan *plan = plan_begin(&buffer);
        plan_target(plan, &target);
        plan_nop(plan, word_number(i));
        plan_submit(plan);
    }
    unsigned before = heard;
    for (unsigned i = 0; i < 200; i++)
        m[i * PAGE] = 1;
    unsigned during = heard - before;
    while (completion_dispatch() != 0)
        continue;
    libos_leave();
    CHECK(during == 0); /* the pager calls nobody's target */
    CHECK(heard == PLAN_INFO->cq_size && refused == 0);
    CHECK(munmap((void *)m, 200 * PAGE) == 0);
}

/* The header's own example, and a failure that names its operation. */
static void plans(void)
{
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    struct frame_ref frame = plan_alloc(plan, 1, 0);
    struct op_ref mapped = plan_map(plan, env_self(), 0x3000, frame, 1, EXO_READ | EXO_WRITE);
    plan_after(plan, plan_bit(mapped), EXO_START_SOME);
    plan_free(plan, frame, 1);
    int error = plan_run(plan);
    CHECK(plan_value(plan, frame) != 0);
    CHECK(error == -EXO_E_NO_TABLE || error == 0);
    if (error == 0) {
        plan = plan_begin(&buffer);
        struct frame_ref unmapped = plan_unmap(plan, env_self(), 0x3000, 1);
        plan_free(plan, unmapped, 1);
        CHECK(plan_run(plan) == 0);
    }
    plan = plan_begin(&buffer);
    for (unsigned i = 0; i < EXO_PLAN_MAX; i++)
        plan_nop(plan, word_number(i)); /* more than any slot that is there: plan_run() gives one */
    CHECK(plan_run(plan) == 0);
    plan = plan_begin(&buffer);
    struct op_ref bad = plan_free(plan, frame_number(1), 1);
    plan_nop(plan, word_number(1));
    CHECK(plan_run(plan) == -EXO_E_FRAME && plan_status(plan, bad) == -EXO_E_FRAME);
    CHECK(strcmp(exo_error_text(-EXO_E_FRAME), "no such frame, or not the caller's") == 0);
}

/* ---- files ----------------------------------------------------------------------------- */

#define FIRST_LINE "/* SPDX-License-Identifier: MIT */\n"
#define FIRST (long)(sizeof(FIRST_LINE) - 1)

/* This file itself, as the manifest puts it into the archive. */
static void files(void)
{
    char buffer[64];
    struct stat stat_of;
    int fd = open("/data/a.txt", O_RDONLY);
    CHECK(fd >= 3);
    CHECK(read(fd, buffer, FIRST) == FIRST && memcmp(buffer, FIRST_LINE, FIRST) == 0);
    CHECK(fstat(fd, &stat_of) == 0 && S_ISREG(stat_of.st_mode));
    long length = stat_of.st_size;
    CHECK(length > 2 * PAGE);
    CHECK(lseek(fd, -3, SEEK_END) == length - 3 && read(fd, buffer, 64) == 3);
    CHECK(read(fd, buffer, 64) == 0);
    CHECK(pread(fd, buffer, 4, 3) == 4 && memcmp(buffer, "SPDX", 4) == 0);
    CHECK(write(fd, "x", 1) == -1 && errno == EBADF);
    const void *view;
    size_t size;
    CHECK(fs_view(fd, &view, &size) == 0 && size == (size_t)length && ((uintptr_t)view & 4095) == 0);
    char *mapped = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    CHECK(mapped != MAP_FAILED && memcmp(mapped, FIRST_LINE, FIRST) == 0);
    for (size_t i = size; i % PAGE != 0; i++)
        CHECK(mapped[i] == 0); /* not what follows it in the archive */
    CHECK(munmap(mapped, size) == 0);
    mapped = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, PAGE);
    CHECK(mapped != MAP_FAILED && memcmp(mapped, (const char *)view + PAGE, size - PAGE) == 0);
    mapped[0] ^= 1;
    CHECK(((const char *)view)[PAGE] == (mapped[0] ^ 1) && munmap(mapped, size) == 0);
    int copy = dup(fd);
    CHECK(copy > fd && close(fd) == 0 && read(fd, buffer, 1) == -1 && errno == EBADF);
    CHECK(lseek(copy, 0, SEEK_SET) == 0 && read(copy, buffer, 5) == 5 && close(copy) == 0);
    CHECK(open("/nowhere", O_RDONLY) == -1 && errno == ENOENT);
    CHECK(open("/data/a.txt/x", O_RDONLY) == -1 && errno == ENOTDIR);
    CHECK(open("/data/new", O_WRONLY | O_CREAT, 0644) == -1 && errno == EROFS);
    CHECK(stat("/data", &stat_of) == 0 && S_ISDIR(stat_of.st_mode));
    CHECK(chdir("/data/sub") == 0 && getcwd(buffer, 64) != NULL && strcmp(buffer, "/data/sub") == 0);
    CHECK(access("../a.txt", R_OK) == 0 && chdir("/") == 0);
    FILE *stream = fopen("data//./sub/../a.txt", "r");
    long read_by_line = 0;
    while (stream != NULL && fgets(buffer, 64, stream) != NULL)
        read_by_line += (long)strlen(buffer);
    CHECK(read_by_line == length);
    if (stream != NULL)
        fclose(stream);
}

static void directories(void)
{
    DIR *dir = opendir("/data");
    int seen = 0;
    CHECK(dir != NULL);
    for (struct dirent *e; dir != NULL && (e = readdir(dir)) != NULL;) {
        seen |= strcmp(e->d_name, ".") == 0 ? 1 : strcmp(e->d_name, "..") == 0 ? 2
              : strcmp(e->d_name, "a.txt") == 0 && e->d_type == DT_REG ? 4
              : strcmp(e->d_name, "sub") == 0 && e->d_type == DT_DIR ? 8 : 16;
    }
    CHECK(seen == 15);
    if (dir != NULL)
        closedir(dir);
}

static void devices(void)
{
    unsigned char buffer[32] = { 1 }, other[32];
    struct stat stat_of;
    int fd = open("/dev/zero", O_RDWR);
    CHECK(fd >= 0 && read(fd, buffer, 32) == 32 && buffer[0] == 0 && write(fd, buffer, 9) == 9);
    CHECK(close(fd) == 0 && (fd = open("/dev/null", O_RDWR)) >= 0);
    CHECK(read(fd, buffer, 32) == 0 && write(fd, buffer, 32) == 32 && close(fd) == 0);
    CHECK((fd = open("/dev/urandom", O_RDONLY)) >= 0 && read(fd, buffer, 32) == 32);
    CHECK(read(fd, other, 32) == 32 && memcmp(buffer, other, 32) != 0);
    CHECK(write(fd, buffer, 1) == -1 && errno == EBADF && close(fd) == 0);
    CHECK(stat("/dev/null", &stat_of) == 0 && S_ISCHR(stat_of.st_mode));
    CHECK(open("/dev/nothing", O_RDONLY) == -1 && errno == ENOENT);
}

static void *pipe_writer(void *argument)
{
    static char block[1000];
    memset(block, 'x', sizeof(block));
    for (int i = 0; i < 100; i++)
        if (write(*(int *)argument, block, sizeof(block)) != sizeof(block))
            break;
    close(*(int *)argument);
    return NULL;
}

static void pipes(void)
{
    int fds[2];
    char buffer[777];
    pthread_t thread;
    CHECK(pipe(fds) == 0);
    pthread_create(&thread, NULL, pipe_writer, &fds[1]);
    long total = 0, now;
    while ((now = read(fds[0], buffer, sizeof(buffer))) > 0)
        total += now;
    CHECK(now == 0 && total == 100000);
    pthread_join(thread, NULL);
    close(fds[0]);
    CHECK(pipe2(fds, O_NONBLOCK) == 0);
    CHECK(read(fds[0], buffer, 1) == -1 && errno == EAGAIN);
    while (write(fds[1], buffer, sizeof(buffer)) > 0)
        continue;
    CHECK(errno == EAGAIN);
    close(fds[0]);
    CHECK(write(fds[1], "x", 1) == -1 && errno == EPIPE);
    close(fds[1]);
    int event = eventfd(3, EFD_NONBLOCK);
    uint64_t value = 4;
    CHECK(write(event, &value, 8) == 8 && read(event, &value, 8) == 8 && value == 7);
    CHECK(read(event, &value, 8) == -1 && errno == EAGAIN && close(event) == 0);
    for (int i = 0; i < FD_MAX + 10; i++)
        if (dup(1) < 0)
            break;
    CHECK(errno == EMFILE);
    for (int i = 3; i < FD_MAX; i++)
        close(i);
}

/* ---- the rest ------------------------------------------------------------------------------- */

static void clocks(void)
{
    struct timespec a, b;
    time_t wall = time(NULL);
    CHECK(wall > 1600000000 && wall < 4000000000);
    clock_gettime(CLOCK_MONOTONIC, &a);
    for (int i = 0; i < 1000; i++) {
        clock_gettime(CLOCK_MONOTONIC, &b);
        CHECK(b.tv_sec > a.tv_sec || (b.tv_sec == a.tv_sec && b.tv_nsec >= a.tv_nsec));
        a = b;
    }
    struct tm tm;
    char text[64];
    CHECK(gmtime_r(&wall, &tm) != NULL && strftime(text, 64, "%Y-%m-%d %H:%M:%S", &tm) == 19);
    printf("it is %s UTC\n", text);
}

static void numbers(void)
{
    unsigned char a[64] = { 0 }, b[64] = { 0 };
    CHECK(getrandom(a, 64, 0) == 64 && getentropy(b, 64) == 0 && memcmp(a, b, 64) != 0);
    char text[64];
    snprintf(text, 64, "%.3f %g %d", 3.14159, 1e10, 42);
    CHECK(strcmp(text, "3.142 1e+10 42") == 0);
    CHECK(strtod("2.5", NULL) * 2 == 5.0);
    CHECK(getauxval(AT_PAGESZ) == PAGE && getauxval(AT_PHDR) != 0);
    struct utsname name;
    CHECK(uname(&name) == 0 && strcmp(name.machine, "x86_64") == 0);
    struct rlimit limit;
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur == FD_MAX);
    struct sysinfo info;
    CHECK(sysinfo(&info) == 0 && info.totalram > info.freeram && info.freeram > 0);
    CHECK(isatty(1) == 0 && getpid() == 1);
    CHECK(syscall(SYS_swapon, "x", 0) == -1 && errno == ENOSYS);
    CHECK(syscall(SYS_swapon, "x", 0) == -1 && errno == ENOSYS); /* named once only */
    CHECK(syscall(9999) == -1 && errno == ENOSYS);
}

static volatile sig_atomic_t got;

static void on_signal(int signal)
{
    got = signal;
}

static void signals(void)
{
    signal(SIGUSR1, on_signal);
    CHECK(raise(SIGUSR1) == 0 && got == SIGUSR1);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    got = 0;
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    raise(SIGUSR1);
    CHECK(got == 0);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    CHECK(got == SIGUSR1);
    signal(SIGUSR1, SIG_IGN);
    CHECK(raise(SIGUSR1) == 0);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        { "heap", heap },     { "mapping", mapping }, { "moving", moving }, { "runs", runs },
        { "plans", plans },   { "full-rings", full_rings },
        { "faults-with-full-rings", faults_with_full_rings },       { "files", files },
        { "directories", directories }, { "devices", devices }, { "pipes", pipes }, { "clocks", clocks }, { "numbers", numbers },
        { "signals", signals }, { NULL, NULL },
    };
    return check_main(cases, argc, argv);
}
