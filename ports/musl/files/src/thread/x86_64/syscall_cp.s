/* SPDX-License-Identifier: MIT
 *
 * A system call that is a cancellation point:
 *
 *   long __syscall_cp_asm(volatile int *cancel, long n, u, v, w, x, y, z)
 *
 * The handler of SIGCANCEL redirects a thread that it finds between __cp_begin
 * and __cp_end to __cp_cancel, with the stack as it was at entry; so the range
 * ends before the stack changes. A thread that is past it is inside the libos,
 * which answers -EINTR instead of parking while SIGCANCEL is pending, and the
 * caller (__syscall_cp_c) cancels then.
 */
.text
.global __cp_begin
.hidden __cp_begin
.global __cp_end
.hidden __cp_end
.global __cp_cancel
.hidden __cp_cancel
.hidden __cancel
.global __syscall_cp_asm
.hidden __syscall_cp_asm
.type   __syscall_cp_asm,@function
__syscall_cp_asm:

__cp_begin:
	mov (%rdi),%eax
	test %eax,%eax
	jnz __cp_cancel
__cp_end:
	push %rbp
	mov %rsp,%rbp
	mov %rsi,%rdi
	mov %rdx,%rsi
	mov %rcx,%rdx
	mov %r8,%rcx
	mov %r9,%r8
	mov 16(%rbp),%r9
	sub $8,%rsp
	push 24(%rbp)
	call libos_syscall
	leave
	ret
__cp_cancel:
	jmp __cancel
.size __syscall_cp_asm,.-__syscall_cp_asm
