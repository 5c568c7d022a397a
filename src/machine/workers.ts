/**
 * Where machines get the Workers from that their vCPUs and devices run in.
 *
 * A Worker takes longer to come up than everything else of a small machine, and knows nothing of machines before it's
 * given its job. So one that has done its job can do another's. Whether it does is up to the user: Workers that wait
 * take memory, and keep a process from ending.
 * @module
 */
import { startWorker } from "../parts/mod.ts";

/** What a Worker is for. */
export type WorkerKind = "vcpu" | "io";

/** Who lends Workers. */
export interface Workers {
  /**
   * A Worker that waits for a job, or comes up to do so.
   *
   * @param label what it is called in a debugger
   */
  take(kind: WorkerKind, label: string): Worker;
  /** Takes a Worker back that waits for a next job: nothing of its last one is left in it. */
  giveBack(kind: WorkerKind, worker: Worker): void;
}

/** A Worker for each job, which ends with it. */
export const freshWorkers: Workers = {
  take: startWorker,
  giveBack: (_kind, worker) => worker.terminate(),
};

/** How many Workers of a kind wait at most, where nothing else was said. */
const IDLE = 8;

/**
 * Workers that are used again: for processes that start machine after machine.
 *
 * ```ts ignore
 * using workers = new WorkerPool();
 * for (const kernel of kernels) {
 *   await using machine = await Machine.start({ kernel }, { workers });
 *   console.log(await machine.ended);
 * }
 * ```
 *
 * Code of the user's own, in devices of theirs, never runs in a Worker that another machine has used or will use.
 */
export class WorkerPool implements Workers, Disposable {
  readonly #idle: Readonly<Record<WorkerKind, Worker[]>> = { vcpu: [], io: [] };
  readonly #most: number;
  #isOpen = true;

  /** @param options.idle how many Workers of a kind wait for machines at most; 8 by default */
  constructor({ idle = IDLE }: { readonly idle?: number } = {}) {
    if (!Number.isInteger(idle) || idle < 0) {
      throw new RangeError(`idle: a number of Workers (got ${idle})`);
    }
    this.#most = idle;
  }

  /** How many Workers wait for machines. */
  get idle(): number {
    return this.#idle.vcpu.length + this.#idle.io.length;
  }

  /** Starts Workers before they are needed, until so many wait or as many as may. */
  prepare(vcpus: number, ios: number = 0): void {
    for (const [kind, count] of [["vcpu", vcpus], ["io", ios]] as const) {
      const idle = this.#idle[kind];
      while (this.#isOpen && idle.length < Math.min(count, this.#most)) {
        this.giveBack(kind, startWorker(kind));
      }
    }
  }

  /** See {@linkcode Workers.take}. */
  take(kind: WorkerKind, label: string): Worker {
    return this.#idle[kind].pop() ?? startWorker(kind, label);
  }

  /** See {@linkcode Workers.giveBack}. */
  giveBack(kind: WorkerKind, worker: Worker): void {
    const idle = this.#idle[kind];
    if (!this.#isOpen || idle.length >= this.#most) {
      worker.terminate();
      return;
    }
    worker.onmessage = null;
    worker.onerror = (event) => {
      // One that can't come up is no use, and must not end the process.
      event.preventDefault();
      const at = idle.indexOf(worker);
      if (at >= 0) idle.splice(at, 1);
      worker.terminate();
    };
    idle.push(worker);
  }

  /** Ends the Workers that wait; those that machines have end with these. */
  [Symbol.dispose](): void {
    this.#isOpen = false;
    for (const idle of Object.values(this.#idle)) {
      for (const worker of idle.splice(0)) worker.terminate();
    }
  }
}
