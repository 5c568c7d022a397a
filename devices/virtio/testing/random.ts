/**
 * Random choices that a seed repeats.
 * @module
 */

/** Numbers at which mistakes are made. */
const EDGES = [
  ...[0, 1, 2, 3, 4, 7, 8, 15, 16, 17, 31, 32, 63, 64, 127, 128, 255, 256, 511, 512, 513],
  ...[4095, 4096, 4097, 0x7fff, 0x8000, 0xffff, 0x1_0000, 0x7fff_ffff, 0x8000_0000],
  ...[0xffff_fff0, 0xffff_ffff],
] as const;

/** A source of choices: sfc32, whose state is a function of a seed and a step. */
export class Random {
  #a = 0;
  #b = 0;
  #c = 0;
  #counter = 1;

  /** @param seed any integer */
  constructor(seed: number, step = 0) {
    this.restart(seed, step);
  }

  /** Begins anew, so that what comes does not depend on how many choices were made before. */
  restart(seed: number, step: number): void {
    this.#a = seed | 0;
    this.#b = step | 0;
    this.#c = 0x9e3779b9;
    this.#counter = 1;
    for (let i = 0; i < 12; i++) this.u32();
  }

  /** Any 32 bits, unsigned. */
  u32(): number {
    const sum = (this.#a + this.#b + this.#counter++) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum | 0;
    return sum >>> 0;
  }

  /** A whole number from 0 to below `limit`, at most 2^32. */
  below(limit: number): number {
    return Math.floor((this.u32() / 0x1_0000_0000) * limit);
  }

  /** A whole number from `least` to `most`. */
  between(least: number, most: number): number {
    return least + this.below(most - least + 1);
  }

  /** True once in `n` times. */
  oneIn(n: number): boolean {
    return this.below(n) === 0;
  }

  /** One of several. */
  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)];
  }

  /** Random bytes. */
  bytes(length: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(length);
    for (let i = 0; i < length; i++) bytes[i] = this.u32();
    return bytes;
  }

  /** A 32-bit number at which mistakes are made, or any. */
  edge(): number {
    return this.oneIn(4) ? this.u32() : this.pick(EDGES);
  }

  /** A length of bytes: mostly small, seldom up to `most`. */
  length(most: number): number {
    const scale = this.oneIn(64) ? most : this.oneIn(4) ? 4096 : 64;
    return this.below(Math.min(scale, most) + 1);
  }
}
