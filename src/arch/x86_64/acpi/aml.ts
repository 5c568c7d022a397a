/**
 * ACPI Machine Language: each function gives the bytes of one term; terms nest by being passed on.
 *
 * ```ts
 * import { device, eisaId, name } from "./aml.ts";
 *
 * const rtc = device("RTC0", name("_HID", eisaId("PNP0B00")));
 * if (rtc[0] !== 0x5b || rtc[1] !== 0x82) throw new Error("DeviceOp");
 * ```
 *
 * Source: ACPI Specification 6.5, chapter 20 (AML grammar and encoding).
 *
 * @module
 */
import { concat, little } from "../bytes.ts";
import { BootSetupError } from "../errors.ts";

/** The encoding of one or more terms. */
export type Aml = Uint8Array<ArrayBuffer>;

const NameOp = 0x08;
const BytePrefix = 0x0a;
const WordPrefix = 0x0b;
const DWordPrefix = 0x0c;
const StringPrefix = 0x0d;
const QWordPrefix = 0x0e;
const ScopeOp = 0x10;
const BufferOp = 0x11;
const PackageOp = 0x12;
const MethodOp = 0x14;
const Arg0Op = 0x68;
const DualNamePrefix = 0x2e;
const MultiNamePrefix = 0x2f;
const ExtOpPrefix = 0x5b;
const DeviceOp = 0x82;
const ReturnOp = 0xa4;

/**
 * PkgLength: the size of what follows and of itself, in one to four bytes (20.2.4).
 *
 * @param content the size of what follows
 */
export function packageLength(content: number): Aml {
  if (content + 1 < 0x40) return concat(content + 1);
  for (const following of [1, 2, 3]) {
    const total = content + 1 + following;
    if (total >= 1 << (4 + 8 * following)) continue;
    const rest = little(total >> 4, 4).subarray(0, following);
    return concat((following << 6) | (total & 0xf), rest);
  }
  throw new BootSetupError(`AML: a package of ${content} bytes is too long`);
}

/** An opcode, the length of what follows, and what follows. */
function counted(opcode: readonly number[], ...content: readonly (number | Uint8Array)[]): Aml {
  const body = concat(...content);
  return concat(...opcode, packageLength(body.length), body);
}

/**
 * NameString: `"_SB.PCI0"`, `"\\_S5"`, `"^FOO"`. Segments shorter than four characters are padded with `_`.
 *
 * @throws {BootSetupError} a segment that is no NameSeg
 */
export function nameString(path: string): Aml {
  const prefix = /^(\\|\^*)/.exec(path)![0];
  const segments = path.slice(prefix.length).split(".");
  for (const segment of segments) {
    if (!/^[A-Z_][A-Z0-9_]{0,3}$/.test(segment)) {
      throw new BootSetupError(`AML: "${segment}" in the name "${path}" is no name segment`);
    }
  }
  const encoded = ascii(segments.map((segment) => segment.padEnd(4, "_")).join(""));
  const head = segments.length === 1
    ? []
    : segments.length === 2
    ? [DualNamePrefix]
    : [MultiNamePrefix, segments.length];
  return concat(ascii(prefix), ...head, encoded);
}

/** An unsigned integer of at most 64 bits, in its shortest form. */
export function integer(value: number | bigint): Aml {
  const wide = BigInt(value);
  if (wide === 0n || wide === 1n) return concat(Number(wide));
  if (wide < 1n << 8n) return concat(BytePrefix, little(wide, 1));
  if (wide < 1n << 16n) return concat(WordPrefix, little(wide, 2));
  if (wide < 1n << 32n) return concat(DWordPrefix, little(wide, 4));
  return concat(QWordPrefix, little(wide, 8));
}

/** A string of ASCII characters. */
export function string(text: string): Aml {
  return concat(StringPrefix, ascii(text), 0);
}

/**
 * A compressed EISA id such as `"PNP0501"` (the EISAID macro, 19.6.36).
 *
 * @throws {BootSetupError} what is not three letters and four hexadecimal digits
 */
export function eisaId(id: string): Aml {
  if (!/^[A-Z]{3}[0-9A-F]{4}$/.test(id)) throw new BootSetupError(`AML: "${id}" is no EISA id`);
  const letter = (i: number) => id.charCodeAt(i) - 0x40;
  const vendor = (letter(0) << 10) | (letter(1) << 5) | letter(2);
  const product = parseInt(id.slice(3), 16);
  // The id's four bytes are big-endian within a little-endian DWord.
  return concat(DWordPrefix, vendor >> 8, vendor & 0xff, product >> 8, product & 0xff);
}

/** `Name (path, value)` */
export function name(path: string, value: Aml): Aml {
  return concat(NameOp, nameString(path), value);
}

/** `Scope (path) { terms }` */
export function scope(path: string, ...terms: readonly Aml[]): Aml {
  return counted([ScopeOp], nameString(path), ...terms);
}

/** `Device (path) { terms }` */
export function device(path: string, ...terms: readonly Aml[]): Aml {
  return counted([ExtOpPrefix, DeviceOp], nameString(path), ...terms);
}

/** `Package { elements }`, of at most 255. */
export function pkg(...elements: readonly Aml[]): Aml {
  return counted([PackageOp], little(elements.length, 1), ...elements);
}

/** `Buffer { bytes }` */
export function buffer(bytes: Uint8Array): Aml {
  return counted([BufferOp], integer(bytes.length), bytes);
}

/**
 * `Method (path, arguments, Serialized) { terms }`
 *
 * Each is serialized: none here is called often, and one that creates names must be.
 */
export function method(path: string, args: number, ...terms: readonly Aml[]): Aml {
  if (args < 0 || args > 7) throw new BootSetupError(`AML: a method can't have ${args} arguments`);
  const SERIALIZED = 1 << 3;
  return counted([MethodOp], nameString(path), args | SERIALIZED, ...terms);
}

/** `Arg0` to `Arg6`: what a method was called with. */
export function argument(index: number): Aml {
  if (index < 0 || index > 6) throw new BootSetupError(`AML: a method has no argument ${index}`);
  return concat(Arg0Op + index);
}

/** `Return (value)` */
export function returnValue(value: Aml): Aml {
  return concat(ReturnOp, value);
}

function ascii(text: string): Aml {
  const bytes = new TextEncoder().encode(text);
  const isAscii = bytes.every((byte) => byte > 0 && byte < 0x80);
  if (!isAscii) throw new BootSetupError(`AML: "${text}" is not ASCII`);
  return bytes;
}
