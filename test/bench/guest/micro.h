/* SPDX-License-Identifier: MIT */
/*
 * One primitive at a time, repeated between two functions that do nothing: the counting
 * plugin keeps the totals of their first execution, and the host divides the
 * difference by the number in their names. The loop and the call of the primitive are in
 * it: about 6 instructions.
 */
#ifndef MICRO_H
#define MICRO_H

#include <stdio.h>

#define MICRO_WARM 8

/* Their bodies differ, so that no compiler makes one function of two. */
#define MICRO_MARK(function, number)                                                              \
    __attribute__((noinline, used)) static void function(void)                                    \
    {                                                                                             \
        __asm__ volatile("movl %0, %%eax" : : "i"(number) : "eax");                               \
    }

#define MICRO(name, times) MICRO_WARMED(name, times, MICRO_WARM)

/* One more step, so that numbers may have names. */
#define MICRO_WARMED(name, times, warm) MICRO_RUN(name, times, warm)

#define MICRO_RUN(name, times, warm)                                                              \
    MICRO_MARK(micro_begin_##name##__##times, __COUNTER__)                                        \
    MICRO_MARK(micro_end_##name##__##times, __COUNTER__)                                          \
    static void micro_run_##name(void)                                                            \
    {                                                                                             \
        void (*volatile call)(void) = name;                                                       \
        void (*function)(void) = call;                                                            \
        for (int i = 0; i < warm; i++)                                                            \
            function();                                                                           \
        micro_begin_##name##__##times();                                                          \
        for (int i = 0; i < times; i++)                                                           \
            function();                                                                           \
        micro_end_##name##__##times();                                                            \
    }

/* The primitives that POSIX has (micro_posix.c): the same file on Linux and on our libos. */
void micro_posix(void);

/* Memory touched for the first time (micro_touch.c), on both as well. */
void micro_touch(void);

/* Those that need faults delivered as signals. */
void micro_signals(void);

__attribute__((noreturn)) void micro_fail(const char *what);

/* Linux: what has to do with other processes (micro_linux_programs.c). */
void micro_programs(void);

/* ---- our side's bench-programs ---- */

/* Fails if that is an error of the kernel's. */
void micro_check(int error);

/* A chunk of address space with its page tables, in which nothing is mapped. */
char *micro_chunk(void);

/* Messages to another program, and their answers. */
void micro_messages(void);

/* Programs made and removed, memory taken back from one. */
void micro_lives(void);

#endif
