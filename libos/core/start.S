/* SPDX-License-Identifier: MIT */
/*
 * The program's first instruction, and the step from the libos to the C library.
 */
    .text
    .globl _libos_start
    .type _libos_start, @function
_libos_start:
    xor %ebp, %ebp
    mov $0x700000200000, %rsp /* LIBOS_STACK; start.c asserts the number */
    call start_main
    ud2
    .size _libos_start, . - _libos_start

/* void start_jump(void *stack, void (*entry)(void)): leaves the start stack for good. */
    .globl start_jump
    .type start_jump, @function
start_jump:
    mov %rdi, %rsp
    xor %ebp, %ebp
    xor %edx, %edx
    jmp *%rsi
    .size start_jump, . - start_jump
    .section .note.GNU-stack, "", @progbits
