# Exits as fast as CPL 3 makes them: COUNT accesses of one kind, then the debug exit with status 81, over
# and over. Flat, entered in real mode at its first byte; loaded below 64 KiB. The kinds:
#
#   PORT_WRITE, PORT_READ       the byte port PORT
#   DEVICE_WRITE, DEVICE_READ   the byte at DEVICE

        .include "guest.inc"
        .include "cpl3.inc"
        .include "from_real.inc"

        .section .header, "ax"
        .code16
        .globl start
start:
        long_mode_from_real long

        .text
        .code64
long:
        mov ax, 0x18
        mov ds, eax
        mov es, eax
        mov ss, eax
        mov esp, offset kernel_stack_top
        call cpl3_setup
        enter_cpl3 user

user:
        mov ebx, DEVICE
1:      mov ecx, COUNT
2:
        .ifdef PORT_WRITE
        out PORT, al
        .endif
        .ifdef PORT_READ
        in al, PORT
        .endif
        .ifdef DEVICE_WRITE
        mov [rbx], al
        .endif
        .ifdef DEVICE_READ
        mov al, [rbx]
        .endif
        dec ecx
        jnz 2b
        mov al, 81
        out DEBUG_EXIT, al
        jmp 1b
