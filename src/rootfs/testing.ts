/**
 * What this room's tests share.
 *
 * @module
 */

import { join } from "node:path";
import { cacheFolder } from "./cache.ts";
import { latin1, tarEntries, type TarEntry, type TarType } from "./tar_reader.ts";
import type { Folder, Tree } from "./tree.ts";

/**
 * Whether things are in the user's cache already. Tests that need them are ignored where they are not: the
 * quick gate fetches nothing, and the whole run has fetched them before.
 *
 * @param names as of `kernelAsset`'s and `busyboxAsset`'s items: "kernel-cloud", "busybox".
 */
export function areFetched(...names: string[]): boolean {
  const there = new Set<string>();
  try {
    for (const { name } of Deno.readDirSync(cacheFolder())) there.add(name);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return names.every((name) => there.has(name));
}

/** Text with a character for each of its bytes in UTF-8. */
export function bytesOf(text: string): string {
  return latin1(new TextEncoder().encode(text));
}

/** An entry of an archive; its content is what the region's `file` says. */
export function tarEntry(path: string, type: TarType, more: Partial<TarEntry> = {}): TarEntry {
  return {
    path,
    type,
    mode: type === "directory" ? 0o755 : 0o644,
    uid: 0,
    gid: 0,
    mtime: 0,
    target: "",
    major: 0,
    minor: 0,
    xattrs: new Map(),
    content: { file: "/nonexistent", offset: 0, size: 0 },
    ...more,
  };
}

/** The paths of a tree with what each is, as "d path", "f path", "l path -> target" and so on. */
export function treeList(tree: Tree): string[] {
  const lines: string[] = [];
  const visit = (folder: Folder, above: string) => {
    for (const [name, node] of folder.children) {
      const path = above === "" ? name : `${above}/${name}`;
      if (node.type === "directory") {
        lines.push(`d ${path}`);
        visit(node, path);
      } else if (node.leaf.type === "symlink") lines.push(`l ${path} -> ${node.leaf.target}`);
      else lines.push(`${node.leaf.type[0]} ${path}`);
    }
  };
  visit(tree.root, "");
  return lines.sort();
}

/** All entries of an archive in a file. */
export async function readTar(file: string): Promise<TarEntry[]> {
  const { size } = await Deno.stat(file);
  return await Array.fromAsync(tarEntries({ file, offset: 0, size }, file));
}

/** Writes an archive of plain entries; for archives that no tool would make. */
export function makeTar(
  entries: readonly { path: string; type?: string; data?: string; target?: string }[],
): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [];
  for (const { path, type = "0", data = "", target = "" } of entries) {
    const block = new Uint8Array(512);
    const put = (at: number, text: string) =>
      new TextEncoder().encodeInto(text, block.subarray(at));
    put(0, path);
    put(100, "0000755\0");
    put(108, "0000000\0");
    put(116, "0000000\0");
    const body = new TextEncoder().encode(data);
    put(124, `${body.length.toString(8).padStart(11, "0")}\0`);
    put(136, "00000000000\0");
    put(148, "        ");
    put(156, type);
    put(157, target);
    put(257, "ustar\x0000");
    put(148, `${block.reduce((a, b) => a + b, 0).toString(8).padStart(6, "0")}\0 `);
    const padded = new Uint8Array(Math.ceil(body.length / 512) * 512);
    padded.set(body);
    parts.push(block, padded);
  }
  parts.push(new Uint8Array(1024));
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Writes files below a folder. */
export async function writeFiles(
  folder: string,
  files: Readonly<Record<string, string | Uint8Array>>,
): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    const file = join(folder, path);
    await Deno.mkdir(join(file, ".."), { recursive: true });
    if (typeof content === "string") await Deno.writeTextFile(file, content);
    else await Deno.writeFile(file, content);
  }
}
