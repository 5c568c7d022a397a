# The Linux boot protocol, from its 64-bit entry (the default) or its 32-bit entry (BITS32): checks the
# state of the CPU and boot_params, prints the memory map, the command line and what the initrd is.
# Ends with status 64, or 32.
#
# Source: Documentation/arch/x86/boot.rst.

        .include "guest.inc"
        .include "boot_info.inc"

        .set RAMDISK_IMAGE, 0x218
        .set RAMDISK_SIZE, 0x21c
        .set CMD_LINE_PTR, 0x228
        .set BOOT_FLAG, 0x1fe
        .set HEADER, 0x202
        .set E820_ENTRIES, 0x1e8
        .set E820_TABLE, 0x2d0
        .set ACPI_RSDP, 0x70

        .ifdef BITS32
        .code32
        .else
        .code64
        .endif
        .globl start
start:
        .ifdef BITS32
# EBP, EDI and EBX are zero.
        or ebx, edi
        or ebx, ebp
        check z, 1
        mov eax, cr0
        and eax, 0x80000001             # paging off, protection on
        cmp eax, 1
        check e, 2
        .else
        mov ecx, 0xc0000080             # EFER: LMA and LME
        rdmsr
        and eax, 0x500
        cmp eax, 0x500
        check e, 1
        mov rax, cr0
        and eax, 0x80000001             # paging and protection
        cmp eax, 0x80000001
        check e, 2
        .endif
# __BOOT_CS and __BOOT_DS; no interrupts.
        mov eax, cs
        cmp ax, 0x10
        check e, 3
        mov eax, ds
        cmp ax, 0x18
        check e, 4
        mov eax, ss
        cmp ax, 0x18
        check e, 5
        mov esp, offset stack_top
        pushf
        test dword ptr [esp], 0x200
        check z, 6

        mov ebx, esi
        cmp word ptr [ebx + BOOT_FLAG], 0xaa55
        check e, 7
        cmp dword ptr [ebx + HEADER], 0x53726448        # "HdrS"
        check e, 8

        print "cmdline="
        mov esi, [ebx + CMD_LINE_PTR]
        call print_string
        print "\n"

        print_field32 "initrd", RAMDISK_IMAGE
        print_field32 "size", RAMDISK_SIZE
        mov esi, [ebx + RAMDISK_IMAGE]
        mov ecx, [ebx + RAMDISK_SIZE]
        call print_sum

# "RSD PTR " is where boot_params says.
        mov eax, [ebx + ACPI_RSDP]
        cmp dword ptr [eax], 0x20445352
        check e, 9
        cmp dword ptr [eax + 4], 0x20525450
        check e, 10

        movzx eax, byte ptr [ebx + E820_ENTRIES]
        mov [left], eax
        add ebx, E820_TABLE
1:      call print_range
        add ebx, 20
        dec dword ptr [left]
        jnz 1b
        .ifdef BITS32
        exit 32
        .else
        exit 64
        .endif

        boot_info_routines
        console_routines
        .bss
left:   .skip 4
        .balign 16
        .skip 4096
stack_top:
