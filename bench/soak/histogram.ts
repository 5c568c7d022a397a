/**
 * How long things took in a guest, as it counts them in its memory (tests/payloads/native/histogram.h).
 * @module
 */
import type { GuestMemory } from "../../src/memory/mod.ts";

/** The bits of a time that stand below its first one in a bucket's number, and how many buckets there are. */
const SUB_BITS = 6;
const SUB = 1 << SUB_BITS;
const BUCKETS = 40 * SUB;

/** The bytes of one histogram. */
export const HISTOGRAM_BYTES = BUCKETS * 8;

/** How often each bucket was met. */
export type Buckets = BigUint64Array;

/** Reads a histogram as it is now. @param at a guest physical address */
export function readHistogram(memory: GuestMemory, at: number): Buckets {
  return new BigUint64Array(memory.readBytes(at, HISTOGRAM_BYTES).buffer);
}

/** What has come since. */
export function since(before: Buckets, after: Buckets): Buckets {
  return after.map((count, i) => count - before[i]);
}

/** How many times were counted. */
export function total(buckets: Buckets): number {
  return Number(buckets.reduce((sum, count) => sum + count, 0n));
}

/** The number of the bucket that a time is in. @param ticks a whole number */
export function bucketOf(ticks: number): number {
  if (ticks < SUB) return ticks;
  const exponent = Math.floor(Math.log2(ticks)) - SUB_BITS + 1;
  const below = Math.floor(ticks / 2 ** (exponent - 1)) - SUB;
  return Math.min(exponent * SUB + below, BUCKETS - 1);
}

/** The least time of a bucket, in ticks. */
export function bucketStart(bucket: number): number {
  const exponent = Math.floor(bucket / SUB);
  const below = bucket % SUB;
  return exponent === 0 ? below : (SUB + below) * 2 ** (exponent - 1);
}

/**
 * The time below which the given part lies, in ticks; times of one bucket are taken to lie evenly in it.
 *
 * @param part from 0 to 1
 * @returns NaN where nothing was counted
 */
export function quantileOf(buckets: Buckets, part: number): number {
  const wanted = part * total(buckets);
  let below = 0;
  for (let i = 0; i < buckets.length; i++) {
    const count = Number(buckets[i]);
    if (count > 0 && below + count >= wanted) {
      const start = bucketStart(i);
      return start + (wanted - below) / count * (bucketStart(i + 1) - start);
    }
    below += count;
  }
  return NaN;
}
