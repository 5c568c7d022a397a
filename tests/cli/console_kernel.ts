/**
 * A kernel for the tests of the command line: it says "ready" on the serial console and then does what it
 * is typed. It is built with binutils, and runs on every KVM.
 *
 * | typed | what it does                                     |
 * | ----- | ------------------------------------------------ |
 * | e     | ends with status 42 through the debug exit device |
 * | r     | resets through the i8042                         |
 * | p     | prints a panic as Linux does, then resets        |
 * | t     | a triple fault                                   |
 * | i     | INT3, which a KVM without hardware can't emulate |
 * | ?     | prints its command line                          |
 * | other | echoes it                                        |
 * @module
 */

/** AT&T syntax would be as well; Intel's is the data sheets'. 64-bit, entered by the Linux boot protocol. */
const SOURCE = `
        .intel_syntax noprefix
        .code64
        .globl _start
_start: mov esp, offset stack_top
        mov ebp, [rsi+0x228]    # cmd_line_ptr of boot_params
        mov esi, offset ready
        call print
next:   mov dx, 0x3fd           # line status register
        in al, dx
        test al, 1              # data ready
        jnz 1f
        pause
        jmp next
1:      mov dx, 0x3f8
        in al, dx
        cmp al, 'e'
        je exit
        cmp al, 'r'
        je reset
        cmp al, 'p'
        je panic
        cmp al, 't'
        je fault
        cmp al, 'i'
        je break
        cmp al, '?'
        je cmdline
        call put
        jmp next

exit:   mov al, 42
        out 0xf4, al
panic:  mov esi, offset message
        call print
reset:  mov al, 0xfe            # i8042: pulse the reset line
        out 0x64, al
        jmp reset
fault:  ud2                     # there is no IDT
break:  int3
cmdline: mov esi, ebp
        call print
        mov al, 10
        call put
        jmp next

print:  mov al, [rsi]
        test al, al
        jz 1f
        call put
        inc rsi
        jmp print
put:    mov ah, al
2:      mov dx, 0x3fd
        in al, dx
        test al, 0x20           # transmitter holding register empty
        jz 2b
        mov al, ah
        mov dx, 0x3f8
        out dx, al
1:      ret

ready:   .asciz "ready\\n"
message: .asciz "[    1.234567] Kernel panic - not syncing: a test\\n"
        .bss
        .skip 4096
stack_top:
`;

/** Builds the kernel in a folder. @returns its path, or undefined where there's no binutils for x86-64 */
export async function buildConsoleKernel(folder: string): Promise<string | undefined> {
  await Deno.writeTextFile(`${folder}/kernel.s`, SOURCE);
  try {
    for (
      const [command, ...args] of [
        ["as", "--64", "-o", "kernel.o", "kernel.s"],
        ["ld", "-m", "elf_x86_64", "-Ttext=0x1000000", "-e", "_start", "-o", "kernel", "kernel.o"],
      ]
    ) {
      const { success } = await new Deno.Command(command, { args, cwd: folder, stderr: "null" })
        .output();
      if (!success) return undefined;
    }
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  return `${folder}/kernel`;
}
