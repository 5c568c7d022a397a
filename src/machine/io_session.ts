/**
 * The devices of one machine at work in an I/O Worker, and the commands for them.
 * @module
 */
import { type IoLoop, type IoScope, signalEventFd } from "../ffi/mod.ts";
import { GuestMemory } from "../memory/mod.ts";
import {
  ByteRing,
  openInterrupts,
  type UserModules,
  virtioModule,
  VirtioRunner,
} from "../../devices/mod.ts";
import type { IoCommand, IoJob, IoMessage } from "./io_job.ts";

/** One job under way. */
export class IoSession {
  readonly #runners = new Map<string, VirtioRunner>();
  readonly #scope: IoScope;
  readonly #server: CommandServer;
  #failure: { readonly error: unknown } | undefined;

  /** Opens the devices. @throws {Error} why one can't be opened; nothing of them is left then */
  constructor(
    job: IoJob,
    loop: IoLoop,
    post: (message: IoMessage) => void,
    userModules?: UserModules,
  ) {
    const memory = GuestMemory.attach(job.memory);
    this.#scope = loop.scope((error) => void (this.#failure ??= { error }));
    this.#server = new CommandServer(job, this.#runners, post);
    try {
      for (const spec of job.devices) {
        const runner = new VirtioRunner(spec, virtioModule(spec.description.kind, userModules), {
          memory,
          scope: (failed) => loop.scope(failed),
          interrupts: openInterrupts(spec.slot, signalEventFd),
          log: (line) => post({ kind: "log", line }),
        });
        this.#runners.set(spec.slot.id, runner);
      }
      this.#scope.event(job.bell, () => this.#server.serve());
    } catch (error) {
      this.#close();
      throw error;
    }
    post({ kind: "ready" });
  }

  /** Whether it has nothing more to do: it was told to stop, and its devices have let go. */
  get isOver(): boolean {
    return this.#server.stopped || this.#failure !== undefined;
  }

  /** Gives everything back and answers the stop, outside of the loop's turns. @throws what it has failed with */
  end(): void {
    this.#close();
    if (this.#failure !== undefined) throw this.#failure.error;
    this.#server.finish();
  }

  #close(): void {
    for (const runner of this.#runners.values()) runner.close();
    this.#scope.close();
  }
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
