/**
 * The pages of this process's program that only its start needed.
 *
 * Deno's program is some 90 MB, and a start touches a third of that, once. The kernel keeps such pages mapped until it
 * runs out of memory. Giving them back costs nothing: what is used again is mapped again from the host's page cache,
 * sixteen pages at a time.
 * @module
 */
import { PAGE_SIZE } from "./mapping.ts";
import { libc } from "./libc.ts";
import {
  AT_PHDR,
  AT_PHNUM,
  elf64_phdr as PHDR,
  MADV_DONTNEED,
  PF_W,
  PT_LOAD,
  PT_PHDR,
} from "./program_abi.ts";

/**
 * Gives back the pages of the program's code and constants, which are all in its file.
 *
 * @returns how many bytes of the program were given back, whether mapped before or not; 0 for a program that does not
 *   say where it was loaded, or of which the kernel takes nothing back
 */
export function releaseProgramPages(): number {
  let released = 0;
  for (const { address, size } of constantSegments()) {
    // SAFETY: the range is whole pages of a segment that the loader maps privately from the program's file and that
    // can't be written to. Nothing of it was ever changed, and the file of a running program can't be (ETXTBSY): the
    // next access reads the same again.
    const result = libc.madvise(Deno.UnsafePointer.create(address), BigInt(size), MADV_DONTNEED);
    if (result === 0) released += size;
  }
  return released;
}

/** The segments of this program that can't be written to, as whole pages inside of them. */
function constantSegments(): { readonly address: bigint; readonly size: number }[] {
  const first = libc.getauxval(BigInt(AT_PHDR));
  const count = Number(libc.getauxval(BigInt(AT_PHNUM)));
  const pointer = Deno.UnsafePointer.create(first);
  if (pointer === null) return [];
  // SAFETY: the kernel says that these are there, and they stay for as long as the process lives.
  const bytes = Deno.UnsafePointerView.getArrayBuffer(pointer, count * PHDR.size);
  const headers = Array.from({ length: count }, (_, i) => {
    const view = new DataView(bytes, i * PHDR.size, PHDR.size);
    return {
      type: view.getUint32(PHDR.p_type, true),
      flags: view.getUint32(PHDR.p_flags, true),
      address: view.getBigUint64(PHDR.p_vaddr, true),
      size: view.getBigUint64(PHDR.p_memsz, true),
    };
  });
  const own = headers.find(({ type }) => type === PT_PHDR);
  // Without it, nobody says how far from its own addresses the program was loaded.
  if (own === undefined) return [];
  const bias = first - own.address;
  const mask = BigInt(PAGE_SIZE - 1);
  return headers
    .filter(({ type, flags }) => type === PT_LOAD && (flags & PF_W) === 0)
    .map(({ address, size }) => {
      const begin = (bias + address + mask) & ~mask;
      const end = (bias + address + size) & ~mask;
      return { address: begin, size: Number(end - begin) };
    })
    .filter(({ size }) => size > 0);
}
