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
        .set SERIAL_VECTOR, PIC1_VECTORS + 4
        .set SERIAL_ONLY, 0xef
        .set TRAP_RSP, 24               # the interrupted RSP in an exception's frame without a code
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
# A program that has something to say says it first: all that follows takes its time.
        mov esi, offset first_words
        test esi, esi
        jz 1f
        mov ecx, offset first_words_size
        mov edx, COM1_DATA
        rep outsb
1:
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
        gate INVALID_OPCODE, called
        gate SERIAL_VECTOR, serial_interrupt
        pic_setup 0xff
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

# void rest(void) and void wait_for_serial(void): see runtime.h. The exception is the way up to CPL 0.
        .globl rest
rest:
        xor eax, eax
        ud2
        .globl wait_for_serial
wait_for_serial:
        mov eax, 1
        ud2
waited:
        ret

called:
        test eax, eax
        jz at_rest
        mov rax, [rsp + TRAP_RSP]
        mov [waiting_rsp], rax
        mov al, SERIAL_ONLY
        out PIC1_MASK, al
        sti
1:      hlt
        jmp 1b
# Not back to what was interrupted, which may be just before the HLT, but to who waits.
serial_interrupt:
        mov al, 0xff
        out PIC1_MASK, al
        pic_eoi
        pushfq
        or qword ptr [rsp], IOPL3
        mov rcx, [waiting_rsp]
        mov edx, offset waited
        popfq
        sysexit64

at_rest:
        cli
        hlt
        jmp at_rest

# What is printed at once, where a program has it: characters, and as an absolute symbol how many; 64 at most.
        .weak first_words
        .weak first_words_size

        .bss
        .globl start_info
        .balign 8
start_info:
        .skip 8
waiting_rsp:
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
