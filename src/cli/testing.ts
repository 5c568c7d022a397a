/**
 * What this room's tests share: waiting, and a machine that exists only in a test, from its start to its release.
 * @module
 */
import type { MachineEnd } from "../machine/end.ts";

const encoder = new TextEncoder();

/** Resolves when `condition` holds. @throws {Error} it doesn't within `limit` milliseconds */
export async function until(
  condition: () => boolean,
  what: string,
  limit = 5000,
): Promise<void> {
  const end = performance.now() + limit;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`it never came to this: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** What the fake machines of this room's tests have in common: the guest is the test. */
export class FakeLife implements AsyncDisposable {
  started = false;
  stops = 0;
  released = false;
  paused = false;
  /** What was typed at the guest. */
  typed = "";
  readonly #ended = Promise.withResolvers<MachineEnd>();
  readonly #output = new TransformStream<Uint8Array, Uint8Array>(undefined, undefined, {
    highWaterMark: 64,
  });
  readonly #writer = this.#output.writable.getWriter();

  readonly ended = this.#ended.promise;
  /** What the guest has printed. */
  readonly output = this.#output.readable;

  start(): void {
    this.started = true;
  }

  pause(): Promise<void> {
    this.paused = true;
    return Promise.resolve();
  }

  resume(): void {
    this.paused = false;
  }

  /** The guest writes to its console. */
  print(text: string): this {
    this.#writer.write(encoder.encode(text)).catch(() => {});
    return this;
  }

  /** The guest ends. */
  end(end: MachineEnd): this {
    this.#ended.resolve(end);
    this.#writer.close().catch(() => {});
    return this;
  }

  /** The monitor fails under the guest. */
  fail(error: Error): void {
    this.#ended.reject(error);
    this.#writer.close().catch(() => {});
  }

  stop(): Promise<void> {
    this.stops++;
    this.end({ kind: "stopped" });
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.released = true;
    this.end({ kind: "stopped" });
    return Promise.resolve();
  }
}
