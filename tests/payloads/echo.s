# Prints "ready", echoes the serial port's input and ends with status 0 at a NUL. By default it polls the
# line status; with INTERRUPTS it sleeps in HLT and IRQ 4 wakes it, through the PIC or through the pin
# IOAPIC_PIN of the I/O APIC.
#
# Source: PC16550D, "Interrupt Enable Register", "Line Status Register", "Modem Control Register".

        .include "guest.inc"
        .include "long_mode.inc"

        .set VECTOR, PIC1_VECTORS + 4
        .set IER_ERBFI, 0x01            # received data available
        .set MCR_OUT2, 0x08             # lets the interrupt through on a PC

        .code64
        .globl start
start:
        mov esp, offset stack_top
        .ifdef INTERRUPTS
        gate VECTOR, received
        .ifdef IOAPIC_PIN
        pic_setup 0xff
        lapic_enable
        ioapic_route IOAPIC_PIN, VECTOR
        .else
        pic_setup 0xef
        .endif
        mov dx, COM1_MCR
        mov al, MCR_OUT2
        out dx, al
        mov dx, COM1_IER
        mov al, IER_ERBFI
        out dx, al
        print "ready\n"
1:      sti
        hlt
        jmp 1b

received:
        push rax
        push rdx
        call drain
        .ifdef IOAPIC_PIN
        lapic_eoi
        .else
        pic_eoi
        .endif
        pop rdx
        pop rax
        return_from_interrupt
        .else
        print "ready\n"
1:      call drain
        pause
        jmp 1b
        .endif

# Echoes what is there. Clobbers RAX and RDX.
drain:
        mov dx, COM1_LSR
        in al, dx
        test al, LSR_DR
        jz 2f
        mov dx, COM1_DATA
        in al, dx
        test al, al
        jz 3f
        call print_char
        jmp drain
2:      ret
3:      exit 0

        console_routines
        .bss
        .balign 16
        .skip 4096
stack_top:
