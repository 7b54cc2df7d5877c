/* SPDX-License-Identifier: MIT */
/* Holding registers: see hold.h. */
#define RFLAGS 128
#define MXCSR 136
#define X87_CONTROL 140
#define RED_ZONE 144
#define AVX 272
#define VECTOR 320
#define X87 832

    .macro push_saved
    push %rbp
    push %rbx
    push %r12
    push %r13
    push %r14
    push %r15
    sub $8, %rsp
    fnstcw (%rsp)
    stmxcsr 4(%rsp)
    .endm

    .macro pop_saved
    cld
    fninit
    fldcw (%rsp)
    ldmxcsr 4(%rsp)
    add $8, %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbx
    pop %rbp
    .endm

/* All vector registers and the x87's from %rdi; rax is lost. */
    .macro load_vectors
    fninit
    fldt X87(%rdi)
    fldcw X87_CONTROL(%rdi)
    ldmxcsr MXCSR(%rdi)
    cmpq $0, AVX(%rdi)
    je 1f
    n = 0
    .irp r, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    vmovdqu VECTOR + n(%rdi), %ymm\r
    n = n + 32
    .endr
    jmp 2f
1:
    n = 0
    .irp r, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    movdqu VECTOR + n(%rdi), %xmm\r
    n = n + 32
    .endr
2:
    .endm

/* The same to %rcx; flags are lost. */
    .macro store_vectors
    stmxcsr MXCSR(%rcx)
    fnstcw X87_CONTROL(%rcx)
    fstpt X87(%rcx)
    cmpq $0, AVX(%rcx)
    je 1f
    n = 0
    .irp r, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    vmovdqu %ymm\r, VECTOR + n(%rcx)
    n = n + 32
    .endr
    vzeroupper
    jmp 2f
1:
    n = 0
    .irp r, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    movdqu %xmm\r, VECTOR + n(%rcx)
    n = n + 32
    .endr
2:
    .endm

    .macro load_general /* from rdi, rdi last; no flags */
    mov (%rdi), %rax
    mov 8(%rdi), %rbx
    mov 16(%rdi), %rdx
    mov 24(%rdi), %rsi
    mov 40(%rdi), %rbp
    mov 48(%rdi), %r8
    mov 56(%rdi), %r9
    mov 64(%rdi), %r10
    mov 72(%rdi), %r11
    mov 80(%rdi), %r12
    mov 88(%rdi), %r13
    mov 96(%rdi), %r14
    mov 104(%rdi), %r15
    mov 32(%rdi), %rdi
    .endm

    .macro store_general /* to rcx; no flags */
    mov %rax, (%rcx)
    mov %rbx, 8(%rcx)
    mov %rdx, 16(%rcx)
    mov %rsi, 24(%rcx)
    mov %rdi, 32(%rcx)
    mov %rbp, 40(%rcx)
    mov %r8, 48(%rcx)
    mov %r9, 56(%rcx)
    mov %r10, 64(%rcx)
    mov %r11, 72(%rcx)
    mov %r12, 80(%rcx)
    mov %r13, 88(%rcx)
    mov %r14, 96(%rcx)
    mov %r15, 104(%rcx)
    .endm

    .text
    .globl hold
    .type hold, @function
hold: /* rdi: in, rsi: out, rdx: loops, rcx: page */
    push_saved
    push %rcx
    push %rsi
    push %rdx
    mov AVX(%rdi), %rax
    mov %rax, AVX(%rsi)
    load_vectors
    pushq RFLAGS(%rdi)
    popfq
    n = 0
    .rept 16 /* nothing is pushed from here on */
    mov RED_ZONE + n(%rdi), %rax
    mov %rax, -128 + n(%rsp)
    n = n + 8
    .endr
    load_general

    mov (%rsp), %rcx
3:  lea -1(%rcx), %rcx
    jrcxz 4f
    jmp 3b
4:  mov 16(%rsp), %rcx
    movq $1, (%rcx)

    mov 8(%rsp), %rcx
    store_general
    n = 0
    .rept 16
    mov -128 + n(%rsp), %rax
    mov %rax, RED_ZONE + n(%rcx)
    n = n + 8
    .endr
    pushfq
    popq RFLAGS(%rcx)
    pushq $0x202
    popfq
    store_vectors
    add $24, %rsp
    pop_saved
    ret
    .size hold, . - hold

    .globl hold_enter
    .type hold_enter, @function
hold_enter: /* rdi: in, rsi: out, rdx: arguments */
    push_saved
    push %rsi
    mov AVX(%rdi), %rax
    mov %rax, AVX(%rsi)
    load_vectors
    mov 8(%rdi), %rbx
    mov 40(%rdi), %rbp
    mov 80(%rdi), %r12
    mov 88(%rdi), %r13
    mov 96(%rdi), %r14
    mov 104(%rdi), %r15
    mov %rdx, %rax
    mov (%rax), %rdi
    mov 8(%rax), %rsi
    mov 16(%rax), %rdx
    std
    syscall
    mov (%rsp), %rcx
    store_general
    pushfq
    popq RFLAGS(%rcx)
    cld
    store_vectors
    add $8, %rsp
    pop_saved
    ret
    .size hold_enter, . - hold_enter
    .section .note.GNU-stack, "", @progbits
