/**
 * Buffers of our own at aligned addresses: bounce buffers for O_DIRECT, which wants other alignments than guests
 * have to keep, and zeros.
 * @module
 */
import { bufferAddress } from "../../../src/ffi/mod.ts";

/** No device wants a coarser alignment of memory. */
const ALIGNMENT = 4096;

/** Memory at an aligned address that the kernel may read and write. */
export class AlignedBuffer {
  readonly bytes: Uint8Array<SharedArrayBuffer>;
  /** Where the bytes are in this process. */
  readonly address: number;

  /** @param size bytes */
  constructor(size: number) {
    const buffer = new SharedArrayBuffer(size + ALIGNMENT);
    const start = bufferAddress(buffer);
    const offset = (ALIGNMENT - start % ALIGNMENT) % ALIGNMENT;
    this.bytes = new Uint8Array(buffer, offset, size);
    this.address = start + offset;
  }
}

/** Bytes of one bounce buffer; longer transfers go through it piece by piece. */
export const BOUNCE_SIZE = 256 * 1024;
/** The most bounce buffers of a disk. */
const MAX_BOUNCES = 8;

/** Who waits for a bounce buffer. */
export interface BounceWaiter {
  /** There is one now: the waiter takes it before it returns. */
  issue(): void;
}

/** A bounded number of bounce buffers, made when they are first needed. */
export class BouncePool {
  readonly #free: AlignedBuffer[] = [];
  readonly #waiting: BounceWaiter[] = [];
  #made = 0;

  /** Gives a buffer; or undefined, and the waiter is called when there is one again. */
  acquire(waiter: BounceWaiter): AlignedBuffer | undefined {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    if (this.#made < MAX_BOUNCES) {
      this.#made++;
      return new AlignedBuffer(BOUNCE_SIZE);
    }
    this.#waiting.push(waiter);
    return undefined;
  }

  /** Takes a buffer back, and hands it to whoever has waited longest. */
  release(buffer: AlignedBuffer): void {
    this.#free.push(buffer);
    this.#waiting.shift()?.issue();
  }

  /** Takes all buffers back; nobody waits any more. */
  reset(): void {
    this.#waiting.length = 0;
    this.#free.length = 0;
    this.#made = 0;
  }
}

/** Bytes that are zero and stay so: the kernel only reads them. */
export const ZEROS: AlignedBuffer = new AlignedBuffer(64 * 1024);
