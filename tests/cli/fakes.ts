/**
 * A process and a machine that exist only in a test: a terminal that is typed into, streams that are read,
 * signals that are sent, a guest that does what the test says.
 * @module
 */
import type { CreateMachine, RunnableMachine } from "../../src/cli/run/machine.ts";
import type { System } from "../../src/cli/system.ts";
import { FakeLife, until } from "../../src/cli/testing.ts";
import type { TimelineEntry } from "../../src/machine/end.ts";

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** A {@linkcode System} with everything in the test's hands. */
export class FakeSystem implements System {
  out = "";
  err = "";
  raw = false;
  /** Each change of raw mode, in order. */
  readonly rawChanges: boolean[] = [];
  exits: number[] = [];
  suspended = 0;
  /** How large the terminal is. */
  size = { columns: 80, rows: 25 };
  /** What a write to standard output does before it succeeds. */
  onWrite: (bytes: Uint8Array) => Promise<void> | void = () => {};
  readonly #handlers = new Map<Deno.Signal, Set<() => void>>();
  readonly #typed: (Uint8Array | null)[] = [];
  #wanted: (() => void) | undefined;

  constructor(private readonly terminal: boolean) {}

  readonly stdin = {
    isTerminal: () => this.terminal,
    setRaw: (raw: boolean) => {
      this.raw = raw;
      this.rawChanges.push(raw);
    },
    read: async (into: Uint8Array) => {
      while (this.#typed.length === 0) await new Promise<void>((resolve) => this.#wanted = resolve);
      const next = this.#typed[0];
      if (next === null) return null;
      const taken = Math.min(into.length, next.length);
      into.set(next.subarray(0, taken));
      if (taken === next.length) this.#typed.shift();
      else this.#typed[0] = next.subarray(taken);
      return taken;
    },
  };
  readonly stdout = {
    isTerminal: () => this.terminal,
    size: () => this.terminal ? this.size : undefined,
    write: async (bytes: Uint8Array) => {
      await this.onWrite(bytes);
      this.out += decoder.decode(bytes);
    },
    writeSync: (bytes: Uint8Array) => void (this.out += decoder.decode(bytes)),
  };
  readonly stderr = {
    isTerminal: () => this.terminal,
    size: () => this.terminal ? this.size : undefined,
    write: (bytes: Uint8Array) => Promise.resolve(this.stderr.writeSync(bytes)),
    writeSync: (bytes: Uint8Array) => void (this.err += decoder.decode(bytes)),
  };

  /** Types text, or ends the input with null. */
  type(text: string | null): void {
    this.#typed.push(text === null ? null : encoder.encode(text));
    this.#wanted?.();
  }

  /** Whether anyone listens for the signal. */
  listens(signal: Deno.Signal): boolean {
    return (this.#handlers.get(signal)?.size ?? 0) > 0;
  }

  /** Sends a signal, which has to have a listener. */
  send(signal: Deno.Signal): void {
    if (!this.listens(signal)) throw new Error(`${signal} would have killed the process`);
    for (const handler of this.#handlers.get(signal)!) handler();
  }

  onSignal(signal: Deno.Signal, handler: () => void): Disposable {
    const handlers = this.#handlers.get(signal) ?? new Set();
    this.#handlers.set(signal, handlers.add(handler));
    return { [Symbol.dispose]: () => void handlers.delete(handler) };
  }

  suspend(): void {
    this.suspended++;
  }

  exit(status: number): void {
    this.exits.push(status);
  }
}

/** A machine whose guest is the test. */
export class FakeMachine extends FakeLife implements RunnableMachine {
  /** The sizes of the terminal that the guest was told. */
  readonly sizes: string[] = [];
  /** What taking a typed byte costs the guest. */
  onType: () => Promise<void> | void = () => {};
  readonly timeline: TimelineEntry[] = [{ step: "built", at: 1 }];
  readonly exits = [{ KVM_EXIT_IO: 3 }];
  readonly devices = new Map([["disk0", { metrics: { reads: 5 } }]]);
  readonly console = {
    output: this.output,
    write: async (bytes: Uint8Array) => {
      await this.onType();
      this.typed += decoder.decode(bytes);
    },
    resize: (columns: number, rows: number) => void this.sizes.push(`${columns}x${rows}`),
  };
}

/** Machines to be built, one after another, and those that were. */
export class FakeFactory {
  readonly built: FakeMachine[] = [];
  readonly create: CreateMachine = async (_config, { signal }) => {
    await Promise.resolve();
    signal.throwIfAborted();
    const machine = new FakeMachine();
    this.built.push(machine);
    return machine;
  };

  /** The `n`th machine, once it runs. */
  async machine(n = 0): Promise<FakeMachine> {
    await until(() => this.built[n]?.started === true, `machine ${n} runs`);
    return this.built[n];
  }
}
