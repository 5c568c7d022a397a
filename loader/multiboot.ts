/**
 * Multiboot kernels (version 1): the header in the first 8 KiB of the file and what it says to load.
 *
 * Source: Multiboot Specification 0.6.96, 3.1 "OS image format". What the kernel is told is made in
 * multiboot_info.ts. Of the requirements (flags 0 to 15), page-aligned modules and memory information
 * are met; a video mode can't be set here, and what isn't known can't be met either: the specification
 * has the loader refuse both. Of the optional flags, 16 (the address fields) is followed.
 *
 * | the file controls                         | what bounds it                                        |
 * | ----------------------------------------- | ----------------------------------------------------- |
 * | where the header is                       | the first 8 KiB, aligned to 4, with its checksum      |
 * | load, load_end and bss_end addresses      | each other, the file's size, RAM and what's reserved  |
 * | the entry                                 | must be in what is loaded                             |
 * @module
 */
import { checkBelow4GiB, checkEntry, elfEntry, planElf, readElf } from "./elf.ts";
import { ELF_MAGIC } from "./elf_header.ts";
import { KernelFormatError } from "./errors.ts";
import { type ImageSource, readUpTo, viewOf } from "./image.ts";
import type { Piece } from "./pieces.ts";
import { hex } from "./text.ts";

/** The header's magic. */
const MULTIBOOT_HEADER_MAGIC = 0x1badb002;
/** How much of the file the header must be in. */
export const MULTIBOOT_SEARCH = 8192;
/** Modules are page aligned, memory information is given. */
const FLAG_PAGE_ALIGN = 1 << 0;
const FLAG_MEMORY_INFO = 1 << 1;
const FLAG_VIDEO_MODE = 1 << 2;
/** The address fields are valid, and used even if the file is ELF. */
const FLAG_ADDRESSES = 1 << 16;
/** Flags 0 to 15: what the loader must know and meet. */
const REQUIREMENTS = 0xffff;
const HEADER_SIZE = 12;
const HEADER_SIZE_WITH_ADDRESSES = 32;

/** The header of a multiboot kernel. */
export interface MultibootHeader {
  /** Where it is in the file. */
  readonly offset: number;
  readonly flags: number;
  /** The address fields, where flag 16 is set: guest physical addresses. */
  readonly addresses?: {
    readonly headerAddr: number;
    readonly loadAddr: number;
    /** Zero: up to the end of the file. */
    readonly loadEndAddr: number;
    /** Zero: no bss. */
    readonly bssEndAddr: number;
    readonly entryAddr: number;
  };
}

/** A multiboot kernel, parsed and checked, and not yet loaded. */
export interface MultibootKernel {
  readonly entry: number;
  readonly pieces: readonly Piece[];
  /** The field that gives the pieces' places, for messages. */
  readonly field: "load_addr" | "p_paddr";
}

/** Looks for the header in the file's first 8 KiB. */
export function findMultibootHeader(head: Uint8Array<ArrayBuffer>): MultibootHeader | undefined {
  const view = viewOf(head.subarray(0, MULTIBOOT_SEARCH));
  for (let at = 0; at + HEADER_SIZE <= view.byteLength; at += 4) {
    if (view.getUint32(at, true) !== MULTIBOOT_HEADER_MAGIC) continue;
    const flags = view.getUint32(at + 4, true);
    const sum = MULTIBOOT_HEADER_MAGIC + flags + view.getUint32(at + 8, true);
    if (sum % 2 ** 32 !== 0) continue;
    if ((flags & FLAG_ADDRESSES) === 0) return { offset: at, flags };
    if (at + HEADER_SIZE_WITH_ADDRESSES > view.byteLength) continue;
    const addresses = {
      headerAddr: view.getUint32(at + 12, true),
      loadAddr: view.getUint32(at + 16, true),
      loadEndAddr: view.getUint32(at + 20, true),
      bssEndAddr: view.getUint32(at + 24, true),
      entryAddr: view.getUint32(at + 28, true),
    };
    return { offset: at, flags, addresses };
  }
  return undefined;
}

/**
 * What to load of a multiboot kernel.
 *
 * @throws {KernelFormatError} no header, a requirement that can't be met, inconsistent addresses
 * @throws {PlacementError} a segment above 4 GiB
 */
export function planMultiboot(image: ImageSource): MultibootKernel {
  const head = readUpTo(image, 0, MULTIBOOT_SEARCH);
  const header = findMultibootHeader(head);
  if (header === undefined) {
    const problem = `there is no multiboot header in the first ${MULTIBOOT_SEARCH} bytes`;
    throw bad(image, "magic", "none", problem, "give a multiboot kernel");
  }
  checkRequirements(image, header.flags);
  if (header.addresses !== undefined) return planAddresses(image, header.offset, header.addresses);
  if (head.length < 4 || viewOf(head).getUint32(0, true) !== ELF_MAGIC) {
    const problem =
      "its multiboot header has no address fields (flag 16), and it is not an ELF file";
    throw bad(image, "flags", header.flags, problem, "set flag 16, or link it as ELF");
  }
  const elf = readElf(image);
  const pieces = planElf(image, elf);
  checkBelow4GiB(image, "p_paddr", pieces);
  return { entry: elfEntry(image, elf), pieces, field: "p_paddr" };
}

function checkRequirements(image: ImageSource, flags: number): void {
  if ((flags & FLAG_VIDEO_MODE) !== 0) {
    const problem =
      "it requires a video mode (flag 2 of its multiboot header), but there is no video";
    throw bad(image, "flags", flags, problem, "build it without that flag, for a serial console");
  }
  const unknown = flags & REQUIREMENTS & ~(FLAG_PAGE_ALIGN | FLAG_MEMORY_INFO);
  if (unknown !== 0) {
    const problem = `its multiboot header requires what is not defined (flags ${hex(unknown)})`;
    throw bad(image, "flags", flags, problem, "build it without those flags");
  }
}

/** 3.1.3 "The address fields of Multiboot header". */
function planAddresses(
  image: ImageSource,
  headerOffset: number,
  addresses: NonNullable<MultibootHeader["addresses"]>,
): MultibootKernel {
  const { headerAddr, loadAddr, loadEndAddr, bssEndAddr, entryAddr } = addresses;
  const fileOffset = headerOffset - (headerAddr - loadAddr);
  if (headerAddr < loadAddr || fileOffset < 0) {
    const problem = `its load_addr ${hex(loadAddr)} does not go with its header_addr ` +
      `${hex(headerAddr)} and the header at ${hex(headerOffset)} of the file`;
    throw bad(image, "load_addr", loadAddr, problem, REBUILD);
  }
  const rest = image.size - fileOffset;
  const fileSize = loadEndAddr === 0 ? rest : loadEndAddr - loadAddr;
  if (fileSize <= 0) {
    const problem = `its load_end_addr ${hex(loadEndAddr)} is not above load_addr ${hex(loadAddr)}`;
    throw bad(image, "load_end_addr", loadEndAddr, problem, REBUILD);
  }
  if (fileSize > rest) {
    const problem =
      `its load_end_addr ${hex(loadEndAddr)} asks for ${fileSize} bytes, but the file ` +
      `has ${rest} from there`;
    throw bad(image, "load_end_addr", loadEndAddr, problem, "the file is truncated: copy it again");
  }
  const dataEnd = loadAddr + fileSize;
  if (bssEndAddr !== 0 && bssEndAddr < dataEnd) {
    const problem = `its bss_end_addr ${hex(bssEndAddr)} is below the end of its data ${
      hex(dataEnd)
    }`;
    throw bad(image, "bss_end_addr", bssEndAddr, problem, REBUILD);
  }
  const end = bssEndAddr === 0 ? dataEnd : bssEndAddr;
  const pieces = [{ what: "the kernel", start: loadAddr, end, fileOffset, fileSize }];
  checkEntry(image, "entry_addr", entryAddr, pieces);
  checkBelow4GiB(image, "load_addr", pieces);
  return { entry: entryAddr, pieces, field: "load_addr" };
}

const REBUILD = "the file is damaged or wrongly linked: build it again";

function bad(
  image: ImageSource,
  field: string,
  value: number | string,
  problem: string,
  remedy: string,
): KernelFormatError {
  return new KernelFormatError({ file: image.name, field, value, problem, remedy });
}
