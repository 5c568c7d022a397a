# String instructions at the serial port: REP OUTSB prints, and in loopback, with the FIFO on, REP INSB
# gets back what REP OUTSB sent. At a port that nobody claims, REP INSW and REP INSD give all ones.
# Ends with status 60.
#
# Source: PC16550D, "FIFO Control Register" and "Modem Control Register" (loopback).

        .include "guest.inc"

        .set MCR_LOOP, 0x10
        .set FIFO_ENABLE, 0x07          # and both cleared
        .set FIFO_SIZE, 16
        .set NO_PORT, 0x2f0

        .code64
        .globl start
start:
        mov esp, offset stack_top
        mov dx, COM1_DATA
        mov esi, offset greeting
        mov ecx, offset greeting_end - greeting
        rep outsb
        test ecx, ecx
        check z, 1
        cmp esi, offset greeting_end
        check e, 2

        mov dx, COM1_IIR
        mov al, FIFO_ENABLE
        out dx, al
        mov dx, COM1_MCR
        mov al, MCR_LOOP
        out dx, al
        mov dx, COM1_DATA
        mov esi, offset greeting
        mov ecx, FIFO_SIZE
        rep outsb
        mov edi, offset received
        mov ecx, FIFO_SIZE
        rep insb
        mov dx, COM1_LSR
        in al, dx
        test al, LSR_DR
        check z, 3
        mov dx, COM1_MCR
        mov al, 0
        out dx, al
        mov esi, offset greeting
        mov edi, offset received
        mov ecx, FIFO_SIZE
        repe cmpsb
        check e, 4

        mov dx, NO_PORT
        mov edi, offset received
        mov ecx, 3
        rep insw
        mov ecx, 2
        rep insd
        cmp edi, offset received + 14
        check e, 5
        mov rax, [received]
        and rax, [received + 6]
        cmp rax, -1
        check e, 6
        cmp word ptr [received + 14], 0x6665    # "ef", from before
        check e, 7
        exit 60

        console_routines
        .data
greeting:
        .ascii "0123456789abcdef, a string in one instruction\n"
greeting_end:
        .bss
received:
        .skip FIFO_SIZE
        .balign 16
        .skip 4096
stack_top:
