/**
 * Whether this host's KVM runs stock kernels: a tiny guest in kernel mode tries the instructions that a KVM
 * without hardware behind it lacks. Nothing is concluded from names of modules, processors or hypervisors.
 *
 * The guest can't hang this program: it runs in a Worker, which is kicked out of KVM_RUN when time is up.
 * @module
 */
import { startWorker } from "../../parts/mod.ts";
import { kickThread } from "../../ffi/mod.ts";
import type { InstructionResult } from "./probe_guest.ts";
import { EXPIRED, type ProbeAnswer, type ProbeJob, THREAD, WORDS } from "./probe_job.ts";
import { type ProbeTest, TESTS } from "./probe_payload.ts";

export type { InstructionResult };

/** What the probe found. */
export interface ProbeResult {
  /** Whether every instruction works that the guest's CPUID offers. */
  readonly runsStockKernels: boolean;
  /** One result for each instruction; empty where nothing could be tried. */
  readonly instructions: readonly InstructionResult[];
  /** Why nothing could be tried, such as a missing /dev/kvm; undefined where it could. */
  readonly problem?: string;
}

/** A test takes a few milliseconds; on a busy, emulated host perhaps a hundred times that. */
const TIMEOUT_MS = 10_000;
const KICK_INTERVAL_MS = 10;

let cached: Promise<ProbeResult> | undefined;

/**
 * Tries it, once in this process. Never rejects: a host that can't try does not run stock kernels.
 *
 * On other architectures than x86-64 there is no such KVM to be told apart, so nothing is tried.
 */
export function probeStockKernels(): Promise<ProbeResult> {
  return cached ??= probe();
}

async function probe(): Promise<ProbeResult> {
  if (Deno.build.arch !== "x86_64") return { runsStockKernels: true, instructions: [] };
  const answer = await runProbe(TESTS, TIMEOUT_MS);
  if ("problem" in answer) return { runsStockKernels: false, instructions: [], ...answer };
  const { results } = answer;
  const works = results.every(({ status }) => status === "works" || status === "not-offered");
  return { runsStockKernels: works, instructions: results };
}

/** Runs tests of the payload in a Worker, for at most about `timeout` milliseconds. Never rejects. */
export async function runProbe(tests: readonly ProbeTest[], timeout: number): Promise<ProbeAnswer> {
  const words = new Int32Array(new SharedArrayBuffer(WORDS * Int32Array.BYTES_PER_ELEMENT));
  const answer = Promise.withResolvers<ProbeAnswer>();
  const worker = startWorker("probe");
  worker.onmessage = ({ data }: MessageEvent<ProbeAnswer>) => answer.resolve(data);
  worker.onerror = (event) => {
    // Without this, an error in the Worker would end the whole process.
    event.preventDefault();
    answer.resolve({ problem: event.message });
  };
  const job: ProbeJob = { words: words.buffer, tests };
  worker.postMessage(job);
  const watch = new Watch(words, timeout);
  const timer = setInterval(() => watch.tick(), KICK_INTERVAL_MS);
  try {
    return await answer.promise;
  } finally {
    clearInterval(timer);
    worker.terminate();
  }
}

/** Ends the guest when its time is up. The time begins when the Worker has started, which may take long itself. */
class Watch {
  #deadline = Infinity;

  constructor(
    private readonly words: Int32Array<SharedArrayBuffer>,
    private readonly timeout: number,
  ) {}

  tick(): void {
    const thread = Atomics.load(this.words, THREAD);
    if (thread === 0) return;
    const now = performance.now();
    if (this.#deadline === Infinity) this.#deadline = now + this.timeout;
    if (now < this.#deadline) return;
    Atomics.store(this.words, EXPIRED, 1);
    // Again at every tick: a single signal that comes just before KVM_RUN would be lost.
    kickThread(thread);
  }
}
