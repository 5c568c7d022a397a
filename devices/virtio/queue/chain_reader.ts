/**
 * Turns descriptors into the pieces of a chain, with all checks that do not depend on the ring's layout.
 *
 * | the guest controls                          | what bounds it                                             |
 * | ------------------------------------------- | ---------------------------------------------------------- |
 * | a piece's address and length                | it lies in one region of RAM                               |
 * | how many descriptors there are, loops       | at most the queue's size, tables included (2.7.5.3.1)      |
 * | the sum of the lengths                      | at most 2^32 (2.7.5)                                       |
 * | readable and writable pieces in any order   | readable before writable (2.7.4.2, 2.8.7)                  |
 * | an indirect table's address, length, `next` | in one region of RAM, whole descriptors, `next` inside     |
 * | a table in a table                          | refused (2.7.5.3.1)                                        |
 * | all of it, again, while it is read          | each field is read once                                    |
 *
 * An empty piece is neither forbidden by the specification nor refused by Linux's vhost. It is left out of the chain and
 * its address is not looked at, since nothing will be accessed there.
 *
 * Source: virtio 1.2, 2.7.5 to 2.7.5.3, 2.8.5 to 2.8.7.
 * @module
 */
import type { GuestMemory } from "../../../src/memory/mod.ts";
import type { DescriptorChain } from "./chain.ts";
import { tooSmall } from "./misuse.ts";
import { DESC_F_INDIRECT, DESC_F_NEXT, DESC_F_WRITE } from "./ring_area.ts";
import { DESCRIPTOR_SIZE, VirtqueueError } from "./virtqueue.ts";

/** Addresses are exact numbers below 2^53: the high word of one is below this. */
const HIGH_LIMIT = 2 ** 21;
const MAX_CHAIN_BYTES = 2 ** 32;

/** Fills chains with the pieces of one queue. It allocates nothing, except for errors. */
export class ChainReader {
  readonly #queue: number;
  readonly #size: number;
  readonly #starts: readonly number[];
  readonly #ends: readonly number[];
  readonly #views: readonly DataView<SharedArrayBuffer>[];
  /** The region that was found last: most pieces are in the same as the one before. */
  #start: number;
  #end: number;
  #view: DataView<SharedArrayBuffer>;
  #descriptors = 0;

  /** @param queue its index, for errors @param size of the queue */
  constructor(memory: GuestMemory, queue: number, size: number) {
    this.#queue = queue;
    this.#size = size;
    const regions = memory.regions;
    this.#starts = regions.map((region) => region.guestAddress);
    this.#ends = regions.map((region) => region.guestAddress + region.size);
    this.#views = regions.map((region) =>
      new DataView(region.buffer, region.byteOffset, region.size)
    );
    this.#start = this.#starts[0];
    this.#end = this.#ends[0];
    this.#view = this.#views[0];
  }

  /** Begins a chain. @throws {QueueMisuseError} it is too small for this queue, which is its owner's mistake */
  begin(chain: DescriptorChain): void {
    if (chain.capacity < this.#size) throw tooSmall(this.#queue, this.#size, chain);
    chain.clear();
    this.#descriptors = 0;
  }

  /**
   * Adds the piece of one descriptor.
   *
   * @param low the low 32 bits of its address @param high the others
   * @throws {VirtqueueError}
   */
  add(chain: DescriptorChain, low: number, high: number, length: number, writable: boolean): void {
    if (++this.#descriptors > this.#size) {
      throw this.error(`a buffer has more than ${this.#size} descriptors, or they form a loop`);
    }
    if (length === 0) return;
    const address = high * 0x1_0000_0000 + low;
    if (address < this.#start || address + length > this.#end) {
      this.#find(address, length, "buffer");
    }
    const at = chain.count;
    if (writable) {
      chain.writableBytes += length;
    } else {
      if (at !== chain.readableCount) {
        throw this.error("a buffer has a part for reading behind one for writing");
      }
      chain.readableCount = at + 1;
      chain.readableBytes += length;
    }
    if (chain.readableBytes + chain.writableBytes > MAX_CHAIN_BYTES) {
      throw this.error("a buffer is larger than 2^32 bytes");
    }
    chain.addresses[at] = address;
    chain.lengths[at] = length;
    chain.count = at + 1;
  }

  /** Adds the pieces of an indirect table whose descriptors name their successors (2.7.5.3). */
  addLinkedTable(chain: DescriptorChain, low: number, high: number, length: number): void {
    const first = this.#table(low, high, length);
    const view = this.#view;
    const entries = length / DESCRIPTOR_SIZE;
    let at = first;
    for (;;) {
      const word = view.getUint32(at + 12, true);
      this.#addEntry(chain, view, at, word & 0xffff);
      if ((word & DESC_F_NEXT) === 0) return;
      const next = word >>> 16;
      if (next >= entries) {
        throw this.error(`an indirect table of ${entries} descriptors goes on at number ${next}`);
      }
      at = first + next * DESCRIPTOR_SIZE;
    }
  }

  /** Adds the pieces of an indirect table that is used from start to end (2.8.7). */
  addWholeTable(chain: DescriptorChain, low: number, high: number, length: number): void {
    const first = this.#table(low, high, length);
    const view = this.#view;
    for (let at = first; at < first + length; at += DESCRIPTOR_SIZE) {
      // Of its flags, all but WRITE are reserved and ignored. That INDIRECT is refused is the device's freedom.
      this.#addEntry(chain, view, at, view.getUint16(at + 14, true));
    }
  }

  /** What the driver did wrong, with the queue's name. */
  error(problem: string): VirtqueueError {
    return new VirtqueueError(`queue ${this.#queue}: ${problem}`);
  }

  #addEntry(
    chain: DescriptorChain,
    view: DataView<SharedArrayBuffer>,
    at: number,
    flags: number,
  ): void {
    if ((flags & DESC_F_INDIRECT) !== 0) {
      throw this.error("an indirect table has an indirect table in it");
    }
    const low = view.getUint32(at, true);
    const high = view.getUint32(at + 4, true);
    this.add(chain, low, high, view.getUint32(at + 8, true), (flags & DESC_F_WRITE) !== 0);
  }

  /** Finds a table; it is in the last region then. @returns where in that region it begins */
  #table(low: number, high: number, length: number): number {
    if (length === 0 || length % DESCRIPTOR_SIZE !== 0) {
      throw this.error(
        `an indirect table has ${length} bytes, not a multiple of ${DESCRIPTOR_SIZE}`,
      );
    }
    const address = high * 0x1_0000_0000 + low;
    if (address < this.#start || address + length > this.#end) this.#find(address, length, "table");
    return address - this.#start;
  }

  /** Makes the region that holds a range the last one. */
  #find(address: number, length: number, what: "buffer" | "table"): void {
    for (let i = 0; i < this.#starts.length; i++) {
      if (address >= this.#starts[i] && address + length <= this.#ends[i]) {
        this.#start = this.#starts[i];
        this.#end = this.#ends[i];
        this.#view = this.#views[i];
        return;
      }
    }
    const range = `0x${address.toString(16)}+0x${length.toString(16)}`;
    const name = what === "table" ? "an indirect table" : "a part of a buffer";
    if (address >= HIGH_LIMIT * 0x1_0000_0000) throw this.error(`${name} is above 2^53`);
    throw this.error(`${name}, ${range}, is not in one region of RAM`);
  }
}
