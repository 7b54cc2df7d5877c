/* SPDX-License-Identifier: MIT */
/*
 * The one way into the kernel. Arguments and result are where the C calling
 * convention has them, and what the kernel does not keep is what C does not
 * expect to keep.
 */
    .text
    .globl exo_enter
    .type exo_enter, @function
exo_enter:
    syscall
    ret
    .size exo_enter, . - exo_enter
    .section .note.GNU-stack, "", @progbits
