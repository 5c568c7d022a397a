/**
 * `denovisor exec`: a command in a guest with the streams, the signals and the status of this process.
 * @module
 */
import { isLost, type Machines, machines, open, type Stream } from "../control/client.ts";
import { Outgoing } from "../control/credit.ts";
import type { Frame } from "../control/frames.ts";
import { parseName } from "../control/name.ts";
import {
  ControlError,
  decodeCredit,
  encodeSize,
  type ExecEnd,
  Frames,
  parseEnd,
  type RequestOf,
} from "../control/protocol.ts";
import { messageOf, statusOf, UsageError } from "../errors.ts";
import { ENDING_SIGNALS, EXIT_OUTPUT_CLOSED, killedStatus, signalStatus } from "../exit_status.ts";
import { RawTerminal } from "../run/terminal.ts";
import { print, say, type System } from "../system.ts";
import type { ExecOptions } from "./spec.ts";

const SIGKILL = 9;
const NOTHING = new Uint8Array(0);
const CHUNK = 16 << 10;

/** How long it may take until the command has started, in milliseconds: its guest may still be booting. */
const START_MS = 90_000;

/** What a terminal has that does not say its size (terminfo(5), the usual one). */
const USUAL_SIZE = { columns: 80, rows: 24 };

/** How a command ended, for scripts: the shape of `denovisor exec --json`. */
export interface ExecReport {
  /** The exit status of `denovisor`. */
  readonly status: number;
  /** The command's status; null where a signal has killed it, or it did not come to an end. */
  readonly code: number | null;
  /** The number of the signal that has killed it. */
  readonly signal: number | null;
  /** Why it did not come to an end; null where it did. */
  readonly error: string | null;
}

/** The action of the verb. @returns the exit status */
export function exec(
  operands: readonly string[],
  options: ExecOptions,
  system: System,
): Promise<number> {
  return execOn(machines(), operands, options, system);
}

/** The same on machines of the caller's. */
export async function execOn(
  machines: Machines,
  operands: readonly string[],
  options: ExecOptions,
  system: System,
): Promise<number> {
  let report: ExecReport;
  try {
    const [name, request] = requestOf(operands, options, system);
    using stream = await open(machines, name, request, START_MS);
    const end = await new Execution(stream, name, request, system).run();
    report = typeof end === "number"
      ? { status: end, code: null, signal: null, error: "standard output was closed" }
      : reportOf(end);
  } catch (error) {
    say(system, messageOf(error));
    report = { status: statusOf(error), code: null, signal: null, error: messageOf(error) };
  }
  if (options.json) print(system.stderr, `${JSON.stringify(report)}\n`);
  return report.status;
}

function reportOf({ code, signal }: ExecEnd): ExecReport {
  return signal === null
    ? { status: code, code, signal, error: null }
    : { status: killedStatus(signal), code: null, signal, error: null };
}

/** The machine's name, and what it's asked for. @throws {UsageError} */
function requestOf(
  [operand, ...rest]: readonly string[],
  options: ExecOptions,
  system: System,
): [string, RequestOf<"exec">] {
  const command = rest[0] === "--" ? rest.slice(1) : rest;
  if (command.length === 0 || command[0] === "") {
    throw new UsageError("the command is missing (denovisor exec NAME COMMAND...)");
  }
  const { interactive, tty, env, workdir, user } = options;
  if (interactive && tty && !system.stdin.isTerminal()) {
    throw new UsageError("--tty: standard input is no terminal (leave out -t, or -i)");
  }
  return [parseName(operand), {
    do: "exec",
    command,
    env: [...env],
    cwd: workdir,
    user,
    tty: tty ? system.stdout.size() ?? USUAL_SIZE : undefined,
    stdin: interactive,
  }];
}

/** One command from its start to its end. */
class Execution {
  readonly #input: Outgoing;
  #signals = 0;

  constructor(
    private readonly stream: Stream,
    private readonly name: string,
    private readonly request: RequestOf<"exec">,
    private readonly system: System,
  ) {
    this.#input = new Outgoing((bytes) => stream.writer.frame(Frames.input, bytes));
  }

  /** @returns how the command ended, or the exit status where nobody reads its output any more */
  async run(): Promise<ExecEnd | number> {
    using resources = new DisposableStack();
    const { system, request } = this;
    if (request.tty !== undefined) {
      if (request.stdin) resources.use(new RawTerminal(system));
      resources.use(system.onSignal("SIGWINCH", () => this.#resize()));
      // It may have changed since the request was made.
      this.#resize();
    }
    for (const [signal, number] of Object.entries(ENDING_SIGNALS)) {
      const name = signal as keyof typeof ENDING_SIGNALS;
      resources.use(system.onSignal(name, () => this.#signal(number, signalStatus(name))));
    }
    // Nothing cancels a read of standard input: it is left alone at the end.
    if (request.stdin) this.#pump().catch(() => {});
    try {
      return await this.#receive();
    } catch (error) {
      if (isLost(error)) throw this.#lost(error);
      throw error;
    }
  }

  async #receive(): Promise<ExecEnd | number> {
    const { stdout, stderr } = this.system;
    for (;;) {
      const frame = await this.stream.reader.frame();
      if (frame === undefined) throw this.#lost();
      switch (frame.type) {
        case Frames.output:
          if (!await isWritten(stdout.write(frame.payload))) return EXIT_OUTPUT_CLOSED;
          break;
        case Frames.errorOutput:
          if (!await isWritten(stderr.write(frame.payload))) return EXIT_OUTPUT_CLOSED;
          break;
        default: {
          const end = this.#control(frame);
          if (end !== undefined) return end;
        }
      }
    }
  }

  #control({ type, payload }: Frame): ExecEnd | undefined {
    if (type === Frames.end) return parseEnd(payload);
    // What else there may be is of a later version, and not needed.
    if (type === Frames.credit) this.#input.give(decodeCredit(payload));
    return undefined;
  }

  /** Passes standard input on, to its end. */
  async #pump(): Promise<void> {
    const buffer = new Uint8Array(CHUNK);
    for (;;) {
      const length = await this.system.stdin.read(buffer);
      if (length === null) break;
      await this.#input.send(buffer.subarray(0, length));
    }
    await this.stream.writer.frame(Frames.inputEnd, NOTHING);
  }

  #resize(): void {
    const size = this.system.stdout.size();
    if (size !== undefined) this.#send(Frames.resize, encodeSize(size));
  }

  #signal(number: number, status: number): void {
    this.#signals++;
    if (this.#signals === 1) this.#send(Frames.signal, Uint8Array.of(number));
    else if (this.#signals === 2) this.#send(Frames.signal, Uint8Array.of(SIGKILL));
    else this.system.exit(status);
  }

  /** Sends what is not waited for; a connection that is gone is told where it is read. */
  #send(type: number, payload: Uint8Array): void {
    this.stream.writer.frame(type, payload).catch(() => {});
  }

  #lost(cause?: unknown): ControlError {
    return new ControlError("ended", `the machine ${this.name} has ended`, { cause });
  }
}

/** Waits for output to be written. @returns false where nobody reads it any more */
async function isWritten(written: Promise<void>): Promise<boolean> {
  try {
    await written;
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) return false;
    throw error;
  }
}
