/**
 * `denovisor console`.
 * @module
 */
import { ask, isLost, type Machines, machines, open, type Stream } from "../control/client.ts";
import { Outgoing, WINDOW } from "../control/credit.ts";
import { parseName } from "../control/name.ts";
import { ControlError, decodeCredit, encodeSize, Frames, parseEnd } from "../control/protocol.ts";
import { messageOf, statusOf } from "../errors.ts";
import {
  ENDING_SIGNALS,
  type EndingSignal,
  EXIT_OK,
  EXIT_OUTPUT_CLOSED,
  signalStatus,
} from "../exit_status.ts";
import { report } from "../ps/ps.ts";
import { ATTACHED_KEYS, type EscapeCommand, EscapeParser } from "../run/escape.ts";
import { pumpTerminal } from "../run/input.ts";
import { RawTerminal } from "../run/terminal.ts";
import { print, say, type System } from "../system.ts";
import { type ConsoleOptions, consoleVerb } from "./spec.ts";

const CHUNK = 16 << 10;
const BELL = Uint8Array.of(0x07);

/** Why it ended, for scripts: the shape of `denovisor console --json`. */
export interface ConsoleReport {
  /** The exit status of `denovisor`. */
  readonly status: number;
  readonly end: "detached" | "machine-ended" | "output-closed" | "signal" | "failed";
  /** What failed; null where nothing has. */
  readonly error: string | null;
}

/** The action of the verb. @returns the exit status */
export function console(
  operands: readonly string[],
  options: ConsoleOptions,
  system: System,
): Promise<number> {
  return attach(machines(), operands, options, system);
}

/** The same with machines of the caller's. */
export async function attach(
  machines: Machines,
  [operand]: readonly string[],
  { json }: ConsoleOptions,
  system: System,
): Promise<number> {
  let report: ConsoleReport;
  try {
    const name = parseName(operand);
    using stream = await open(machines, name, { do: "console" });
    report = await new Attachment(stream, name, machines, system).run();
  } catch (error) {
    say(system, messageOf(error));
    report = { status: statusOf(error), end: "failed", error: messageOf(error) };
  }
  if (json) print(system.stderr, `${JSON.stringify(report)}\n`);
  return report.status;
}

/** A terminal, or a pair of pipes, at a machine's console. */
class Attachment {
  readonly #input: Outgoing;
  readonly #left = Promise.withResolvers<ConsoleReport>();
  readonly #interactive: boolean;
  /** What is typed is sent in turn, and only so much waits. */
  #typing: Promise<void> = Promise.resolve();
  #waiting = 0;

  constructor(
    private readonly stream: Stream,
    private readonly name: string,
    private readonly machines: Machines,
    private readonly system: System,
  ) {
    this.#input = new Outgoing((bytes) => stream.writer.frame(Frames.input, bytes));
    this.#interactive = system.stdin.isTerminal();
  }

  async run(): Promise<ConsoleReport> {
    using resources = new DisposableStack();
    const { system, name } = this;
    for (const signal of Object.keys(ENDING_SIGNALS) as EndingSignal[]) {
      resources.use(system.onSignal(signal, () => {
        this.#left.resolve({ status: signalStatus(signal), end: "signal", error: null });
      }));
    }
    if (this.#interactive) {
      resources.use(new RawTerminal(system));
      resources.use(system.onSignal("SIGWINCH", () => this.#resize()));
      this.#resize();
      const parser = new EscapeParser(
        (command) => this.#obey(command),
        (bytes) => this.#type(bytes),
        ATTACHED_KEYS,
      );
      say(system, `attached to ${name}; Ctrl-A d detaches, Ctrl-A h shows all keys`);
      pumpTerminal(system.stdin, parser).catch(() => {});
    } else {
      this.#pump().catch(() => {});
    }
    const receiving = this.#receive();
    // Who leaves does not hear what the connection says about that.
    receiving.catch(() => {});
    const report = await Promise.race([receiving, this.#left.promise]);
    if (this.#interactive) {
      this.#say(report.end === "machine-ended" ? `${name} has ended` : `detached from ${name}`);
    }
    return report;
  }

  async #receive(): Promise<ConsoleReport> {
    for (;;) {
      let frame;
      try {
        frame = await this.stream.reader.frame();
      } catch (error) {
        if (!isLost(error)) throw error;
      }
      if (frame === undefined) {
        throw new ControlError("ended", `the process of the machine ${this.name} has ended`);
      }
      const { type, payload } = frame;
      if (type === Frames.end) {
        parseEnd(payload);
        return { status: EXIT_OK, end: "machine-ended", error: null };
      }
      if (type === Frames.credit) this.#input.give(decodeCredit(payload));
      if (type !== Frames.output) continue;
      try {
        await this.system.stdout.write(payload);
      } catch (error) {
        if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
        return { status: EXIT_OUTPUT_CLOSED, end: "output-closed", error: null };
      }
    }
  }

  /** Passes a pipe on. */
  async #pump(): Promise<void> {
    const buffer = new Uint8Array(CHUNK);
    for (;;) {
      const length = await this.system.stdin.read(buffer);
      if (length === null) return;
      await this.#input.send(buffer.subarray(0, length));
    }
  }

  #type(bytes: Uint8Array): void {
    if (this.#waiting + bytes.length > WINDOW) {
      this.system.stderr.write(BELL).catch(() => {});
      return;
    }
    const own = bytes.slice();
    this.#waiting += own.length;
    this.#typing = this.#typing.then(async () => {
      await this.#input.send(own);
      this.#waiting -= own.length;
      // A connection that is gone is told where it is read.
    }).catch(() => {});
  }

  #resize(): void {
    const size = this.system.stdout.size();
    if (size === undefined) return;
    this.stream.writer.frame(Frames.resize, encodeSize(size)).catch(() => {});
  }

  #obey(command: EscapeCommand): void {
    switch (command) {
      case "detach":
        this.#left.resolve({ status: EXIT_OK, end: "detached", error: null });
        return;
      case "exit":
        this.#ask(async () => {
          await ask(this.machines, this.name, { do: "stop", force: true, timeout: 1 });
        });
        return;
      case "status":
        this.#ask(async () => {
          const info = await ask(this.machines, this.name, { do: "info" });
          this.#say(report([info]).trimEnd());
        });
        return;
      case "help":
        this.#say(KEYS.map(([key, does]) => `${key.padEnd(13)}  ${does}`).join("\n"));
        return;
      case "unknown":
        this.#say("there is no such key; Ctrl-A h shows those there are");
    }
  }

  #ask(request: () => Promise<void>): void {
    request().catch((error) => this.#say(messageOf(error)));
  }

  /** A message on a line of its own: the terminal is raw, and may be in the middle of one of the guest's. */
  #say(message: string): void {
    print(this.system.stderr, "\r\n");
    say(this.system, message.replaceAll("\n", "\r\n"));
    print(this.system.stderr, "\r");
  }
}

const KEYS = consoleVerb.sections.flatMap(({ chapter, rows = [] }) =>
  chapter === "KEYS" ? rows : []
);
