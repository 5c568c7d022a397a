# Times single exits with the time-stamp counter at CPL 3, which runs natively on every host: writes to
# the byte port PORT, reads from it, reads from the byte at DEVICE, writes to it. Flat, entered in real
# mode at its first byte; loaded below 64 KiB, outside PARAMETERS. Ends with status 80.
#
# The monitor leaves two 32-bit numbers at PARAMETERS: how many exits of each kind to time, and how many
# of each to do before. The times, 32-bit numbers of TSC ticks, are at SAMPLES: all of the first kind,
# all of the second, and so on.

        .include "guest.inc"
        .include "cpl3.inc"
        .include "from_real.inc"

        .set PARAMETERS, 0x1000
        .set COUNT, PARAMETERS
        .set WARM_UP, PARAMETERS + 4
        .set SAMPLES, 0x100000

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

# RDI is where the next time goes. The fences keep the counter's reads apart from what is between them.
        .macro timed access:vararg
        mov ecx, [COUNT]
.Lnext\@:
        lfence
        rdtsc
        mov esi, eax
        \access
        lfence
        rdtsc
        sub eax, esi
        mov [rdi], eax
        add rdi, 4
        dec ecx
        jnz .Lnext\@
        .endm

user:
        mov edi, SAMPLES
        mov ebx, DEVICE
# All kinds by turns, as in a machine's life: code that is compiled for the one kind that it has met so
# far is not what is to be timed.
        mov ecx, [WARM_UP]
        test ecx, ecx
        jz 2f
1:      out PORT, al
        in al, PORT
        mov al, [rbx]
        mov [rbx], al
        dec ecx
        jnz 1b
2:      timed out PORT, al
        timed in al, PORT
        timed mov al, [rbx]
        timed mov [rbx], al
        exit 80
