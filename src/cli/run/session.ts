/**
 * One run from the machine's creation to its end, with the console, the signals and the timeout around it.
 * @module
 */
import type { CheckedConfig } from "../../machine/config.ts";
import type { MachineEnd, TimelineEntry } from "../../machine/end.ts";
import type { System } from "../system.ts";
import { type ConsoleTarget, formatDuration } from "../values.ts";
import { ESCAPE_HELP, type EscapeCommand, EscapeParser } from "./escape.ts";
import { GuestInput, pumpPipe, pumpTerminal } from "./input.ts";
import type { CreateMachine, RunnableMachine } from "./machine.ts";
import type { GuestAgent, NamedMachine } from "./named.ts";
import { ConsoleOutput } from "./output.ts";
import { endOnSignals } from "./signals.ts";
import { Stopper, type StopReason } from "./stopper.ts";
import { RawTerminal } from "./terminal.ts";

/** What is to be run, and how. */
export interface RunRequest {
  readonly config: CheckedConfig;
  readonly console: ConsoleTarget;
  /** Milliseconds; undefined for no bound. */
  readonly timeout: number | undefined;
  readonly onReboot: "exit" | "restart";
  /**
   * What the guest is sent where nothing more can be typed: at the end of a pipe, or at once where the console is
   * none. Kernels are sent nothing: they go on.
   */
  readonly endOfInput?: Uint8Array;
  /** What the machine is called by who controls it from outside; without a name nobody can. */
  readonly name?: string;
  /** What starts commands in its guest, where there's something that does. */
  readonly agent?: GuestAgent;
}

/** How a run ended: by the guest, or by a request from outside. */
export type RunEnd =
  | Exclude<MachineEnd, { readonly kind: "stopped" }>
  | Exclude<StopReason, { readonly kind: "failure" }>;

/** A run that has ended. */
export interface RunResult {
  readonly end: RunEnd;
  /** How often the machine was built anew after a reset. */
  readonly restarts: number;
  /** From the call to the end. */
  readonly milliseconds: number;
  /** Of the last machine; empty where none came to be. */
  readonly timeline: readonly TimelineEntry[];
  /** When that machine was begun to be built, as performance.now() tells time. */
  readonly created: number;
  /** When it had been given back. */
  readonly released: number;
  /** For each vCPU of the last machine, how often it left the guest, by the exit's name. */
  readonly exits: readonly Readonly<Record<string, number>>[];
  /** The last lines of the console. */
  readonly lastLines: readonly string[];
  /** Whether the console was a user's terminal. */
  readonly interactive: boolean;
}

/** How long output may take to get out after a request to stop; a reader that reads no more must not hold it up. */
const DRAIN_MS = 1000;

const BELL = Uint8Array.of(0x07);

/** Runs machines for one request. Use {@linkcode runMachine}. */
class Session implements Disposable {
  readonly stopper = new Stopper();
  #restarts = 0;
  #timeline: readonly TimelineEntry[] = [];
  #created = 0;
  #exits: readonly Readonly<Record<string, number>>[] = [];
  readonly #began = performance.now();
  readonly #input = new GuestInput();
  readonly #resources = new DisposableStack();
  readonly #output: ConsoleOutput;
  readonly #interactive: boolean;
  #connected = false;
  #resizing: Disposable | undefined;
  #named: NamedMachine | undefined;

  constructor(
    private readonly request: RunRequest,
    private readonly system: System,
    private readonly create: CreateMachine,
  ) {
    this.#resources.use(endOnSignals(system, this.stopper));
    try {
      this.#output = this.#resources.use(new ConsoleOutput(request.console, system, this.stopper));
    } catch (error) {
      this.#resources.dispose();
      throw error;
    }
    this.#interactive = request.console.kind === "stdio" && system.stdin.isTerminal();
    if (request.timeout !== undefined) this.#limit(request.timeout);
  }

  get #milliseconds(): number {
    return performance.now() - this.#began;
  }

  #limit(milliseconds: number): void {
    const request = () => this.stopper.request({ kind: "timeout", milliseconds });
    const timer = setTimeout(request, milliseconds);
    this.#resources.defer(() => clearTimeout(timer));
  }

  /**
   * Lets the machine be controlled from outside, until what is returned is disposed of.
   *
   * @throws {UsageError} another machine has the name
   * @throws {HostError} there's no safe place for a socket
   */
  async publish(name: string): Promise<AsyncDisposable> {
    const { NamedMachine } = await import("./named.ts");
    return this.#named = await NamedMachine.open({
      name,
      config: this.request.config,
      agent: this.request.agent,
      type: (bytes) => this.#input.send(bytes),
      end: () => this.stopper.request({ kind: "user" }),
      milliseconds: () => this.#milliseconds,
    });
  }

  /** Runs machine after machine until there's no reason for another. */
  async run(): Promise<RunResult> {
    for (;;) {
      const end = await this.#once();
      if (end.kind === "reset" && this.request.onReboot === "restart") {
        this.#restarts++;
        this.#output.say(`the guest was reset (${end.source}); restarting`);
        continue;
      }
      return {
        end,
        restarts: this.#restarts,
        milliseconds: this.#milliseconds,
        timeline: this.#timeline,
        created: this.#created,
        released: performance.now(),
        exits: this.#exits,
        lastLines: this.#output.lastLines,
        interactive: this.#interactive,
      };
    }
  }

  /** Builds one machine and runs it to its end. */
  async #once(): Promise<RunEnd> {
    const { stopper } = this;
    let machine: RunnableMachine;
    this.#created = performance.now();
    this.#named?.begin();
    try {
      machine = await this.create(this.request.config, {
        signal: stopper.signal,
        log: (line) => this.#output.say(line),
      });
    } catch (error) {
      if (stopper.reason !== undefined) return outside(stopper.reason);
      throw error;
    }
    await using _release = machine;
    if (stopper.reason !== undefined) return outside(stopper.reason);
    // Both sides get going at once: the guest needs longer for its first byte than the rest of this does.
    machine.start();
    if (this.#named !== undefined) this.#named.machine = machine;
    const pumping = this.#output.pump(machine.console.output, this.#named?.console);
    this.#connect(machine);
    await Promise.race([machine.ended, stopper.requested]);
    this.#input.target = undefined;
    if (this.#named !== undefined) this.#named.machine = undefined;
    if (stopper.reason !== undefined) await machine.stop();
    const end = await machine.ended;
    this.#exits = machine.exits;
    this.#timeline = machine.timeline;
    // Without a request the output has all the time that its reader takes.
    await Promise.race([pumping, stopper.requested]);
    if (stopper.reason !== undefined) await atMost(DRAIN_MS, pumping);
    if (stopper.reason !== undefined) return outside(stopper.reason);
    if (end.kind === "stopped") throw new Error("the machine was stopped, but nobody asked it to");
    return end;
  }

  /** Connects standard input, at the first machine; later ones take over what was typed since. */
  #connect(machine: RunnableMachine): void {
    const { console, endOfInput, name } = this.request;
    if (console.kind !== "stdio") {
      // Whoever attaches to a machine with a name can type.
      this.#input.target = machine.console;
      if (endOfInput !== undefined && name === undefined) {
        this.#watch(machine.console.write(endOfInput));
      }
      return;
    }
    this.#input.target = machine.console;
    this.#size(machine);
    if (this.#connected) return;
    this.#connected = true;
    const { stdin } = this.system;
    if (!this.#interactive) {
      this.#watch(pumpPipe(stdin, this.#input, endOfInput));
      return;
    }
    this.#resources.use(new RawTerminal(this.system));
    const parser = new EscapeParser((command) => this.#obey(command), (bytes) => this.#type(bytes));
    this.#watch(pumpTerminal(stdin, parser));
    this.#output.say("Ctrl-A x ends the machine, Ctrl-A h shows all keys");
  }

  /** Tells the guest how large the terminal is, now and whenever that changes. */
  #size(machine: RunnableMachine): void {
    const { system } = this;
    const tell = () => {
      const size = system.stdout.size();
      if (size !== undefined) machine.console.resize(size.columns, size.rows);
    };
    tell();
    this.#resizing?.[Symbol.dispose]();
    this.#resizing = system.onSignal("SIGWINCH", tell);
  }

  /** The reading goes on by itself; it can't be awaited, for nothing cancels a read of a terminal. */
  #watch(pump: Promise<void>): void {
    pump.catch((error) => {
      // A terminal that was closed gives EIO, and SIGHUP ends the run.
      if (!this.#interactive) this.stopper.request({ kind: "failure", error });
    });
  }

  #type(bytes: Uint8Array): void {
    if (this.#input.offer(bytes)) return;
    this.system.stderr.write(BELL).catch(() => {});
  }

  #obey(command: EscapeCommand): void {
    switch (command) {
      case "exit":
        this.stopper.request({ kind: "user" });
        return;
      case "help":
        this.#output.say(ESCAPE_HELP.join("\n"));
        return;
      case "status":
        this.#output.say(this.#status());
        return;
      case "unknown":
        this.#output.say("there is no such key; Ctrl-A h shows those there are");
    }
  }

  #status(): string {
    const { cpus, memory, kernel } = this.request.config;
    const restarts = this.#restarts === 0 ? "" : `, restarted ${this.#restarts} times`;
    const name = typeof kernel === "string" ? kernel : kernel.name;
    return `${name}: ${cpus} vCPU${cpus === 1 ? "" : "s"}, ${Math.floor(memory / 2 ** 20)} MiB, ` +
      `running for ${formatDuration(this.#milliseconds)}${restarts}`;
  }

  /** Gives the terminal, the signals, the timer and the console's file back. */
  [Symbol.dispose](): void {
    this.#resizing?.[Symbol.dispose]();
    this.#resources.dispose();
  }
}

/** A request from outside as the end of a run. @throws the error of a failure */
function outside(reason: StopReason): RunEnd {
  if (reason.kind === "failure") throw reason.error;
  return reason;
}

/** Waits for something, but not for ever. */
async function atMost(milliseconds: number, work: Promise<void>): Promise<void> {
  const late = Promise.withResolvers<void>();
  const timer = setTimeout(late.resolve, milliseconds);
  await Promise.race([work, late.promise]);
  clearTimeout(timer);
}

/**
 * Runs a machine to its end, and again after each reset where the request says so.
 *
 * When this returns or throws, the terminal, the signals and the machine have been given back.
 *
 * @throws {UsageError} a console's file that can't be written, or a name that another machine has
 * @throws {HostError} there's no safe place for the control socket of a name
 * @throws what `create` throws
 */
export async function runMachine(
  request: RunRequest,
  system: System,
  create: CreateMachine,
): Promise<RunResult> {
  using session = new Session(request, system, create);
  const { name } = request;
  await using _named = name === undefined ? undefined : await session.publish(name);
  return await session.run();
}
