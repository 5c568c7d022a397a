# Prints the time of the real-time clock, as year-month-dayThour:minute:second. Ends with status 70.
#
# Source: MC146818A, "Time, Calendar, and Alarm Locations", "Register A" (UIP) and "Register B" (DM).

        .include "guest.inc"

        .set INDEX, 0x70
        .set DATA, 0x71
        .set REGISTER_A, 0x0a
        .set REGISTER_B, 0x0b
        .set UIP, 0x80
        .set DM, 0x04                   # binary, not BCD
        .set CENTURY, 0x32

        .code64
        .globl start
start:
        mov esp, offset stack_top
# What is read between two readings of the same second belongs together.
1:      mov al, 0
        call cmos
        mov bl, al
        mov al, REGISTER_A
        call cmos
        test al, UIP
        jnz 1b
        mov r15d, offset registers
        mov r14d, offset values
2:      mov al, [r15]
        call cmos
        mov [r14], al
        inc r15
        inc r14
        cmp r15d, offset registers_end
        jb 2b
        mov al, 0
        call cmos
        cmp al, bl
        jne 1b

        mov al, REGISTER_B
        call cmos
        and al, DM
        mov bl, al
        mov r14d, offset values
        mov r15d, offset separators
3:      mov al, [r14]
        call print_two_digits
        inc r14
        mov al, [r15]
        inc r15
        test al, al
        jz 4f
        cmp al, ' '
        je 3b
        call print_char
        jmp 3b
4:      print "\n"
        exit 70

# The register AL of the CMOS, in AL.
cmos:
        out INDEX, al
        in al, DATA
        ret

# AL in decimal: it is binary where BL is not zero, BCD otherwise. Clobbers RAX, RCX and RDX.
print_two_digits:
        movzx eax, al
        test bl, bl
        jz 5f
        mov ecx, 10
        xor edx, edx
        div ecx
        shl eax, 4
        or eax, edx
5:      mov ecx, eax
        shr eax, 4
        add al, '0'
        call print_char
        mov eax, ecx
        and al, 15
        add al, '0'
        jmp print_char

        console_routines
        .data
registers:
        .byte CENTURY, 9, 8, 7, 4, 2, 0
registers_end:
separators:
        .asciz " --T::"
        .bss
values: .skip 8
        .balign 16
        .skip 4096
stack_top:
