# Ends by way of a device: writes the byte VALUE to PORT, and halts. Where nothing comes of it, a check of
# the machine's never fires: so the payload ends with status 1 after the write.

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
