# Real mode (flat, 16-bit): segments, a software interrupt and its return, and the console.
# Ends with status 16.

        .set REAL_MODE, 1
        .include "guest.inc"

        .code16
        .globl start
start:
        smsw ax
        test al, 1                      # CR0.PE
        check z, 1

        xor ax, ax
        mov ss, ax
        mov sp, 0x7000

# A far pointer reaches the same byte through another segment.
        mov ax, cs
        add ax, 0x10
        mov es, ax
        mov bx, offset mark
        cmp byte ptr es:[bx - 0x100], 0x5a
        check e, 2

# Vector 0x60 of the interrupt vector table is ours; IRET comes back behind INT.
        xor ax, ax
        mov ds, ax
        mov word ptr [0x60 * 4], offset handler
        mov ax, cs
        mov word ptr [0x60 * 4 + 2], ax
        mov ds, ax
        mov cx, 0
        int 0x60
        cmp cx, 0x1234
        check e, 3

        print "real mode\n"
        exit 16

handler:
        mov cx, 0x1234
        iret

        console_routines
mark:   .byte 0x5a
