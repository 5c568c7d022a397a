# A device of the user's at PORT: writes SEED to it and prints what eight reads give, a line each. With PIN, it then
# writes to the device's memory-mapped registers at BASE, waits for the interrupt that this raises, and prints what
# they read as. Ends with status 50.

        .include "guest.inc"
        .include "long_mode.inc"

        .set VECTOR, 0x50

        .code64
        .globl start
start:
        mov esp, offset stack_top
        mov dx, PORT
        mov al, SEED
        out dx, al
        mov ebx, 8
1:      mov dx, PORT
        xor eax, eax
        in al, dx
        call print_hex32
        print "\n"
        dec ebx
        jnz 1b

        .ifdef PIN
        gate VECTOR, raised
        pic_setup 0xff
        lapic_enable
        ioapic_route PIN, VECTOR
        mov ebx, BASE
        mov dword ptr [rbx], 0x12345678
2:      sti
        hlt
        cli
        cmp dword ptr [count], 0
        je 2b
        print "raised\n"
        mov eax, [rbx]
        call print_hex32
        print "\n"
        .endif
        exit 50

        .ifdef PIN
raised:
        push rax
        inc dword ptr [count]
        lapic_eoi
        pop rax
        return_from_interrupt
        .endif

        console_routines
        .bss
        .balign 16
count:  .skip 16
        .skip 4096
stack_top:
