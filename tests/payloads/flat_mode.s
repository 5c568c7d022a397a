# A flat image in 64-bit mode, or in 32-bit mode without paging (BITS32): the state of the CPU, its segments and the
# memory beyond the image, which is zero. Ends with status 64, or 32.
#
# Source: Intel SDM volume 3, 2.2 (modes of operation) and 2.5 (CR0).

        .include "guest.inc"

        .set IA32_EFER, 0xc0000080
        .set EFER_LME_LMA, 0x500
        .set CR0_PE, 0x00000001
        .set CR0_PG, 0x80000000

        .ifdef BITS32
        .code32
        .else
        .code64
        .endif
        .globl start
start:
        .ifdef BITS32
        mov eax, cr0
        and eax, CR0_PG | CR0_PE
        cmp eax, CR0_PE
        check e, 1
        .else
        mov ecx, IA32_EFER
        rdmsr
        and eax, EFER_LME_LMA
        cmp eax, EFER_LME_LMA
        check e, 1
        mov rax, cr0
        mov ecx, CR0_PG | CR0_PE
        and eax, ecx
        cmp eax, ecx
        check e, 2
# An address and a value of 64 bits.
        mov rax, 0x123456789abcdef0
        mov rbx, rax
        shr rbx, 32
        cmp ebx, 0x12345678
        check e, 3
        .endif
        mov eax, cs
        and eax, 3                      # CPL 0
        check z, 4
        mov esp, offset stack_top
        pushf
        test dword ptr [esp], 0x200     # no interrupts
        check z, 5
        cmp dword ptr [unused], 0
        check e, 6
# The data segments reach all of the memory.
        mov ebx, 0x8000
        mov dword ptr [ebx], 0x5a5a5a5a
        cmp dword ptr [ebx], 0x5a5a5a5a
        check e, 7
        .ifdef BITS32
        print "protected mode\n"
        exit 32
        .else
        print "long mode\n"
        exit 64
        .endif

        console_routines
        .bss
unused: .skip 4
        .balign 16
        .skip 4096
stack_top:
