# Starts the processor with APIC id 2, which triple-faults as soon as it is in protected mode, and waits
# for ever.
#
# 32-bit, entered with a flat GDT.

        .include "guest.inc"

        .set LAPIC, 0xfee00000
        .set LAPIC_SVR, 0xf0
        .set LAPIC_ICR_LOW, 0x300
        .set LAPIC_ICR_HIGH, 0x310
        .set ICR_INIT, 0x4500
        .set ICR_STARTUP, 0x4600
        .set VICTIM, 2
        .set TRAMPOLINE, 0x9000

        .code32
        .globl start
start:
        mov esi, offset trampoline
        mov edi, TRAMPOLINE
        mov ecx, offset trampoline_end - trampoline
        rep movsb
        mov eax, LAPIC
        mov dword ptr [eax + LAPIC_SVR], 0x1ff
        mov dword ptr [eax + LAPIC_ICR_HIGH], VICTIM << 24
        mov dword ptr [eax + LAPIC_ICR_LOW], ICR_INIT
        mov dword ptr [eax + LAPIC_ICR_HIGH], VICTIM << 24
        mov dword ptr [eax + LAPIC_ICR_LOW], ICR_STARTUP + TRAMPOLINE / 4096
1:      hlt
        jmp 1b

        .code16
trampoline:
        lidt cs:[no_table - trampoline]
        lgdt cs:[no_table - trampoline]
        mov eax, cr0
        or al, 1
        mov cr0, eax
        mov ax, 8                       # behind the end of the GDT: #GP, and no gate for it
        mov ds, ax
no_table:
        .word 0
        .long 0
trampoline_end:
