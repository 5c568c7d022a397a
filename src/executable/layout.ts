/**
 * What the code that starts the executable knows of its file.
 *
 * The parts lie behind everything that is mapped, one after another, as a region; the file ends with the SHA-256 of
 * all that is before it:
 *
 * ```text
 * Deno's program | padding | segment (see segment.ts) | main ... | Workers ... | assets ... | SHA-256
 * ```
 * @module
 */
import type { Build } from "../parts/carrier.ts";
import type { AssetName, WorkerName } from "../parts/table.ts";

/** Bytes of a SHA-256. */
export const DIGEST_SIZE = 32;

/** Where a part is: its offset in the region, and its size in bytes. */
export type Extent = readonly [offset: number, size: number];

/** Where everything is. It is written into the code that starts the executable. */
export interface Layout {
  /** Of the whole file, in bytes. */
  readonly size: number;
  /** Of the region in the file. */
  readonly offset: number;
  /** Of the region, in bytes. */
  readonly length: number;
  /** The region's SHA-256 in hexadecimal. */
  readonly sha256: string;
  /** The parts of the main program by their names; the first is where it begins. */
  readonly main: Readonly<Record<string, Extent>>;
  readonly workers: Readonly<Record<WorkerName, Extent>>;
  readonly assets: Readonly<Record<AssetName, Extent>>;
  readonly build: Build;
}

/** The property of the global object in which the bundle of the main program leaves its function. */
export const MAIN: unique symbol = Symbol.for("denovisor.main");

/** What is left there. @returns the exit status */
export type Main = (args: readonly string[]) => Promise<number>;

/** The file of a Worker's bundle where the executable has a file system of its own. */
export function workerFile(name: WorkerName): string {
  return `./${name}_worker.js`;
}

/** The file of an asset there. */
export function assetFile(name: AssetName): string {
  return `./assets/${name}`;
}
