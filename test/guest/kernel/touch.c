/* SPDX-License-Identifier: MIT */
/* Touching memory and living on: see touch.h. */
#include "touch.h"

#include <setjmp.h>
#include <signal.h>
#include <stddef.h>

static sigjmp_buf back;
static volatile uint64_t fault_address;

static void on_fault(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)context;
    fault_address = (uint64_t)info->si_addr;
    siglongjmp(back, 1);
}

bool faults(uint64_t address, enum touch how)
{
    struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER }, old;
    sigaction(SIGSEGV, &action, &old);
    fault_address = 0;
    volatile bool faulted = true;
    if (sigsetjmp(back, 1) == 0) {
        if (how == TOUCH_READ)
            (void)*word_at(address);
        else if (how == TOUCH_WRITE)
            *word_at(address) = 1;
        else
            ((void (*)(void))address)();
        faulted = false;
    }
    sigaction(SIGSEGV, &old, NULL);
    return faulted && fault_address == address;
}
