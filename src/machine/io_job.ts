/**
 * What an I/O Worker does from its first message to its last: it serves devices from one event loop.
 *
 * The Worker blocks in one system call while nothing happens, and so sees no messages. What the main isolate wants
 * of it comes as lines of JSON in a ring, with an eventfd that wakes the loop; what it answers is posted.
 * @module
 */
import { IoLoop, signalEventFd } from "../ffi/mod.ts";
import { GuestMemory, type GuestMemorySpec } from "../memory/mod.ts";
import {
  ByteRing,
  openInterrupts,
  type RunnerSpec,
  type UserModules,
  virtioModule,
  VirtioRunner,
} from "../../devices/mod.ts";
import { failureText } from "./failure.ts";
import { withUserModules } from "./user_modules.ts";

/** Everything that an I/O Worker is posted. */
export interface IoJob {
  readonly memory: GuestMemorySpec;
  readonly devices: readonly RunnerSpec[];
  /** The URLs of the modules that the user's own devices are written in. */
  readonly userModules: readonly string[];
  /** A ByteRing of {@linkcode IoCommand}s, each a line of JSON. */
  readonly commands: SharedArrayBuffer;
  /** The eventfd that is signalled after a command was written. */
  readonly bell: number;
}

/** A wish of the main isolate's. */
export interface IoCommand {
  /** Tells answers apart. */
  readonly id: number;
  readonly name: "pause" | "resume" | "stop" | "save" | "restore" | "device";
  /** Of `restore` and `device`: which. */
  readonly device?: string;
  /** Of `device`: the command's own name. */
  readonly command?: string;
  readonly argument?: unknown;
}

/** What an I/O Worker posts. */
export type IoMessage =
  /** All devices are open and served. */
  | { readonly kind: "ready" }
  | { readonly kind: "answer"; readonly id: number; readonly result: unknown }
  | { readonly kind: "refusal"; readonly id: number; readonly error: string }
  /** A line for whoever runs the machine. */
  | { readonly kind: "log"; readonly line: string }
  /** The Worker's code threw: a host call failed, or there is a bug. */
  | { readonly kind: "failed"; readonly error: string };

/** Serves devices when the modules that they need are there; posts what goes wrong. */
export function startIoJob(job: IoJob, post: (message: IoMessage) => void): void {
  const failed = (error: unknown) => post({ kind: "failed", error: failureText(error) });
  withUserModules(job.userModules, (modules) => {
    try {
      runIoJob(job, post, modules);
    } catch (error) {
      failed(error);
    }
  }, failed);
}

/**
 * Serves devices until a `stop`, which is answered last.
 *
 * @throws {SysError} when the event loop can't be made
 */
export function runIoJob(
  job: IoJob,
  post: (message: IoMessage) => void,
  userModules?: UserModules,
): void {
  using loop = new IoLoop();
  const memory = GuestMemory.attach(job.memory);
  const runners = new Map(job.devices.map((spec) => {
    const runner = new VirtioRunner(spec, virtioModule(spec.description.kind, userModules), {
      memory,
      scope: (failed) => loop.scope(failed),
      interrupts: openInterrupts(spec.slot, signalEventFd),
      log: (line) => post({ kind: "log", line }),
    });
    return [spec.slot.id, runner] as const;
  }));
  const server = new CommandServer(job, runners, post);
  const scope = loop.scope((error) => {
    throw error;
  });
  scope.event(job.bell, () => server.serve());
  post({ kind: "ready" });
  while (!server.stopped) loop.turn();
  for (const runner of runners.values()) runner.close();
  scope.close();
  server.finish();
}

/** Takes commands and answers them. */
class CommandServer {
  /** Whether the last command was a stop, and all devices have let go. */
  stopped = false;
  #stopId = 0;
  readonly #ring: ByteRing;
  readonly #chunk = new Uint8Array(4096);
  readonly #decoder = new TextDecoder();
  #text = "";

  constructor(
    job: IoJob,
    private readonly runners: ReadonlyMap<string, VirtioRunner>,
    private readonly post: (message: IoMessage) => void,
  ) {
    this.#ring = new ByteRing(job.commands);
  }

  /** Does all that was asked for since. */
  serve(): void {
    for (let n; (n = this.#ring.readInto(this.#chunk)) > 0;) {
      this.#text += this.#decoder.decode(this.#chunk.slice(0, n), { stream: true });
    }
    const lines = this.#text.split("\n");
    this.#text = lines.pop() ?? "";
    for (const line of lines) this.#obey(JSON.parse(line));
  }

  /** Answers the stop, when everything is given back. */
  finish(): void {
    this.post({ kind: "answer", id: this.#stopId, result: null });
  }

  #obey(command: IoCommand): void {
    const { id } = command;
    try {
      switch (command.name) {
        case "pause":
          this.#pauseAll(() => this.post({ kind: "answer", id, result: null }));
          return;
        case "stop":
          this.#stopId = id;
          this.#pauseAll(() => this.stopped = true);
          return;
        default:
          this.post({ kind: "answer", id, result: this.#result(command) ?? null });
      }
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      this.post({ kind: "refusal", id, error: text });
    }
  }

  #result(command: IoCommand): unknown {
    switch (command.name) {
      case "resume":
        for (const runner of this.runners.values()) runner.resume();
        return null;
      case "save":
        return Object.fromEntries([...this.runners].map(([id, runner]) => [id, runner.save()]));
      case "restore":
        return this.#runner(command.device).restore(command.argument as never);
      default:
        return this.#runner(command.device).command(command.command ?? "", command.argument);
    }
  }

  #runner(id: string | undefined): VirtioRunner {
    const runner = this.runners.get(id ?? "");
    if (runner === undefined) throw new Error(`this isolate has no device ${id}`);
    return runner;
  }

  #pauseAll(paused: () => void): void {
    let left = this.runners.size;
    for (const runner of this.runners.values()) {
      runner.pause(() => {
        if (--left === 0) paused();
      });
    }
    if (left === 0 && this.runners.size === 0) paused();
  }
}
