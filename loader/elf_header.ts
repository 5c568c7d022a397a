/**
 * The ELF header and the program headers, of both classes, checked against the file's size.
 *
 * Format: System V ABI (gABI 4.1), "Object Files", and `<elf.h>`, whose names the fields have.
 * @module
 */
import { KernelFormatError } from "./errors.ts";
import { type ImageSource, readUpTo, viewOf } from "./image.ts";
import { hex } from "./text.ts";

/** `\x7fELF` as a little-endian word. */
export const ELF_MAGIC = 0x464c457f;

/** p_type of the segments that matter here. */
export const PT_LOAD = 1;
export const PT_INTERP = 3;
export const PT_NOTE = 4;

/** e_machine of the machines that kernels are loaded for. */
export const EM_386 = 3;
export const EM_X86_64 = 62;

/** p_flags: the segment is executable. */
export const PF_X = 1;

/** Where the fields are in a file of one class. */
interface Layout {
  readonly ehdrSize: number;
  readonly phdrSize: number;
  /** Bytes of an address or offset. */
  readonly word: 4 | 8;
  readonly eEntry: number;
  readonly ePhoff: number;
  readonly ePhentsize: number;
  readonly ePhnum: number;
  readonly pFlags: number;
  readonly pOffset: number;
  readonly pVaddr: number;
  readonly pPaddr: number;
  readonly pFilesz: number;
  readonly pMemsz: number;
  readonly pAlign: number;
}

/** Elf32_Ehdr and Elf32_Phdr. Exported for the comparison with `<elf.h>`. */
export const ELF32_LAYOUT: Layout = {
  ehdrSize: 52,
  phdrSize: 32,
  word: 4,
  eEntry: 24,
  ePhoff: 28,
  ePhentsize: 42,
  ePhnum: 44,
  pFlags: 24,
  pOffset: 4,
  pVaddr: 8,
  pPaddr: 12,
  pFilesz: 16,
  pMemsz: 20,
  pAlign: 28,
};

/** Elf64_Ehdr and Elf64_Phdr. Exported for the comparison with `<elf.h>`. */
export const ELF64_LAYOUT: Layout = {
  ehdrSize: 64,
  phdrSize: 56,
  word: 8,
  eEntry: 24,
  ePhoff: 32,
  ePhentsize: 54,
  ePhnum: 56,
  pFlags: 4,
  pOffset: 8,
  pVaddr: 16,
  pPaddr: 24,
  pFilesz: 32,
  pMemsz: 40,
  pAlign: 48,
};

/** The most bytes of program headers, as Linux has it for programs; it allows 1170 of them. */
const MAX_PHDRS_SIZE = 65536;

/** The architecture that an e_machine stands for, for messages. */
const MACHINES: ReadonlyMap<number, string> = new Map([
  [EM_386, "i386"],
  [EM_X86_64, "x86-64"],
  [2, "SPARC"],
  [8, "MIPS"],
  [20, "PowerPC"],
  [21, "64-bit PowerPC"],
  [22, "s390"],
  [40, "32-bit Arm"],
  [43, "SPARC V9"],
  [50, "Itanium"],
  [183, "aarch64"],
  [243, "RISC-V"],
  [247, "BPF"],
  [258, "LoongArch"],
]);

/** One program header. */
export interface ElfSegment {
  /** Its place in the table, from zero. */
  readonly index: number;
  readonly type: number;
  readonly flags: number;
  /** Where it begins in the file; exact for the loaded ones and the notes, which are within the file. */
  readonly offset: number;
  /** Beyond 2^53 in 64-bit kernels. */
  readonly vaddr: bigint;
  /** Guest physical address. */
  readonly paddr: bigint;
  readonly filesz: bigint;
  readonly memsz: bigint;
  readonly align: bigint;
}

/** What an ELF file says of itself. */
export interface ElfFile {
  readonly class: 32 | 64;
  /** e_machine. */
  readonly machine: number;
  /** e_entry, physical or virtual. */
  readonly entry: bigint;
  readonly segments: readonly ElfSegment[];
}

/**
 * Reads the headers of an ELF kernel.
 *
 * @throws {KernelFormatError} not an executable for an x86 machine, or headers outside the file
 */
export function readElf(image: ImageSource): ElfFile {
  const ident = viewOf(readUpTo(image, 0, ELF64_LAYOUT.ehdrSize));
  if (ident.byteLength < 16 || ident.getUint32(0, true) !== ELF_MAGIC) {
    throw bad(image, "e_ident", "none", "this is not an ELF file", "give an ELF file");
  }
  const fileClass = ident.getUint8(4);
  if (fileClass !== 1 && fileClass !== 2) {
    throw damaged(image, "EI_CLASS", fileClass, "neither 32-bit (1) nor 64-bit (2)");
  }
  const layout = fileClass === 1 ? ELF32_LAYOUT : ELF64_LAYOUT;
  if (ident.byteLength < layout.ehdrSize) {
    throw truncated(image, "e_ehsize", layout.ehdrSize, "the ELF header");
  }
  checkIdentity(image, ident, fileClass);
  const entry = word(ident, layout.eEntry, layout);
  return {
    class: fileClass === 1 ? 32 : 64,
    machine: ident.getUint16(18, true),
    entry,
    segments: readSegments(image, ident, layout),
  };
}

function checkIdentity(image: ImageSource, header: DataView, fileClass: 1 | 2): void {
  const machine = header.getUint16(18, true);
  const data = header.getUint8(5);
  const expected = fileClass === 1 ? EM_386 : EM_X86_64;
  if (data === 2) {
    const remedy = "give a kernel for x86-64";
    throw bad(image, "EI_DATA", data, "this ELF file is for a big-endian machine", remedy);
  }
  if (data !== 1) throw damaged(image, "EI_DATA", data, "neither byte order");
  if (machine !== expected) {
    const name = MACHINES.get(machine) ?? `machine ${machine}`;
    const bits = fileClass === 1 ? "a 32-bit" : "a 64-bit";
    const wanted = MACHINES.get(expected);
    const problem = `this is ${bits} ELF file for ${name}, where ${wanted} is needed`;
    throw bad(image, "e_machine", machine, problem, "give a kernel for x86-64");
  }
  if (header.getUint8(6) !== 1) {
    throw damaged(image, "EI_VERSION", header.getUint8(6), "not version 1");
  }
  const type = header.getUint16(16, true);
  if (type !== 2 && type !== 3) {
    const kind = type === 1
      ? "a relocatable object file, not yet linked"
      : type === 4
      ? "a core dump"
      : `of an unknown type, ${type}`;
    throw bad(image, "e_type", type, `this ELF file is ${kind}`, "give a linked kernel");
  }
}

function readSegments(image: ImageSource, header: DataView, layout: Layout): ElfSegment[] {
  const count = header.getUint16(layout.ePhnum, true);
  const entrySize = header.getUint16(layout.ePhentsize, true);
  const at = word(header, layout.ePhoff, layout);
  if (count === 0) {
    const problem = "this ELF file has no program headers, so nothing to load";
    throw bad(image, "e_phnum", 0, problem, "give a linked kernel");
  }
  if (entrySize !== layout.phdrSize) {
    throw damaged(image, "e_phentsize", entrySize, `not ${layout.phdrSize}`);
  }
  const size = count * entrySize;
  if (size > MAX_PHDRS_SIZE) throw damaged(image, "e_phnum", count, "too many program headers");
  if (at + BigInt(size) > BigInt(image.size)) {
    throw truncated(image, "e_phoff", at, "the program headers");
  }
  const table = viewOf(readUpTo(image, Number(at), size));
  const segments: ElfSegment[] = [];
  for (let index = 0; index < count; index++) {
    segments.push(readSegment(image, table, index, layout));
  }
  return segments;
}

function readSegment(
  image: ImageSource,
  table: DataView,
  index: number,
  layout: Layout,
): ElfSegment {
  const at = index * layout.phdrSize;
  const type = table.getUint32(at, true);
  const offset = word(table, at + layout.pOffset, layout);
  const filesz = word(table, at + layout.pFilesz, layout);
  const used = type === PT_LOAD || type === PT_NOTE;
  if (used && filesz > 0n && offset + filesz > BigInt(image.size)) {
    throw truncated(image, "p_filesz", filesz, `segment ${index}`);
  }
  return {
    index,
    type,
    flags: table.getUint32(at + layout.pFlags, true),
    offset: Number(offset),
    vaddr: word(table, at + layout.pVaddr, layout),
    paddr: word(table, at + layout.pPaddr, layout),
    filesz,
    memsz: word(table, at + layout.pMemsz, layout),
    align: word(table, at + layout.pAlign, layout),
  };
}

/** An address, size or offset of the class's width. */
function word(view: DataView, at: number, layout: Layout): bigint {
  return layout.word === 4 ? BigInt(view.getUint32(at, true)) : view.getBigUint64(at, true);
}

function bad(
  image: ImageSource,
  field: string,
  value: number | bigint | string,
  problem: string,
  remedy: string,
): KernelFormatError {
  return new KernelFormatError({ file: image.name, field, value, problem, remedy });
}

function damaged(image: ImageSource, field: string, value: number, why: string): KernelFormatError {
  const problem = `the ELF header's ${field} is ${value}, ${why}`;
  return bad(image, field, value, problem, "the file is damaged: copy or build it again");
}

function truncated(
  image: ImageSource,
  field: string,
  value: number | bigint,
  what: string,
): KernelFormatError {
  const problem = `${what} (${field} ${hex(value)}) ends beyond the file's ${image.size} bytes`;
  return bad(image, field, value, problem, "the file is truncated: copy it again");
}
