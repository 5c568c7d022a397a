/**
 * Compressed data: told by its first bytes, and undone by the compression's own program, which runs as a process of
 * its own. What comes out is bounded by whoever reads it.
 *
 * @module
 */

import { run, stream, type StreamedCommand } from "./command.ts";
import { ensureDebianPackages } from "./packages.ts";

/** How to undo a compression. */
export interface Decompressor {
  /** What the format is called. */
  readonly name: string;
  /** The program and its arguments; it reads standard input and writes standard output. */
  readonly command: readonly [string, ...string[]];
  /** The Debian package of that program, by program. */
  readonly needs: Readonly<Record<string, string>>;
  /** The bytes that the format begins with. */
  readonly magic: readonly number[];
}

/** The formats that Linux kernels, modules, archives and images come in. */
export const DECOMPRESSORS: readonly Decompressor[] = [
  {
    name: "gzip",
    magic: [0x1f, 0x8b],
    command: ["gzip", "-dc"],
    needs: { gzip: "gzip" },
  },
  {
    name: "xz",
    magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00],
    command: ["xz", "-dc"],
    needs: { xz: "xz-utils" },
  },
  {
    name: "lz4",
    magic: [0x02, 0x21, 0x4c, 0x18], // the legacy frame
    command: ["lz4", "-dc"],
    needs: { lz4: "lz4" },
  },
  {
    name: "zstd",
    magic: [0x28, 0xb5, 0x2f, 0xfd],
    command: ["zstd", "-dc"],
    needs: { zstd: "zstd" },
  },
  {
    name: "bzip2",
    magic: [0x42, 0x5a, 0x68],
    command: ["bzip2", "-dc"],
    needs: { bzip2: "bzip2" },
  },
];

/** As many bytes as are needed to tell a compression. */
export const MAGIC_BYTES = 6;

/** Says how data is compressed that begins like this; `undefined` for any other. */
export function decompressorOf(head: Uint8Array): Decompressor | undefined {
  return DECOMPRESSORS.find(({ magic }) => magic.every((byte, i) => head[i] === byte));
}

/**
 * Undoes the compression of data in memory; what is not compressed comes back as it is.
 *
 * @throws {CommandError} when the data is damaged.
 * @throws {MissingCommandsError} when the program isn't installed and can't be.
 */
export async function decompress(
  data: Uint8Array<ArrayBuffer>,
  signal?: AbortSignal,
): Promise<Uint8Array<ArrayBuffer>> {
  const found = decompressorOf(data);
  if (found === undefined) return data;
  await ensureDebianPackages(found.needs);
  return await run(found.command, { input: data, signal });
}

/**
 * Undoes the compression of a stream.
 *
 * @throws {MissingCommandsError} when the program isn't installed and can't be.
 */
export async function decompressStream(
  found: Decompressor,
  input: ReadableStream<Uint8Array<ArrayBuffer>>,
  signal?: AbortSignal,
): Promise<StreamedCommand> {
  await ensureDebianPackages(found.needs);
  return stream(found.command, { input, signal });
}
