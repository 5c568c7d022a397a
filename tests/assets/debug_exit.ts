/**
 * A program for guests that writes a byte to the debug exit port, 0xf4, and so tells the monitor
 * the guest's exit status. Debian's cloud kernel has no /dev/port, which leaves only `out` itself.
 *
 * @module
 */

/** Where the program is loaded: the traditional base of x86-64 executables. */
const BASE = 0x400000;
/** Sizes of Elf64_Ehdr and Elf64_Phdr. */
const EHDR = 64;
const PHDR = 56;

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
  const image = new Uint8Array(EHDR + PHDR + CODE.byteLength);
  const view = new DataView(image.buffer);
  image.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]); // ELFCLASS64, ELFDATA2LSB, EV_CURRENT
  view.setUint16(16, 2, true); // e_type: ET_EXEC
  view.setUint16(18, 62, true); // e_machine: EM_X86_64
  view.setUint32(20, 1, true); // e_version
  view.setUint32(24, BASE + EHDR + PHDR, true); // e_entry
  view.setUint32(32, EHDR, true); // e_phoff
  view.setUint16(52, EHDR, true); // e_ehsize
  view.setUint16(54, PHDR, true); // e_phentsize
  view.setUint16(56, 1, true); // e_phnum
  view.setUint32(EHDR, 1, true); // p_type: PT_LOAD
  view.setUint32(EHDR + 4, 5, true); // p_flags: PF_R | PF_X
  view.setUint32(EHDR + 16, BASE, true); // p_vaddr
  view.setUint32(EHDR + 24, BASE, true); // p_paddr
  view.setUint32(EHDR + 32, image.byteLength, true); // p_filesz
  view.setUint32(EHDR + 40, image.byteLength, true); // p_memsz
  view.setUint32(EHDR + 48, 0x1000, true); // p_align
  image.set(CODE, EHDR + PHDR);
  return image;
}
