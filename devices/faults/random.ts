/**
 * Chance that a seed repeats.
 * @module
 */

/** Numbers that look random, the same for the same seed: mulberry32. */
export class FaultRandom {
  #state: number;

  /** @param seed 32 bits */
  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** The next number from 0 to below 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  }

  /** Whether something happens that does so at this rate, from 0 to 1. */
  chance(rate: number): boolean {
    return this.next() < rate;
  }

  /** A whole number from 0 to below `limit`. */
  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }
}
