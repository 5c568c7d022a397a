# Times single exits with the time-stamp counter at CPL 3, which runs natively on every host: writes to
# the byte port PORT, reads from it, reads from the byte at DEVICE, writes to it. Flat, entered in real
# mode at its first byte by each CPU; loaded below 64 KiB, outside PARAMETERS. Each CPU ends with status 80.
#
# The monitor leaves three 32-bit numbers at PARAMETERS: how many exits of each kind each CPU is to time, how
# many of each it does before, and how many CPUs there are. They begin each kind together. The times, 32-bit
# numbers of TSC ticks, are at SAMPLES: of the first CPU all of the first kind, all of the second, and so on;
# then those of the next CPU.

        .include "guest.inc"
        .include "cpl3.inc"
        .include "from_real.inc"

        .set PARAMETERS, 0x1000
        .set COUNT, PARAMETERS
        .set WARM_UP, PARAMETERS + 4
        .set CPUS, PARAMETERS + 8
        .set SAMPLES, 0x100000
        .set TSS_NOT_BUSY, 0xfd

        .section .header, "ax"
        .code16
        .globl start
start:
        long_mode_from_real long

        .text
        .code64
long:
        mov ax, 0x18
        mov ds, eax
        mov es, eax
        mov ss, eax
# One CPU after the other: they have their stack and their TSS in common, which none uses at CPL 3.
1:      mov eax, 1
        xchg [setting_up], eax
        test eax, eax
        jz 2f
        pause
        jmp 1b
2:      mov esp, offset kernel_stack_top
        and byte ptr [user_gdt + TSS_SELECTOR + 5], TSS_NOT_BUSY
        call cpl3_setup
        enter_cpl3 user

# Goes on when all CPUs have come here. R8 counts up what they are to have come to. Clobbers EAX.
        .macro together
        add r8d, [CPUS]
        mov eax, 1
        lock xadd [arrivals], eax
.Lwait\@:
        cmp [arrivals], r8d
        jae .Lall\@
        pause
        jmp .Lwait\@
.Lall\@:
        .endm

# RDI is where the next time goes. The fences keep the counter's reads apart from what is between them.
        .macro timed access:vararg
        together
        mov ecx, [COUNT]
.Lnext\@:
        lfence
        rdtsc
        mov esi, eax
        \access
        lfence
        rdtsc
        sub eax, esi
        mov [rdi], eax
        add rdi, 4
        dec ecx
        jnz .Lnext\@
        .endm

user:
        mov eax, [entered]              # this CPU's number
        inc dword ptr [entered]
        mov dword ptr [setting_up], 0
        mov edi, [COUNT]
        shl edi, 4                      # a number of 32 bits for each of four kinds
        imul edi, eax
        add edi, SAMPLES
        xor r8d, r8d
        mov ebx, DEVICE
        together
# All kinds by turns, as in a machine's life: code that is compiled for the one kind that it has met so
# far is not what is to be timed.
        mov ecx, [WARM_UP]
        test ecx, ecx
        jz 2f
1:      out PORT, al
        in al, PORT
        mov al, [rbx]
        mov [rbx], al
        dec ecx
        jnz 1b
2:      timed out PORT, al
        timed in al, PORT
        timed mov al, [rbx]
        timed mov [rbx], al
        exit 80

        .bss
        .balign 64
setting_up:
        .skip 64
entered:
        .skip 64
arrivals:
        .skip 64
