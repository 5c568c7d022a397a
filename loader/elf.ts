/**
 * ELF kernels: a Linux vmlinux, a PVH guest, a multiboot kernel. Segments go to their physical addresses
 * (p_paddr), and the memory behind their bytes is zeroed.
 *
 * e_entry is a physical address in a Linux vmlinux (its linker script enters at `phys_startup_64`), and
 * is taken as that where a segment is loaded over it. Other kernels give a virtual address there; it is
 * then translated through the segment whose virtual addresses it is among.
 *
 * | the file controls                        | what bounds it                                           |
 * | ---------------------------------------- | -------------------------------------------------------- |
 * | the number and place of program headers  | 64 KiB, and the file's size                              |
 * | each segment's place in the file         | the file's size                                          |
 * | each segment's place and size in memory  | RAM, what is reserved in it, and the other segments      |
 * | the entry, the PVH entry                 | must be in a loaded segment                              |
 * | the notes                                | 1 MiB a segment; each must fit in it                     |
 * @module
 */
import { type ElfFile, type ElfSegment, PF_X, PT_INTERP, PT_LOAD, PT_NOTE } from "./elf_header.ts";
import { type KernelNotes, readKernelNotes } from "./elf_notes.ts";
import { KernelFormatError, PlacementError } from "./errors.ts";
import type { ImageSource } from "./image.ts";
import type { Piece } from "./pieces.ts";
import { FOUR_GIB, hex } from "./text.ts";

export { type ElfFile, readElf } from "./elf_header.ts";

/**
 * What the notes in an ELF file's PT_NOTE segments say.
 *
 * @throws {KernelFormatError} see {@link readKernelNotes}
 */
export function elfNotes(image: ImageSource, elf: ElfFile): KernelNotes {
  const segments = elf.segments
    .filter(({ type, filesz }) => type === PT_NOTE && filesz > 0n)
    .map(({ offset, filesz, align }) => ({
      fileOffset: offset,
      fileSize: Number(filesz),
      alignment: align === 8n ? 8 : 4,
    }));
  return readKernelNotes(image, segments);
}

/**
 * What to load of an ELF kernel, in the order of the program headers; never nothing.
 *
 * @throws {KernelFormatError} a program for a dynamic linker, nothing to load, or inconsistent sizes
 * @throws {PlacementError} a segment at an address that no guest has
 */
export function planElf(image: ImageSource, elf: ElfFile): readonly Piece[] {
  const interpreter = elf.segments.find(({ type }) => type === PT_INTERP);
  if (interpreter !== undefined) {
    throw new KernelFormatError({
      file: image.name,
      field: "p_type",
      value: PT_INTERP,
      problem: "this ELF file is a program that needs a dynamic linker, not a kernel",
      remedy: "give a kernel, and programs in its initrd",
    });
  }
  const pieces = loadSegments(elf).map((segment) => planSegment(image, segment));
  if (pieces.length === 0) {
    throw new KernelFormatError({
      file: image.name,
      field: "PT_LOAD",
      value: 0,
      problem: "this ELF file has no segment to load",
      remedy: "give a linked kernel",
    });
  }
  return pieces;
}

/**
 * e_entry as a guest physical address: see the module's doc.
 *
 * @throws {KernelFormatError} it is in no segment
 */
export function elfEntry(image: ImageSource, elf: ElfFile): number {
  const { entry } = elf;
  const loads = loadSegments(elf);
  if (loads.some(({ paddr, memsz }) => entry >= paddr && entry < paddr + memsz)) {
    return Number(entry);
  }
  const virtual = loads.find(({ vaddr, memsz, flags }) =>
    (flags & PF_X) !== 0 && entry >= vaddr && entry < vaddr + memsz
  );
  if (virtual !== undefined) return Number(entry - virtual.vaddr + virtual.paddr);
  throw new KernelFormatError({
    file: image.name,
    field: "e_entry",
    value: entry,
    problem: `the entry ${hex(entry)} (e_entry) is in none of the segments`,
    remedy: "the file is damaged or wrongly linked: build it again",
  });
}

function loadSegments({ segments }: ElfFile): ElfSegment[] {
  return segments.filter(({ type, memsz }) => type === PT_LOAD && memsz > 0n);
}

/**
 * Checks that an entry is in what is loaded.
 *
 * @param field what the error calls it
 * @throws {KernelFormatError} it is not
 */
export function checkEntry(
  image: ImageSource,
  field: string,
  entry: number,
  pieces: readonly Piece[],
): void {
  if (pieces.some(({ start, end }) => entry >= start && entry < end)) return;
  throw new KernelFormatError({
    file: image.name,
    field,
    value: entry,
    problem: `the entry ${hex(entry)} (${field}) is in nothing that is loaded`,
    remedy: "the file is damaged or wrongly linked: build it again",
  });
}

function planSegment(image: ImageSource, segment: ElfSegment): Piece {
  const { index, offset, paddr, filesz, memsz } = segment;
  if (filesz > memsz) {
    throw new KernelFormatError({
      file: image.name,
      field: "p_filesz",
      value: filesz,
      problem:
        `segment ${index} has ${filesz} bytes in the file (p_filesz) for ${memsz} bytes of ` +
        "memory (p_memsz)",
      remedy: "the file is damaged: copy or build it again",
    });
  }
  if (paddr + memsz > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new PlacementError({
      file: image.name,
      field: "p_paddr",
      value: paddr,
      problem: `segment ${index} goes from ${hex(paddr)} to ${hex(paddr + memsz)}, beyond any ` +
        "guest's physical addresses",
      remedy:
        "link it to physical addresses, with AT() in the linker script where virtual ones differ",
    });
  }
  const start = Number(paddr);
  return {
    what: `segment ${index}`,
    start,
    end: start + Number(memsz),
    fileOffset: offset,
    fileSize: Number(filesz),
  };
}

/**
 * Checks that all of a kernel is below 4 GiB: in 32-bit mode there's nothing else, and a 64-bit kernel is
 * entered with no more than that mapped.
 *
 * @throws {PlacementError} a piece is not
 */
export function checkBelow4GiB(image: ImageSource, field: string, pieces: readonly Piece[]): void {
  const high = pieces.find(({ end }) => end > FOUR_GIB);
  if (high === undefined) return;
  throw new PlacementError({
    file: image.name,
    field,
    value: high.start,
    problem: `${high.what} ends at ${hex(high.end)}, above the 4 GiB that a kernel is started in`,
    remedy: "link it below 4 GiB",
  });
}
