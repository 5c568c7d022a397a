/**
 * @module
 */
import assert from "node:assert/strict";
import { percentiles, quantile, spread } from "./statistics.ts";

Deno.test("a quantile is the nearest rank: the sample that the given part does not exceed", () => {
  const hundred = Array.from({ length: 100 }, (_, i) => i + 1);
  assert.equal(quantile(hundred, 0.5), 50);
  assert.equal(quantile(hundred, 0.99), 99);
  assert.equal(quantile(hundred, 0.999), 100);
  assert.equal(quantile(hundred, 0), 1);
  assert.equal(quantile([7], 0.5), 7);
});

Deno.test("percentiles sort by size and leave the samples as they are", () => {
  const samples = Uint32Array.from({ length: 1000 }, (_, i) => 1000 - i);
  assert.deepEqual(percentiles(samples), { p50: 500, p99: 990, "p99.9": 999 });
  assert.equal(samples[0], 1000);
});

Deno.test("a spread has the median of an odd and of an even number of rounds", () => {
  assert.deepEqual(spread([5, 1, 3]), { median: 3, min: 1, max: 5 });
  assert.deepEqual(spread([10, 1, 2, 9]), { median: 5.5, min: 1, max: 10 });
});
