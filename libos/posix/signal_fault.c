/* SPDX-License-Identifier: MIT */
/*
 * Faults as signals. The handler is called on the faulting thread's stack (or its
 * alternate one), outside of any upcall, as if the faulting instruction had called it; when it
 * returns, the program goes on with the registers that the handler left in its
 * context. All without the kernel.
 */
#include <libos/mem.h>
#include <string.h>

#include "../core/core.h"
#include "../mem/mem_internal.h"
#include "../plan/ring.h"
#include "../thread/thread_internal.h"
#include "signal_internal.h"

#define ERROR_PRESENT 1u

/* Where the interrupted registers are put on the way back, and what a handler may push there in
 * the program's name. */
#define GAP 512u
#define ROOM 4096u /* of stack, besides vector registers, for a handler that does little */

enum { DIVIDE = 0, DEBUG = 1, BREAKPOINT = 3, ILLEGAL = 6, PROTECTION = 13, PAGE = 14, X87 = 16,
       ALIGNMENT = 17, SIMD = 19 };

static const uint8_t fault_signal[32] = {
    [DIVIDE] = SIGFPE, [DEBUG] = SIGTRAP, [BREAKPOINT] = SIGTRAP, [4] = SIGFPE, [5] = SIGSEGV,
    [ILLEGAL] = SIGILL, [12] = SIGBUS, [PROTECTION] = SIGSEGV, [PAGE] = SIGSEGV, [X87] = SIGFPE,
    [ALIGNMENT] = SIGBUS, [SIMD] = SIGFPE,
};

/* ---- registers ------------------------------------------------------------------------- */

#define REGISTERS(X)                                                                               \
    X(R8, r8) X(R9, r9) X(R10, r10) X(R11, r11) X(R12, r12) X(R13, r13) X(R14, r14) X(R15, r15)    \
    X(RDI, rdi) X(RSI, rsi) X(RBP, rbp) X(RBX, rbx) X(RDX, rdx) X(RAX, rax) X(RCX, rcx)            \
    X(RSP, rsp) X(RIP, rip) X(EFL, rflags)

void signal_context_export(ucontext_t *to, const struct exo_context *from)
{
    long long *r = to->uc_mcontext.gregs;
    memset(to, 0, sizeof(*to));
#define REGISTER(NAME, name) r[REG_##NAME] = (long long)from->name;
    REGISTERS(REGISTER)
#undef REGISTER
    r[REG_ERR] = (long long)from->error, r[REG_TRAPNO] = (long long)from->vector;
    r[REG_CR2] = (long long)from->address;
}

void signal_context_import(struct exo_context *to, const ucontext_t *from)
{
    const long long *r = from->uc_mcontext.gregs;
#define REGISTER(NAME, name) to->name = (uint64_t)r[REG_##NAME];
    REGISTERS(REGISTER)
#undef REGISTER
}

/* ---- why ------------------------------------------------------------------------------------ */

/* The first unmasked exception of the six that x87 and SSE have in the same bits. */
static int float_code(unsigned exceptions)
{
    return (exceptions & 1) != 0    ? FPE_FLTINV
           : (exceptions & 4) != 0  ? FPE_FLTDIV
           : (exceptions & 8) != 0  ? FPE_FLTOVF
           : (exceptions & 18) != 0 ? FPE_FLTUND
                                    : FPE_FLTRES;
}

/* A page that was taken away is a SIGBUS, as one behind a file's end. */
static int signal_of(const struct exo_context *at)
{
    bool gone = at->vector == PAGE && lost_any(at->address, at->address + 1);
    return gone ? SIGBUS : fault_signal[at->vector];
}

static void info_fill(siginfo_t *info, const struct exo_context *at, const struct _fpstate *vector)
{
    memset(info, 0, sizeof(*info));
    info->si_signo = signal_of(at);
    info->si_addr = (void *)at->rip;
    switch (at->vector) {
    case PAGE:
        info->si_addr = (void *)at->address;
        if (info->si_signo == SIGBUS) {
            info->si_code = BUS_ADRERR;
            break;
        }
        info->si_code = (at->error & ERROR_PRESENT) != 0 ||
                                regions_find(&mem_regions, at->address) != NULL
                            ? SEGV_ACCERR
                            : SEGV_MAPERR;
        break;
    case DIVIDE:
        info->si_code = FPE_INTDIV;
        break;
    case ILLEGAL:
        info->si_code = ILL_ILLOPN;
        break;
    case X87:
        info->si_code = float_code(vector->swd & ~(unsigned)vector->cwd);
        break;
    case SIMD:
        info->si_code = float_code(vector->mxcsr & ~(vector->mxcsr >> 7));
        break;
    case ALIGNMENT:
        info->si_code = BUS_ADRALN;
        break;
    case DEBUG:
        info->si_code = TRAP_TRACE;
        break;
    default:
        info->si_code = SI_KERNEL;
        info->si_addr = NULL;
    }
}

/* ---- there and back ----------------------------------------------------------------------------- */

static void *vector_save(void *image)
{
    memset((char *)image + 512, 0, 64); /* XSAVE writes only a part of its header */
    __asm__ volatile("xsave (%0)" : : "r"(image), "a"(-1), "d"(-1) : "memory");
    uint32_t mxcsr = 0x1f80; /* all exceptions masked: the handler's own start */
    __asm__ volatile("fninit; ldmxcsr %0" : : "m"(mxcsr));
    return image;
}

static _Noreturn void fault_call(struct exo_context *at)
{
    siginfo_t info;
    ucontext_t context;
    void *vector = vector_save(__builtin_alloca_with_align(vector_bytes(), 64 * 8));
    info_fill(&info, at, vector);
    signal_context_export(&context, at);
    context.uc_mcontext.fpregs = vector;
    signal_handler_call(info.si_signo, &info, &context);
    struct exo_context back;
    signal_context_import(&back, &context);
    __asm__ volatile("xrstor (%0)" : : "r"(vector), "a"(-1), "d"(-1) : "memory");
    upcall_resume(resume_place(&back));
}

/* Where on which stack the handler begins; 0 if there is no room. */
static uint64_t frame_place(const struct exo_context *context, const struct action *action)
{
    const struct thread *self = thread_current;
    bool alternate = (action->flags & SA_ONSTACK) != 0 && self->altstack_bytes != 0 &&
                     !signal_on_altstack(context->rsp);
    uint64_t top = alternate ? self->altstack + self->altstack_bytes : context->rsp - RED_ZONE - GAP;
    uint64_t room = ROOM + vector_bytes();
    top = (top - sizeof(*context)) & ~15ull;
    if (alternate && room > self->altstack_bytes)
        return 0;
    return mem_touch((void *)(top - room), room + sizeof(*context), true) == 0 ? top : 0;
}

bool signal_fault(struct exo_context *context)
{
    /* A fault inside the libos is a bug here or a bad pointer from the program: both are
     * reported, not handled. */
    if (context->vector >= 32 || libos_nesting != 0)
        return false;
    int signal = signal_of(context);
    if (signal == 0 || !signal_is_handled(signal) ||
        (thread_current->signals_blocked & signal_bit(signal)) != 0)
        return false;
    uint64_t at = frame_place(context, &signal_actions[signal]);
    if (at == 0)
        return false;
    *(struct exo_context *)at = *context;
    context->rip = (uint64_t)fault_call;
    context->rdi = at;
    context->rsp = at - 8; /* as after a call */
    context->rflags &= ~0x500ull; /* no single steps, strings upwards */
    return true;
}
