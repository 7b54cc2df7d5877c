/* SPDX-License-Identifier: MIT */
/*
 * The first instructions: from a multiboot2 loader or a PVH hypervisor, both in
 * 32-bit protected mode without paging, to arch_boot() in long mode. Makes a
 * first map: the low 4 GiB where they are (for these instructions only) and at
 * KERNEL_PHYSMAP, the first GiB at KERNEL_IMAGE. arch/paging.c replaces it.
 */
#define KERNEL_IMAGE 0xffffffff80000000
#define PHYSICAL(symbol) ((symbol) - KERNEL_IMAGE)

#define PVH_MAGIC 0x336ec578
#define BOOT_STACK_BYTES 16384

    /* Multiboot2 specification, 3.1: the header, 8-aligned, with its tags. */
    .section .boot.header, "a"
    .balign 8
header:
    .long 0xe85250d6, 0, header_end - header
    .long -(0xe85250d6 + (header_end - header))
    .balign 8
    .short 1, 0 /* information request: memory map; refuse to boot without it */
    .long 12
    .long 6
    .balign 8
    .short 3, 0 /* entry address */
    .long 12
    .long PHYSICAL(boot_multiboot2)
    .balign 8
    .short 6, 0 /* modules on page boundaries */
    .long 8
    .balign 8
    .short 0, 0
    .long 8
header_end:

    /* XEN_ELFNOTE_PHYS32_ENTRY (18). */
    .section .note.Xen, "a", @note
    .balign 4
    .long 4, 4, 18
    .asciz "Xen"
    .long PHYSICAL(boot_pvh)

    .section .boot.text, "ax"
    .code32
    .globl boot_pvh, boot_multiboot2
boot_pvh:
    movl $PVH_MAGIC, %eax
boot_multiboot2: /* eax: magic, ebx: physical address of the information */
    cli
    cld
    movl $PHYSICAL(boot_stack_top), %esp
    movl %eax, %edi
    movl %ebx, %esi

    movl $0x80000000, %eax
    cpuid
    cmpl $0x80000001, %eax
    jb no_long_mode
    movl $0x80000001, %eax
    cpuid
    btl $29, %edx
    jnc no_long_mode
    movl %edx, %ebp /* bit 20: NX */

    /* Four directories of 2 MiB pages: present, writable, large. */
    movl $0x83, %eax
    xorl %ecx, %ecx
1:  movl %eax, PHYSICAL(boot_directories)(, %ecx, 8)
    addl $0x200000, %eax
    incl %ecx
    cmpl $2048, %ecx
    jb 1b

    movl $(PHYSICAL(boot_directories) + 3), %eax
    movl %eax, PHYSICAL(boot_high) + 510 * 8
    movl %eax, PHYSICAL(boot_low)
    addl $4096, %eax
    movl %eax, PHYSICAL(boot_low) + 8
    addl $4096, %eax
    movl %eax, PHYSICAL(boot_low) + 16
    addl $4096, %eax
    movl %eax, PHYSICAL(boot_low) + 24
    movl $(PHYSICAL(boot_low) + 3), %eax
    movl %eax, PHYSICAL(boot_root)
    movl %eax, PHYSICAL(boot_root) + 256 * 8
    movl $(PHYSICAL(boot_high) + 3), %eax
    movl %eax, PHYSICAL(boot_root) + 511 * 8

    /* Intel SDM vol. 3, 9.8.5: PAE, root, LME, paging. */
    movl %cr4, %eax
    orl $0x20, %eax
    movl %eax, %cr4
    movl $PHYSICAL(boot_root), %eax
    movl %eax, %cr3
    movl $0xc0000080, %ecx
    rdmsr
    orl $0x100, %eax
    btl $20, %ebp
    jnc 2f
    orl $0x800, %eax
2:  wrmsr
    movl %cr0, %eax
    andl $0x9fffffff, %eax /* caches on */
    orl $0x80010001, %eax
    movl %eax, %cr0
    lgdtl PHYSICAL(boot_gdt_pointer)
    ljmpl $8, $PHYSICAL(boot_long)

    /* Nothing runs yet that could print this: the message goes to COM1 byte by
     * byte, and the exit device ends QEMU (EXO_POWER_BOOT). */
no_long_mode:
    movl $PHYSICAL(no_long_mode_text), %esi
3:  lodsb
    testb %al, %al
    jz 5f
    movb %al, %bl
    movl $10000, %ecx
4:  movw $0x3fd, %dx
    inb %dx, %al
    testb $0x20, %al
    loopz 4b
    movw $0x3f8, %dx
    movb %bl, %al
    outb %al, %dx
    jmp 3b
5:  movl $0x13, %eax
    outl %eax, $0xf4
6:  hlt
    jmp 6b

    .code64
boot_long:
    movw $16, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    xorl %eax, %eax
    movw %ax, %fs
    movw %ax, %gs
    movq $boot_stack_top, %rsp
    xorl %ebp, %ebp /* ends backtraces */
    movl %edi, %edi
    movl %esi, %esi
    movq $arch_boot, %rax
    call *%rax
    ud2

    .balign 8
boot_gdt:
    .quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff
boot_gdt_pointer:
    .short boot_gdt_pointer - boot_gdt - 1
    .long PHYSICAL(boot_gdt)
no_long_mode_text:
    .asciz "exo: this processor has no 64-bit mode\n"

    .section .bss.pages, "aw", @nobits
    .globl boot_low, boot_stack_guard, boot_stack_top
    .balign 4096
boot_root:
    .skip 4096
boot_low:
    .skip 4096
boot_high:
    .skip 4096
boot_directories:
    .skip 4 * 4096
boot_stack_guard: /* never mapped by the final tables: an overflow is a double fault */
    .skip 4096
    .skip BOOT_STACK_BYTES
boot_stack_top:

    .section .note.GNU-stack, "", @progbits
