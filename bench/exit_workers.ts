/**
 * The vCPUs of a guest that is measured, each in a Worker of its own.
 * @module
 */
import { REQUEST_STOP, VcpuControl, type VcpuStop } from "../src/vcpu/mod.ts";
import type { ExitGuest } from "./exit_guest.ts";
import type { ExitJob } from "./exit_run_loop.ts";

/** A guest that has not ended by then never does. */
const PATIENCE_MS = 60_000;

/**
 * Runs all vCPUs of a guest at once.
 *
 * @param jobs the guest's, where they are not as it was made with them
 * @param patienceMs when they are stopped
 * @throws {Error} for a vCPU that doesn't end with the given status in time; the others are stopped
 */
export async function runInWorkers(
  guest: ExitGuest,
  status: number,
  jobs: readonly ExitJob[] = guest.jobs,
  patienceMs: number = PATIENCE_MS,
): Promise<void> {
  const workers = jobs.map((job) => new ExitWorker(job));
  const stopAll = () => {
    for (const [i, { control }] of jobs.entries()) {
      const { kvmRun } = guest.vcpus[i];
      VcpuControl.attach(control).request(REQUEST_STOP, () => kvmRun.immediateExit = true);
    }
  };
  const timer = setTimeout(stopAll, patienceMs);
  try {
    await Promise.all(workers.map((worker) => worker.ready));
    const stops = workers.map(async (worker) => {
      const stop = await worker.run();
      if (stop.kind === "exit" && stop.status === status) return;
      // What waits for this one would wait for ever.
      stopAll();
      throw new Error(`the guest did not end as it should: ${JSON.stringify(stop)}`);
    });
    const failed = (await Promise.allSettled(stops)).find((stop) => stop.status === "rejected");
    if (failed !== undefined) throw failed.reason;
  } finally {
    clearTimeout(timer);
    for (const worker of workers) worker.terminate();
  }
}

/** One vCPU's Worker. */
class ExitWorker {
  readonly #worker = new Worker(new URL("./exit_worker.ts", import.meta.url), { type: "module" });
  /** Resolves when it is attached. */
  readonly ready: Promise<unknown>;

  constructor(job: ExitJob) {
    this.ready = this.#answer(job);
  }

  run(): Promise<VcpuStop> {
    return this.#answer("run") as Promise<VcpuStop>;
  }

  terminate(): void {
    this.#worker.terminate();
  }

  #answer(message: ExitJob | "run"): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#worker.onmessage = ({ data }) => resolve(data);
      this.#worker.onerror = (event) => {
        event.preventDefault();
        reject(new Error(event.message));
      };
      this.#worker.postMessage(message);
    });
  }
}
