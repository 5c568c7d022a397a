/**
 * A vCPU's Worker, as the main isolate holds it.
 *
 * Workers take longest of all that a boot waits for (11 to 25 ms each, one after another), so they are
 * spawned first and come up while the kernel is read. A Worker that runs its vCPU sits in a system call
 * and can't be terminated; it has to be stopped through its {@linkcode VcpuControl} first.
 * @module
 */
import type { VcpuStop } from "../vcpu/mod.ts";
import type { VcpuJob } from "./vcpu_job.ts";
import { freshWorkers, type Workers } from "./workers.ts";

/** What the Worker posts when its vCPU has stopped. */
export type VcpuMessage =
  | { readonly stop: VcpuStop }
  /** The Worker's code threw: a host call failed, or there is a bug. */
  | { readonly error: string };

/** One Worker that will run, runs, or has run one vCPU. */
export class VcpuThread {
  readonly #worker: Worker;
  readonly #workers: Workers;
  readonly #stopped = Promise.withResolvers<VcpuStop>();
  #running = false;
  /** Whether nothing is in the Worker that another machine must not meet. */
  #isClean = true;

  /** Takes a Worker; it waits for its {@linkcode VcpuJob}. */
  constructor(readonly index: number, workers: Workers = freshWorkers) {
    this.#workers = workers;
    this.#worker = workers.take("vcpu", `vcpu${index}`);
    this.#worker.onmessage = ({ data }: MessageEvent<VcpuMessage>) => {
      this.#settle("stop" in data ? data.stop : { kind: "failed", message: data.error });
    };
    this.#worker.onerror = (event) => {
      // Without this, an error in the Worker would end the whole process.
      event.preventDefault();
      this.#settle({ kind: "failed", message: event.message });
    };
  }

  /** Gives the Worker its vCPU. It parks before its first entry, until the pause is withdrawn. */
  run(job: VcpuJob): void {
    this.#running = true;
    if (job.userModules.length > 0) this.#isClean = false;
    this.#worker.postMessage(job);
  }

  /** Why the vCPU has left its run loop; never rejects. */
  get stopped(): Promise<VcpuStop> {
    return this.#stopped.promise;
  }

  /** Resolves when it runs no vCPU: at once, or when that has stopped. */
  async finished(): Promise<void> {
    if (this.#running) await this.#stopped.promise;
  }

  /** Gives the Worker back. A vCPU that runs must have been asked to stop. */
  async release(): Promise<void> {
    await this.finished();
    if (this.#isClean) this.#workers.giveBack("vcpu", this.#worker);
    else this.#worker.terminate();
  }

  #settle(stop: VcpuStop): void {
    this.#running = false;
    if (stop.kind === "failed") this.#isClean = false;
    this.#stopped.resolve(stop);
  }
}
