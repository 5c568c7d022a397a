/**
 * A bounded first-in, first-out store of bytes, filled from guest memory and emptied by system calls in place.
 * @module
 */
import { bufferAddress, type IoVectors } from "../../../src/ffi/mod.ts";
import type { GuestMemory } from "../../../src/memory/mod.ts";
import type { DescriptorChain } from "../queue/chain.ts";

/** What a guest has sent and the host has not taken yet. Belongs to one isolate. */
export class ByteStore {
  readonly capacity: number;
  readonly #bytes: Uint8Array<SharedArrayBuffer>;
  readonly #address: number;
  #start = 0;
  #length = 0;

  /** @param capacity in bytes */
  constructor(capacity: number) {
    const buffer = new SharedArrayBuffer(capacity);
    this.capacity = capacity;
    this.#bytes = new Uint8Array(buffer);
    this.#address = bufferAddress(buffer);
  }

  /** How many bytes wait. */
  get length(): number {
    return this.#length;
  }

  /**
   * Takes bytes of a chain's device-readable part.
   *
   * @param skip how many bytes of that part come before
   * @param length how many; there is room for them
   * @throws {RangeError} if there is not
   */
  append(memory: GuestMemory, chain: DescriptorChain, skip: number, length: number): void {
    if (length > this.capacity - this.#length) {
      throw new RangeError(`${length} bytes do not fit: ${this.#length} of ${this.capacity} wait`);
    }
    const at = (this.#start + this.#length) % this.capacity;
    const first = Math.min(length, this.capacity - at);
    chain.read(memory, skip, this.#bytes.subarray(at, at + first));
    if (length > first) chain.read(memory, skip + first, this.#bytes.subarray(0, length - first));
    this.#length += length;
  }

  /** Sets vectors over all that waits. @returns how many: 0, 1 or 2 */
  vectors(into: IoVectors): number {
    if (this.#length === 0) return 0;
    const first = Math.min(this.#length, this.capacity - this.#start);
    into.set(0, this.#address + this.#start, first);
    if (first === this.#length) return 1;
    into.set(1, this.#address, this.#length - first);
    return 2;
  }

  /** Forgets the first bytes. @param length no more than wait */
  drop(length: number): void {
    this.#length -= length;
    this.#start = this.#length === 0 ? 0 : (this.#start + length) % this.capacity;
  }

  /** Forgets all. */
  clear(): void {
    this.drop(this.#length);
  }
}

/** Larger stores, which a few connections at a time have a claim to: those on which much is sent. */
export class BusyStores {
  readonly stores: ByteStores;
  #left: number;

  /** @param most how many connections have a claim at most */
  constructor(capacity: number, most: number, kept: number) {
    this.stores = new ByteStores(capacity, kept);
    this.#left = most;
  }

  /** Claims a place. @returns whether there was one */
  claim(): boolean {
    if (this.#left === 0) return false;
    this.#left--;
    return true;
  }

  /** Gives a place back that was claimed. */
  release(): void {
    this.#left++;
  }
}

/** Stores of one size that are used again; a few are kept, so that a stall and its end cost no memory. */
export class ByteStores {
  readonly #free: ByteStore[] = [];

  /** @param capacity of each, in bytes @param kept the most that are kept while nobody uses them */
  constructor(readonly capacity: number, readonly kept: number) {}

  /** An empty store. */
  take(): ByteStore {
    return this.#free.pop() ?? new ByteStore(this.capacity);
  }

  /** Takes a store back, with whatever is in it. */
  give(store: ByteStore): void {
    store.clear();
    if (this.#free.length < this.kept) this.#free.push(store);
  }
}
