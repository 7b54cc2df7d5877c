/* SPDX-License-Identifier: MIT */
/*
 * Where the kernel enters the program for faults and events, and how the program
 * goes back to what was interrupted, without the kernel. No vector register is
 * touched: those are still the interrupted code's.
 *
 * upcall_handle() copies the interrupted registers below the red zone of the
 * interrupted stack and returns where (struct resume in upcall.c). From
 * there on everything is on that stack, so that after the depth has been lowered
 * the next upcall may come at any instruction. The way back is POPF and RET, not
 * IRET: QEMU before 9.1 reads the stack of a ring-3 IRET with the kernel's
 * rights, and SMAP makes that a fault. It is also cheaper.
 */
#define CONTROL 0x700000001000
#define CONTROL_DEPTH (CONTROL + 40)
#define CONTROL_PENDING (CONTROL + 44)

    .text
    .globl upcall_entry
    .type upcall_entry, @function
upcall_entry: /* rdi: depth; rsp: stack[depth] */
    cld
    mov %edi, %ebx /* nothing of the interrupted code is in registers any more */
    xor %ebp, %ebp
    call upcall_handle
    mov %rax, %rsp
    movabs $CONTROL_DEPTH, %rcx
    mov %ebx, (%rcx)

    /* Events that came while the depth was not 0 only set a bit. */
.Lcheck:
    test %ebx, %ebx
    jnz .Lresume
    mov 4(%rcx), %eax
    test %eax, 8(%rcx) /* pending and wanted */
    jz .Lresume
    mov %rsp, %r12
    mov %rsp, %rdi
    and $-16, %rsp
    push 128(%r12) /* rip and rbp of what was interrupted: a frame, through which a backtrace goes on */
    push 48(%r12)
    mov %rsp, %rbp
    call upcall_event
    mov %r12, %rsp
    movabs $CONTROL_DEPTH, %rcx
    jmp .Lcheck

.Lresume:
    pop %rax
    pop %rbx
    pop %rcx
    pop %rdx
    pop %rsi
    pop %rdi
    pop %rbp
    pop %r8
    pop %r9
    pop %r10
    pop %r11
    pop %r12
    pop %r13
    pop %r14
    pop %r15
    popfq
    ret $128 /* over the red zone */
    .size upcall_entry, . - upcall_entry

    .globl upcall_resume
    .type upcall_resume, @function
upcall_resume: /* rdi: struct resume, below its stack's red zone */
    mov %rdi, %rsp
    jmp .Lresume
    .size upcall_resume, . - upcall_resume
    .section .note.GNU-stack, "", @progbits
