/* SPDX-License-Identifier: MIT */
/*
 * Where trap.S finds things. Plain numbers, because the assembler reads them
 * too; resume.c asserts every one of them against the structures.
 */
#ifndef EXO_ARCH_OFFSETS_H
#define EXO_ARCH_OFFSETS_H

/* struct core, through GS */
#define CORE_CURRENT 0
#define CORE_STACK_TOP 8

/* struct exo_context, the first part of struct env */
#define CONTEXT_RAX 0
#define CONTEXT_RBX 8
#define CONTEXT_RBP 48
#define CONTEXT_R12 88
#define CONTEXT_R13 96
#define CONTEXT_R14 104
#define CONTEXT_R15 112
#define CONTEXT_VECTOR 120
#define CONTEXT_RIP 136
#define CONTEXT_CS 144
#define CONTEXT_RFLAGS 152
#define CONTEXT_RSP 160
#define CONTEXT_SS 168
#define CONTEXT_FRAME_END 176 /* what the processor and trap.S push ends here */

#define IST_STACK_BYTES 4096
#define TRAP_STUBS 256

/* What a program may have in RFLAGS: CF PF AF ZF SF TF DF OF AC ID. */
#define RFLAGS_USER 0x240dd5
#define RFLAGS_FIXED 0x202 /* IF and the bit that is always 1 */

#endif
