# Times interrupts that it causes itself, with the time-stamp counter at CPL 3: from the instruction before the
# access that causes it to the first one of the handler. First with writes to the byte port BELL, whose device
# raises the interrupt before the guest goes on; then with writes to the byte port KICK, which tell a thread of the
# host's that does so while the guest spins. Flat, entered in real mode at its first byte; loaded below 64 KiB,
# outside PARAMETERS. Ends with status 80.
#
# The interrupt is VECTOR, message-signalled to APIC 0. The monitor leaves two 32-bit numbers at PARAMETERS: how many
# of each kind to time, and how many of each to do before. The times, 32-bit numbers of TSC ticks, are at SAMPLES.

        .include "guest.inc"
        .include "long_mode.inc"
        .include "cpl3.inc"
        .include "from_real.inc"

        .set PARAMETERS, 0x1000
        .set COUNT, PARAMETERS
        .set WARM_UP, PARAMETERS + 4
        .set SAMPLES, 0x100000
        .set INTERRUPTS_ON, 1 << 9

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
        pic_setup 0xff
        gate VECTOR, taken
        lapic_enable
        enter_cpl3 user, INTERRUPTS_ON

# RDI is where the next time goes, EBX how many are left. The handler goes on behind the loop that waits for it.
        .macro timed_interrupts port
        mov edx, \port
        mov [port], edx
        mov rax, offset .Ltaken\@
        mov [resumption], rax
.Lnext\@:
        mov r9d, [port]
        lfence
        rdtsc
        mov esi, eax
        mov edx, r9d
        out dx, al
.Lwait\@:
        pause
        jmp .Lwait\@
.Ltaken\@:
        sub r8d, esi
        mov [rdi], r8d
        add rdi, 4
        dec ebx
        jnz .Lnext\@
        .endm

user:
# What is written to while it warms up is written again.
        mov ebx, [WARM_UP]
        test ebx, ebx
        jz 1f
        mov edi, SAMPLES
        timed_interrupts BELL
        mov ebx, [WARM_UP]
        mov edi, SAMPLES
        timed_interrupts KICK
1:      mov edi, SAMPLES
        mov ebx, [COUNT]
        timed_interrupts BELL
        mov ebx, [COUNT]
        timed_interrupts KICK
        exit 80

# R8 is the time. Of the registers, those of the loop are kept, which has no stack.
taken:
        rdtsc
        mov r8d, eax
        lapic_eoi
        mov rdx, [resumption]
        mov ecx, offset user_stack_top
        mov rsp, offset kernel_stack_top
        sti
        sysexit64

        .bss
        .balign 8
resumption:
        .skip 8
port:   .skip 8
