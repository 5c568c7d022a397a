/**
 * Ports whose other end is a descriptor of the host: a terminal, a file, standard input and output, a socket's
 * connection.
 *
 * A standard stream blocks, and is not made otherwise: the processes that share it would find it changed. So it is
 * read and written only inside the call that tells of its readiness, once for each. Later is too late: another process
 * may have been faster.
 * @module
 */
import {
  EAGAIN,
  errnoName,
  type IoPoll,
  type IoScope,
  IoVectors,
  POLLIN,
  POLLOUT,
  readv,
  writev,
} from "../../../src/ffi/mod.ts";
import type { GuestMemory } from "../../../src/memory/mod.ts";
import type { DescriptorChain } from "../queue/chain.ts";
import type { PortBackend, PortEvents } from "./backend.ts";
import { PORT_QUEUE_SIZE } from "./port.ts";

/** Which descriptors, and what they are. */
export interface FdEnds {
  /** Where input comes from; undefined: there's none. */
  readonly input: number | undefined;
  /** Where output goes. */
  readonly output: number;
  /**
   * The most bytes of one write, for descriptors that block (standard streams, shared with other processes): so many
   * fit into whatever poll(2) calls writable. Undefined for those that don't block.
   */
  readonly bounded?: number;
}

/** A port on descriptors. They stay open: their owner closes them. */
export class FdBackend implements PortBackend {
  readonly #vectors = new IoVectors(PORT_QUEUE_SIZE);
  readonly #ends: FdEnds;
  readonly #inputPoll: IoPoll | undefined;
  readonly #outputPoll: IoPoll;
  readonly #lost: (problem: string) => void;
  #connected = true;
  /** Whether a read, or a write, may begin now: always, where descriptors don't block. */
  #readable: boolean;
  #writable: boolean;

  /** @param lost is told, once, when an end is gone: its reader or writer left, or the host's disk is full */
  constructor(ends: FdEnds, io: IoScope, events: PortEvents, lost: (problem: string) => void) {
    this.#ends = ends;
    this.#lost = lost;
    const blocks = ends.bounded !== undefined;
    this.#readable = this.#writable = !blocks;
    if (ends.input !== undefined) {
      this.#inputPoll = io.poll(ends.input, POLLIN, () => {
        this.#readable = true;
        try {
          events.input();
        } finally {
          this.#readable = !blocks;
        }
      });
    }
    this.#outputPoll = io.poll(ends.output, POLLOUT, () => {
      this.#writable = true;
      try {
        events.room();
      } finally {
        this.#writable = !blocks;
      }
    });
  }

  get connected(): boolean {
    return this.#connected;
  }

  read(memory: GuestMemory, chain: DescriptorChain): number {
    const { input } = this.#ends;
    if (input === undefined || !this.#connected || !this.#readable) return 0;
    // To read nothing would look like the end.
    if (chain.writableBytes === 0) return 0;
    this.#readable = this.#ends.bounded === undefined;
    const count = chain.writableVectors(memory, 0, chain.writableBytes, this.#vectors);
    const result = readv(input, this.#vectors, count);
    if (result > 0) return result;
    if (result === -EAGAIN) return 0;
    this.#lose(
      result === 0 ? "its other end is closed" : `reading fails with ${errnoName(-result)}`,
    );
    return 0;
  }

  wantInput(): void {
    if (this.#connected) this.#inputPoll?.arm();
  }

  write(memory: GuestMemory, chain: DescriptorChain, skip: number): number {
    const left = chain.readableBytes - skip;
    if (left === 0) return 0;
    if (!this.#writable) {
      this.#outputPoll.arm();
      return 0;
    }
    const { bounded } = this.#ends;
    this.#writable = bounded === undefined;
    const length = Math.min(left, bounded ?? left);
    const count = chain.readableVectors(memory, skip, length, this.#vectors);
    const result = writev(this.#ends.output, this.#vectors, count);
    if (result < 0 && result !== -EAGAIN) {
      this.#lose(`writing fails with ${errnoName(-result)}`);
      return left;
    }
    const taken = Math.max(0, result);
    if (taken < left) this.#outputPoll.arm();
    return taken;
  }

  rest(): void {
    this.#inputPoll?.disarm();
    this.#outputPoll.disarm();
  }

  close(): void {
    this.#inputPoll?.close();
    this.#outputPoll.close();
  }

  #lose(problem: string): void {
    if (!this.#connected) return;
    this.#connected = false;
    this.rest();
    this.#lost(problem);
  }
}
