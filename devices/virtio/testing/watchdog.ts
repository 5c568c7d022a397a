/**
 * Ends a test whose device never returns, which nothing in its own isolate could do.
 * @module
 */

/** A device that does not return for so long hangs. */
const HANG_MS = 20_000;

/** Watches the steps of this isolate from another. */
export class Watchdog implements Disposable {
  /** The step, and a word to sleep on. */
  readonly #words = new Int32Array(new SharedArrayBuffer(8));
  readonly #worker: Worker;

  /** @param what is watched, for the message */
  constructor(what: string, hangMs = HANG_MS) {
    this.#worker = new Worker(import.meta.resolve("./watchdog_worker.ts"), { type: "module" });
    this.#worker.postMessage({ words: this.#words, what, hangMs } satisfies WatchdogJob);
  }

  /** Says that this step begins. */
  step(step: number): void {
    Atomics.store(this.#words, 0, step);
  }

  /** Watches no more. */
  [Symbol.dispose](): void {
    Atomics.store(this.#words, 1, 1);
    Atomics.notify(this.#words, 1);
    this.#worker.terminate();
  }
}

/** What the watching isolate is told. */
export interface WatchdogJob {
  readonly words: Int32Array<SharedArrayBuffer>;
  readonly what: string;
  readonly hangMs: number;
}

/** Watches until it is told to end, or the process has to be. */
export function watch({ words, what, hangMs }: WatchdogJob): void {
  for (;;) {
    const step = Atomics.load(words, 0);
    if (Atomics.wait(words, 1, 0, hangMs) !== "timed-out") return;
    if (Atomics.load(words, 0) !== step) continue;
    const message = `${what}: step ${step} has not ended in ${hangMs} ms; this process ends\n`;
    Deno.stderr.writeSync(new TextEncoder().encode(message));
    Deno.kill(Deno.pid, "SIGKILL");
  }
}
