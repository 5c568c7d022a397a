/**
 * Parts of the host's files: where an archive holds the content of a file, so that it can be read when it
 * is needed and is never copied before.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { RootfsError } from "./errors.ts";

/** A part of a file of the host's. */
export interface Region {
  readonly file: string;
  /** Bytes. */
  readonly offset: number;
  /** Bytes. */
  readonly size: number;
}

/** How much is read at once. */
const CHUNK = 1 << 18;

/** Reads pieces of a region, through a window of its own. */
export class RegionReader implements Disposable {
  readonly #region: Region;
  readonly #file: Deno.FsFile;
  readonly #window = new Uint8Array(CHUNK);
  /** What the window holds, counted from the region's beginning. */
  #start = 0;
  #end = 0;

  constructor(region: Region) {
    this.#region = region;
    this.#file = Deno.openSync(region.file);
  }

  /**
   * Reads bytes; they hold until the next call.
   *
   * @param offset from the region's beginning.
   * @param length at most 256 KiB.
   * @throws {RootfsError} when the region, or the file, ends before them.
   */
  async read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    if (offset < this.#start || offset + length > this.#end) await this.#fill(offset, length);
    return this.#window.subarray(offset - this.#start, offset - this.#start + length);
  }

  async #fill(offset: number, length: number): Promise<void> {
    const { file, offset: base, size } = this.#region;
    if (offset + length > size) throw new RootfsError(`${file} is cut off`);
    const wanted = Math.min(CHUNK, size - offset);
    await this.#file.seek(base + offset, Deno.SeekMode.Start);
    this.#start = offset;
    this.#end = offset;
    while (this.#end < offset + wanted) {
      const count = await this.#file.read(this.#window.subarray(this.#end - offset, wanted));
      if (count === null) break;
      this.#end += count;
    }
    if (this.#end < offset + length) throw new RootfsError(`${file} is cut off`);
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }
}

/**
 * Streams a region.
 *
 * @throws {RootfsError} when the file ends before it.
 */
export async function* regionChunks(
  { file, offset, size }: Region,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  using opened = await Deno.open(file);
  await opened.seek(offset, Deno.SeekMode.Start);
  for (let left = size; left > 0;) {
    const chunk = new Uint8Array(Math.min(CHUNK, left));
    const count = await opened.read(chunk);
    if (count === null) throw new RootfsError(`${file} is cut off`);
    left -= count;
    yield chunk.subarray(0, count);
  }
}

/**
 * Reads a small region whole.
 *
 * @param most bytes; what is larger is an error.
 */
export async function regionBytes(region: Region, most: number): Promise<Uint8Array<ArrayBuffer>> {
  if (region.size > most) {
    throw new RootfsError(`${region.file}: ${region.size} bytes where at most ${most} can be`);
  }
  const bytes = new Uint8Array(region.size);
  let at = 0;
  for await (const chunk of regionChunks(region)) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

/** The hash of a region, in hexadecimal. */
export async function regionDigest(
  region: Region,
  algorithm: "sha256" | "sha512",
  signal?: AbortSignal,
): Promise<string> {
  const hash = createHash(algorithm);
  for await (const chunk of regionChunks(region)) {
    signal?.throwIfAborted();
    hash.update(chunk);
  }
  return hash.digest("hex");
}
