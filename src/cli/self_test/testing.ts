/**
 * Cases and guests that exist only in a test.
 * @module
 */
import type { MachineEnd } from "../../machine/end.ts";
import type { CaseContext, SelfTestCase } from "./case.ts";
import type { GuestMachine } from "./guest.ts";

/** A case that does what the test says. */
export function fakeCase(
  name: string,
  run: (context: CaseContext) => Promise<void> = () => Promise.resolve(),
  rest: Partial<Omit<SelfTestCase, "name" | "run">> = {},
): SelfTestCase {
  return { name, area: "program", title: `what ${name} is for`, needs: [], run, ...rest };
}

const encoder = new TextEncoder();

/** A machine whose guest is the test. */
export class FakeGuest implements GuestMachine {
  started = false;
  stops = 0;
  released = false;
  paused = false;
  typed = "";
  /** What the guest counts in memory each time that it is looked at. */
  count = 0n;
  metrics: Record<string, number> = {};
  readonly #lines: string[] = [];
  readonly #ended = Promise.withResolvers<MachineEnd>();
  readonly #output = new TransformStream<Uint8Array, Uint8Array>(undefined, undefined, {
    highWaterMark: 64,
  });
  readonly #writer = this.#output.writable.getWriter();

  readonly ended = this.#ended.promise;
  readonly console = {
    output: this.#output.readable,
    write: (bytes: Uint8Array) => {
      this.typed += new TextDecoder().decode(bytes);
      return Promise.resolve();
    },
    lastLines: this.#lines,
  };
  readonly memory = { readU64: () => this.paused ? this.count : ++this.count };
  readonly devices = new Map([["disk0", { metrics: this.metrics }]]);

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
    this.#lines.push(...text.trimEnd().split("\n"));
    this.#writer.write(encoder.encode(text)).catch(() => {});
    return this;
  }

  /** The guest ends. */
  end(end: MachineEnd): this {
    this.#ended.resolve(end);
    this.#writer.close().catch(() => {});
    return this;
  }

  stop(): Promise<void> {
    this.stops++;
    this.end({ kind: "stopped" });
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.released = true;
    return this.stop();
  }
}
