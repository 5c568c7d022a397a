# Every CPU is started with INIT and SIPI, by broadcast through the xAPIC's ICR, or one after the other
# by APIC id through the x2APIC's (X2APIC). Each goes from real to protected mode, compares its APIC's id
# with CPUID's, prints it and counts itself in. CPUS says how many there are. With PORT, all of them write to it at
# once, COUNT times each. Ends with status 20.
#
# 32-bit, entered with a flat GDT. Source: Intel SDM volume 3, 8.4.4 (MP initialization) and 10.6 (ICR).

        .include "guest.inc"

        .set CODE_SELECTOR, 0x10
        .set DATA_SELECTOR, 0x18
        .set LAPIC, 0xfee00000
        .set LAPIC_ID, 0x20
        .set LAPIC_SVR, 0xf0
        .set LAPIC_ICR_LOW, 0x300
        .set IA32_APIC_BASE, 0x1b
        .set APIC_BASE_X2APIC, 1 << 10
        .set IA32_X2APIC_APICID, 0x802
        .set IA32_X2APIC_SVR, 0x80f
        .set IA32_X2APIC_ICR, 0x830
        .set ICR_INIT, 0x4500           # assert
        .set ICR_STARTUP, 0x4600
        .set ICR_ALL_BUT_SELF, 0xc0000
        .set TRAMPOLINE, 0x9000
        .set STACK_SIZE, 512

        .macro use_port
        .ifdef PORT
        mov ecx, COUNT
        mov dx, PORT
.Lagain\@:
        out dx, al
        dec ecx
        jnz .Lagain\@
        .endif
        .endm

        .code32
        .globl start
start:
        mov esp, offset stack_top
        lgdt [gdt_pointer]
        mov esi, offset trampoline
        mov edi, TRAMPOLINE
        mov ecx, offset trampoline_end - trampoline
        rep movsb
        call check_id
        call print_id

        .ifdef X2APIC
        xor edx, edx
        mov eax, 0x1ff
        mov ecx, IA32_X2APIC_SVR
        wrmsr
        mov ebx, 1
1:      cmp ebx, CPUS
        je 3f
        mov ecx, IA32_X2APIC_ICR
        mov edx, ebx
        mov eax, ICR_INIT
        wrmsr
        mov edx, ebx
        mov eax, ICR_STARTUP + TRAMPOLINE / 4096
        wrmsr
2:      pause
        cmp [online], ebx
        jne 2b
        inc ebx
        jmp 1b
        .else
        mov eax, LAPIC
        mov dword ptr [eax + LAPIC_SVR], 0x1ff
        mov dword ptr [eax + LAPIC_ICR_LOW], ICR_ALL_BUT_SELF + ICR_INIT
        mov dword ptr [eax + LAPIC_ICR_LOW], ICR_ALL_BUT_SELF + ICR_STARTUP + TRAMPOLINE / 4096
# The second one is for CPUs that missed the first. Those that did not ignore it.
        mov dword ptr [eax + LAPIC_ICR_LOW], ICR_ALL_BUT_SELF + ICR_STARTUP + TRAMPOLINE / 4096
        .endif
        use_port
3:      pause
        cmp dword ptr [online], CPUS - 1
        jb 3b
        print "all online\n"
        exit 20

# Where an application processor begins: real mode, CS:IP = TRAMPOLINE / 16 : 0.
        .code16
trampoline:
        cli
        mov ax, cs
        mov ds, ax
        lgdtd [trampoline_gdt - trampoline]
        mov eax, cr0
        or al, 1
        mov cr0, eax
        .byte 0x66, 0xea                # ljmp CODE_SELECTOR:application, with a 32-bit offset
        .long application
        .word CODE_SELECTOR
        .balign 4
trampoline_gdt:
        .word gdt_end - gdt - 1
        .long gdt
trampoline_end:

        .code32
application:
        mov ax, DATA_SELECTOR
        mov ds, eax
        mov es, eax
        mov ss, eax
        mov eax, 1
        lock xadd [tickets], eax
        inc eax
        imul eax, eax, STACK_SIZE
        lea esp, [stack_top + eax]
        call check_id
4:      mov eax, 1
        xchg [console], eax
        test eax, eax
        jz 5f
        pause
        jmp 4b
5:      call print_id
        mov dword ptr [console], 0
        use_port
        lock inc dword ptr [online]
6:      hlt
        jmp 6b

# Gives the APIC's id in EBX; it is what CPUID says.
check_id:
        mov eax, 1
        cpuid
        shr ebx, 24
        .ifdef X2APIC
        mov ecx, IA32_APIC_BASE
        rdmsr
        or eax, APIC_BASE_X2APIC
        wrmsr
        mov ecx, IA32_X2APIC_APICID
        rdmsr
        .else
        mov eax, [LAPIC + LAPIC_ID]
        shr eax, 24
        .endif
        cmp eax, ebx
        check e, 1
        ret

print_id:
        print "cpu "
        mov eax, ebx
        call print_hex32
        print "\n"
        ret

        console_routines

        .data
        .balign 8
gdt:    .quad 0, 0
        .quad 0x00cf9b000000ffff        # CODE_SELECTOR
        .quad 0x00cf93000000ffff        # DATA_SELECTOR
gdt_end:
gdt_pointer:
        .word gdt_end - gdt - 1
        .long gdt
        .bss
tickets:
        .skip 4
online: .skip 4
console:
        .skip 4
        .balign 16
        .skip STACK_SIZE
stack_top:
        .skip STACK_SIZE * CPUS
