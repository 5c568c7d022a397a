/**
 * Executables around a few bytes of machine code, for guests: a bare Debian has no compiler.
 *
 * @module
 */

/** Where the program is loaded: the traditional base of x86-64 executables. */
const BASE = 0x400000;
/** Sizes of Elf64_Ehdr and Elf64_Phdr. */
const EHDR = 64;
const PHDR = 56;

/** Where the code begins in the file. */
export const CODE_OFFSET = EHDR + PHDR;

/**
 * Wraps position-independent x86-64 code, entered at its first byte, as a static ELF64 executable
 * with one read-only segment (System V gABI, chapters 4 and 5).
 */
export function staticExecutable(code: Uint8Array): Uint8Array<ArrayBuffer> {
  const image = new Uint8Array(CODE_OFFSET + code.byteLength);
  const view = new DataView(image.buffer);
  image.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]); // ELFCLASS64, ELFDATA2LSB, EV_CURRENT
  view.setUint16(16, 2, true); // e_type: ET_EXEC
  view.setUint16(18, 62, true); // e_machine: EM_X86_64
  view.setUint32(20, 1, true); // e_version
  view.setUint32(24, BASE + CODE_OFFSET, true); // e_entry
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
  image.set(code, CODE_OFFSET);
  return image;
}
