# The first code of the executable, before the C library's own. It sees the stack as the kernel has left it:
#
#       argc, argv[0..argc-1], 0, environment, 0, auxiliary vector (pairs, ended by a pair of type 0)
#
# and goes on to the program's old entry with another stack below, which has other arguments in place of argv[0]
# (Deno is another program by some names) and variables at the end of the environment that were not there, and no
# HOME and no DENO_*, NODE_* and OTEL_*. The C library's `environ` points there too. RDX belongs to the dynamic
# linker and is left alone. The segment is only read: `header` and what it points to are described in segment.ts.
#
# Deno does not start in a folder that was removed. Such a process is moved to one in which no name means
# anything to anybody, and nothing can be made.
#
# Source: System V ABI, AMD64 supplement, "Process Initialization"; syscalls(2).

        .intel_syntax noprefix

        .set SYS_write, 1
        .set SYS_getcwd, 79
        .set SYS_chdir, 80
        .set SYS_exit_group, 231
        .set ENOENT, 2
        .set PATH_MAX, 4096
        .set STDERR, 2
        .set EXIT_HOST, 125
        .set DENO, 0x4f4e4544           # four letters as they lie in memory
        .set NODE, 0x45444f4e
        .set OTEL, 0x4c45544f
        .set HOME, 0x454d4f48

        .set ENTRY, 0                   # fields of the header
        .set ENVIRON, 8
        .set WORDS, 16
        .set MESSAGE, 24
        .set MESSAGE_SIZE, 28
        .set ARGS, 32
        .set VARIABLES, 36
        .set STRINGS, 40

        .text
start:
        lea r8, [rip + start]
        lea r12, [rip + header]
        mov rsi, r8                     # the words of the whole segment add up to 0
        mov ecx, [r12 + WORDS]
        xor eax, eax
1:      add eax, [rsi]
        add rsi, 4
        dec ecx
        jnz 1b
        test eax, eax
        jnz damaged
        mov rsi, rsp
        mov rbx, [rsi]                  # argc; without argv[0] there's no place for arguments
        test rbx, rbx
        jz damaged

        lea rdi, [rsp - PATH_MAX]
        mov esi, PATH_MAX
        mov eax, SYS_getcwd
        syscall
        cmp rax, -ENOENT
        je 1f
        test rax, rax                   # a path that is too long for the buffer is one, too
        js 2f
        cmp byte ptr [rsp - PATH_MAX], '/'      # else "(unreachable)"
        je 2f
1:      lea rdi, [rip + nowhere]
        mov eax, SYS_chdir
        syscall
2:      mov rsi, rsp

        lea rdi, [rsi + rbx * 8 + 16]   # how much there is to copy
2:      add rdi, 8
        cmp qword ptr [rdi - 8], 0
        jne 2b
3:      add rdi, 16
        cmp qword ptr [rdi - 16], 0
        jne 3b
        sub rdi, rsi
        mov r9d, [r12 + ARGS]
        mov r10d, [r12 + VARIABLES]
        lea r11, [r12 + STRINGS]
        lea rax, [r9 + r10]
        lea rdi, [rdi + rax * 8]
        sub rsp, rdi
        and rsp, -16

        mov rdi, rsp
        lea rax, [rbx + r9 - 1]
        stosq
        add rsi, 16                     # without argv[0]
        mov ecx, r9d
        call insert
4:      lodsq                           # the other arguments, and the 0
        stosq
        test rax, rax
        jnz 4b
        mov rax, [r12 + ENVIRON]        # the dynamic linker has set environ already
        mov rax, [r8 + rax]
        mov [rax], rdi
5:      lodsq                           # the environment
        test rax, rax
        jz 7f
        mov ecx, [rax]
        cmp byte ptr [rax + 4], '='
        je 9f
        cmp byte ptr [rax + 4], '_'
        jne 6f
        cmp ecx, DENO
        je 5b
        cmp ecx, NODE
        je 5b
        cmp ecx, OTEL
        je 5b
6:      stosq
        jmp 5b
9:      cmp ecx, HOME
        jne 6b
        jmp 5b
7:      mov ecx, r10d
        call insert
        xor eax, eax
        stosq
8:      lodsq                           # the auxiliary vector, and the pair that ends it
        stosq
        movsq
        test rax, rax
        jnz 8b
        add r8, [r12 + ENTRY]
        jmp r8

# Appends the addresses of ECX more strings, from R11 on.
insert:
        mov eax, [r11]
        add r11, 4
        add rax, r8
        stosq
        dec ecx
        jnz insert
        ret

damaged:
        mov eax, SYS_write
        mov edi, STDERR
        mov esi, [r12 + MESSAGE]
        add rsi, r8
        mov edx, [r12 + MESSAGE_SIZE]
        syscall
        mov eax, SYS_exit_group
        mov edi, EXIT_HOST
        syscall
        ud2

nowhere:
        .asciz "/proc/self/task"

        .balign 8
header:
