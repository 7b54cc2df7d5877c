/* SPDX-License-Identifier: MIT
 *
 * The smallest honest guest: enters at PVH's 32-bit entry, builds page tables,
 * goes to long mode, and says so through the exit device. xo boots it before it
 * trusts KVM, because there are machines where /dev/kvm opens and guests hang.
 */
	.section .note.pvh, "a", @note
	.align 4
	.long 4, 4, 18          /* XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz "Xen"
	.long probe_start

	.text
	.code32
	.globl probe_start
probe_start:
	movl $(directory_pointers + 3), map_level_4
	movl $(directory + 3), directory_pointers
	movl $0x83, directory   /* the first 2 MiB, as they are */
	movl $map_level_4, %eax
	movl %eax, %cr3
	movl %cr4, %eax
	orl $0x20, %eax         /* PAE */
	movl %eax, %cr4
	movl $0xc0000080, %ecx  /* EFER */
	rdmsr
	orl $0x100, %eax        /* LME */
	wrmsr
	movl %cr0, %eax
	orl $0x80000001, %eax   /* PG, PE */
	movl %eax, %cr0
	lgdt descriptors_pointer
	ljmp $8, $probe_long

	.code64
probe_long:
	movl $0x10, %eax
	outb %al, $0xf4
1:	hlt
	jmp 1b

	.data
	.align 8
descriptors:
	.quad 0, 0x00209a0000000000 /* 64-bit code */
descriptors_pointer:
	.word 15
	.long descriptors

	.bss
	.align 4096
map_level_4:        .skip 4096
directory_pointers: .skip 4096
directory:          .skip 4096
