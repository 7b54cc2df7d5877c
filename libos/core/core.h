/* SPDX-License-Identifier: MIT */
/*
 * What the libos's start and upcall code share with its other layers.
 */
#ifndef LIBOS_CORE_H
#define LIBOS_CORE_H

#include <exo/abi.h>
#include <libos/start.h>
#include <stdbool.h>
#include <stddef.h>

/* What upcall_entry pops: the 15 general registers as struct exo_context begins, flags, rip. It
 * ends where the red zone begins, so that `ret $128` leaves the stack pointer as it was. */
struct general {
    uint64_t word[15];
};

struct resume {
    struct general general;
    uint64_t rflags, rip;
};

#define RED_ZONE 128u

static inline uint64_t resume_rsp(const struct resume *resume)
{
    return (uint64_t)(resume + 1) + RED_ZONE;
}

/* The registers, copied to the interrupted stack. If that stack has no page there, the copy faults
 * and the pager is entered one level deeper. */
static inline struct resume *resume_place(const struct exo_context *from)
{
    struct resume *to = (struct resume *)(from->rsp - RED_ZONE - sizeof(struct resume));
    to->general = *(const struct general *)(const void *)from;
    to->rflags = from->rflags;
    to->rip = from->rip;
    return to;
}

void start_main(void);
_Noreturn void start_jump(void *stack, void (*entry)(void));

/* upcall.S */
void upcall_entry(void);
/* Sets the control page up; faults are handled from here on. */
void upcall_init(void);
struct resume *upcall_handle(unsigned depth);
void upcall_event(struct resume *resume);
/* Goes on with what was copied below the red zone of its stack. */
_Noreturn void upcall_resume(const struct resume *resume);

/* Ends the program as crashed, with these registers in the report. */
_Noreturn void crash(uint64_t vector, const struct exo_context *context);
_Noreturn void program_exit(int status);

/* What the program was started with: defaults for the first program. */
const struct start_info *program_info(void);
uint32_t program_console(void);

/* Lines for the console: the bytes must lie in eagerly mapped memory. */
void console_put(const char *bytes, size_t size);

#endif
