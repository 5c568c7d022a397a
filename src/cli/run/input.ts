/**
 * From standard input to the guest: keys of a terminal, or the bytes of a pipe or file.
 *
 * A pipe is read no faster than the guest takes its bytes, and none is lost. A terminal is read always,
 * so that Ctrl-A x works when the guest takes nothing; what is typed ahead of the guest is bounded.
 * @module
 */
import { News } from "../../guest/news.ts";
import type { Input } from "../system.ts";
import type { EscapeParser } from "./escape.ts";
import type { MachineConsole } from "./machine.ts";

/** The most bytes that are kept for a guest that does not take them. */
export const TYPE_AHEAD = 64 << 10;

/** Bytes on their way to the guest. They wait while there's no machine: before it is built, during a restart. */
export class GuestInput {
  #target: MachineConsole | undefined;
  #queue: Uint8Array[] = [];
  #queued = 0;
  #flushing = false;
  readonly #change = new News();

  /** The machine whose console is typed into from now on; undefined while there's none. */
  set target(target: MachineConsole | undefined) {
    this.#target = target;
    this.#flushing = false;
    void this.#flush();
  }

  /**
   * Adds bytes, which are copied.
   *
   * @returns false, with nothing added, where the guest is too far behind
   */
  offer(bytes: Uint8Array): boolean {
    if (this.#queued + bytes.length > TYPE_AHEAD) return false;
    this.#queue.push(bytes.slice());
    this.#queued += bytes.length;
    void this.#flush();
    return true;
  }

  /** Adds bytes once there's room. */
  async send(bytes: Uint8Array): Promise<void> {
    while (!this.offer(bytes)) await this.#change.next;
  }

  async #flush(): Promise<void> {
    if (this.#flushing) return;
    const target = this.#target;
    this.#flushing = true;
    while (target !== undefined && target === this.#target) {
      const bytes = this.#queue.shift();
      if (bytes === undefined) break;
      this.#queued -= bytes.length;
      this.#change.tell();
      // A machine that ended while it was being typed into takes no more; its end is told elsewhere.
      await target.write(bytes).catch(() => {});
    }
    if (target === this.#target) this.#flushing = false;
  }
}

const CHUNK = 4096;

/**
 * Passes a pipe's or file's bytes on, to its end; the machine goes on after that.
 *
 * @param end what follows the last byte, if anything does
 */
export async function pumpPipe(
  input: Input,
  guest: GuestInput,
  end: Uint8Array | undefined,
): Promise<void> {
  const buffer = new Uint8Array(CHUNK);
  for (;;) {
    const length = await input.read(buffer);
    if (length === null) return end && await guest.send(end);
    await guest.send(buffer.subarray(0, length));
  }
}

/** Passes what is typed on to the parser, until the terminal is gone. */
export async function pumpTerminal(input: Input, parser: EscapeParser): Promise<void> {
  const buffer = new Uint8Array(CHUNK);
  for (;;) {
    const length = await input.read(buffer);
    if (length === null) return;
    parser.push(buffer.subarray(0, length));
  }
}
