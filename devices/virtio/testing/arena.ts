/**
 * Where a fake driver takes memory for its rings and buffers from.
 * @module
 */

/** Blocks are powers of two of at least so many bytes, and aligned to that. */
const SMALLEST = 64;

/** Hands out pieces of a range of guest addresses, and takes them back. */
export class Arena {
  readonly #end: number;
  #next: number;
  readonly #free = new Map<number, number[]>();

  /** @param start is rounded up to a page */
  constructor(start: number, end: number) {
    this.#next = Math.ceil(start / 4096) * 4096;
    this.#end = end;
  }

  /** A piece of at least `length` bytes. @throws {Error} the range is used up, so the test needs more memory */
  allocate(length: number): number {
    const size = blockSize(length);
    const again = this.#free.get(size)?.pop();
    if (again !== undefined) return again;
    const address = this.#next;
    if (address + size > this.#end) throw new Error(`the fake driver has no ${length} bytes left`);
    this.#next += size;
    return address;
  }

  /** Takes a piece back. @param length as it was asked for */
  release(address: number, length: number): void {
    const size = blockSize(length);
    const free = this.#free.get(size);
    if (free === undefined) this.#free.set(size, [address]);
    else free.push(address);
  }
}

function blockSize(length: number): number {
  let size = SMALLEST;
  while (size < length) size *= 2;
  return size;
}
