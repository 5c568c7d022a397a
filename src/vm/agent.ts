/**
 * The agent of one life of a guest: from before its start until its machine has gone.
 * @module
 */
import { Guest, VsockTransport } from "../guest/agent/mod.ts";
import { VmEndedError } from "./errors.ts";

/** The agent behind a machine's socket device. */
export class Agent {
  readonly guest: Guest;
  /** Resolves when it takes commands; rejects when the machine has gone before. */
  readonly ready: Promise<void>;
  readonly #transport: VsockTransport;
  readonly #ended = Promise.withResolvers<Error>();
  readonly #lines: () => readonly string[];

  /**
   * @param path the socket device's `uds`
   * @param lines the console's last lines, for errors
   */
  constructor(path: string, lines: () => readonly string[]) {
    this.#lines = lines;
    this.#transport = new VsockTransport(path, this.#ended.promise);
    this.guest = new Guest(this.#transport);
    this.ready = this.#transport.ready;
  }

  /** Fails everything that waits for the guest. A second call does nothing more. */
  gone(reason: string): void {
    this.#ended.resolve(new VmEndedError(reason, this.#lines()));
    this.#transport[Symbol.dispose]();
  }
}
