/**
 * Writes a tree as a tar archive that any GNU tar unpacks as it is: folders before what is in them, each
 * path once, a file's further names as hard links.
 *
 * Long names and large numbers are written in GNU's way, since GNU tar takes names in pax headers apart by
 * the locale's encoding; extended attributes have only pax's.
 *
 * @module
 */

import { type Region, regionChunks } from "./region.ts";
import { blocksOf, type TreeSize } from "./ext4.ts";
import type { Folder, Leaf, Meta, Tree } from "./tree.ts";

const BLOCK = 512;
const NAME_BYTES = 100;

const FLAGS: Readonly<Record<Leaf["type"] | "directory", string>> = {
  file: "0",
  symlink: "2",
  character: "3",
  block: "4",
  directory: "5",
  fifo: "6",
};

/** How much a tree has. */
export function treeSize(tree: Tree): TreeSize {
  const seen = new Set<Leaf>();
  const size = { entries: 0, bytes: 0 };
  const visit = (folder: Folder) => {
    size.bytes += BLOCK * 8;
    for (const node of folder.children.values()) {
      size.entries++;
      if (node.type === "directory") visit(node);
      else if (!seen.has(node.leaf)) {
        seen.add(node.leaf);
        size.bytes += blocksOf(node.leaf.content.size);
      }
    }
  };
  visit(tree.root);
  return size;
}

/** Writes the archive, piece by piece; the root folder itself isn't in it. */
export async function* tarPieces(
  tree: Tree,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const names = new Map<Leaf, string>();
  yield* folderPieces(tree.root, "", names, signal);
  yield new Uint8Array(2 * BLOCK);
}

async function* folderPieces(
  folder: Folder,
  path: string,
  names: Map<Leaf, string>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  for (const [name, node] of folder.children) {
    signal?.throwIfAborted();
    const below = path === "" ? name : `${path}/${name}`;
    if (node.type === "directory") {
      yield entry({ path: `${below}/`, flag: FLAGS.directory, meta: node.meta });
      yield* folderPieces(node, below, names, signal);
      continue;
    }
    const { leaf } = node;
    const first = names.get(leaf);
    if (first !== undefined) {
      yield entry({ path: below, flag: "1", meta: leaf.meta, target: first });
      continue;
    }
    names.set(leaf, below);
    yield entry({ path: below, flag: FLAGS[leaf.type], ...leaf });
    yield* contentPieces(leaf.content);
  }
}

async function* contentPieces(content: Region): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  if (content.size === 0) return;
  yield* regionChunks(content);
  const rest = content.size % BLOCK;
  if (rest !== 0) yield new Uint8Array(BLOCK - rest);
}

/** What is written of an entry. */
interface Written {
  readonly path: string;
  readonly flag: string;
  readonly meta: Meta;
  readonly target?: string;
  readonly major?: number;
  readonly minor?: number;
  readonly content?: Region;
}

/** An entry's headers. */
function entry(written: Written): Uint8Array<ArrayBuffer> {
  const { path, target = "", meta } = written;
  const blocks: Uint8Array[] = [];
  if (meta.xattrs.size > 0) {
    const records = [...meta.xattrs].map(([key, value]) => paxRecord(`SCHILY.xattr.${key}`, value));
    blocks.push(...extension("x", records.join("")));
  }
  // A name of just 100 bytes has no room for its NUL, which GNU's readers do without and others may not.
  if (target.length >= NAME_BYTES) blocks.push(...extension("K", `${target}\0`));
  if (path.length >= NAME_BYTES) blocks.push(...extension("L", `${path}\0`));
  blocks.push(header(written));
  const whole = new Uint8Array(blocks.reduce((sum, block) => sum + block.length, 0));
  let at = 0;
  for (const block of blocks) {
    whole.set(block, at);
    at += block.length;
  }
  return whole;
}

/** A header whose content tells of the next one. */
function extension(flag: string, text: string): Uint8Array[] {
  const meta = { mode: 0o644, uid: 0, gid: 0, mtime: 0, xattrs: new Map() };
  const content = { file: "", offset: 0, size: text.length };
  const body = new Uint8Array(Math.ceil(text.length / BLOCK) * BLOCK);
  put(body, 0, text);
  return [header({ path: "././@LongLink", flag, meta, content }), body];
}

/** The length counts its own digits. */
function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  let length = rest.length;
  while (`${length}${rest}`.length !== length) length = `${length}${rest}`.length;
  return `${length}${rest}`;
}

function header({ path, flag, meta, target = "", major = 0, minor = 0, content }: Written) {
  const block = new Uint8Array(BLOCK);
  put(block, 0, path.slice(0, NAME_BYTES));
  numberField(block, 100, 8, meta.mode);
  numberField(block, 108, 8, meta.uid);
  numberField(block, 116, 8, meta.gid);
  numberField(block, 124, 12, content?.size ?? 0);
  numberField(block, 136, 12, meta.mtime);
  put(block, 148, "        ");
  put(block, 156, flag);
  put(block, 157, target.slice(0, NAME_BYTES));
  put(block, 257, "ustar  \0"); // GNU's own magic, for its long names and large numbers
  numberField(block, 329, 8, major);
  numberField(block, 337, 8, minor);
  const sum = block.reduce((total, byte) => total + byte, 0);
  put(block, 148, `${sum.toString(8).padStart(6, "0")}\0 `);
  return block;
}

/** Octal digits and a NUL; in base 256 what these have no room for. */
function numberField(block: Uint8Array, at: number, length: number, value: number): void {
  const digits = value.toString(8);
  if (digits.length < length) return put(block, at, digits.padStart(length - 1, "0"));
  for (let i = length - 1, left = value; i > 0; i--, left = Math.floor(left / 256)) {
    block[at + i] = left % 256;
  }
  block[at] = 0x80;
}

function put(block: Uint8Array, at: number, text: string): void {
  for (let i = 0; i < text.length; i++) block[at + i] = text.charCodeAt(i);
}
