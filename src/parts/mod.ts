/**
 * Where the parts of the program are: modules of Workers, and files that are read as bytes.
 *
 * In a source tree they are files beside this one. An executable carries them itself; the code that starts it says
 * how to reach them before anything else is run, under {@linkcode PARTS} of the global object.
 * @module
 */
import { type AssetName, ASSETS, type WorkerName, WORKERS } from "./table.ts";

export type { AssetName, WorkerName };

/** What an executable was built from. */
export interface Build {
  /** The commit, and `-dirty` behind it where files had been changed; empty where it is not known. */
  readonly commit: string;
  /** How the program is carried. */
  readonly carrier: "source" | "deno compile" | "deno";
}

/** What carries the parts. */
export interface Parts {
  readonly build: Build;
  /** The URL that a Worker starts from. */
  worker(name: WorkerName): string;
  /** The bytes of a file; whoever gets them may keep them. */
  asset(name: AssetName): Uint8Array<ArrayBuffer>;
}

/** The property of the global object by which an executable names its parts. */
export const PARTS: unique symbol = Symbol.for("denovisor.parts");

/** The parts of a source tree. */
const sourceTree: Parts = {
  build: { commit: "", carrier: "source" },
  worker: (name) => new URL(WORKERS[name], import.meta.url).href,
  asset: (name) => Deno.readFileSync(new URL(ASSETS[name], import.meta.url)),
};

function parts(): Parts {
  return (globalThis as { [PARTS]?: Parts })[PARTS] ?? sourceTree;
}

/**
 * Starts a Worker. It comes up while its creator goes on.
 *
 * @param label what it is called in a debugger
 */
export function startWorker(name: WorkerName, label: string = name): Worker {
  return new Worker(parts().worker(name), { type: "module", name: label });
}

/** The bytes of a file that belongs to the program. */
export function readAsset(name: AssetName): Uint8Array<ArrayBuffer> {
  return parts().asset(name);
}

/** What the running program was built from. */
export function build(): Build {
  return parts().build;
}
