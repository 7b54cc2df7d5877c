/* SPDX-License-Identifier: MIT */
/* Faults as signals: handlers that repair and return, that jump away, that need a stack of their own; and
 * the calls that wait for signals. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/times.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "../check.h"

#define PAGE 4096u
#define RW (PROT_READ | PROT_WRITE)

static volatile unsigned caught;
static siginfo_t told;
static volatile char *volatile page;
static volatile int *volatile bad_place = (int *)8;

static void catch(int signal, void (*handler)(int, siginfo_t *, void *), int flags)
{
    struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags };
    CHECK(sigaction(signal, &action, NULL) == 0);
}

static char *pages(unsigned count, int prot)
{
    char *m = mmap(NULL, count * PAGE, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(m != MAP_FAILED);
    return m;
}

/* ---- fix and retry ---------------------------------------------------------------------------------------- */

static void fix(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)context;
    volatile double noise = 1; /* vector registers are the handler's to use */
    for (int i = 0; i < 20; i++)
        noise = noise * 1.5 + i;
    caught++;
    told = *info;
    mprotect((void *)((uintptr_t)info->si_addr & ~(uintptr_t)(PAGE - 1)), PAGE, RW);
}

/* All registers are what they were when the instruction runs again. */
static void retry(void)
{
    catch(SIGSEGV, fix, 0);
    page = pages(1, RW);
    page[9] = 9;
    caught = 0;
    for (unsigned round = 0; round < 200; round++) {
        CHECK(mprotect((void *)page, PAGE, round % 2 == 0 ? PROT_READ : PROT_NONE) == 0);
        uint64_t sum, carry = 0, moved, x = 0x3ff8000000000000ull, y = 0;
        __asm__ volatile("mov $1, %%eax; mov $2, %%ebx; mov $3, %%ecx; mov $4, %%edx; mov $6, %%r8d;"
                         "mov $7, %%r9d; mov $8, %%r10d; mov $9, %%r11d; mov $10, %%r12d; mov $11, %%r13d;"
                         "mov $12, %%r14d; movq %[x], %%xmm7; mov %%rsp, %%r15; push $55; pushq $66; add $16, %%rsp;"
                         "stc; movb $77, 5(%%rsi); adc $0, %[carry]; sub %%rsp, %%r15; movq %%xmm7, %[y];"
                         "add -16(%%rsp), %%rax; add -8(%%rsp), %%rax;" /* the red zone */
                         "add %%rbx, %%rax; add %%rcx, %%rax; add %%rdx, %%rax;"
                         "add %%r8, %%rax; add %%r9, %%rax; add %%r10, %%rax; add %%r11, %%rax;"
                         "add %%r12, %%rax; add %%r13, %%rax; add %%r14, %%rax; mov %%r15, %%rdx"
                         : "=&a"(sum), "=&d"(moved), [carry] "+D"(carry), [y] "=m"(y)
                         : "S"(page), [x] "m"(x)
                         : "rbx", "rcx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "xmm7", "memory", "cc");
        CHECK(sum == 73 + 121 && carry == 1 && moved == 0 && y == x);
        CHECK(caught == round + 1 && page[5] == 77 && page[9] == 9);
        CHECK(told.si_addr == page + 5 && told.si_code == SEGV_ACCERR && told.si_signo == SIGSEGV);
        page[5] = 0;
    }
    sigset_t mask;
    CHECK(pthread_sigmask(SIG_BLOCK, NULL, &mask) == 0 && !sigismember(&mask, SIGSEGV));
    CHECK(munmap((void *)page, PAGE) == 0);
}

static void *retry_thread(void *unused)
{
    char *m = pages(64, PROT_NONE);
    for (unsigned i = 0; i < 640; i++) {
        m[i % 64 * PAGE + i] = 1;
        if (i % 3 == 0)
            sched_yield();
        CHECK(mprotect(m + i % 64 * PAGE, PAGE, PROT_NONE) == 0);
    }
    munmap(m, 64 * PAGE);
    return unused;
}

/* Several threads at once, and slots end in handlers. */
static void threads(void)
{
    pthread_t thread[4];
    catch(SIGSEGV, fix, 0);
    for (unsigned i = 0; i < 4; i++)
        CHECK(pthread_create(&thread[i], NULL, retry_thread, NULL) == 0);
    for (unsigned i = 0; i < 4; i++)
        CHECK(pthread_join(thread[i], NULL) == 0);
}

/* Pages that nobody may look at keep what is in them, in regions of any shape. */
static void none(void)
{
    catch(SIGSEGV, fix, 0);
    volatile char *m = pages(40, RW);
    for (unsigned i = 0; i < 40; i += 3)
        m[i * PAGE] = (char)(i + 1);
    CHECK(mprotect((void *)m, 40 * PAGE, PROT_NONE) == 0);
    caught = 0;
    for (unsigned i = 0; i < 40; i++)
        CHECK(m[i * PAGE] == (i % 3 == 0 ? (char)(i + 1) : 0) && caught == i + 1);
    CHECK(mprotect((void *)m, 40 * PAGE, PROT_NONE) == 0);
    CHECK(mprotect((void *)m, 40 * PAGE, PROT_READ) == 0 && m[39 * PAGE] == 40);
    CHECK(mprotect((void *)m, 40 * PAGE, PROT_NONE) == 0);
    volatile char *n = mremap((void *)m, 40 * PAGE, 400 * PAGE, MREMAP_MAYMOVE);
    CHECK(n != MAP_FAILED);
    caught = 0;
    CHECK(n[3 * PAGE] == 4 && n[39 * PAGE] == 40 && caught == 2);
    CHECK(munmap((void *)n, 400 * PAGE) == 0);
}

/* ---- registers that the handler changes ------------------------------------------------------------------------ */

static void skip(int signal, siginfo_t *info, void *context)
{
    ucontext_t *at = context;
    long long *r = at->uc_mcontext.gregs;
    told = *info;
    caught = (unsigned)signal;
    CHECK(signal != SIGSEGV || r[REG_TRAPNO] == 14 || r[REG_TRAPNO] == 13);
    CHECK(at->uc_mcontext.fpregs != NULL);
    r[REG_RIP] = r[REG_RBX];
    r[REG_RAX] = 4711;
}

/* Runs one instruction that faults; the handler goes on behind it. */
#define FAULT(name, instruction)                                                                            \
    static uint64_t name(const volatile void *address)                                                     \
    {                                                                                                      \
        uint64_t got = 0;                                                                                  \
        caught = 0;                                                                                        \
        __asm__ volatile("lea 1f(%%rip), %%rbx\n" instruction "\n1:"                                       \
                         : "+a"(got) : "c"(address) : "rbx", "rdx", "memory", "cc");                       \
        return got == 4711 ? caught : 0;                                                                   \
    }

FAULT(writes, "movb $1, (%%rcx)")
FAULT(reads, "movb (%%rcx), %%al")
FAULT(halts, "hlt")
FAULT(divides, "xor %%edx, %%edx; div %%edx")
FAULT(undefined, "ud2")
FAULT(breakpoint, "int3")

static bool tells(int code, const volatile void *address)
{
    return told.si_code == code && told.si_addr == address;
}

static void causes(void)
{
    for (const int *s = (const int[]){ SIGSEGV, SIGFPE, SIGILL, SIGTRAP, SIGBUS, 0 }; *s != 0; s++)
        catch(*s, skip, 0);
    volatile char *m = pages(1, PROT_READ);
    CHECK(writes(m) == SIGSEGV && tells(SEGV_ACCERR, m));
    CHECK(munmap((void *)m, PAGE) == 0);
    CHECK(writes(m) == SIGSEGV && tells(SEGV_MAPERR, m));
    CHECK(reads((char *)0x123456789abcdef0) == SIGSEGV && tells(SI_KERNEL, NULL));
    CHECK(halts(NULL) == SIGSEGV && tells(SI_KERNEL, NULL));
    CHECK(divides(NULL) == SIGFPE && told.si_code == FPE_INTDIV && told.si_addr != NULL);
    CHECK(undefined(NULL) == SIGILL && told.si_code == ILL_ILLOPN && told.si_addr != NULL);
    CHECK(breakpoint(NULL) == SIGTRAP);
}

/* ---- masks, flags, jumps --------------------------------------------------------------------------------------- */

static sigjmp_buf back;

static void jump(int signal, siginfo_t *info, void *context)
{
    (void)info, (void)context;
    caught++;
    siglongjmp(back, signal);
}

static void jumps(void)
{
    catch(SIGSEGV, jump, 0);
    caught = 0;
    for (volatile unsigned i = 0; i < 100; i++)
        if (sigsetjmp(back, 1) == 0)
            bad_place[i] = 1;
    CHECK(caught == 100);
    catch(SIGSEGV, jump, SA_NODEFER); /* not blocked: sigsetjmp() need not keep the mask */
    for (volatile unsigned i = 0; i < 10; i++)
        if (sigsetjmp(back, 0) == 0)
            bad_place[i] = 1;
    CHECK(caught == 110);
    catch(SIGSEGV, jump, (int)SA_RESETHAND);
    if (sigsetjmp(back, 1) == 0)
        *bad_place = 1;
    struct sigaction now;
    CHECK(caught == 111 && sigaction(SIGSEGV, NULL, &now) == 0 && now.sa_handler == SIG_DFL);
}

static volatile unsigned depth;

static void nest(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    if (++depth < 5)
        page[depth * PAGE] = 1; /* faults again */
    fix(SIGSEGV, info, context);
}

static void nodefer(void)
{
    catch(SIGSEGV, nest, SA_NODEFER);
    page = pages(8, PROT_NONE);
    caught = depth = 0;
    page[0] = 1;
    CHECK(caught == 5 && depth == 5 && page[4 * PAGE] == 1);
}

/* ---- a stack of its own ---------------------------------------------------------------------------------------- */

static char *altstack;
static size_t altstack_bytes;

static __attribute__((noinline)) int overflow(int n)
{
    volatile char room[700];
    room[0] = (char)n;
    return n < 0 ? room[0] : overflow(n + 1) + room[0];
}

static void on_altstack(int signal, siginfo_t *info, void *context)
{
    char here;
    stack_t stack;
    (void)context;
    CHECK(&here > altstack && &here < altstack + altstack_bytes && info->si_addr != NULL);
    CHECK(sigaltstack(NULL, &stack) == 0 && stack.ss_flags == SS_ONSTACK && stack.ss_sp == altstack);
    stack.ss_flags = 0;
    CHECK(sigaltstack(&stack, NULL) == -1 && errno == EPERM);
    caught++;
    siglongjmp(back, signal);
}

static void *overflow_thread(void *unused)
{
    stack_t stack = { .ss_size = 16384 };
    stack.ss_sp = altstack = malloc(stack.ss_size);
    altstack_bytes = stack.ss_size;
    CHECK(sigaltstack(&stack, NULL) == 0);
    for (volatile unsigned i = 0; i < 3; i++)
        if (sigsetjmp(back, 1) == 0)
            overflow(0);
    stack.ss_flags = SS_DISABLE;
    CHECK(sigaltstack(&stack, NULL) == 0 && sigaltstack(NULL, &stack) == 0 && stack.ss_flags == SS_DISABLE);
    free(altstack);
    return unused;
}

static void alternate(void)
{
    catch(SIGSEGV, on_altstack, SA_ONSTACK);
    caught = 0;
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, overflow_thread, NULL) == 0 && pthread_join(thread, NULL) == 0);
    CHECK(caught == 3);
    overflow_thread(NULL);
    CHECK(caught == 6);
    /* Other signals run there, too, and return. */
    catch(SIGUSR1, fix, SA_ONSTACK);
    CHECK(raise(SIGUSR1) == 0);
}

/* ---- waiting for signals ---------------------------------------------------------------------------------------- */

static void count(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)context;
    told = *info;
    caught++;
}

static pthread_t main_thread;

static void *send_soon(void *signal)
{
    usleep(3000);
    CHECK(pthread_kill(main_thread, (int)(intptr_t)signal) == 0);
    return NULL;
}

static void send(int signal)
{
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, send_soon, (void *)(intptr_t)signal) == 0 && pthread_detach(thread) == 0);
}

static void waits(void)
{
    sigset_t set, none_set, old;
    siginfo_t info;
    main_thread = pthread_self();
    sigemptyset(&none_set);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    catch(SIGUSR1, count, 0);
    caught = 0;
    send(SIGUSR1);
    CHECK(pause() == -1 && errno == EINTR && caught == 1);
    CHECK(pthread_sigmask(SIG_BLOCK, &set, &old) == 0 && raise(SIGUSR1) == 0 && caught == 1);
    CHECK(sigsuspend(&none_set) == -1 && errno == EINTR && caught == 2);
    CHECK(raise(SIGUSR1) == 0 && caught == 2); /* blocked as before */
    struct timespec soon = { 0, 1000000 };
    CHECK(ppoll(NULL, 0, NULL, &none_set) == -1 && errno == EINTR && caught == 3);
    CHECK(ppoll(NULL, 0, &soon, &none_set) == 0 && caught == 3);
    send(SIGUSR1);
    CHECK(sigwaitinfo(&set, &info) == SIGUSR1 && info.si_code == SI_TKILL && caught == 3);
    CHECK(sigtimedwait(&set, NULL, &soon) == -1 && errno == EAGAIN);
    CHECK(kill(getpid(), SIGUSR1) == 0 && sigwaitinfo(&set, &info) == SIGUSR1 && info.si_code == SI_USER);
    CHECK(sigqueue(1, SIGUSR1, (union sigval){ .sival_int = 99 }) == 0 && sigwaitinfo(&set, &info) == SIGUSR1);
    CHECK(info.si_code == SI_QUEUE && info.si_value.sival_int == 99);
    CHECK(pthread_sigmask(SIG_SETMASK, &old, NULL) == 0);
    /* A read() that a handler interrupts, with and without SA_RESTART. */
    int fds[2];
    char byte = 'x';
    CHECK(pipe(fds) == 0);
    send(SIGUSR1);
    CHECK(read(fds[0], &byte, 1) == -1 && errno == EINTR && caught == 4);
    catch(SIGUSR1, count, SA_RESTART);
    catch(SIGALRM, count, 0);
    send(SIGUSR1);
    struct itimerval timer = { .it_value.tv_usec = 20000 }, left;
    CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
    CHECK(read(fds[0], &byte, 1) == -1 && errno == EINTR && caught == 6 && told.si_signo == SIGALRM);
    CHECK(getitimer(ITIMER_REAL, &left) == 0 && left.it_value.tv_sec == 0 && left.it_value.tv_usec == 0);
    CHECK(alarm(100) == 0 && alarm(0) == 100);
    /* While it computes. */
    timer = (struct itimerval){ { 0, 3000 }, { 0, 3000 } };
    CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
    for (caught = 0; caught < 5;)
        continue;
    CHECK(alarm(0) <= 1);
}

static void others(void)
{
    struct rusage usage;
    struct tms tms;
    char name[16];
    CHECK(getrusage(RUSAGE_SELF, &usage) == 0 && usage.ru_utime.tv_sec >= 0);
    CHECK(times(&tms) != (clock_t)-1);
    cpu_set_t cpus;
    CHECK(sched_getaffinity(0, sizeof(cpus), &cpus) == 0 && CPU_COUNT(&cpus) == 1 && CPU_ISSET(0, &cpus));
    CHECK(sched_setaffinity(0, sizeof(cpus), &cpus) == 0 && sched_getcpu() == 0);
    CHECK(prctl(PR_SET_NAME, "renamed") == 0 && prctl(PR_GET_NAME, name) == 0 && strcmp(name, "renamed") == 0);
    mode_t mask = umask(027);
    CHECK(umask(mask) == 027);
    int policy;
    struct sched_param param;
    CHECK(pthread_getschedparam(pthread_self(), &policy, &param) == 0 && policy == SCHED_OTHER && param.sched_priority == 0);
    CHECK(nice(0) == 0 && getpriority(PRIO_PROCESS, 0) == 0 && sysconf(_SC_NPROCESSORS_ONLN) == 1);
    char *m = pages(2, RW);
    unsigned char there[2] = { 9, 9 };
    m[PAGE] = 1;
    CHECK(mincore(m, 2 * PAGE, there) == 0 && there[1] == 1 && mlock(m, 2 * PAGE) == 0 && munlock(m, 2 * PAGE) == 0);
    CHECK(msync(m, 2 * PAGE, MS_SYNC) == 0 && munmap(m, 2 * PAGE) == 0 && msync(m, PAGE, MS_SYNC) == -1 && errno == ENOMEM);
}

/* The second fault of a handler that cannot take it ends the program. */
static void again(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)info, (void)context;
    printf("a fault in the handler of a fault\n");
    *bad_place = 1;
}

static void twice(void)
{
    catch(SIGSEGV, again, 0);
    *bad_place = 1;
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        { "retry", retry },   { "threads", threads }, { "none", none },           { "causes", causes }, { "jumps", jumps },
        { "nodefer", nodefer }, { "alternate", alternate }, { "waits", waits }, { "others", others }, { NULL, NULL },
    };
    if (argc > 1 && strcmp(argv[1], "twice") == 0)
        twice();
    return check_main(cases, argc, argv);
}
