/**
 * What tells the user what takes so long: a line on the terminal, or a callback of the caller's.
 *
 * @module
 */

import { AsyncLocalStorage } from "node:async_hooks";

/** Work shorter than this shows nothing on the terminal. Milliseconds. */
const QUIET_MS = 1000;
/** How often the line is drawn again, and the least between two calls for one work. Milliseconds. */
const REDRAW_MS = 200;

const encoder = new TextEncoder();

/** How far a piece of work is. */
export interface ProgressReport {
  /** What is being done, as in "fetching X". */
  readonly label: string;
  /** The part of the work that is done, 0 to 1, if known. */
  readonly fraction?: number;
  /** Milliseconds since it began. */
  readonly elapsed: number;
  /** Whether this is the last report of this work: it is done, or has failed. */
  readonly done: boolean;
}

/** Is told how far each piece of work is: when it begins, five times a second at most, and at its end. */
export type ProgressListener = (report: ProgressReport) => void;

const listeners = new AsyncLocalStorage<ProgressListener>();

/** Runs `body`; what it and all that it calls would draw on the terminal goes to `listener` instead. */
export function withProgress<T>(listener: ProgressListener | undefined, body: () => T): T {
  return listener === undefined ? body() : listeners.run(listener, body);
}

/**
 * Shows, on standard error and only where that is a terminal, a label with the part done or the
 * seconds gone by. It appears after a second and is wiped when disposed of. Under
 * {@linkcode withProgress} nothing is drawn, and the listener is told.
 *
 * ```ts
 * import { Progress } from "denovisor/rootfs";
 *
 * using progress = new Progress("fetching linux-image-cloud-amd64");
 * progress.fraction = 0.5;
 * ```
 */
export class Progress implements Disposable {
  readonly #started = performance.now();
  readonly #timer: ReturnType<typeof setInterval> | undefined;
  readonly #listener = listeners.getStore();
  #label: string;
  #fraction: number | undefined;
  #told = -Infinity;
  #drawn = false;

  /** @param label what is being done, as in "fetching X". */
  constructor(label: string) {
    this.#label = label;
    if (this.#listener !== undefined) this.#tell(false);
    else if (Deno.stderr.isTerminal()) {
      this.#timer = setInterval(() => this.#draw(), REDRAW_MS);
    }
  }

  get label(): string {
    return this.#label;
  }

  set label(label: string) {
    this.#label = label;
    if (this.#listener !== undefined) this.#tell(false);
  }

  /** The part of the work that is done, 0 to 1, if known. */
  get fraction(): number | undefined {
    return this.#fraction;
  }

  set fraction(fraction: number | undefined) {
    this.#fraction = fraction;
    if (this.#listener !== undefined && performance.now() - this.#told >= REDRAW_MS) {
      this.#tell(false);
    }
  }

  #tell(done: boolean): void {
    this.#told = performance.now();
    this.#listener?.({
      label: this.#label,
      fraction: this.#fraction,
      elapsed: this.#told - this.#started,
      done,
    });
  }

  #draw(): void {
    const elapsed = performance.now() - this.#started;
    if (elapsed < QUIET_MS) return;
    const amount = this.#fraction === undefined
      ? `${(elapsed / 1000).toFixed(0)} s`
      : `${Math.floor(this.#fraction * 100)} %`;
    Deno.stderr.writeSync(encoder.encode(`\r\x1b[K${this.#label}: ${amount}`));
    this.#drawn = true;
  }

  [Symbol.dispose](): void {
    if (this.#timer !== undefined) clearInterval(this.#timer);
    if (this.#drawn) Deno.stderr.writeSync(encoder.encode("\r\x1b[K"));
    if (this.#listener !== undefined) this.#tell(true);
  }
}
