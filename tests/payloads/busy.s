# Prints "ready" and then stays in one state for ever, counting at COUNTER where it executes anything:
#
#   CPL0      a loop at CPL 0, interrupts off
#   CPL3      a loop at CPL 3
#   HALT      HLT with interrupts off: nothing but the machine's stop ends it
#   IDLE      HLT with interrupts on, and none comes
#   PORTS     an exit to the monitor each time round: a write to port 0x80
#   DEVICES   the same by a read of an address that nobody claims
#   FLOOD     the same by a write to the serial port, without asking whether it is ready

        .include "guest.inc"
        .ifdef CPL3
        .include "cpl3.inc"
        .endif

        .set DIAGNOSTIC_PORT, 0x80
        .set NOWHERE, 0xd0000000

        .code64
        .globl start
start:
        mov esp, offset stack_top
        print "ready\n"
        .ifdef CPL3
        call cpl3_setup
        enter_cpl3 loop
        .endif
        mov ebx, NOWHERE
loop:
        .ifdef HALT
        cli
        hlt
        .endif
        .ifdef IDLE
        sti
        hlt
        .endif
        .ifdef PORTS
        out DIAGNOSTIC_PORT, al
        .endif
        .ifdef DEVICES
        mov eax, [rbx]
        .endif
        .ifdef FLOOD
        mov dx, COM1_DATA
        out dx, al
        .endif
        inc qword ptr [COUNTER]
        jmp loop

        console_routines
        .bss
        .balign 16
        .skip 4096
stack_top:
