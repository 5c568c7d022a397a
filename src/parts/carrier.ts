/**
 * What the program and the code that starts an executable agree on.
 * @module
 */
import type { AssetName, WorkerName } from "./table.ts";

/** What an executable was built from. */
export interface Build {
  /**
   * The commit, and `-dirty` behind it where files had been changed; empty where it is not known, as in a source tree
   * (see {@linkcode commit}).
   */
  readonly commit: string;
  /** How the program is carried. */
  readonly carrier: "source" | "deno compile" | "deno";
}

/** What carries the parts. */
export interface Parts {
  readonly build: Build;
  /** The URL that a Worker starts from. */
  worker(name: WorkerName): string;
  /** A Worker that was started before anybody asked for it, which may be taken once. */
  early?(name: WorkerName): Worker | undefined;
  /** The bytes of a file; whoever gets them may keep them. */
  asset(name: AssetName): Uint8Array<ArrayBuffer>;
  /** Reads all that carries the program. @returns what is wrong with it */
  verify?(): Promise<string | undefined>;
}

/** The property of the global object by which an executable names its parts. */
export const PARTS: unique symbol = Symbol.for("denovisor.parts");
