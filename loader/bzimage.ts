/**
 * The Linux/x86 kernel image (bzImage): real-mode setup code, which is not used here, and behind it the
 * protected-mode kernel, which unpacks itself.
 *
 * Source: the kernel's `Documentation/arch/x86/boot.rst`, boot protocol 2.00 to 2.15, "Loading The Rest
 * of The Kernel", "32-bit Boot Protocol" and "64-bit Boot Protocol".
 *
 * | the file controls                  | what bounds it                                                |
 * | ---------------------------------- | ------------------------------------------------------------- |
 * | setup_sects, syssize               | the file's size                                               |
 * | pref_address, init_size, alignment | a place in RAM below 4 GiB is found for them, or it's an error |
 * | payload_offset, payload_length     | the protected-mode kernel's size                              |
 * | the version string                 | 256 printable characters                                      |
 * @module
 */
import type { GuestMemory } from "../src/memory/mod.ts";
import {
  LOADED_HIGH,
  type ParsedSetupHeader,
  readSetupHeader,
  SETUP_HEADER_START,
  type SetupHeader,
  versionText,
  XLF_KERNEL_64,
} from "./bzimage_header.ts";
import { KernelFormatError, PlacementError } from "./errors.ts";
import { type ImageSource, readUpTo, viewOf } from "./image.ts";
import { checkPlaces, type Piece } from "./pieces.ts";
import { alignUp, freeRam, lowestFit, type NamedRange, within } from "./ranges.ts";
import { FOUR_GIB, hex, mebibytesUpTo, MIB, PAGE_SIZE, sizeText } from "./text.ts";

export { isBzImage, type SetupHeader } from "./bzimage_header.ts";

/** Where the 64-bit entry is in the protected-mode kernel. */
const ENTRY_64_OFFSET = 0x200;
/** Where a bzImage goes unless it says otherwise. */
const DEFAULT_LOAD_ADDRESS = MIB;
const SECTOR = 512;

/** The compressed kernel in a bzImage. */
export interface KernelPayload {
  /** Where it begins in the file. */
  readonly fileOffset: number;
  /** Bytes. */
  readonly length: number;
  /** By its magic; `"none"` is an ELF file. */
  readonly compression:
    | "gzip"
    | "bzip2"
    | "lzma"
    | "xz"
    | "lzo"
    | "lz4"
    | "zstd"
    | "none"
    | "unknown";
}

/** What a bzImage says of itself. */
export interface BzImage {
  /** The setup header by field. */
  readonly header: SetupHeader;
  /** The setup header as it is in the file, for `struct boot_params` at 0x1f1. */
  readonly headerBytes: Uint8Array<ArrayBuffer>;
  /** Where the protected-mode kernel begins in the file. */
  readonly kernelOffset: number;
  /** Bytes of the protected-mode kernel. */
  readonly kernelSize: number;
  /** Whether it can be entered in 64-bit mode. */
  readonly has64BitEntry: boolean;
  /** Such as `6.1.0-31-cloud-amd64 (…) #1 SMP …`, where the image has it. */
  readonly kernelVersion?: string;
  readonly payload?: KernelPayload;
}

/** Where a bzImage goes. */
export interface BzImagePlace {
  /** The protected-mode kernel. */
  readonly piece: Piece;
  /** The memory it unpacks itself into before it looks at the memory map: nothing else may be there. */
  readonly runtime: NamedRange;
}

/**
 * Reads a bzImage's header and checks the file against it.
 *
 * @throws {KernelFormatError} see {@link readSetupHeader}; a zImage; a truncated file
 */
export function readBzImage(image: ImageSource): BzImage {
  const { header, bytes }: ParsedSetupHeader = readSetupHeader(image);
  if ((header.loadflags & LOADED_HIGH) === 0) {
    const problem = "this is a zImage, which has to be loaded below 1 MiB in real mode";
    throw bad(image, "loadflags", header.loadflags, problem, "give a bzImage");
  }
  const setupSectors = header.setup_sects === 0 ? 4 : header.setup_sects;
  const kernelOffset = (setupSectors + 1) * SECTOR;
  if (kernelOffset >= image.size) {
    const problem =
      `its setup code (setup_sects ${setupSectors}) takes ${kernelOffset} bytes, but ` +
      `the file has ${image.size}`;
    throw bad(image, "setup_sects", header.setup_sects, problem, TRUNCATED);
  }
  const kernelSize = protectedModeSize(image, header, kernelOffset);
  const has64BitEntry = (header.xloadflags & XLF_KERNEL_64) !== 0;
  if (has64BitEntry && kernelSize <= ENTRY_64_OFFSET) {
    const problem = `its ${kernelSize} bytes end before the 64-bit entry`;
    throw bad(image, "syssize", header.syssize, problem, "the file is damaged: copy it again");
  }
  return {
    header,
    headerBytes: bytes,
    kernelOffset,
    kernelSize,
    has64BitEntry,
    kernelVersion: readVersion(image, header, kernelOffset),
    payload: readPayload(image, header, kernelOffset, kernelSize),
  };
}

/**
 * Finds the place for a bzImage and the memory it unpacks itself into.
 *
 * A relocatable kernel gets its preferred address, or the next aligned one above where both fit: below it
 * kernels don't run, they move themselves up to it. One that isn't relocatable has no choice.
 *
 * @throws {PlacementError} when there's no place for it in this guest's memory
 */
export function placeBzImage(
  memory: GuestMemory,
  image: ImageSource,
  kernel: BzImage,
  reserved: readonly NamedRange[],
): BzImagePlace {
  const { header, kernelSize } = kernel;
  const size = Math.max(kernelSize, runtimeSize(kernel));
  const { load, run } = header.relocatable_kernel !== 0
    ? relocated(memory, image, kernel, size, reserved)
    : {
      load: header.code32_start,
      run: header.pref_address === 0 ? header.code32_start : header.pref_address,
    };
  const runtime = {
    start: run,
    end: run + size,
    what: "the memory the kernel unpacks itself into",
  };
  const piece = {
    what: "the kernel",
    start: load,
    end: load + kernelSize,
    fileOffset: kernel.kernelOffset,
    fileSize: kernelSize,
  };
  for (const [place, field] of [[piece, "code32_start"], [runtime, "init_size"]] as const) {
    checkPlaces(memory, image.name, field, [place], reserved);
  }
  return { piece, runtime };
}

/** The guest physical address of the entry of a bzImage that is loaded at `address`. */
export function bzImageEntry(address: number, bits: 32 | 64): number {
  return bits === 64 ? address + ENTRY_64_OFFSET : address;
}

/**
 * The setup header for `struct boot_params`, with code32_start telling where the kernel was loaded, as
 * boot.rst asks of whoever relocates it. The other fields that a boot loader writes are left alone.
 */
export function relocatedHeader(kernel: BzImage, address: number): Uint8Array<ArrayBuffer> {
  const bytes = kernel.headerBytes.slice();
  viewOf(bytes).setUint32(0x214 - SETUP_HEADER_START, address, true);
  return bytes;
}

const TRUNCATED = "the file is truncated: copy it again";

/** syssize, where it can be trusted: before protocol 2.04 it has 16 bits, and the file's rest counts. */
function protectedModeSize(image: ImageSource, header: SetupHeader, kernelOffset: number): number {
  const rest = image.size - kernelOffset;
  if (header.version < 0x204) return rest;
  const size = header.syssize * 16;
  if (size === 0) {
    const problem = "its protected-mode kernel (syssize) is empty";
    throw bad(image, "syssize", 0, problem, "the file is damaged: copy it again");
  }
  if (size > rest) {
    const problem =
      `its header tells of ${size} bytes of kernel (syssize), but the file has ${rest} ` +
      "behind the setup code";
    throw bad(image, "syssize", header.syssize, problem, TRUNCATED);
  }
  return size;
}

/** init_size, or before protocol 2.10 three times the packed kernel's size, which has been enough. */
function runtimeSize({ header, kernelSize }: BzImage): number {
  return header.version >= 0x20a ? header.init_size : alignUp(kernelSize, PAGE_SIZE) * 3;
}

function relocated(
  memory: GuestMemory,
  image: ImageSource,
  { header }: BzImage,
  size: number,
  reserved: readonly NamedRange[],
): { load: number; run: number } {
  const alignment = header.kernel_alignment;
  if (alignment === 0 || !Number.isInteger(Math.log2(alignment))) {
    const problem = `its kernel_alignment is ${hex(alignment)}, which is not a power of two`;
    const remedy = "the file is damaged: copy it again";
    throw bad(image, "kernel_alignment", alignment, problem, remedy);
  }
  const lowest = Math.max(DEFAULT_LOAD_ADDRESS, header.pref_address);
  const bounds = { start: lowest, end: FOUR_GIB };
  const free = within(freeRam(memory, reserved), bounds);
  const load = lowestFit(free, size, alignment);
  if (load !== undefined) return { load, run: load };
  const end = alignUp(lowest, alignment) + size;
  throw new PlacementError({
    file: image.name,
    field: "init_size",
    value: size,
    problem:
      `the kernel needs ${sizeText(size)} of free memory between ${hex(lowest)} and 4 GiB to ` +
      "unpack itself, which this guest does not have",
    remedy: end <= FOUR_GIB
      ? `give the guest at least ${mebibytesUpTo(end)} of memory`
      : "the file is damaged: copy it again",
  });
}

/** kernel_version, less 0x200, must lie in the setup code; it's for display, so anything else is left out. */
function readVersion(
  image: ImageSource,
  header: SetupHeader,
  kernelOffset: number,
): string | undefined {
  const at = header.kernel_version + 0x200;
  if (header.kernel_version === 0 || at >= kernelOffset) return undefined;
  const bytes = readUpTo(image, at, Math.min(256, kernelOffset - at));
  const end = bytes.indexOf(0);
  const text = String.fromCharCode(...bytes.subarray(0, end < 0 ? 0 : end));
  return /^[\x20-\x7e]+$/.test(text) ? text : undefined;
}

const PAYLOAD_MAGICS: ReadonlyMap<number, KernelPayload["compression"]> = new Map([
  [0x1f8b, "gzip"],
  [0x1f9e, "gzip"],
  [0x425a, "bzip2"],
  [0x5d00, "lzma"],
  [0xfd37, "xz"],
  [0x894c, "lzo"],
  [0x0221, "lz4"],
  [0x28b5, "zstd"],
  [0x7f45, "none"],
]);

function readPayload(
  image: ImageSource,
  header: SetupHeader,
  kernelOffset: number,
  kernelSize: number,
): KernelPayload | undefined {
  const { payload_offset: offset, payload_length: length } = header;
  if (offset === 0 || length === 0) return undefined;
  if (offset + length > kernelSize) {
    const problem =
      `its payload (${length} bytes at ${hex(offset)} of the kernel) does not fit into ` +
      `the kernel's ${kernelSize} bytes (boot protocol ${versionText(header.version)})`;
    const remedy = "the file is damaged: copy it again";
    throw bad(image, "payload_length", length, problem, remedy);
  }
  const fileOffset = kernelOffset + offset;
  const magic = readUpTo(image, fileOffset, 2);
  const compression = PAYLOAD_MAGICS.get(magic[0] << 8 | magic[1]) ?? "unknown";
  return { fileOffset, length, compression };
}

function bad(
  image: ImageSource,
  field: string,
  value: number,
  problem: string,
  remedy: string,
): KernelFormatError {
  return new KernelFormatError({ file: image.name, field, value, problem, remedy });
}
