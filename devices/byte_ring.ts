/**
 * A ring of bytes between two isolates: one that writes and one that reads.
 *
 * It carries a console's output out of a vCPU's Worker and its input in. Neither side takes a lock.
 * "One" means one at a time: several vCPUs may write if the device's lock keeps them apart.
 *
 * The guest controls the bytes and how fast they come, never an index. A ring holds `capacity`
 * bytes and no more; what the writer does about a full ring is up to it.
 *
 * @module
 */

import { waitForChange } from "../src/bus/mod.ts";

// The words of the header. Head and tail count bytes modulo 2^32 and are reduced on use.
const HEAD = 0;
const TAIL = 1;
const CLOSED = 2;
/** Counts the moments at which a reader that found the ring empty should look again. */
const DATA_BELL = 3;
/** Counts the moments at which a writer that found the ring full, or not empty, should look again. */
const ROOM_BELL = 4;
const HEADER_BYTES = 32;

const MAX_CAPACITY = 2 ** 30;

/** How long a writer sleeps before it asks again whether it is wanted elsewhere. */
const WAIT_SLICE_MS = 20;

/**
 * One isolate's end of a ring.
 *
 * Whoever fills an empty ring, and whoever takes from a full one or empties it, rings the other
 * side's bell. Each publishes its own index before it looks at the other's, so that of a writer
 * that just wrote and a reader that is about to sleep at least one sees the other.
 *
 * ```ts
 * import { ByteRing } from "./byte_ring.ts";
 *
 * const ring = new ByteRing(ByteRing.allocate(16)); // a Worker is posted the buffer
 * ring.writeBytes(new TextEncoder().encode("login: "));
 * const chunk = new Uint8Array(64);
 * if (ring.readInto(chunk) !== 7) throw new Error("all that was written is read");
 * ```
 */
export class ByteRing {
  /** How many bytes the ring holds; a power of two. */
  readonly capacity: number;

  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #data: Uint8Array<SharedArrayBuffer>;
  readonly #mask: number;

  /**
   * The memory of an empty ring.
   *
   * @param capacity In bytes: a power of two from 1 to 2^30.
   * @throws {RangeError} If it is anything else.
   */
  static allocate(capacity: number): SharedArrayBuffer {
    if (
      !Number.isInteger(capacity) || capacity < 1 || capacity > MAX_CAPACITY ||
      (capacity & (capacity - 1)) !== 0
    ) {
      throw new RangeError(`a ring of ${capacity} bytes: the capacity is a power of two to 2^30`);
    }
    return new SharedArrayBuffer(HEADER_BYTES + capacity);
  }

  /** @param memory What {@linkcode ByteRing.allocate} gave, in this isolate or another. */
  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory, 0, HEADER_BYTES / 4);
    this.#data = new Uint8Array(memory, HEADER_BYTES);
    this.capacity = this.#data.length;
    this.#mask = this.capacity - 1;
  }

  /** How many bytes wait to be read. */
  get available(): number {
    return (Atomics.load(this.#words, HEAD) - Atomics.load(this.#words, TAIL)) >>> 0;
  }

  /** How many bytes can be written now. */
  get free(): number {
    return this.capacity - this.available;
  }

  /** Whether one side has closed the ring. */
  get closed(): boolean {
    return Atomics.load(this.#words, CLOSED) !== 0;
  }

  /**
   * Says that no more will be read, or no more be written. Wakes both sides; a write to a closed
   * ring is dropped, and what was written before can still be read.
   */
  close(): void {
    Atomics.store(this.#words, CLOSED, 1);
    this.#ring(DATA_BELL);
    this.#ring(ROOM_BELL);
  }

  /**
   * Writes one byte. Allocates nothing.
   *
   * @returns Whether there was room, or nobody to read it any more.
   */
  write(byte: number): boolean {
    if (this.closed) return true;
    const head = Atomics.load(this.#words, HEAD);
    if (((head - Atomics.load(this.#words, TAIL)) >>> 0) >= this.capacity) return false;
    this.#data[head & this.#mask] = byte;
    this.#publishHead(head, 1);
    return true;
  }

  /**
   * Writes as many of the bytes as there is room for.
   *
   * @returns How many that were; all of them if nobody reads any more.
   */
  writeBytes(bytes: Uint8Array): number {
    if (this.closed) return bytes.length;
    const head = Atomics.load(this.#words, HEAD);
    const count = Math.min(bytes.length, this.free);
    if (count === 0) return 0;
    const at = head & this.#mask;
    const first = Math.min(count, this.capacity - at);
    this.#data.set(bytes.subarray(0, first), at);
    this.#data.set(bytes.subarray(first, count), 0);
    this.#publishHead(head, count);
    return count;
  }

  /** Reads one byte, or -1 if there is none. Allocates nothing. */
  read(): number {
    const tail = Atomics.load(this.#words, TAIL);
    if (Atomics.load(this.#words, HEAD) === tail) return -1;
    const byte = this.#data[tail & this.#mask];
    this.#publishTail(tail, 1);
    return byte;
  }

  /**
   * Reads as many bytes as there are and as fit.
   *
   * @returns How many that were.
   */
  readInto(into: Uint8Array): number {
    const count = this.peekInto(into);
    if (count > 0) this.#publishTail(Atomics.load(this.#words, TAIL), count);
    return count;
  }

  /** Copies what {@linkcode readInto} would read, and leaves it in the ring. */
  peekInto(into: Uint8Array): number {
    const count = Math.min(into.length, this.available);
    const at = Atomics.load(this.#words, TAIL) & this.#mask;
    const first = Math.min(count, this.capacity - at);
    into.set(this.#data.subarray(at, at + first), 0);
    into.set(this.#data.subarray(0, count - first), first);
    return count;
  }

  /**
   * Blocks a writer's isolate until there is room, or nobody to read any more.
   *
   * @param interrupted Is asked about every 20 ms; true ends the wait.
   * @returns Whether a byte can be written now.
   */
  waitForRoom(interrupted: () => boolean): boolean {
    for (;;) {
      const bell = Atomics.load(this.#words, ROOM_BELL);
      if (this.closed || this.free > 0) return true;
      if (interrupted()) return false;
      Atomics.wait(this.#words, ROOM_BELL, bell, WAIT_SLICE_MS);
    }
  }

  /**
   * Resolves, for a reader, when there is something to read.
   *
   * @returns false when the ring is empty and closed, or the signal is aborted.
   */
  waitForData(signal?: AbortSignal): Promise<boolean> {
    return this.#waitAsync(DATA_BELL, () => this.available > 0, signal);
  }

  /**
   * Resolves, for a writer, when everything was read.
   *
   * @returns false when the ring is closed before that, or the signal is aborted.
   */
  drained(signal?: AbortSignal): Promise<boolean> {
    return this.#waitAsync(ROOM_BELL, () => this.available === 0, signal);
  }

  async #waitAsync(bell: number, ready: () => boolean, signal?: AbortSignal): Promise<boolean> {
    const wake = () => this.#ring(bell);
    signal?.addEventListener("abort", wake);
    try {
      for (;;) {
        const rung = Atomics.load(this.#words, bell);
        if (ready()) return true;
        if (this.closed || signal?.aborted) return false;
        await waitForChange(this.#words, bell, rung);
      }
    } finally {
      signal?.removeEventListener("abort", wake);
    }
  }

  #publishHead(head: number, count: number): void {
    Atomics.store(this.#words, HEAD, head + count);
    if (Atomics.load(this.#words, TAIL) === head) this.#ring(DATA_BELL);
  }

  #publishTail(tail: number, count: number): void {
    const next = (tail + count) | 0;
    Atomics.store(this.#words, TAIL, next);
    const head = Atomics.load(this.#words, HEAD);
    const wasFull = ((head - tail) >>> 0) >= this.capacity;
    if (wasFull || head === next) this.#ring(ROOM_BELL);
  }

  #ring(bell: number): void {
    Atomics.add(this.#words, bell, 1);
    Atomics.notify(this.#words, bell);
  }
}
