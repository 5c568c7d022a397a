# Writes the address of each quadword into the first and the last of the RAM above 4 GiB, and into the
# last below the device hole, then reads all back. The machine has HIGH bytes from 4 GiB on; with 3 GiB
# of them, the last two have the same lower halves. Ends with status 40.

        .include "guest.inc"

        .set HIGH_START, 0x100000000
        .set LOW_LAST, 0xbffffff8

        .code64
        .globl start
start:
        mov esp, offset stack_top
        mov rbx, LOW_LAST
        mov [rbx], rbx
        mov rsi, HIGH_START
        mov [rsi], rsi
        mov rdi, HIGH_START + HIGH - 8
        mov [rdi], rdi
        cmp [rbx], rbx
        check e, 1
        cmp [rsi], rsi
        check e, 2
        cmp [rdi], rdi
        check e, 3
# What is beside them is zero, not a mirror.
        cmp qword ptr [rsi + 8], 0
        check e, 4
        cmp qword ptr [rdi - 8], 0
        check e, 5
        print "both ends\n"
        exit 40

        console_routines
        .bss
        .balign 16
        .skip 4096
stack_top:
