/**
 * A port behind a Unix socket: whoever connects has it until they leave; others wait. That they have left is seen
 * when all they sent has been read, or when something is written to them.
 * @module
 */
import { acceptUnix, Fd, type IoPoll, type IoScope, POLLIN } from "../../../src/ffi/mod.ts";
import type { GuestMemory } from "../../../src/memory/mod.ts";
import type { DescriptorChain } from "../queue/chain.ts";
import type { PortBackend, PortEvents } from "./backend.ts";
import { FdBackend } from "./fd_backend.ts";

/** One connection at a time. */
export class SocketBackend implements PortBackend {
  readonly #listener: number;
  readonly #io: IoScope;
  readonly #events: PortEvents;
  readonly #poll: IoPoll;
  #client: { readonly fd: Fd; readonly backend: FdBackend } | undefined;

  /** @param listener the descriptor of a socket that listens */
  constructor(listener: number, io: IoScope, events: PortEvents) {
    this.#listener = listener;
    this.#io = io;
    this.#events = events;
    this.#poll = io.poll(listener, POLLIN, () => this.#accept());
    this.#poll.arm();
  }

  get connected(): boolean {
    return this.#client !== undefined;
  }

  read(memory: GuestMemory, chain: DescriptorChain): number {
    return this.#client?.backend.read(memory, chain) ?? 0;
  }

  wantInput(): void {
    this.#client?.backend.wantInput();
  }

  write(memory: GuestMemory, chain: DescriptorChain, skip: number): number {
    return this.#client?.backend.write(memory, chain, skip) ?? chain.readableBytes - skip;
  }

  rest(): void {
    this.#client?.backend.rest();
  }

  close(): void {
    this.#poll.close();
    this.#leave();
  }

  #accept(): void {
    const raw = acceptUnix(this.#listener);
    if (raw < 0) {
      this.#poll.arm();
      return;
    }
    const fd = new Fd(raw, "a client of a console port");
    const lost = () => {
      this.#leave();
      this.#events.connection(false);
      this.#poll.arm();
    };
    const ends = { input: raw, output: raw };
    this.#client = { fd, backend: new FdBackend(ends, this.#io, this.#events, lost) };
    this.#events.connection(true);
    // Even while the guest reads nothing, the client's leaving is to be noticed.
    this.#client?.backend.wantInput();
  }

  #leave(): void {
    this.#client?.backend.close();
    this.#client?.fd.close();
    this.#client = undefined;
  }
}
