/*
 * All that the agent knows of x86-64: how a process starts, and how it calls the kernel.
 *
 * Source: System V ABI, AMD64 supplement, 3.4.1 (initial stack) and A.2.1 (system calls).
 */
#ifndef ARCH_H
#define ARCH_H

/* The kernel enters with argc, argv and envp on the stack, and nothing to return to. */
__asm__(
	".globl _start\n"
	".type _start, @function\n"
	"_start:\n"
	"	xorl %ebp, %ebp\n"
	"	movq %rsp, %rdi\n"
	"	andq $-16, %rsp\n"
	"	call start\n"
	"	hlt\n");

static inline long syscall6(long number, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
}

#endif
