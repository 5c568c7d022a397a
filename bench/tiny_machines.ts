/**
 * Machines in one process with a guest that has nothing to do, by the library: how many in a second, and how many at
 * once. What is wanted comes as JSON on the command line, and so does the answer on the standard output.
 * For bench/subjects/density.ts.
 * @module
 */
import { Machine, type StartConfig, WorkerPool } from "../mod.ts";
import { IDLE } from "./idleness.ts";
import { type ProcessMemory, readMemory } from "./process_memory.ts";

/** One of the two things that are measured. */
export type Wish =
  | { readonly kind: "rate"; readonly config: StartConfig; seconds: number; concurrency: number }
  | { readonly kind: "many"; readonly config: StartConfig; most: number };

/** How many were started, were idle and were stopped. */
export interface Rate {
  readonly machines: number;
  readonly seconds: number;
}

/** How many were idle at once. */
export interface Many {
  readonly machines: number;
  /** What gave in, where they didn't become as many as were wanted. */
  readonly reason?: string;
  readonly seconds: number;
  readonly threads: number;
  readonly descriptors: number;
  readonly memory: ProcessMemory;
}

/** When a guest is not idle by then, it never is. */
const PATIENCE = "60s";

async function startIdle(config: StartConfig, workers: WorkerPool): Promise<Machine> {
  const machine = await Machine.start(config, { workers });
  try {
    await machine.console.expect(IDLE, { timeout: PATIENCE });
    return machine;
  } catch (error) {
    await machine[Symbol.asyncDispose]();
    throw error;
  }
}

/** Starts machines and stops each when its guest is idle, so many at a time. */
async function measureRate(wish: Wish & { kind: "rate" }): Promise<Rate> {
  using workers = new WorkerPool({ idle: wish.concurrency });
  // The first one reads the program and compiles it.
  await (await startIdle(wish.config, workers))[Symbol.asyncDispose]();
  const began = performance.now();
  const until = began + wish.seconds * 1000;
  let machines = 0;
  await Promise.all(Array.from({ length: wish.concurrency }, async () => {
    do {
      await using _machine = await startIdle(wish.config, workers);
      machines++;
    } while (performance.now() < until);
  }));
  return { machines, seconds: (performance.now() - began) / 1000 };
}

/** Starts machines until there are as many as wanted, or one can't be started. */
async function measureMany({ config, most }: Wish & { kind: "many" }): Promise<Many> {
  using workers = new WorkerPool({ idle: 0 });
  await using stack = new AsyncDisposableStack();
  const machines: Machine[] = [];
  const began = performance.now();
  let reason: string | undefined;
  while (machines.length < most && reason === undefined) {
    try {
      machines.push(stack.use(await startIdle(config, workers)));
    } catch (error) {
      reason = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    }
  }
  const seconds = (performance.now() - began) / 1000;
  const ended = machines.filter(({ state }) => state !== "running").length;
  if (ended > 0) throw new Error(`${ended} of ${machines.length} machines ended by themselves`);
  return {
    machines: machines.length,
    reason,
    seconds,
    threads: count("/proc/self/task"),
    descriptors: count("/proc/self/fd"),
    memory: readMemory(Deno.pid),
  };
}

function count(folder: string): number {
  return [...Deno.readDirSync(folder)].length;
}

if (import.meta.main) {
  const wish: Wish = JSON.parse(Deno.args[0]);
  const result = await (wish.kind === "rate" ? measureRate(wish) : measureMany(wish));
  Deno.stdout.writeSync(new TextEncoder().encode(JSON.stringify(result)));
}
