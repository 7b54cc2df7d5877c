/* SPDX-License-Identifier: MIT */
/*
 * Changing from one thread to another. A thread that does not run is always inside
 * thread_switch(), so only what the C calling convention keeps is kept here;
 * a preempted thread's other state is further up its stack and in its vector image.
 */
    .text
    .globl thread_switch
    .type thread_switch, @function
thread_switch: /* rdi: from, rsi: to */
    push %rbp
    push %rbx
    push %r12
    push %r13
    push %r14
    push %r15
    sub $8, %rsp
    stmxcsr (%rsp)
    fnstcw 4(%rsp)
    mov %rsp, (%rdi)
    mov (%rsi), %rsp
    ldmxcsr (%rsp)
    fldcw 4(%rsp)
    add $8, %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbx
    pop %rbp
    ret
    .size thread_switch, . - thread_switch

/* Where a new thread is "returned" to: inside the libos, its stack otherwise empty. */
    .globl thread_start_frame
    .type thread_start_frame, @function
thread_start_frame:
    xor %ebp, %ebp
    push $0 /* a return address for backtraces, and alignment */
    jmp thread_started
    .size thread_start_frame, . - thread_start_frame

/* __unmapself(base, size): the stack that this runs on goes. */
    .globl __unmapself
    .type __unmapself, @function
__unmapself:
    incl libos_nesting(%rip)
    lea thread_exit_stack_end(%rip), %rsp
    xor %ebp, %ebp
    call thread_unmap_exit
    ud2
    .size __unmapself, . - __unmapself

/* void signal_stack_call(handler, signal, info, context, stack): on another stack. */
    .globl signal_stack_call
    .type signal_stack_call, @function
signal_stack_call:
    push %rbp
    mov %rsp, %rbp
    mov %r8, %rsp
    mov %rdi, %rax
    mov %esi, %edi
    mov %rdx, %rsi
    mov %rcx, %rdx
    call *%rax
    mov %rbp, %rsp
    pop %rbp
    ret
    .size signal_stack_call, . - signal_stack_call

/* Never used: signal handlers are called, not returned from. */
    .globl __restore_rt
    .type __restore_rt, @function
__restore_rt:
    ud2
    .size __restore_rt, . - __restore_rt

    .bss
    .balign 16
thread_exit_stack:
    .skip 16384
thread_exit_stack_end:
    .section .note.GNU-stack, "", @progbits
