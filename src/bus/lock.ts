/**
 * The lock of one device, shared by every isolate in which the device is attached.
 *
 * The bus takes it around each register access, so that a device's code runs as if the machine had
 * one vCPU and takes no lock itself.
 *
 * @module
 */

import { waitForChange } from "./wait.ts";

const FREE = 0;
const HELD = 1;
/** Held, and somebody may be asleep on the word: release must wake one. */
const CONTENDED = 2;

/** A lock was released that nobody held: a bug in the caller, not something a guest can cause. */
export class DeviceLockError extends Error {
  override name = "DeviceLockError";
}

/**
 * A mutex over one 32-bit word of shared memory, after the second mutex of U. Drepper's "Futexes Are
 * Tricky": 0 is free, 1 is held, 2 is held with possible sleepers. Taking a free lock is one
 * compare-and-exchange. The lock is not re-entrant and not fair.
 *
 * ```ts
 * import { DeviceLock } from "./lock.ts";
 *
 * const words = new Int32Array(new SharedArrayBuffer(4));
 * const lock = new DeviceLock(words, 0); // any isolate that is posted the buffer does the same
 * lock.acquire();
 * try {
 *   // touch the device's state
 * } finally {
 *   lock.release();
 * }
 * ```
 */
export class DeviceLock {
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #index: number;

  /**
   * @param words The shared words in which the lock lives; the device's own state buffer will do.
   * @param index The word that is the lock; it is 0 while nobody holds it.
   * @throws {RangeError} If there is no such word.
   */
  constructor(words: Int32Array<SharedArrayBuffer>, index: number) {
    if (!Number.isInteger(index) || index < 0 || index >= words.length) {
      throw new RangeError(`device lock: word ${index} of ${words.length} does not exist`);
    }
    this.#words = words;
    this.#index = index;
  }

  /** A lock on a word of its own, for a device that has no other shared state. */
  static create(): DeviceLock {
    return new DeviceLock(new Int32Array(new SharedArrayBuffer(4)), 0);
  }

  /** Whether some isolate holds the lock at this moment. */
  get held(): boolean {
    return Atomics.load(this.#words, this.#index) !== FREE;
  }

  /** Takes the lock if it is free; returns whether it did. Never sleeps. */
  tryAcquire(): boolean {
    return Atomics.compareExchange(this.#words, this.#index, FREE, HELD) === FREE;
  }

  /** Takes the lock, and sleeps for as long as somebody else holds it. For vCPU and device Workers. */
  acquire(): void {
    if (Atomics.compareExchange(this.#words, this.#index, FREE, HELD) !== FREE) this.#acquireSlow();
  }

  /** Apart from the common case, so that it is inlined. */
  #acquireSlow(): void {
    // Who has slept once cannot know whether others still do, so it takes the lock as contended:
    // at worst one needless wake-up, never a lost one.
    while (Atomics.exchange(this.#words, this.#index, CONTENDED) !== FREE) {
      Atomics.wait(this.#words, this.#index, CONTENDED);
    }
  }

  /**
   * Takes the lock without blocking the isolate. For the main isolate, which must go on draining
   * the rings that the lock's holder may be waiting for.
   */
  async acquireAsync(): Promise<void> {
    if (this.tryAcquire()) return;
    while (Atomics.exchange(this.#words, this.#index, CONTENDED) !== FREE) {
      await waitForChange(this.#words, this.#index, CONTENDED);
    }
  }

  /**
   * Gives the lock back and wakes one sleeper, if there may be any.
   *
   * @throws {DeviceLockError} If nobody held it.
   */
  release(): void {
    const before = Atomics.exchange(this.#words, this.#index, FREE);
    if (before !== HELD) this.#releaseSlow(before);
  }

  #releaseSlow(before: number): void {
    if (before === CONTENDED) Atomics.notify(this.#words, this.#index, 1);
    else {
      throw new DeviceLockError("a device lock was released that was not held");
    }
  }
}
