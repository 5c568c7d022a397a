# Multiboot (version 1): the state of the CPU, the information structure, the modules with their
# strings and the memory map. As ELF32, or, with ADDRESS_FIELDS, as a flat file that says itself where
# it goes. Ends with status 34.
#
# Source: Multiboot Specification 0.6.96, 3.2 and 3.3.

        .include "guest.inc"
        .include "boot_info.inc"

        .set HEADER_MAGIC, 0x1badb002
        .set LOADER_MAGIC, 0x2badb002
        .ifdef ADDRESS_FIELDS
        .set FLAGS, 0x10003             # page-aligned modules, memory information, address fields
        .else
        .set FLAGS, 0x00003
        .endif
        .set HAS_MEMORY, 1 << 0
        .set HAS_CMDLINE, 1 << 2
        .set HAS_MODULES, 1 << 3
        .set HAS_MMAP, 1 << 6
        .set MEM_LOWER, 4
        .set CMDLINE, 16
        .set MODS_COUNT, 20
        .set MODS_ADDR, 24
        .set MMAP_LENGTH, 44
        .set MMAP_ADDR, 48

        .section .header, "a"
        .balign 4
header: .long HEADER_MAGIC, FLAGS, -(HEADER_MAGIC + FLAGS)
        .ifdef ADDRESS_FIELDS
        .long header, header, image_end, bss_end, start
        .endif

        .text
        .code32
        .globl start
start:
        cmp eax, LOADER_MAGIC
        check e, 1
        mov eax, cr0
        and eax, 0x80000001             # paging off, protection on
        cmp eax, 1
        check e, 2
        mov esp, offset stack_top
        pushf
        test dword ptr [esp], 0x20200   # VM and IF
        check z, 3
# The bss is zero, whatever the file had behind its end.
        mov eax, [left]
        or eax, [info]
        check z, 4
        mov [info], ebx
        mov eax, [ebx]
        and eax, HAS_MEMORY | HAS_CMDLINE | HAS_MMAP
        cmp eax, HAS_MEMORY | HAS_CMDLINE | HAS_MMAP
        check e, 5

        print_field32 "lower", MEM_LOWER
        print_field32 "upper", (MEM_LOWER + 4)
        print "cmdline="
        mov esi, [ebx + CMDLINE]
        call print_string
        print "\n"

        test dword ptr [ebx], HAS_MODULES
        jz 2f
        mov eax, [ebx + MODS_COUNT]
        mov [left], eax
        mov ebx, [ebx + MODS_ADDR]
1:      cmp dword ptr [left], 0
        je 2f
        test dword ptr [ebx], 0xfff     # page-aligned, as the header asks
        check z, 6
        print "module="
        mov esi, [ebx + 8]
        call print_string
        print "\n"
        mov esi, [ebx]
        mov ecx, [ebx + 4]
        sub ecx, esi
        mov [size], ecx
        call print_sum
        print "size="
        mov eax, [size]
        call print_hex32
        print "\n"
        add ebx, 16
        dec dword ptr [left]
        jmp 1b

# The size field of each entry of the map does not count itself.
2:      mov ebx, [info]
        mov eax, [ebx + MMAP_ADDR]
        mov ecx, [ebx + MMAP_LENGTH]
        add ecx, eax
        mov [map_end], ecx
        mov ebx, eax
3:      cmp ebx, [map_end]
        jae 4f
        mov eax, [ebx]
        mov [size], eax
        add ebx, 4
        call print_range
        add ebx, [size]
        jmp 3b
4:      exit 34

        boot_info_routines
        console_routines
        .bss
left:   .skip 4
info:   .skip 4
size:   .skip 4
map_end:
        .skip 4
        .balign 16
        .skip 4096
stack_top:
bss_end:
