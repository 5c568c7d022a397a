/**
 * The zero page: struct boot_params of the Linux/x86 boot protocol, for its 32-bit and 64-bit entries.
 *
 * Source: Documentation/arch/x86/boot.rst and zero-page.rst, arch/x86/include/uapi/asm/bootparam.h.
 *
 * @module
 */
import type { BootImage } from "./boot_image.ts";
import type { E820Entry } from "./e820.ts";
import { BootSetupError, hex } from "./errors.ts";
import { COMMAND_LINE, ZERO_PAGE } from "./memory_map.ts";

/** Byte offsets in struct boot_params of every field that is written here. */
export const BootParams = Object.freeze({
  acpi_rsdp_addr: 0x070,
  ext_ramdisk_image: 0x0c0,
  ext_ramdisk_size: 0x0c4,
  ext_cmd_line_ptr: 0x0c8,
  e820_entries: 0x1e8,
  hdr: 0x1f1,
  edd_mbr_sig_buffer: 0x290,
  e820_table: 0x2d0,
});

/** Byte offsets in struct boot_params of the fields of `hdr`, the setup header. */
export const SetupHeader = Object.freeze({
  vid_mode: 0x1fa,
  boot_flag: 0x1fe,
  header: 0x202,
  version: 0x206,
  type_of_loader: 0x210,
  loadflags: 0x211,
  ramdisk_image: 0x218,
  ramdisk_size: 0x21c,
  cmd_line_ptr: 0x228,
  kernel_alignment: 0x230,
  cmdline_size: 0x238,
});

/** Entries that boot_params holds (E820_MAX_ENTRIES_ZEROPAGE). */
export const E820_MAXIMUM = 128;
const E820_ENTRY_SIZE = 20;
/** What the setup header may occupy. */
const HEADER_MAXIMUM = BootParams.edd_mbr_sig_buffer - BootParams.hdr;
const BOOT_FLAG = 0xaa55;
/** "HdrS" */
const HEADER_MAGIC = 0x5372_6448;
/** The protocol version of the header that a vmlinux is given: 2.15, the newest. */
const PROTOCOL_VERSION = 0x020f;
/** From this version on the header says how long a command line may be. */
const PROTOCOL_CMDLINE_SIZE = 0x0206;
/** A loader without an assigned number. */
const LOADER_UNDEFINED = 0xff;
/** The protected-mode code is at 1 MiB or above. */
const LOADED_HIGH = 1 << 0;
/** No mode was set: "normal". */
const VID_MODE_NORMAL = 0xffff;
/** COMMAND_LINE_SIZE of x86 without the NUL: what a vmlinux, which has no header to ask, keeps. */
const LINUX_COMMAND_LINE_MAXIMUM = 2047;
const LINUX_KERNEL_ALIGNMENT = 0x20_0000;

/** What the zero page is made of. */
export interface ZeroPageInput {
  readonly image: BootImage;
  readonly memoryMap: readonly E820Entry[];
  /** The guest physical address of the RSDP, for kernels since 5.0; older ones search for it. */
  readonly rsdp: number;
}

/**
 * The bytes of boot_params. The command line goes to {@link COMMAND_LINE}.
 *
 * @throws {BootSetupError} a header that is none, a command line that the kernel would cut off, or a memory
 *   map with too many entries
 */
export function buildZeroPage(input: ZeroPageInput): Uint8Array<ArrayBuffer> {
  const { image, memoryMap, rsdp } = input;
  const page = new Uint8Array(ZERO_PAGE.size);
  const view = new DataView(page.buffer);
  if (image.setupHeader === undefined) writeOwnHeader(view);
  else copyHeader(page, view, image.setupHeader);

  view.setUint8(SetupHeader.type_of_loader, LOADER_UNDEFINED);
  view.setUint8(
    SetupHeader.loadflags,
    view.getUint8(SetupHeader.loadflags) | LOADED_HIGH,
  );
  checkCommandLine(view, image.commandLine ?? "");
  view.setUint32(SetupHeader.cmd_line_ptr, COMMAND_LINE.base, true);
  view.setUint32(BootParams.ext_cmd_line_ptr, 0, true);
  if (image.initrd !== undefined) {
    const { address, size } = image.initrd;
    splitU64(view, SetupHeader.ramdisk_image, BootParams.ext_ramdisk_image, address);
    splitU64(view, SetupHeader.ramdisk_size, BootParams.ext_ramdisk_size, size);
  }
  view.setBigUint64(BootParams.acpi_rsdp_addr, BigInt(rsdp), true);
  writeE820(view, memoryMap);
  return page;
}

/** The header of a bzImage, as the file has it: from the byte at 0x1f1 on. */
function copyHeader(page: Uint8Array, view: DataView, header: Uint8Array): void {
  if (header.length > HEADER_MAXIMUM) {
    throw new BootSetupError(
      `a setup header of ${header.length} bytes does not fit into boot_params: it has ${HEADER_MAXIMUM}`,
    );
  }
  page.set(header, BootParams.hdr);
  const magic = view.getUint32(SetupHeader.header, true);
  if (magic !== HEADER_MAGIC) {
    throw new BootSetupError(`a setup header must have "HdrS" at 0x202; it has ${hex(magic)}`);
  }
}

/** What a boot loader would have found in the bzImage that this vmlinux came from. */
function writeOwnHeader(view: DataView): void {
  view.setUint16(SetupHeader.vid_mode, VID_MODE_NORMAL, true);
  view.setUint16(SetupHeader.boot_flag, BOOT_FLAG, true);
  view.setUint32(SetupHeader.header, HEADER_MAGIC, true);
  view.setUint16(SetupHeader.version, PROTOCOL_VERSION, true);
  view.setUint32(SetupHeader.kernel_alignment, LINUX_KERNEL_ALIGNMENT, true);
  view.setUint32(SetupHeader.cmdline_size, LINUX_COMMAND_LINE_MAXIMUM, true);
}

function checkCommandLine(view: DataView, commandLine: string): void {
  const hasSize = view.getUint16(SetupHeader.version, true) >= PROTOCOL_CMDLINE_SIZE;
  const most = hasSize ? view.getUint32(SetupHeader.cmdline_size, true) : 255;
  const length = new TextEncoder().encode(commandLine).length;
  if (length > most) {
    throw new BootSetupError(
      `the command line has ${length} bytes; this kernel keeps ${most} of them: make it shorter`,
    );
  }
}

function splitU64(view: DataView, low: number, high: number, value: number): void {
  view.setUint32(low, value % 2 ** 32, true);
  view.setUint32(high, Math.floor(value / 2 ** 32), true);
}

function writeE820(view: DataView, memoryMap: readonly E820Entry[]): void {
  if (memoryMap.length > E820_MAXIMUM) {
    throw new BootSetupError(
      `the memory map has ${memoryMap.length} entries; boot_params holds ${E820_MAXIMUM}`,
    );
  }
  view.setUint8(BootParams.e820_entries, memoryMap.length);
  for (const [i, { base, size, type }] of memoryMap.entries()) {
    const at = BootParams.e820_table + i * E820_ENTRY_SIZE;
    view.setBigUint64(at, BigInt(base), true);
    view.setBigUint64(at + 8, BigInt(size), true);
    view.setUint32(at + 16, type, true);
  }
}
