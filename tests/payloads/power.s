# Ends by way of a device: prints, and writes the byte VALUE to PORT. Ends with status 1 where nothing
# comes of the write.

        .include "guest.inc"

        .code64
        .globl start
start:
        mov esp, offset stack_top
        print "bye\n"
        mov dx, PORT
        mov al, VALUE
        out dx, al
        exit 1

        console_routines
        .bss
        .balign 16
        .skip 4096
stack_top:
