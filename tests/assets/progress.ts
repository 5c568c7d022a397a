/**
 * A line on the terminal that tells what takes so long.
 *
 * @module
 */

/** Work shorter than this shows nothing. Milliseconds. */
const QUIET_MS = 1000;
/** How often the line is drawn again. Milliseconds. */
const REDRAW_MS = 200;

const encoder = new TextEncoder();

/**
 * Shows, on standard error and only where that is a terminal, a label with the part done or the
 * seconds gone by. It appears after a second and is wiped when disposed of.
 *
 * ```ts
 * using progress = new Progress("fetching linux-image-cloud-amd64");
 * progress.fraction = 0.5;
 * ```
 */
export class Progress implements Disposable {
  /** The part of the work that is done, 0 to 1, if known. */
  fraction: number | undefined;
  readonly #started = performance.now();
  readonly #timer: ReturnType<typeof setInterval> | undefined;
  #drawn = false;

  /** @param label what is being done, as in "fetching X". */
  constructor(public label: string) {
    if (Deno.stderr.isTerminal()) {
      this.#timer = setInterval(() => this.#draw(), REDRAW_MS);
    }
  }

  #draw(): void {
    const elapsed = performance.now() - this.#started;
    if (elapsed < QUIET_MS) return;
    const amount = this.fraction === undefined
      ? `${(elapsed / 1000).toFixed(0)} s`
      : `${Math.floor(this.fraction * 100)} %`;
    Deno.stderr.writeSync(encoder.encode(`\r\x1b[K${this.label}: ${amount}`));
    this.#drawn = true;
  }

  [Symbol.dispose](): void {
    if (this.#timer !== undefined) clearInterval(this.#timer);
    if (this.#drawn) Deno.stderr.writeSync(encoder.encode("\r\x1b[K"));
  }
}
