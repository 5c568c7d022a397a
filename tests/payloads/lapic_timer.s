# The local APIC's timer: once, then periodically, each time out of HLT. Ends with status 11.
#
# Source: Intel SDM volume 3, 10.5.4.

        .include "guest.inc"
        .include "long_mode.inc"

        .set VECTOR, 0x40
        .set INTERVAL, 1000000          # of the bus clock, which KVM has at 1 GHz
        .set TICKS, 10

        .code64
        .globl start
start:
        mov esp, offset stack_top
        gate VECTOR, tick
        lapic_enable
        lapic_timer VECTOR, INTERVAL
1:      sti
        hlt
        cli
        cmp dword ptr [ticks], 0
        je 1b
        print "once\n"
        lapic_timer VECTOR | LAPIC_TIMER_PERIODIC, INTERVAL
2:      sti
        hlt
        cli
        cmp dword ptr [ticks], 1 + TICKS
        jb 2b
        print "periodic\n"
        exit 11

tick:
        push rax
        inc dword ptr [ticks]
        lapic_eoi
        pop rax
        return_from_interrupt

        console_routines
        .bss
ticks:  .skip 4
        .balign 16
        .skip 4096
stack_top:
