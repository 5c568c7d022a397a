# An invalid opcode while there is no IDT: exception, double fault, triple fault.

        .include "guest.inc"

        .code64
        .globl start
start:
        mov esp, offset stack_top
        print "before\n"
        mov eax, 0x1234abcd
        .globl fault
fault:
        ud2
        exit 1

        console_routines
        .bss
        .balign 16
        .skip 4096
stack_top:
