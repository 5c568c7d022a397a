/**
 * A reader of tar archives: POSIX ustar and pax (pax(1), "ustar Interchange Format" and "pax Header
 * Block"), and GNU tar's long names and large numbers (GNU tar manual, "Basic Tar Format").
 *
 * An archive may be anybody's. Names are strings with a character for each byte, since tar knows no
 * encoding; what they lead to is for the tree to judge (tree.ts).
 *
 * | what the archive says | what bounds it |
 * | --- | --- |
 * | sizes and offsets | the region that the archive is in; numbers are safe integers |
 * | length of names, and of a pax header | 1 MiB in memory, before anything is read |
 * | number of entries | {@linkcode MAX_ENTRIES} |
 * | kinds of entries that mean nothing here | an error that names them |
 *
 * @module
 */

import { RootfsError } from "./errors.ts";
import { type Region, RegionReader } from "./region.ts";

/** What an entry is. */
export type TarType = "file" | "link" | "symlink" | "character" | "block" | "directory" | "fifo";

/** One entry of an archive. Names have a character for each byte. */
export interface TarEntry {
  readonly path: string;
  readonly type: TarType;
  /** Permission bits, 0 to 0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since 1970. */
  readonly mtime: number;
  /** What a link says; empty for all else. */
  readonly target: string;
  /** Of a device. */
  readonly major: number;
  readonly minor: number;
  /** Extended attributes; values have a character for each byte. */
  readonly xattrs: ReadonlyMap<string, string>;
  /** Where a file's content is. */
  readonly content: Region;
}

/** The most entries that one archive may have. */
export const MAX_ENTRIES = 2_000_000;

const BLOCK = 512;
/** The most bytes of a long name or a pax header. */
const MAX_EXTENSION = 1 << 18;
const XATTR = "SCHILY.xattr.";
const NO_XATTRS: ReadonlyMap<string, string> = new Map();

const TYPES: Readonly<Record<string, TarType>> = {
  "0": "file",
  "\0": "file",
  // A contiguous file, which is one like others on every system of today.
  "7": "file",
  "1": "link",
  "2": "symlink",
  "3": "character",
  "4": "block",
  "5": "directory",
  "6": "fifo",
};

/** What extension headers say of the entry behind them. */
interface Extension {
  path?: string;
  target?: string;
  pax: Map<string, string>;
}

/**
 * Reads the entries of an archive in order.
 *
 * @param name what messages call the archive.
 * @throws {RootfsError} when it is damaged, cut off, or has what isn't known here.
 */
export async function* tarEntries(region: Region, name: string): AsyncGenerator<TarEntry> {
  using reader = new RegionReader(region);
  const global = new Map<string, string>();
  let extension: Extension = { pax: new Map() };
  let count = 0;
  for (let at = 0; at + BLOCK <= region.size;) {
    const block = await reader.read(at, BLOCK);
    // The end is two blocks of zeros; some writers leave them out.
    if (block.every((byte) => byte === 0)) return;
    const header = readHeader(block, name);
    at += BLOCK;
    if ("xgLK".includes(header.flag)) {
      if (header.size > MAX_EXTENSION) throw damaged(name, "a header of more than 256 KiB");
      const text = latin1(await reader.read(at, header.size));
      if (header.flag === "L") extension.path = text.replace(/\0[^]*$/, "");
      else if (header.flag === "K") extension.target = text.replace(/\0[^]*$/, "");
      else readPax(text, header.flag === "g" ? global : extension.pax, name);
      at += padded(header.size);
      if (++count > MAX_ENTRIES) throw tooMany(name);
      continue;
    }
    const entry = makeEntry(header, extension, global, { ...region, offset: at }, name);
    extension = { pax: new Map() };
    if (region.offset + region.size < entry.content.offset + entry.content.size) {
      throw damaged(name, "it is cut off");
    }
    yield { ...entry, content: { ...entry.content, offset: region.offset + at } };
    at += padded(entry.content.size);
    if (++count > MAX_ENTRIES) throw tooMany(name);
  }
}

function tooMany(name: string): RootfsError {
  return damaged(name, `it has more than ${MAX_ENTRIES} entries`);
}

/** A header as it stands in the archive. */
interface Header {
  readonly path: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtime: number;
  readonly flag: string;
  readonly target: string;
  readonly major: number;
  readonly minor: number;
}

function readHeader(block: Uint8Array, name: string): Header {
  // The checksum counts its own field as spaces.
  let sum = 8 * 0x20;
  for (let i = 0; i < BLOCK; i++) if (i < 148 || i >= 156) sum += block[i];
  if (number(block, 148, 8, name) !== sum) {
    throw damaged(name, "a header's checksum is wrong; is it a tar archive?");
  }
  const ustar = latin1(block.subarray(257, 262)) === "ustar";
  // GNU tar has other things where POSIX has the name's first part.
  const posix = ustar && block[262] === 0;
  const prefix = posix ? string(block, 345, 155) : "";
  const path = string(block, 0, 100);
  return {
    path: prefix === "" ? path : `${prefix}/${path}`,
    mode: number(block, 100, 8, name),
    uid: number(block, 108, 8, name),
    gid: number(block, 116, 8, name),
    size: number(block, 124, 12, name),
    mtime: number(block, 136, 12, name),
    flag: String.fromCharCode(block[156]),
    target: string(block, 157, 100),
    major: ustar ? number(block, 329, 8, name) : 0,
    minor: ustar ? number(block, 337, 8, name) : 0,
  };
}

function makeEntry(
  header: Header,
  extension: Extension,
  global: ReadonlyMap<string, string>,
  content: Region,
  name: string,
): TarEntry {
  const pax = (key: string) => extension.pax.get(key) ?? global.get(key);
  const path = pax("path") ?? extension.path ?? header.path;
  const flagged = TYPES[header.flag];
  const sparse = [...extension.pax.keys()].some((key) => key.startsWith("GNU.sparse."));
  if (flagged === undefined || sparse) {
    const what = sparse || header.flag === "S" ? "a sparse file" : `of the kind "${header.flag}"`;
    throw damaged(name, `${JSON.stringify(path)} is ${what}, which can't be read here`);
  }
  // Before there was a flag for it, a folder was told by its name.
  const type = flagged === "file" && path.endsWith("/") ? "directory" : flagged;
  const size = decimal(pax("size"), header.size, name);
  const xattrs = new Map<string, string>();
  for (const [key, value] of extension.pax) {
    if (key.startsWith(XATTR)) xattrs.set(key.slice(XATTR.length), value);
  }
  return {
    path,
    type,
    mode: header.mode & 0o7777,
    uid: decimal(pax("uid"), header.uid, name),
    gid: decimal(pax("gid"), header.gid, name),
    mtime: decimal(pax("mtime")?.replace(/\..*$/, ""), header.mtime, name),
    target: pax("linkpath") ?? extension.target ?? header.target,
    major: header.major,
    minor: header.minor,
    xattrs: xattrs.size === 0 ? NO_XATTRS : xattrs,
    content: { ...content, size: type === "file" ? size : 0 },
  };
}

/** Records are "LENGTH KEY=VALUE\n", where the length counts all of it. */
function readPax(text: string, into: Map<string, string>, name: string): void {
  for (let at = 0; at < text.length;) {
    const digits = /^([0-9]{1,7}) /.exec(text.slice(at, at + 8))?.[1];
    const length = Number(digits ?? 0);
    const record = text.slice(at, at + length);
    const equals = record.indexOf("=");
    if (digits === undefined || record.length !== length || !record.endsWith("\n") || equals < 0) {
      throw damaged(name, "a pax header can't be read");
    }
    const value = record.slice(equals + 1, -1);
    const key = record.slice(digits.length + 1, equals);
    // An empty value takes back what was said before.
    if (value === "") into.delete(key);
    else into.set(key, value);
    at += length;
  }
}

function padded(size: number): number {
  return Math.ceil(size / BLOCK) * BLOCK;
}

/** A number in octal digits, or in base 256 where the first bit is set (a GNU extension). */
function number(block: Uint8Array, at: number, length: number, name: string): number {
  if ((block[at] & 0x80) !== 0) {
    // A negative time says that the file is older than 1970, which helps nobody.
    if (block[at] === 0xff) return 0;
    let value = block[at] & 0x7f;
    for (let i = 1; i < length; i++) value = value * 256 + block[at + i];
    if (!Number.isSafeInteger(value)) throw damaged(name, "a number is too large");
    return value;
  }
  const text = string(block, at, length).trim();
  if (!/^[0-7]*$/.test(text)) throw damaged(name, "a number can't be read; is it a tar archive?");
  return text === "" ? 0 : parseInt(text, 8);
}

function decimal(text: string | undefined, otherwise: number, name: string): number {
  if (text === undefined) return otherwise;
  if (/^-[0-9]+$/.test(text)) return 0;
  const value = Number(text);
  if (!/^[0-9]+$/.test(text) || !Number.isSafeInteger(value)) {
    throw damaged(name, "a number in a pax header can't be read");
  }
  return value;
}

function string(block: Uint8Array, at: number, length: number): string {
  const end = block.subarray(at, at + length).indexOf(0);
  return latin1(block.subarray(at, at + (end === -1 ? length : end)));
}

/** A character for each byte. `TextDecoder`'s latin1 is windows-1252, which maps some to others. */
export function latin1(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) {
    text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  }
  return text;
}

function damaged(name: string, problem: string): RootfsError {
  return new RootfsError(`${name}: ${problem}`);
}
