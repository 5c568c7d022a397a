/**
 * Where the parts of the program are: modules of Workers, and files that are read as bytes.
 *
 * In a source tree they are files beside this one. An executable carries them itself; the code that starts it says
 * how to reach them before anything else is run, under {@linkcode PARTS} of the global object.
 * @module
 */
import { type AssetName, ASSETS, type WorkerName, WORKERS } from "./table.ts";
import { type Build, PARTS, type Parts } from "./carrier.ts";

export type { AssetName, Build, WorkerName };

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
  const { worker, early } = parts();
  return early?.(name) ?? new Worker(worker(name), { type: "module", name: label });
}

/** The bytes of a file that belongs to the program. */
export function readAsset(name: AssetName): Uint8Array<ArrayBuffer> {
  return parts().asset(name);
}

/**
 * Checks all that carries the program. There is nothing to be checked in a source tree.
 *
 * @returns what is wrong with it
 */
export async function verifyParts(): Promise<string | undefined> {
  return await parts().verify?.();
}

/** What the running program was built from. */
export function build(): Build {
  return parts().build;
}

/** The commit of the running program: an executable's own, or that which a source tree is at; empty where unknown. */
export async function commit(): Promise<string> {
  const { commit, carrier } = build();
  if (carrier !== "source") return commit;
  return (await import("./checkout.ts")).ownCommit();
}
