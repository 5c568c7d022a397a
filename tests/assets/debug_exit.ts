/**
 * A program for guests that writes a byte to the debug exit port, 0xf4, and so tells the monitor
 * the guest's exit status. Debian's cloud kernel has no /dev/port, which leaves only `out` itself.
 *
 * @module
 */

import { staticExecutable } from "./elf.ts";

/** The program as x86-64 machine code. The test beside it holds it against an assembler. */
export const DEBUG_EXIT_ASSEMBLY = `
_start:
  mov edi, 0xf4                 # ioperm(0xf4, 1, 1)
  mov esi, 1
  mov edx, 1
  mov eax, 173
  syscall
  test eax, eax
  jnz fail
  mov rsi, [rsp+16]             # argv[1], in decimal
  test rsi, rsi
  jz fail
  xor ecx, ecx
next:
  movzx eax, byte ptr [rsi]
  sub eax, '0'
  cmp eax, 9
  ja write
  imul ecx, ecx, 10
  add ecx, eax
  inc rsi
  jmp next
write:
  mov eax, ecx
  out 0xf4, al
  xor edi, edi
  jmp exit
fail:
  mov edi, 1
exit:
  mov eax, 60                   # exit(edi)
  syscall
`;

const CODE = Uint8Array.fromHex(
  "bff4000000be01000000ba01000000b8ad0000000f0585c07529488b742410" +
    "4885f6741f31c90fb60683e83083f809770a6bc90a01c148ffc6ebeb89c8e6" +
    "f431ffeb05bf01000000b83c0000000f05",
);

/**
 * The program as a static ELF64 executable: `debug-exit STATUS`. It ends with 1 when the port may
 * not be used, and with 0 where nobody listens at the port.
 */
export function debugExitProgram(): Uint8Array<ArrayBuffer> {
  return staticExecutable(CODE);
}
