/**
 * What a root file system is made of, told by its content.
 *
 * @module
 */

import { join } from "node:path";
import { isAbsent } from "./command.ts";
import { RootfsError } from "./errors.ts";
import { exists, isExt4 } from "./ext4.ts";

/** What a path was found to be. */
export type SourceKind = "folder" | "image layout" | "ext4" | "archive";

const HEAD_BYTES = 4096;

/**
 * Says what is at a path: a folder with files, an OCI layout, an ext4 image, or else a file that has to be
 * an archive.
 *
 * @throws {RootfsError} when there is nothing, or it can't be read.
 */
export async function detectSource(path: string): Promise<SourceKind> {
  const info = await stat(path);
  if (info.isDirectory) {
    return await exists(join(path, "oci-layout")) ? "image layout" : "folder";
  }
  return isExt4(await readHead(path)) ? "ext4" : "archive";
}

/** The first bytes of a file; fewer than a page only at its end. */
export async function readHead(path: string): Promise<Uint8Array<ArrayBuffer>> {
  using file = await open(path);
  const head = new Uint8Array(HEAD_BYTES);
  let length = 0;
  while (length < head.length) {
    const count = await file.read(head.subarray(length));
    if (count === null) break;
    length += count;
  }
  return head.subarray(0, length);
}

/**
 * Opens a file to read.
 *
 * @throws {RootfsError} when it can't be.
 */
export async function open(path: string): Promise<Deno.FsFile> {
  try {
    return await Deno.open(path);
  } catch (error) {
    throw unreadable(path, error);
  }
}

async function stat(path: string): Promise<Deno.FileInfo> {
  try {
    return await Deno.stat(path);
  } catch (error) {
    throw unreadable(path, error);
  }
}

function unreadable(path: string, error: unknown): unknown {
  if (!isAbsent(error)) return error;
  const missing = error instanceof Deno.errors.NotFound;
  return new RootfsError(`${path}: ${missing ? "there is no such file" : "it can't be read"}`, {
    cause: error,
  });
}
