/**
 * Histograms as the guests keep them.
 * @module
 */
import assert from "node:assert/strict";
import { GuestMemory } from "../../src/memory/mod.ts";
import {
  bucketOf,
  bucketStart,
  HISTOGRAM_BYTES,
  quantileOf,
  readHistogram,
  since,
  total,
} from "./histogram.ts";

/** A histogram with these times in it. */
function histogramOf(times: readonly number[]): BigUint64Array {
  const buckets = new BigUint64Array(HISTOGRAM_BYTES / 8);
  for (const time of times) buckets[bucketOf(time)]++;
  return buckets;
}

Deno.test("a time is in the bucket that begins with it or before, and none is wider than a 64th", () => {
  for (const time of [0, 1, 63, 64, 65, 127, 128, 130, 1000, 99_999, 123_456_789, 2 ** 40 + 1]) {
    const bucket = bucketOf(time);
    const [start, end] = [bucketStart(bucket), bucketStart(bucket + 1)];
    assert(start <= time && time < end, `${time}: ${start} to ${end}`);
    assert(end - start <= Math.max(1, time / 64), `${time}: ${start} to ${end}`);
  }
});

Deno.test("what takes ever so long is in the last bucket", () => {
  assert.equal(bucketOf(2 ** 50), HISTOGRAM_BYTES / 8 - 1);
});

Deno.test("quantiles are those of the times, as far as buckets tell", () => {
  const times = Array.from({ length: 1000 }, (_, i) => 10_000 + 17 * i);
  const buckets = histogramOf(times);
  assert.equal(total(buckets), 1000);
  for (const part of [0.01, 0.5, 0.99, 1]) {
    const found = quantileOf(buckets, part);
    assert(Math.abs(found / times[part * 1000 - 1] - 1) < 1 / 64, `${part}: ${found}`);
  }
  assert.equal(quantileOf(histogramOf([]), 0.5), NaN);
});

Deno.test("what has come since is what is there now less what was there", () => {
  const before = histogramOf([5, 5, 700]);
  const after = histogramOf([5, 5, 5, 700, 12_345]);
  assert.deepEqual(since(before, after), histogramOf([5, 12_345]));
});

Deno.test("a histogram is read from a guest's memory", () => {
  const memory = GuestMemory.forTest(1 << 20);
  const buckets = histogramOf([1, 2, 2, 1 << 20]);
  memory.write(4096, new Uint8Array(buckets.buffer));
  assert.deepEqual(readHistogram(memory, 4096), buckets);
});
