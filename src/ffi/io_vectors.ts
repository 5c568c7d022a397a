/**
 * Arrays of struct iovec, filled with plain numbers.
 * @module
 */
import { bufferAddress } from "./mapping.ts";

/** sizeof(struct iovec) where pointers have 64 bits. */
const IOVEC_SIZE = 16;

/** The most vectors that one system call takes (UIO_MAXIOV). */
export const IOV_MAX = 1024;

/** An array of struct iovec at a fixed address, to be used again and again without allocation. */
export class IoVectors {
  /** How many there is room for. */
  readonly capacity: number;
  /** Where the array is in this process. */
  readonly address: number;
  readonly #words: Uint32Array<SharedArrayBuffer>;
  readonly #pointers: Deno.PointerValue[] = [];

  /** @param capacity from 1 to {@linkcode IOV_MAX} */
  constructor(capacity: number) {
    if (!Number.isInteger(capacity) || capacity < 1 || capacity > IOV_MAX) {
      throw new RangeError(`${capacity} I/O vectors: there can be 1 to ${IOV_MAX}`);
    }
    this.capacity = capacity;
    const buffer = new SharedArrayBuffer(capacity * IOVEC_SIZE);
    this.#words = new Uint32Array(buffer);
    this.address = bufferAddress(buffer);
  }

  /**
   * Sets one vector. It does not keep the memory that it points to from being collected.
   *
   * @param index below {@linkcode capacity}; a larger one throws
   * @param address a host address, as GuestMemory.hostAddress gives it
   * @param length bytes
   */
  set(index: number, address: number, length: number): void {
    if (!(index >= 0 && index < this.capacity)) {
      throw new RangeError(`there is no I/O vector ${index}`);
    }
    const at = index * 4;
    this.#words[at] = address;
    this.#words[at + 1] = address / 0x1_0000_0000;
    this.#words[at + 2] = length;
    this.#words[at + 3] = length / 0x1_0000_0000;
  }

  /** For the wrappers of system calls: where vector `index` is. Made once for each index. */
  pointerTo(index: number): Deno.PointerValue {
    const known = this.#pointers[index];
    if (known !== undefined) return known;
    if (!(index >= 0 && index < this.capacity)) {
      throw new RangeError(`there is no I/O vector ${index}`);
    }
    const pointer = Deno.UnsafePointer.create(BigInt(this.address + index * IOVEC_SIZE));
    this.#pointers[index] = pointer;
    return pointer;
  }

  /** The length of one vector. */
  lengthOf(index: number): number {
    return this.#words[index * 4 + 2] + this.#words[index * 4 + 3] * 0x1_0000_0000;
  }

  /** The address of one vector's bytes. */
  addressOf(index: number): number {
    return this.#words[index * 4] + this.#words[index * 4 + 1] * 0x1_0000_0000;
  }
}
