/**
 * One buffer that the driver has offered: its pieces, first those that the device reads, then those it writes.
 *
 * A chain is filled by a queue and used again and again. Its addresses and lengths were read from guest memory
 * once and checked to be RAM; the contents of the pieces may change at any time.
 *
 * Source: virtio 1.2, 2.6 (a buffer's device-readable part comes before its device-writable part).
 * @module
 */
import type { IoVectors } from "../../../src/ffi/mod.ts";
import type { GuestMemory } from "../../../src/memory/mod.ts";

/** A buffer of a virtqueue, in pieces. */
export class DescriptorChain {
  /** The most pieces that there's room for: the queue's size is enough (virtio 1.2, 2.7.5.3.1). */
  readonly capacity: number;
  /** The guest physical address of each piece. */
  readonly addresses: Float64Array;
  /** The length of each piece, in bytes; none is empty: queues leave those out. */
  readonly lengths: Uint32Array;
  /** How many pieces there are. */
  count = 0;
  /** How many of them, at the start, the device reads; the rest it writes. */
  readableCount = 0;
  /** The bytes of the pieces that the device reads. */
  readableBytes = 0;
  /** The bytes of the pieces that the device writes. */
  writableBytes = 0;
  /** The queue's own: how the buffer is given back (a descriptor's index, or a packed ring's buffer id). */
  id = 0;
  /** The queue's own: how many places in a ring the buffer takes: one in a split one, one or more in a packed one. */
  slots = 0;
  /** The queue's own: where in its ring the driver offered the buffer. */
  position = 0;

  /** @param capacity of pieces */
  constructor(capacity: number) {
    this.capacity = capacity;
    this.addresses = new Float64Array(capacity);
    this.lengths = new Uint32Array(capacity);
  }

  /** Forgets all pieces. */
  clear(): void {
    this.count = 0;
    this.readableCount = 0;
    this.readableBytes = 0;
    this.writableBytes = 0;
  }

  /**
   * Copies bytes of the device-readable part.
   *
   * @param skip how many bytes of that part come before
   * @returns how many bytes were copied: less than asked for where the part ends
   */
  read(memory: GuestMemory, skip: number, into: Uint8Array): number {
    return this.#copy(memory, 0, this.readableCount, skip, into, false);
  }

  /**
   * Copies bytes to the device-writable part.
   *
   * @param skip how many bytes of that part come before
   * @returns how many bytes were copied: less than all where the part ends
   */
  write(memory: GuestMemory, skip: number, bytes: Uint8Array): number {
    return this.#copy(memory, this.readableCount, this.count, skip, bytes, true);
  }

  #copy(
    memory: GuestMemory,
    first: number,
    end: number,
    skip: number,
    bytes: Uint8Array,
    isWrite: boolean,
  ): number {
    let done = 0;
    let before = skip;
    for (let i = first; i < end && done < bytes.length; i++) {
      const length = this.lengths[i];
      if (before >= length) {
        before -= length;
        continue;
      }
      const take = Math.min(length - before, bytes.length - done);
      const address = this.addresses[i] + before;
      // Most of what devices copy lies in one piece, and needs no view of a part.
      const part = take === bytes.length ? bytes : bytes.subarray(done, done + take);
      if (isWrite) memory.write(address, part);
      else memory.read(address, part);
      done += take;
      before = 0;
    }
    return done;
  }

  /**
   * Makes I/O vectors over bytes of the device-readable part, for a system call that works in place.
   *
   * @param skip how many bytes of that part come before
   * @param length how many bytes; cut where the part ends
   * @param at the first vector to set
   * @returns how many vectors were set
   */
  readableVectors(
    memory: GuestMemory,
    skip: number,
    length: number,
    vectors: IoVectors,
    at = 0,
  ): number {
    return this.#vectors(memory, 0, this.readableCount, skip, length, vectors, at);
  }

  /** The same over the device-writable part. */
  writableVectors(
    memory: GuestMemory,
    skip: number,
    length: number,
    vectors: IoVectors,
    at = 0,
  ): number {
    return this.#vectors(memory, this.readableCount, this.count, skip, length, vectors, at);
  }

  #vectors(
    memory: GuestMemory,
    first: number,
    end: number,
    skip: number,
    length: number,
    vectors: IoVectors,
    at: number,
  ): number {
    let set = 0;
    let before = skip;
    let rest = length;
    for (let i = first; i < end && rest > 0; i++) {
      const size = this.lengths[i];
      if (before >= size) {
        before -= size;
        continue;
      }
      const take = Math.min(size - before, rest);
      vectors.set(at + set, memory.hostAddress(this.addresses[i] + before, take), take);
      set++;
      rest -= take;
      before = 0;
    }
    return set;
  }
}
