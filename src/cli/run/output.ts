/**
 * From the guest's console to standard output, to a file, or nowhere; and the last lines for a report.
 * @module
 */
import { PanicScanner } from "../../guest/panic.ts";
import { HostError, UsageError } from "../errors.ts";
import { print, say, type System } from "../system.ts";
import type { ConsoleTarget } from "../values.ts";
import type { Stopper } from "./stopper.ts";

const LINE_FEED = 0x0a;

/** Where the console's bytes end up. */
interface Sink extends Disposable {
  write(bytes: Uint8Array): Promise<void>;
  /** Why the run has to end after a write that failed. */
  explain(error: unknown): Parameters<Stopper["request"]>[0];
}

function stdioSink(system: System): Sink {
  return {
    write: (bytes) => system.stdout.write(bytes),
    explain: (error) =>
      error instanceof Deno.errors.BrokenPipe
        ? { kind: "output-closed" }
        : { kind: "failure", error },
    [Symbol.dispose]() {},
  };
}

function fileSink(path: string): Sink {
  let file: Deno.FsFile;
  try {
    file = Deno.openSync(path, { write: true, create: true, truncate: true });
  } catch (cause) {
    const text = cause instanceof Error ? cause.message : String(cause);
    throw new UsageError(`--console: the file can't be written: ${text}`, { cause });
  }
  return {
    async write(bytes) {
      for (let done = 0; done < bytes.length;) done += await file.write(bytes.subarray(done));
    },
    explain(error) {
      const text = error instanceof Error ? error.message : String(error);
      const message = `the console's file ${path} can't be written any more: ${text}`;
      return { kind: "failure", error: new HostError(message, { cause: error }) };
    },
    [Symbol.dispose]: () => file.close(),
  };
}

const nowhere: Sink = {
  write: () => Promise.resolve(),
  explain: (error) => ({ kind: "failure", error }),
  [Symbol.dispose]() {},
};

/** The console's output for one run; it outlives a machine that is built anew after a reboot. */
export class ConsoleOutput implements Disposable {
  readonly #sink: Sink;
  readonly #scanner = new PanicScanner();
  #midLine = false;

  /** @throws {UsageError} a file that can't be written */
  constructor(
    readonly target: ConsoleTarget,
    private readonly system: System,
    private readonly stopper: Stopper,
  ) {
    if (target.kind === "stdio") this.#sink = stdioSink(system);
    else this.#sink = target.kind === "file" ? fileSink(target.path) : nowhere;
  }

  /** The last lines that the guest wrote. */
  get lastLines(): string[] {
    return this.#scanner.lastLines;
  }

  /**
   * Passes a machine's output on until it ends. Never rejects: trouble asks the stopper for the end.
   *
   * @param others gets it, too; nothing waits for it
   */
  async pump(
    output: ReadableStream<Uint8Array>,
    others?: { print(bytes: Uint8Array): void },
  ): Promise<void> {
    for await (const bytes of output) {
      if (bytes.length === 0) continue;
      this.#scanner.push(bytes);
      others?.print(bytes);
      this.#midLine = bytes[bytes.length - 1] !== LINE_FEED;
      try {
        await this.#sink.write(bytes);
      } catch (error) {
        this.stopper.request(this.#sink.explain(error));
        return;
      }
    }
  }

  /** A message of the monitor on standard error, on a line of its own where the console shares the screen. */
  say(message: string): void {
    if (this.target.kind === "stdio" && this.#midLine && this.system.stdout.isTerminal()) {
      print(this.system.stderr, "\n");
      this.#midLine = false;
    }
    say(this.system, message);
  }

  /** Closes the file. */
  [Symbol.dispose](): void {
    this.#sink[Symbol.dispose]();
  }
}
