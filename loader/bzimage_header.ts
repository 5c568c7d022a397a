/**
 * The setup header of a Linux/x86 kernel image, field by field.
 *
 * Source: the kernel's `Documentation/arch/x86/boot.rst`, "The Real-Mode Kernel Header" and "Details of
 * Header Fields"; `struct setup_header` in `<asm/bootparam.h>`, whose names the fields have. A field that
 * the image's protocol version does not have yet reads as the default that boot.rst gives for it.
 * @module
 */
import { KernelFormatError } from "./errors.ts";
import { type ImageSource, readUpTo, viewOf } from "./image.ts";
import { hex } from "./text.ts";

/** Where a field is, how wide, since which protocol version, and its value before that. */
interface Field {
  readonly offset: number;
  readonly size: 1 | 2 | 4 | 8;
  readonly since: number;
  readonly before: number;
}

function field(offset: number, size: 1 | 2 | 4 | 8, since: number, before = 0): Field {
  return { offset, size, since, before };
}

/** The fields that a loader reads. Exported for the comparison with the kernel's header. */
export const SETUP_HEADER_FIELDS = {
  setup_sects: field(0x1f1, 1, 0x200),
  syssize: field(0x1f4, 4, 0x204),
  boot_flag: field(0x1fe, 2, 0x200),
  jump: field(0x200, 2, 0x200),
  header: field(0x202, 4, 0x200),
  version: field(0x206, 2, 0x200),
  kernel_version: field(0x20e, 2, 0x200),
  loadflags: field(0x211, 1, 0x200),
  code32_start: field(0x214, 4, 0x200),
  initrd_addr_max: field(0x22c, 4, 0x203, 0x37ff_ffff),
  kernel_alignment: field(0x230, 4, 0x205),
  relocatable_kernel: field(0x234, 1, 0x205),
  xloadflags: field(0x236, 2, 0x20c),
  cmdline_size: field(0x238, 4, 0x206, 255),
  payload_offset: field(0x248, 4, 0x208),
  payload_length: field(0x24c, 4, 0x208),
  pref_address: field(0x258, 8, 0x20a),
  init_size: field(0x260, 4, 0x20a),
} as const satisfies Record<string, Field>;

/** The name of a field of the setup header. */
export type SetupField = keyof typeof SETUP_HEADER_FIELDS;

/** The setup header's values by their names in the kernel's source. */
export type SetupHeader = Readonly<Record<SetupField, number>>;

/** Where the header begins in the file, and in `struct boot_params`. */
export const SETUP_HEADER_START = 0x1f1;
/** `HdrS`, the header field's magic. */
const HDRS_MAGIC = 0x53726448;
const BOOT_FLAG = 0xaa55;
/** The opcode of a short jump, whose displacement tells the header's end. */
const SHORT_JUMP = 0xeb;
/** boot.rst: "setup_header is permanently limited to 144 bytes". */
const SETUP_HEADER_MAX = 144;

/** loadflags: the kernel is loaded at 1 MiB rather than at 64 KiB. */
export const LOADED_HIGH = 1 << 0;
/** xloadflags: there is a 64-bit entry, 0x200 bytes into the kernel. */
export const XLF_KERNEL_64 = 1 << 0;

/** Whether the file's beginning has the magic of a kernel of boot protocol 2.00 or later. */
export function isBzImage(head: Uint8Array<ArrayBuffer>): boolean {
  if (head.length < 0x208) return false;
  const view = viewOf(head);
  return view.getUint16(0x1fe, true) === BOOT_FLAG && view.getUint32(0x202, true) === HDRS_MAGIC &&
    view.getUint16(0x206, true) >= 0x200;
}

/** The header as it is in the file, from {@link SETUP_HEADER_START} to its end, and what it says. */
export interface ParsedSetupHeader {
  readonly header: SetupHeader;
  /** For `struct boot_params`, at offset 0x1f1. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/**
 * Reads the setup header.
 *
 * @throws {KernelFormatError} no such header, or one that ends before a field its version has
 */
export function readSetupHeader(image: ImageSource): ParsedSetupHeader {
  const head = readUpTo(image, 0, SETUP_HEADER_START + SETUP_HEADER_MAX);
  if (!isBzImage(head)) {
    throw bad(image, "header", "none", "there is no HdrS header", "give a bzImage");
  }
  const view = viewOf(head);
  const version = view.getUint16(0x206, true);
  const end = headerEnd(image, view);
  if (end > head.length) {
    const problem = `the file's ${image.size} bytes end within the setup header`;
    throw bad(image, "size", image.size, problem, "the file is truncated: copy it again");
  }
  const header = { ...DEFAULTS };
  for (const name of FIELD_NAMES) {
    const { offset, size, since } = SETUP_HEADER_FIELDS[name];
    if (version < since) continue;
    if (offset + size > end) {
      const problem = `the setup header ends at ${hex(end)}, before its ` +
        `${name}, which boot protocol ${versionText(version)} has`;
      throw bad(image, "jump", end, problem, "the file is damaged: copy it again");
    }
    header[name] = size === 8 ? safe(image, name, view, offset) : read(view, offset, size);
  }
  return { header, bytes: head.slice(SETUP_HEADER_START, end) };
}

/** A boot protocol version as it is spoken of: 0x20f is `2.15`. */
export function versionText(version: number): string {
  return `${version >> 8}.${String(version & 0xff).padStart(2, "0")}`;
}

const FIELD_NAMES = Object.keys(SETUP_HEADER_FIELDS) as SetupField[];
const DEFAULTS = Object.fromEntries(
  FIELD_NAMES.map((name) => [name, SETUP_HEADER_FIELDS[name].before]),
) as Record<SetupField, number>;

/** boot.rst, "32-bit Boot Protocol": 0x202 plus the byte at 0x201. */
function headerEnd(image: ImageSource, view: DataView): number {
  const opcode = view.getUint8(0x200);
  const end = 0x202 + view.getUint8(0x201);
  if (opcode === SHORT_JUMP && end <= SETUP_HEADER_START + SETUP_HEADER_MAX) return end;
  const value = view.getUint16(0x200, true);
  const problem = `the setup header does not begin with a short jump over itself (jump is ${
    hex(value)
  })`;
  throw bad(image, "jump", value, problem, "the file is damaged: copy it again");
}

function read(view: DataView, offset: number, size: 1 | 2 | 4): number {
  if (size === 1) return view.getUint8(offset);
  return size === 2 ? view.getUint16(offset, true) : view.getUint32(offset, true);
}

function safe(image: ImageSource, name: SetupField, view: DataView, offset: number): number {
  const value = view.getBigUint64(offset, true);
  if (value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value);
  const problem = `the setup header's ${name} is ${hex(value)}, beyond any guest's addresses`;
  throw bad(image, name, value, problem, "the file is damaged: copy it again");
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
