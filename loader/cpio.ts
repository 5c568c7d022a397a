/**
 * A writer of cpio archives in the "newc" format, the one the Linux kernel unpacks as its initial
 * root file system (initramfs).
 *
 * The format is that of the kernel's `Documentation/driver-api/early-userspace/buffer-format.rst`:
 * for each entry a 110-byte header of hexadecimal digits, the NUL-terminated name and the data,
 * name and data each padded with zeros to a multiple of four, and an entry named `TRAILER!!!` at
 * the end. An archive written here depends on nothing but its entries: modification times are
 * zero, inode numbers count from one, and owners are root unless said otherwise.
 *
 * ```ts
 * import { cpioArchive } from "./cpio.ts";
 *
 * const archive = cpioArchive([
 *   { path: "init", type: "file", mode: 0o755, data: "#!/bin/sh\nexec /bin/sh\n" },
 *   { path: "bin/sh", type: "symlink", target: "busybox" },
 *   { path: "dev/console", type: "character-device", major: 5, minor: 1, mode: 0o600 },
 * ]);
 * ```
 *
 * @module
 */

/** What every entry of an archive has. */
interface CpioEntryBase {
  /** Path below the archive's root, with or without a leading `/`; no `.` or `..` in it. */
  readonly path: string;
  /** Permission bits, 0 to 0o7777; the default depends on the type. */
  readonly mode?: number;
  /** Owner's user id; 0 by default. */
  readonly uid?: number;
  /** Owner's group id; 0 by default. */
  readonly gid?: number;
}

/** A directory; its default mode is 0o755. */
export interface CpioDirectory extends CpioEntryBase {
  readonly type: "directory";
}

/** A regular file; its default mode is 0o644. A string is written as UTF-8. */
export interface CpioFile extends CpioEntryBase {
  readonly type: "file";
  readonly data: Uint8Array | string;
}

/** A symbolic link; its default mode is 0o777, as on Linux. */
export interface CpioSymlink extends CpioEntryBase {
  readonly type: "symlink";
  /** What the link says; it need not exist in the archive. */
  readonly target: string;
}

/** A device node; its default mode is 0o600. */
export interface CpioDevice extends CpioEntryBase {
  readonly type: "character-device" | "block-device";
  readonly major: number;
  readonly minor: number;
}

/** A named pipe; its default mode is 0o600. */
export interface CpioFifo extends CpioEntryBase {
  readonly type: "fifo";
}

/** One entry of an archive. */
export type CpioEntry = CpioDirectory | CpioFile | CpioSymlink | CpioDevice | CpioFifo;

/** An entry that cannot be written; the message names its path and what is wrong with it. */
export class CpioError extends Error {
  override readonly name = "CpioError";
  /** @param path the entry's path as the caller gave it. */
  constructor(readonly path: string, problem: string) {
    super(`cpio entry ${JSON.stringify(path)}: ${problem}`);
  }
}

const MAGIC = "070701";
const HEADER_BYTES = 110;
const TRAILER = "TRAILER!!!";
const U32_MAX = 0xffff_ffff;
/** init/initramfs.c skips an entry whose name, with its NUL, or whose link target is longer. */
const PATH_MAX = 4096;
/** A longer component cannot exist on the guest's root file system. */
const NAME_MAX = 255;
/** Majors have 12 bits and minors 20 in the kernel's dev_t. */
const MAJOR_MAX = 0xfff;
const MINOR_MAX = 0xf_ffff;

/** File type bits of `st_mode` and default permissions, by entry type (inode(7)). */
const KINDS: Readonly<Record<CpioEntry["type"], { format: number; mode: number }>> = {
  "fifo": { format: 0o010000, mode: 0o600 },
  "character-device": { format: 0o020000, mode: 0o600 },
  "directory": { format: 0o040000, mode: 0o755 },
  "block-device": { format: 0o060000, mode: 0o600 },
  "file": { format: 0o100000, mode: 0o644 },
  "symlink": { format: 0o120000, mode: 0o777 },
};

const ZEROS = new Uint8Array(4);
const encoder = new TextEncoder();

/** An entry with its name cleaned and encoded, and its data as bytes. */
interface Prepared {
  readonly entry: CpioEntry;
  readonly name: Uint8Array;
  readonly data: Uint8Array;
}

/**
 * Writes an archive as a sequence of pieces, in order. File data is passed on as the very array
 * that the entry holds, so a large file is not copied. All entries are checked before the first
 * piece is given.
 *
 * Directories above an entry that are not entries themselves are added, mode 0o755, and a
 * directory is always written before what is in it.
 *
 * @throws {CpioError} for a name, mode, owner, device number or size that the format or the kernel
 * cannot take, for two entries with one path, and for an entry below something not a directory.
 */
export function cpioPieces(entries: Iterable<CpioEntry>): Iterable<Uint8Array> {
  return pieces(prepare(entries));
}

/**
 * Writes an archive into one array.
 *
 * @throws {CpioError} as {@linkcode cpioPieces} does.
 */
export function cpioArchive(entries: Iterable<CpioEntry>): Uint8Array<ArrayBuffer> {
  const parts = [...cpioPieces(entries)];
  const archive = new Uint8Array(parts.reduce((size, part) => size + part.byteLength, 0));
  let at = 0;
  for (const part of parts) {
    archive.set(part, at);
    at += part.byteLength;
  }
  return archive;
}

function* pieces(prepared: readonly Prepared[]): Generator<Uint8Array> {
  let inode = 1;
  for (const { entry, name, data } of prepared) {
    yield header(entry, inode++, name, data.byteLength);
    if (data.byteLength > 0) yield data;
    const padding = padding4(data.byteLength);
    if (padding > 0) yield ZEROS.subarray(0, padding);
  }
  yield header(null, 0, encoder.encode(TRAILER), 0);
}

/** The header with the name behind it, padded; `null` stands for the trailer. */
function header(entry: CpioEntry | null, inode: number, name: Uint8Array, size: number) {
  const kind = entry === null ? null : KINDS[entry.type];
  const device = entry !== null && "major" in entry ? entry : { major: 0, minor: 0 };
  const fields = [
    inode,
    kind === null ? 0 : kind.format | (entry?.mode ?? kind.mode),
    entry?.uid ?? 0,
    entry?.gid ?? 0,
    // More than one link would make the kernel look for the file's other names by inode number.
    entry?.type === "directory" ? 2 : 1,
    0, // mtime
    size,
    0, // device holding the file, major
    0, // and minor
    device.major,
    device.minor,
    name.byteLength + 1,
    0, // checksum: unused in newc
  ];
  const text = MAGIC + fields.map((field) => field.toString(16).padStart(8, "0")).join("");
  const unpadded = HEADER_BYTES + name.byteLength + 1;
  const bytes = new Uint8Array(unpadded + padding4(unpadded));
  encoder.encodeInto(text, bytes);
  bytes.set(name, HEADER_BYTES);
  return bytes;
}

function padding4(size: number): number {
  return (4 - size % 4) % 4;
}

/** Checks all entries, adds the directories that they need and puts them in writing order. */
function prepare(entries: Iterable<CpioEntry>): Prepared[] {
  const byPath = new Map<string, CpioEntry>();
  for (const entry of entries) {
    const path = checkedPath(entry);
    if (byPath.has(path)) throw new CpioError(entry.path, "is in the archive twice");
    checkNumbers(entry);
    byPath.set(path, entry);
  }
  const ordered = new Map<string, Prepared>();
  for (const [path, entry] of byPath) {
    for (let slash = path.indexOf("/"); slash !== -1; slash = path.indexOf("/", slash + 1)) {
      const parent = path.slice(0, slash);
      const directory = byPath.get(parent) ?? { path: parent, type: "directory" as const };
      if (directory.type !== "directory") {
        throw new CpioError(entry.path, `is below ${parent}, which is a ${directory.type}`);
      }
      if (!ordered.has(parent)) ordered.set(parent, prepared(parent, directory));
    }
    if (!ordered.has(path)) ordered.set(path, prepared(path, entry));
  }
  return [...ordered.values()];
}

function prepared(path: string, entry: CpioEntry): Prepared {
  const name = encoder.encode(path);
  if (name.byteLength + 1 > PATH_MAX) {
    throw new CpioError(entry.path, `its name is longer than ${PATH_MAX - 1} bytes`);
  }
  const data = dataOf(entry);
  if (data.byteLength > U32_MAX) {
    throw new CpioError(entry.path, "is 4 GiB or larger, which the format cannot hold");
  }
  return { entry, name, data };
}

function dataOf(entry: CpioEntry): Uint8Array {
  if (entry.type === "file") {
    return typeof entry.data === "string" ? encoder.encode(entry.data) : entry.data;
  }
  if (entry.type !== "symlink") return ZEROS.subarray(0, 0);
  const target = encoder.encode(entry.target);
  if (target.byteLength === 0) throw new CpioError(entry.path, "its link target is empty");
  if (entry.target.includes("\0")) throw new CpioError(entry.path, "NUL in its link target");
  if (target.byteLength >= PATH_MAX) {
    throw new CpioError(entry.path, `its link target is longer than ${PATH_MAX - 1} bytes`);
  }
  return target;
}

/** The path without its leading slash. */
function checkedPath(entry: CpioEntry): string {
  const path = entry.path.startsWith("/") ? entry.path.slice(1) : entry.path;
  if (path === "") throw new CpioError(entry.path, "has no name");
  if (path === TRAILER) throw new CpioError(entry.path, "is the name that ends an archive");
  if (path.includes("\0")) throw new CpioError(entry.path, "NUL in its name");
  if (!path.isWellFormed()) throw new CpioError(entry.path, "its name is not valid Unicode");
  for (const component of path.split("/")) {
    if (component === "" || component === "." || component === "..") {
      throw new CpioError(entry.path, `"${component}" cannot be a part of its path`);
    }
    if (encoder.encode(component).byteLength > NAME_MAX) {
      throw new CpioError(entry.path, `a part of its path is longer than ${NAME_MAX} bytes`);
    }
  }
  return path;
}

function checkNumbers(entry: CpioEntry): void {
  checkInteger(entry, "mode", entry.mode ?? 0, 0o7777);
  checkInteger(entry, "uid", entry.uid ?? 0, U32_MAX);
  checkInteger(entry, "gid", entry.gid ?? 0, U32_MAX);
  if ("major" in entry) {
    checkInteger(entry, "major", entry.major, MAJOR_MAX);
    checkInteger(entry, "minor", entry.minor, MINOR_MAX);
  }
}

function checkInteger(entry: CpioEntry, field: string, value: number, max: number): void {
  if (!Number.isInteger(value) || value < 0 || value > max) {
    throw new CpioError(entry.path, `${field} ${value} is not an integer from 0 to ${max}`);
  }
}
