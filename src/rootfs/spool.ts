/**
 * Compressed archives, unpacked into a file of a scratch folder so that their parts can be read in any
 * order. What comes out is bounded: a few KiB can unpack to terabytes.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { decompressorOf, decompressStream, MAGIC_BYTES } from "./compression.ts";
import { RootfsError } from "./errors.ts";
import { Progress } from "./progress.ts";
import { type Region, regionChunks, RegionReader } from "./region.ts";

/** The most bytes that all archives of one image may unpack to, unless said otherwise. */
export const DEFAULT_MOST_BYTES = 64 * 2 ** 30;

/** Where archives are unpacked, and how much there may be of them. */
export interface Scratch {
  /** A folder that goes when the work is done. */
  readonly folder: string;
  /** Bytes that may still be unpacked. */
  left: number;
  readonly signal: AbortSignal | undefined;
}

let serial = 0;

/**
 * Gives an archive as it is without its compression: the region itself where there is none.
 *
 * @param name what messages call it.
 * @throws {RootfsError} when it is damaged, or unpacks to too much.
 */
export async function uncompressed(
  region: Region,
  name: string,
  scratch: Scratch,
): Promise<Region> {
  const found = decompressorOf(await head(region));
  if (found === undefined) return region;
  using progress = new Progress(`unpacking ${name}`);
  const file = `${scratch.folder}/unpacked-${serial++}`;
  let read = 0;
  const chunks = async function* () {
    for await (const chunk of regionChunks(region)) {
      progress.fraction = read / region.size;
      read += chunk.length;
      yield chunk;
    }
  };
  const { output, ended } = await decompressStream(
    found,
    ReadableStream.from(chunks()),
    scratch.signal,
  );
  using spool = await Deno.open(file, { write: true, createNew: true, mode: 0o600 });
  let size = 0;
  for await (const chunk of output) {
    size += chunk.length;
    if (size > scratch.left) {
      throw new RootfsError(
        `${name} unpacks to more than may be, of which ${scratch.left} bytes were left`,
      );
    }
    for (let at = 0; at < chunk.length;) at += await spool.write(chunk.subarray(at));
  }
  await ended;
  scratch.left -= size;
  return { file, offset: 0, size };
}

async function head(region: Region): Promise<Uint8Array> {
  using reader = new RegionReader(region);
  return (await reader.read(0, Math.min(MAGIC_BYTES, region.size))).slice();
}

/** The SHA-256 of a file of the host's, in hexadecimal, and its region. */
export async function hashFile(
  path: string,
  signal?: AbortSignal,
): Promise<{ digest: string; region: Region }> {
  const { size } = await Deno.stat(path);
  using progress = new Progress(`reading ${path}`);
  const hash = createHash("sha256");
  const region = { file: path, offset: 0, size };
  let read = 0;
  for await (const chunk of regionChunks(region)) {
    signal?.throwIfAborted();
    hash.update(chunk);
    read += chunk.length;
    progress.fraction = read / size;
  }
  return { digest: hash.digest("hex"), region };
}
