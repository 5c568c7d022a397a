# The way into the programs in C of this folder: entered by PVH in 32-bit mode, on to `main` in 64-bit code
# at CPL 3, where even a host whose KVM interprets kernel mode runs code at full speed. The first GiB and the
# one of the devices are mapped one to one, and all ports are allowed.
#
# Link it first: what it needs before paging is set up lies in the first 2 MiB.

        .include "guest.inc"
        .include "long_mode.inc"
        .include "cpl3.inc"

        .set XEN_ELFNOTE_PHYS32_ENTRY, 18
        .set CR0_PE_PG, 0x80000001
        .set CR4_PAE, 0x20
        .set IA32_EFER, 0xc0000080
        .set EFER_LME, 0x100
        .set BOOT_PAGE, 3               # present, writable
        .set LARGE_BOOT_PAGE, 0x83
        .set INVALID_OPCODE, 6
        .set STACK_SIZE, 65536

        .section .note, "a", @note
        .balign 4
        .long 4                         # namesz
        .long 4                         # descsz
        .long XEN_ELFNOTE_PHYS32_ENTRY
        .asciz "Xen"
        .long start

        .text
        .code32
        .globl start
start:
        cld
        mov esp, offset kernel_stack_top
        mov [start_info], ebx
# Some KVMs let interrupts through at CPL 3 whatever the flags say, so none may come.
        mov al, 0xff
        out PIC1_MASK, al
        out PIC2_MASK, al
        mov dword ptr [boot_pml4], offset boot_pdpt + BOOT_PAGE
        mov dword ptr [boot_pdpt], offset boot_directory + BOOT_PAGE
        mov dword ptr [boot_directory], LARGE_BOOT_PAGE
        lgdt [user_gdt_pointer]
        mov eax, cr4
        or eax, CR4_PAE
        mov cr4, eax
        mov eax, offset boot_pml4
        mov cr3, eax
        mov ecx, IA32_EFER
        rdmsr
        or eax, EFER_LME
        wrmsr
        mov eax, cr0
        or eax, CR0_PE_PG
        mov cr0, eax
        .byte 0xea                      # ljmp CODE_SELECTOR:long_mode
        .long long_mode
        .word CODE_SELECTOR

        .code64
long_mode:
        mov ax, 0x18
        mov ds, eax
        mov es, eax
        mov ss, eax
        call cpl3_setup
        gate INVALID_OPCODE, at_rest
        enter_cpl3 user

user:
        mov rsp, offset program_stack_top
        xor ebp, ebp
        call main
        mov edi, eax

# void end(int status): see runtime.h.
        .globl end
end:
        mov eax, edi
        out DEBUG_EXIT, al
1:      jmp 1b

# void rest(void): see runtime.h. The exception is the way up to CPL 0.
        .globl rest
rest:
        ud2
at_rest:
        cli
        hlt
        jmp at_rest

        .bss
        .globl start_info
        .balign 8
start_info:
        .skip 8
        .balign 4096
boot_pml4:
        .skip 4096
boot_pdpt:
        .skip 4096
boot_directory:
        .skip 4096
        .skip STACK_SIZE
program_stack_top:
