# Addresses and ports that nobody claims: reads of every size give all ones, writes do nothing. The
# machine has RAM_END bytes of RAM. Ends with status 50.

        .include "guest.inc"

        .set NOWHERE, 0xd0000000
        .set NO_PORT, 0x2f0

        .code64
        .globl start
start:
        mov esp, offset stack_top
        mov ebx, NOWHERE
        mov dword ptr [rbx], 0
        mov qword ptr [rbx + 8], 0
        xor eax, eax
        mov al, [rbx]
        cmp eax, 0xff
        check e, 1
        xor eax, eax
        mov ax, [rbx]
        cmp eax, 0xffff
        check e, 2
        mov eax, [rbx]
        cmp eax, 0xffffffff
        check e, 3
        xor eax, eax
        mov rax, [rbx + 8]
        cmp rax, -1
        check e, 4
# Not aligned.
        xor eax, eax
        mov rax, [rbx + 3]
        cmp rax, -1
        check e, 5

# Half of it RAM, half of it nothing.
        mov ebx, RAM_END - 4
        mov dword ptr [rbx], 0x12345678
        mov rax, [rbx]
        mov rdx, 0xffffffff12345678
        cmp rax, rdx
        check e, 6

        mov dx, NO_PORT
        mov al, 0
        out dx, al
        xor eax, eax
        in al, dx
        cmp eax, 0xff
        check e, 7
        xor eax, eax
        in ax, dx
        cmp eax, 0xffff
        check e, 8
        xor eax, eax
        in eax, dx
        cmp eax, 0xffffffff
        check e, 9
        print "all ones\n"
        exit 50

        console_routines
        .bss
        .balign 16
        .skip 4096
stack_top:
