# PVH: entered in 32-bit mode by the note in an ELF64 file. Checks the state of the CPU and
# hvm_start_info, prints the command line, the modules and the memory map. Ends with status 33.
#
# With NO_RSDP defined it does without ACPI, for monitors that have none.
#
# Source: Xen's docs/misc/pvh.pandoc and public/arch-x86/hvm/start_info.h.

        .include "guest.inc"
        .include "boot_info.inc"

        .set XEN_ELFNOTE_PHYS32_ENTRY, 18
        .set MAGIC, 0x336ec578
        .set START_INFO_VERSION, 4
        .set NR_MODULES, 12
        .set MODLIST, 16
        .set CMDLINE, 24
        .set RSDP, 32
        .set MEMMAP, 40
        .set MEMMAP_ENTRIES, 48

        .section .note, "a", @note
        .balign 4
        .long 4                         # namesz
        .long 4                         # descsz
        .long XEN_ELFNOTE_PHYS32_ENTRY
        .asciz "Xen"
        .long pvh_start

        .text
        .code64
# The entry of the ELF header, which a loader that knows the note does not take.
        .globl start
start:
        exit 98

        .code32
pvh_start:
        cmp dword ptr [ebx], MAGIC
        check e, 1
        mov eax, cr0
        and eax, 0x80000001             # paging off, protection on
        cmp eax, 1
        check e, 2
        mov eax, cr4
        test eax, eax
        check z, 3
        mov esp, offset stack_top
        pushf
        test dword ptr [esp], 0x20300   # VM, IF and TF
        check z, 4
        cmp dword ptr [ebx + START_INFO_VERSION], 1
        check ae, 5

        print "cmdline="
        mov esi, [ebx + CMDLINE]
        call print_string
        print "\n"

        .ifndef NO_RSDP
        mov eax, [ebx + RSDP]
        cmp dword ptr [eax], 0x20445352 # "RSD "
        check e, 6
        .endif

        mov [info], ebx
        mov eax, [ebx + NR_MODULES]
        mov [left], eax
        mov ebx, [ebx + MODLIST]
1:      cmp dword ptr [left], 0
        je 2f
        print_field32 "module", 0
        print_field32 "size", 8
        mov esi, [ebx]
        mov ecx, [ebx + 8]
        call print_sum
        add ebx, 32
        dec dword ptr [left]
        jmp 1b

2:      mov ebx, [info]
        mov eax, [ebx + MEMMAP_ENTRIES]
        test eax, eax
        check nz, 7
        mov [left], eax
        mov ebx, [ebx + MEMMAP]
3:      call print_range
        add ebx, 24
        dec dword ptr [left]
        jnz 3b
        exit 33

        boot_info_routines
        console_routines
        .bss
info:   .skip 4
left:   .skip 4
        .balign 16
        .skip 4096
stack_top:
