# CPL 3 in 64-bit code: native loops, port I/O and MMIO from there, and interrupts from there to CPL 0
# and back. Ends with status 3.

        .include "guest.inc"
        .include "long_mode.inc"
        .include "cpl3.inc"

        .set TIMER_VECTOR, 0x40
        .set INVALID_OPCODE, 6
        .set INTERRUPTS, 5
        .set TICKS, 2000000             # of the LAPIC's bus clock, which KVM has at 1 GHz

        .code64
        .globl start
start:
        gate INVALID_OPCODE, climbed
        call cpl3_setup
        enter_cpl3 user

user:
        mov eax, cs
        and eax, 3
        cmp eax, 3
        check e, 1
        print "at CPL 3\n"
        mov ecx, 100000000
1:      dec ecx
        jnz 1b
        mov ebx, 0xd0000000             # nothing is there
        mov eax, [rbx]
        cmp eax, 0xffffffff
        check e, 2
        mov dword ptr [rbx], 1
        print "after a loop\n"
# SYSCALL is off (EFER.SCE): the invalid opcode is the way up, as an exception with no error code.
        ud2

# At CPL 0 again, by way of the gate and the TSS.
climbed:
        mov eax, cs
        test eax, 3
        check z, 4
        mov eax, [rsp + 8]              # the CS that was left
        cmp eax, 0x33
        check e, 5
        print "back at CPL 0\n"
        gate TIMER_VECTOR, tick
        lapic_enable
        lapic_timer TIMER_VECTOR | LAPIC_TIMER_PERIODIC, TICKS
        enter_cpl3 spin, (1 << 9)

# Only RAX is used here: the handler and SYSEXIT take the rest.
spin:
        inc rax
        jmp spin

tick:
        push rax
        lapic_eoi
        pop rax
        dec dword ptr [left]
        jz done
        mov rcx, [rsp + 24]             # RSP and RIP of the loop
        mov rdx, [rsp]
        mov rsp, offset kernel_stack_top
        sti
        sysexit64
done:
        test dword ptr [rsp + 8], 3
        check nz, 6
        print "interrupted\n"
        exit 3

        console_routines
        .data
left:   .long INTERRUPTS
