/**
 * As much of ELF as is needed to tell what a file is (System V gABI, chapters 4 and 5).
 *
 * @module
 */

/** "\x7fELF", 64-bit, little-endian: the first six bytes of e_ident. */
const ELF64_LE = [0x7f, 0x45, 0x4c, 0x46, 2, 1];
const EHDR_SIZE = 64;
const PHDR_SIZE = 56;
const ET_EXEC = 2;
const ET_DYN = 3;
const PT_INTERP = 3;

/** Whether bytes begin as an ELF file does. */
export function isElf(bytes: Uint8Array): boolean {
  return ELF64_LE.slice(0, 4).every((byte, i) => bytes[i] === byte);
}

/** Whether bytes begin as a 64-bit little-endian ELF file does. */
export function isElf64(bytes: Uint8Array): boolean {
  return bytes.byteLength >= EHDR_SIZE && ELF64_LE.every((byte, i) => bytes[i] === byte);
}

/** Whether it is a 64-bit program that asks for no interpreter, and so needs no library. */
export function isStaticExecutable(bytes: Uint8Array<ArrayBuffer>): boolean {
  if (!isElf64(bytes)) return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const type = view.getUint16(16, true);
  if (type !== ET_EXEC && type !== ET_DYN) return false;
  const table = Number(view.getBigUint64(32, true)); // e_phoff
  const count = view.getUint16(56, true); // e_phnum
  if (count === 0 || table + count * PHDR_SIZE > bytes.byteLength) return false;
  for (let index = 0; index < count; index++) {
    if (view.getUint32(table + index * PHDR_SIZE, true) === PT_INTERP) return false;
  }
  return true;
}
