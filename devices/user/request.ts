/**
 * One buffer of a guest's driver, as a user's virtio device sees it: bytes to be read, then bytes to be written.
 * @module
 */
import type { GuestMemory } from "../../src/memory/mod.ts";
import type { DescriptorChain } from "../virtio/queue/chain.ts";

/** The most bytes that one read gives where nobody asks for another number. */
const READ_MOST = 65_536;

/** A buffer that the driver has offered. It is the device's until its handler returns. */
export class VirtioRequest {
  readonly #memory: GuestMemory;
  readonly #chain: DescriptorChain;
  #read = 0;
  #written = 0;

  constructor(memory: GuestMemory, chain: DescriptorChain) {
    this.#memory = memory;
    this.#chain = chain;
  }

  /** Begins with another buffer in the same chain. For the owner of the queue. @internal */
  begin(): void {
    this.#read = 0;
    this.#written = 0;
  }

  /** How many bytes are left to be read. */
  get readable(): number {
    return this.#chain.readableBytes - this.#read;
  }

  /** How many bytes there is room for. */
  get writable(): number {
    return this.#chain.writableBytes - this.#written;
  }

  /** How many bytes were written. */
  get written(): number {
    return this.#written;
  }

  /**
   * The next bytes of what the driver says: a copy. The guest chooses how many there are.
   *
   * @param most at most so many; 64 KiB where left out
   */
  read(most: number = READ_MOST): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(Math.min(most, this.readable));
    this.#read += this.#chain.read(this.#memory, this.#read, bytes);
    return bytes;
  }

  /** Answers with bytes, behind those of earlier calls. @returns how many there was room for */
  write(bytes: Uint8Array): number {
    const count = this.#chain.write(this.#memory, this.#written, bytes);
    this.#written += count;
    return count;
  }
}
