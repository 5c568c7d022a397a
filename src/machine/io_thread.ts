/**
 * The devices of a machine in an I/O Worker, as the main isolate holds them.
 * @module
 */
import { EventFd } from "../ffi/mod.ts";
import type { GuestMemorySpec } from "../memory/mod.ts";
import { ByteRing } from "../../devices/byte_ring.ts";
import type { RunnerSpec } from "../../devices/virtio/runner.ts";
import type { IoHost, IoSeat } from "./io_host.ts";
import type { IoCommand, IoMessage } from "./io_job.ts";

/** A device refused what the host wanted of it; the message says why. */
export class DeviceCommandError extends Error {
  override readonly name = "DeviceCommandError";
}

/** What a Worker's commands may add up to before it has read them. */
const COMMAND_BYTES = 1 << 16;

/** What an I/O Worker tells beside its answers. */
export interface IoThreadEvents {
  /** A line from a device. */
  log(line: string): void;
  /** The devices can't go on. */
  failed(error: string): void;
}

/** The devices of a machine that one I/O Worker serves, from its start until it is released. */
export class IoThread {
  readonly #host: IoHost;
  readonly #seat: IoSeat;
  readonly #events: IoThreadEvents;
  readonly #commands = ByteRing.allocate(COMMAND_BYTES);
  readonly #ring = new ByteRing(this.#commands);
  readonly #bell: EventFd;
  readonly #answers = new Map<number, PromiseWithResolvers<unknown>>();
  readonly #ready = Promise.withResolvers<void>();
  readonly #encoder = new TextEncoder();
  #nextId = 1;
  #running = false;
  #failure: string | undefined;
  #released: Promise<void> | undefined;

  /** Takes its place in a Worker; nothing is served before {@linkcode run}. */
  constructor(name: string, events: IoThreadEvents, host: IoHost) {
    this.#events = events;
    this.#host = host;
    this.#bell = new EventFd(`commands of ${name}`);
    this.#seat = {
      take: (message) => this.#take(message),
      fail: (error) => this.#fail(error),
    };
    host.join(this.#seat);
    this.#ready.promise.catch(() => {});
  }

  /**
   * Gives the Worker its devices. Resolves when they are served.
   *
   * @param userModules the URLs of the modules that the user's own are written in
   * @throws {DeviceCommandError}
   */
  run(
    memory: GuestMemorySpec,
    devices: readonly RunnerSpec[],
    userModules: readonly string[],
  ): Promise<void> {
    this.#running = true;
    this.#host.post(this.#seat, {
      memory,
      devices,
      userModules,
      commands: this.#commands,
      bell: this.#bell.raw,
    });
    return this.#ready.promise;
  }

  /**
   * Asks for something and waits for the answer.
   *
   * @throws {DeviceCommandError} what the device says, or that the Worker has failed
   */
  command(command: Omit<IoCommand, "id">): Promise<unknown> {
    if (this.#failure !== undefined) return Promise.reject(new DeviceCommandError(this.#failure));
    const id = this.#nextId++;
    const line = this.#encoder.encode(JSON.stringify({ ...command, id }) + "\n");
    if (line.length > this.#ring.free) {
      const problem = "its commands come faster than it can take them, or one is too long";
      return Promise.reject(new DeviceCommandError(problem));
    }
    const answer = Promise.withResolvers<unknown>();
    this.#answers.set(id, answer);
    this.#ring.writeBytes(line);
    this.#bell.signal();
    return answer.promise;
  }

  /** Lets all devices end what they have begun, then leaves the Worker. A second call waits for the same. */
  release(): Promise<void> {
    return this.#released ??= this.#release();
  }

  async #release(): Promise<void> {
    if (this.#running && this.#failure === undefined) {
      await this.command({ name: "stop" }).catch(() => {});
    }
    this.#host.leave(this.#seat);
    this.#bell[Symbol.dispose]();
  }

  #take(message: IoMessage): void {
    switch (message.kind) {
      case "ready":
        this.#ready.resolve();
        return;
      case "log":
        this.#events.log(message.line);
        return;
      case "failed":
        this.#fail(message.error);
        return;
      case "answer":
        this.#answer(message.id)?.resolve(message.result);
        return;
      case "refusal":
        this.#answer(message.id)?.reject(new DeviceCommandError(message.error));
    }
  }

  #answer(id: number): PromiseWithResolvers<unknown> | undefined {
    const answer = this.#answers.get(id);
    this.#answers.delete(id);
    return answer;
  }

  #fail(error: string): void {
    this.#failure = error;
    const failure = new DeviceCommandError(error);
    this.#ready.reject(failure);
    for (const answer of this.#answers.values()) answer.reject(failure);
    this.#answers.clear();
    this.#events.failed(error);
  }
}
