# The first code of the executable, before the C library's own: what x86_64.s does, where it is explained.
# X0 belongs to the dynamic linker and is left alone.
#
# Source: AAPCS64 and the System V ABI for the Arm 64-bit architecture; syscalls(2).

        .set SYS_getcwd, 17
        .set SYS_chdir, 49
        .set SYS_write, 64
        .set SYS_exit_group, 94
        .set STDERR, 2
        .set EXIT_HOST, 125
        .set ENOENT, 2
        .set PATH_MAX, 4096

        .set ENTRY, 0                   // fields of the header
        .set ENVIRON, 8
        .set WORDS, 16
        .set MESSAGE, 24
        .set MESSAGE_SIZE, 28
        .set ARGS, 32
        .set VARIABLES, 36
        .set STRINGS, 40

        .text
start:
        adr x8, start
        adr x12, header
        mov x1, x8                      // the words of the whole segment add up to 0
        ldr w2, [x12, WORDS]
        mov w3, wzr
1:      ldr w4, [x1], 4
        add w3, w3, w4
        subs w2, w2, 1
        b.ne 1b
        cbnz w3, damaged
        mov x1, sp
        ldr x5, [x1]                    // argc; without argv[0] there's no place for arguments
        cbz x5, damaged

        mov x17, x0
        mov x16, x8
        sub x0, x1, PATH_MAX
        mov x1, PATH_MAX
        mov x8, SYS_getcwd
        svc 0
        cmn x0, ENOENT
        b.eq 1f
        tbnz x0, 63, 2f                 // a path that is too long for the buffer is one, too
        sub x0, sp, PATH_MAX
        ldrb w1, [x0]                   // else "(unreachable)"
        cmp w1, '/'
        b.eq 2f
1:      adr x0, nowhere
        mov x8, SYS_chdir
        svc 0
2:      mov x0, x17
        mov x8, x16
        mov x1, sp

        add x2, x1, x5, lsl 3           // how much there is to copy
        add x2, x2, 16
2:      ldr x3, [x2], 8
        cbnz x3, 2b
3:      ldr x3, [x2], 16
        cbnz x3, 3b
        sub x2, x2, x1
        ldr w9, [x12, ARGS]
        ldr w10, [x12, VARIABLES]
        add x11, x12, STRINGS
        add x2, x2, x9, lsl 3
        add x2, x2, x10, lsl 3
        mov x3, sp
        sub x3, x3, x2
        and x3, x3, -16
        mov sp, x3

        add x4, x5, x9
        sub x4, x4, 1
        str x4, [x3], 8
        add x1, x1, 16                  // without argv[0]
        mov w2, w9
        bl insert
4:      ldr x4, [x1], 8                 // the other arguments, and the 0
        str x4, [x3], 8
        cbnz x4, 4b
        ldr x4, [x12, ENVIRON]          // the dynamic linker has set environ already
        ldr x4, [x8, x4]
        str x3, [x4]
        ldr w13, deno
        ldr w14, node
        ldr w15, otel
        ldr w16, home
5:      ldr x4, [x1], 8                 // the environment
        cbz x4, 7f
        ldr w7, [x4]
        ldrb w6, [x4, 4]
        cmp w6, '='
        b.eq 9f
        cmp w6, '_'
        b.ne 6f
        cmp w7, w13
        b.eq 5b
        cmp w7, w14
        b.eq 5b
        cmp w7, w15
        b.eq 5b
6:      str x4, [x3], 8
        b 5b
9:      cmp w7, w16
        b.ne 6b
        b 5b
7:      mov w2, w10
        bl insert
        str xzr, [x3], 8
8:      ldp x4, x6, [x1], 16            // the auxiliary vector, and the pair that ends it
        stp x4, x6, [x3], 16
        cbnz x4, 8b
        ldr x4, [x12, ENTRY]
        add x8, x8, x4
        br x8

// Appends the addresses of W2 more strings, from X11 on.
insert:
        ldr w4, [x11], 4
        add x4, x4, x8
        str x4, [x3], 8
        subs w2, w2, 1
        b.ne insert
        ret

damaged:
        mov x0, STDERR
        ldr w1, [x12, MESSAGE]
        add x1, x1, x8
        ldr w2, [x12, MESSAGE_SIZE]
        mov x8, SYS_write
        svc 0
        mov x0, EXIT_HOST
        mov x8, SYS_exit_group
        svc 0
        udf 0

        .balign 4
deno:   .ascii "DENO"
node:   .ascii "NODE"
otel:   .ascii "OTEL"
home:   .ascii "HOME"
nowhere:
        .asciz "/proc/self/task"
        .balign 8
header:
