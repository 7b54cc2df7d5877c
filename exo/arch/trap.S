/* SPDX-License-Identifier: MIT */
/*
 * Every way into the kernel and the two ways out of it. From user mode the
 * registers go straight into the running environment's struct env, whose first
 * part is the context: TSS.RSP0 points behind context.ss, so the processor
 * itself pushes its part of a fault there. Nothing here returns to the program
 * by itself except a #DB in kernel mode and what interrupted arch_idle().
 *
 * GS: the kernel's base is the struct core, the program's is in KERNEL_GS_BASE
 * meanwhile. Programs may write their base to anything (FSGSBASE), so only CS
 * tells where a fault came from; entries that may hit between SYSCALL and
 * SWAPGS (IST vectors) save and set the base by hand.
 */
#include "offsets.h"

    .macro push_registers
    pushq %r15
    pushq %r14
    pushq %r13
    pushq %r12
    pushq %r11
    pushq %r10
    pushq %r9
    pushq %r8
    pushq %rbp
    pushq %rdi
    pushq %rsi
    pushq %rdx
    pushq %rcx
    pushq %rbx
    pushq %rax
    .endm

    .macro pop_registers /* and what lies before rip: vector, error */
    popq %rax
    popq %rbx
    popq %rcx
    popq %rdx
    popq %rsi
    popq %rdi
    popq %rbp
    popq %r8
    popq %r9
    popq %r10
    popq %r11
    popq %r12
    popq %r13
    popq %r14
    popq %r15
    addq $16, %rsp
    .endm

    .text

/*
 * exo_enter. SYSCALL left rip in rcx, rflags in r11, interrupts off (FMASK). The arguments go on as they came.
 * What the interface says survives is what C functions keep: it is saved only when the
 * crossing can't go straight back.
 */
    .globl trap_syscall
    .balign 64
trap_syscall:
    swapgs
    movq %gs:CORE_CURRENT, %rax
    movq %rcx, CONTEXT_RIP(%rax)
    movq %r11, CONTEXT_RFLAGS(%rax)
    movq %rsp, CONTEXT_RSP(%rax)
    movq %gs:CORE_STACK_TOP, %rsp
    rdgsbase %rcx
    call core_syscall
    movq %gs:CORE_CURRENT, %rdi
    testb %al, %al
    jnz resume_straight
    movq %rbx, CONTEXT_RBX(%rdi)
    movq %rbp, CONTEXT_RBP(%rdi)
    movq %r12, CONTEXT_R12(%rdi)
    movq %r13, CONTEXT_R13(%rdi)
    movq %r14, CONTEXT_R14(%rdi)
    movq %r15, CONTEXT_R15(%rdi)
    rdgsbase %rdi
    xorl %ebp, %ebp
    call core_leave
    ud2

/* Out by SYSRET: rdi = env. What the interface calls lost is zero. The rip is canonical (else SYSRET faults
 * in kernel mode on a stack of the program's choice: Intel SDM vol. 2, SYSRET): it was looked at, or is
 * where SYSCALL came from, below EXO_USER_END. */
    .globl resume_sysret
    .balign 64
resume_sysret:
    movq CONTEXT_RBX(%rdi), %rbx
    movq CONTEXT_RBP(%rdi), %rbp
    movq CONTEXT_R12(%rdi), %r12
    movq CONTEXT_R13(%rdi), %r13
    movq CONTEXT_R14(%rdi), %r14
    movq CONTEXT_R15(%rdi), %r15
resume_straight:
    movq CONTEXT_RIP(%rdi), %rcx
    movq CONTEXT_RFLAGS(%rdi), %r11
    movq CONTEXT_RAX(%rdi), %rax
    movq CONTEXT_RSP(%rdi), %rsp
    andl $RFLAGS_USER, %r11d
    orl $RFLAGS_FIXED, %r11d
    xorl %edx, %edx
    xorl %esi, %esi
    xorl %edi, %edi
    xorl %r8d, %r8d
    xorl %r9d, %r9d
    xorl %r10d, %r10d
    swapgs
    sysretq

/* Out by IRET, every register: rdi = env, whose context is popped where it lies.
 * Selectors and flags were forced sane, so IRET itself cannot fault. */
    .globl resume_iret
resume_iret:
    movq %rdi, %rsp
    pop_registers
    swapgs
    iretq

/* On a fresh kernel stack: rdi = core, rsi = a function that does not return. */
    .globl trap_again
trap_again:
    movq CORE_STACK_TOP(%rdi), %rsp
    xorl %ebp, %ebp
    call *%rsi
    ud2

/* Faults and interrupts, with vector and error code pushed. */
trap_common:
    testb $3, 24(%rsp)
    jz 1f
    push_registers
    swapgs
    movq %gs:CORE_STACK_TOP, %rsp
trap_from_user:
    /* Neither DF nor AC (which would switch SMAP off) was cleared by the processor. */
    pushq $2
    popfq
    rdgsbase %rdi
    xorl %ebp, %ebp
    call trap_user
    ud2
1:  push_registers
    cld
    movq %rsp, %rdi
    call trap_kernel
    pop_registers
    iretq

/* #DB, NMI, #DF, #MC: on their own stacks; the stack's first word is the core. */
trap_paranoid:
    push_registers
    pushq $2
    popfq
    testb $3, CONTEXT_CS(%rsp)
    jz 1f
    swapgs
    movq %gs:CORE_CURRENT, %rdi
    movq %rsp, %rsi
    movl $(CONTEXT_FRAME_END / 8), %ecx
    rep movsq
    movq %gs:CORE_STACK_TOP, %rsp
    jmp trap_from_user
1:  rdgsbase %rbx
    movq %rsp, %rax
    andq $-IST_STACK_BYTES, %rax
    movq (%rax), %rax
    wrgsbase %rax
    movq %rsp, %rdi
    call trap_kernel
    wrgsbase %rbx
    pop_registers
    iretq

/* 16 bytes a vector; trap_stubs is what the IDT is made from. An error code is
 * pushed by the processor for vectors 8, 10-14, 17, 21, 29, 30. */
    .globl trap_stubs
    .balign 16
trap_stubs:
    vector = 0
    .rept TRAP_STUBS
    .balign 16
    .if ((0x60227d00 >> (vector & 31)) & 1) == 0 || vector >= 32
    pushq $0
    .endif
    pushq $vector
    .if vector == 1 || vector == 2 || vector == 8 || vector == 18
    jmp trap_paranoid
    .else
    jmp trap_common
    .endif
    vector = vector + 1
    .endr

    .section .note.GNU-stack, "", @progbits
