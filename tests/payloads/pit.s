# The PIT's channel 0 in mode 2, at 1000 Hz, wakes the CPU from HLT ten times, through the PIC (line 0) or
# through the pin IOAPIC_PIN of the I/O APIC. Ends with status 10.
#
# Source: Intel 8254, "Control Word Format"; 8259A; 82093AA.

        .include "guest.inc"
        .include "long_mode.inc"

        .set PIT_CHANNEL0, 0x40
        .set PIT_COMMAND, 0x43
        .set RATE_GENERATOR, 0x34       # channel 0, both bytes, mode 2
        .set DIVISOR, 1193
        .set TICKS, 10
        .set VECTOR, PIC1_VECTORS

        .code64
        .globl start
start:
        mov esp, offset stack_top
        gate VECTOR, tick
        .ifdef IOAPIC_PIN
        pic_setup 0xff
        lapic_enable
        ioapic_route IOAPIC_PIN, VECTOR
        .else
        pic_setup 0xfe
        .endif
        mov al, RATE_GENERATOR
        out PIT_COMMAND, al
        mov al, DIVISOR & 0xff
        out PIT_CHANNEL0, al
        mov al, DIVISOR >> 8
        out PIT_CHANNEL0, al
1:      sti
        hlt
        cli
        cmp dword ptr [ticks], TICKS
        jb 1b
        print "ticks\n"
        exit 10

tick:
        push rax
        inc dword ptr [ticks]
        .ifdef IOAPIC_PIN
        lapic_eoi
        .else
        pic_eoi
        .endif
        pop rax
        return_from_interrupt

        console_routines
        .bss
ticks:  .skip 4
        .balign 16
        .skip 4096
stack_top:
