# An access to an address without RAM by an instruction that KVM's emulator does not know: x87's load of
# 80 bits. It has to be emulated on every host, and fails on every host.

        .include "guest.inc"

        .set NOWHERE, 0xd0000000

        .code64
        .globl start
start:
        mov esp, offset stack_top
        print "before\n"
        mov ebx, NOWHERE
        mov eax, 0x1234abcd
        .globl fault
fault:
        fld tbyte ptr [rbx]
        exit 1

        console_routines
        .bss
        .balign 16
        .skip 4096
stack_top:
