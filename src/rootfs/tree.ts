/**
 * A root file system in memory: names, owners, modes and links; of a file's content, where it is.
 *
 * Archives are read into a tree and not onto the host, so nothing that an archive says is ever a path of
 * the host's. `..` is refused, a link leads to a place in the tree, and what a file is written to in the
 * end is decided by the tree alone: every path in it begins at its root and goes through folders only.
 *
 * | what an archive controls | what bounds it |
 * | --- | --- |
 * | paths: `..`, absolute, links above | refused; taken from the root; followed inside the tree, 40 at most |
 * | length of names and paths | 255 and 4,095 bytes, Linux's own limits |
 * | hard links | to what is in the tree already, and to no folder |
 * | whiteouts | remove what earlier layers put there, and nothing else |
 * | device nodes, setuid files | kept: they belong to the guest, and stay in its image |
 *
 * @module
 */

import { RootfsError } from "./errors.ts";
import type { Region } from "./region.ts";
import type { TarEntry } from "./tar_reader.ts";

/** What every node has. */
export interface Meta {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: number;
  readonly xattrs: ReadonlyMap<string, string>;
}

/** A folder. */
export interface Folder {
  readonly type: "directory";
  meta: Meta;
  readonly children: Map<string, Node>;
  layer: number;
}

/** Anything else; one with several names is in several folders. */
export interface Leaf {
  readonly type: "file" | "symlink" | "character" | "block" | "fifo";
  readonly meta: Meta;
  readonly target: string;
  readonly major: number;
  readonly minor: number;
  readonly content: Region;
}

/** What has a name, with the number of the layer that put it there. */
export type Node = Folder | { readonly type: "leaf"; readonly leaf: Leaf; readonly layer: number };

/** Linux's NAME_MAX and PATH_MAX, the latter with its NUL. */
const NAME_MAX = 255;
const PATH_MAX = 4096;
/** The kernel's own limit (path_resolution(7)). */
const MAX_LINKS = 40;

const DEFAULT_META: Meta = { mode: 0o755, uid: 0, gid: 0, mtime: 0, xattrs: new Map() };

/** What whiteouts begin with (image-spec, layer.md). */
const WHITEOUT = ".wh.";
const OPAQUE = ".wh..wh..opq";
/** Of aufs's own files. */
const WHITEOUT_META = ".wh..wh.";

/** A root file system. Names have a character for each byte. */
export class Tree {
  readonly root: Folder = folder(DEFAULT_META, 0);
  #layer = 0;

  /** @param name what messages call it. */
  constructor(readonly name: string) {}

  /** Begins a new layer: whiteouts hide what was there before. */
  beginLayer(): void {
    this.#layer++;
  }

  /**
   * Adds an entry of an archive, in place of what has its name.
   *
   * @param whiteouts whether names that begin with `.wh.` take others away, as in a layer of an image.
   * @throws {RootfsError} for a path that a tree can't have, and a hard link to nothing.
   */
  add(entry: TarEntry, whiteouts: boolean): void {
    const parts = this.#parts(entry.path);
    const name = parts.pop();
    const meta = metaOf(entry);
    if (name === undefined) {
      if (entry.type !== "directory") {
        throw this.#error(entry.path, "it is the root, and no folder");
      }
      this.root.meta = meta;
      return;
    }
    const parent = this.#descend(parts, entry.path);
    if (whiteouts && name.startsWith(WHITEOUT)) return this.#whiteout(parent, name, entry.path);
    const there = parent.children.get(name);
    if (entry.type === "directory") {
      if (there?.type === "directory") {
        there.meta = meta;
        there.layer = this.#layer;
      } else parent.children.set(name, folder(meta, this.#layer));
      return;
    }
    const leaf = entry.type === "link" ? this.#linked(entry) : makeLeaf(entry, entry.type, meta);
    if (leaf.type === "symlink" && (leaf.target === "" || leaf.target.length >= PATH_MAX)) {
      throw this.#error(entry.path, "its link says nothing, or too much");
    }
    parent.children.set(name, { type: "leaf", leaf, layer: this.#layer });
  }

  /** What a path leads to, through all links; `undefined` where there is nothing. */
  find(path: string): Folder | Leaf | undefined {
    const found = this.#walk(this.#parts(path), path, { follow: true });
    return found?.type === "leaf" ? found.leaf : found;
  }

  /** What a hard link is another name of. */
  #linked(entry: TarEntry): Leaf {
    const found = this.#walk(this.#parts(entry.target), entry.path, { follow: false });
    if (found?.type !== "leaf") {
      const problem = found === undefined ? "isn't there" : "is a folder";
      throw this.#error(entry.path, `it is a hard link to ${show(entry.target)}, which ${problem}`);
    }
    return found.leaf;
  }

  #whiteout(parent: Folder, name: string, path: string): void {
    if (name === OPAQUE) return hideLower(parent, this.#layer);
    if (name.startsWith(WHITEOUT_META)) return;
    const hidden = name.slice(WHITEOUT.length);
    if (hidden === "" || hidden === "." || hidden === "..") {
      throw this.#error(path, "it is a whiteout of no name");
    }
    const there = parent.children.get(hidden);
    if (there !== undefined && !staysInLayer(there, this.#layer)) parent.children.delete(hidden);
  }

  /** The folder at the end of a path, through links, made where there is none. */
  #descend(parts: readonly string[], path: string): Folder {
    const found = this.#walk(parts, path, { follow: true, make: true });
    if (found?.type !== "directory") throw this.#error(path, "it is below what is no folder");
    return found;
  }

  /** Goes down from the root. A link's target takes its place in what is left of the path. */
  #walk(
    parts: readonly string[],
    path: string,
    { follow, make = false }: { follow: boolean; make?: boolean },
  ): Node | undefined {
    const left = [...parts].reverse();
    const above: Folder[] = [this.root];
    let links = 0;
    while (left.length > 0) {
      const here = above[above.length - 1];
      const name = left.pop()!;
      if (name === ".") continue;
      // Only a link says so; at the root it leads nowhere else, as on Linux.
      if (name === "..") {
        if (above.length > 1) above.pop();
        continue;
      }
      let node = here.children.get(name);
      if (node === undefined && make) {
        node = folder(DEFAULT_META, this.#layer);
        here.children.set(name, node);
      }
      if (node === undefined) return undefined;
      if (node.type === "directory") {
        above.push(node);
        continue;
      }
      if (node.leaf.type === "symlink" && (follow || left.length > 0)) {
        if (++links > MAX_LINKS) throw this.#error(path, "there are too many links on its way");
        const { target } = node.leaf;
        const words = target.split("/").filter((word) => word !== "");
        for (const word of words) this.#checkName(word, path);
        if (target.startsWith("/")) above.length = 1;
        left.push(...words.reverse());
        if (left.length > PATH_MAX) throw this.#error(path, "there are too many links on its way");
        continue;
      }
      if (left.length > 0) {
        if (!make) return undefined;
        throw this.#error(path, "it is below what is no folder");
      }
      return node;
    }
    return above[above.length - 1];
  }

  #parts(path: string): string[] {
    if (path.length >= PATH_MAX) throw this.#error(path, "its path is longer than 4,095 bytes");
    const parts = path.split("/").filter((part) => part !== "" && part !== ".");
    for (const part of parts) {
      if (part === "..") throw this.#error(path, 'there is ".." in its path');
      this.#checkName(part, path);
    }
    return parts;
  }

  #checkName(name: string, path: string): void {
    if (name.length > NAME_MAX) {
      throw this.#error(path, "a part of its path is longer than 255 bytes");
    }
    if (name.includes("\0")) throw this.#error(path, "NUL in its path");
  }

  #error(path: string, problem: string): RootfsError {
    return new RootfsError(`${this.name}: ${show(path)}: ${problem}`);
  }
}

/** A path for a message. */
function show(path: string): string {
  const bytes = Uint8Array.from(path, (char) => char.charCodeAt(0));
  const text = JSON.stringify(new TextDecoder().decode(bytes));
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}

function folder(meta: Meta, layer: number): Folder {
  return { type: "directory", meta, children: new Map(), layer };
}

function metaOf({ mode, uid, gid, mtime, xattrs }: TarEntry): Meta {
  return { mode, uid, gid, mtime, xattrs };
}

function makeLeaf(entry: TarEntry, type: Leaf["type"], meta: Meta): Leaf {
  const { target, major, minor, content } = entry;
  return { type, meta, target, major, minor, content };
}

/** Removes what earlier layers have put into a folder. */
function hideLower(folder: Folder, layer: number): void {
  for (const [name, node] of folder.children) {
    if (!staysInLayer(node, layer)) folder.children.delete(name);
  }
}

/** Whether something of a node is this layer's own; what isn't is removed from it. */
function staysInLayer(node: Node, layer: number): boolean {
  if (node.type === "leaf") return node.layer === layer;
  hideLower(node, layer);
  return node.layer === layer || node.children.size > 0;
}
