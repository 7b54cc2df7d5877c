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

void start_main(void);
_Noreturn void start_jump(void *stack, void (*entry)(void));

/* upcall.S */
void upcall_entry(void);
/* Sets the control page up; faults are handled from here on. */
void upcall_init(void);
struct resume;
struct resume *upcall_handle(unsigned depth);
void upcall_event(const struct resume *resume);

/* Ends the program as crashed, with these registers in the report. */
_Noreturn void crash(uint64_t vector, const struct exo_context *context);
_Noreturn void program_exit(int status);

/* What the program was started with: defaults for the first program. */
const struct start_info *program_info(void);
uint32_t program_console(void);

/* Lines for the console: the bytes must lie in eagerly mapped memory. */
void console_put(const char *bytes, size_t size);

#endif
