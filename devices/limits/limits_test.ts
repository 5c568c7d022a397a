import assert from "node:assert/strict";
import fc from "fast-check";
import { RateLimiter } from "./rate_limiter.ts";
import { TokenBucket } from "./token_bucket.ts";

Deno.test("a full bucket gives its burst at once, then its rate", () => {
  const bucket = new TokenBucket({ rate: 1000, burst: 100 }, 0);
  for (let i = 0; i < 100; i++) {
    assert.equal(bucket.delay(0), 0);
    bucket.take(1);
  }
  const delay = bucket.delay(0);
  assert(delay > 0 && delay < 0.01, `one token is due at once, not in ${delay} ms`);
  bucket.take(1);
  assert(Math.abs(bucket.delay(0) - 1) < 0.01);
  assert.equal(bucket.delay(1.1), 0);
});

Deno.test("a request larger than the burst passes, and the next one pays for it", () => {
  const bucket = new TokenBucket({ rate: 1000, burst: 10 }, 0);
  assert.equal(bucket.delay(0), 0);
  bucket.take(1010);
  assert(Math.abs(bucket.delay(0) - 1000) < 0.1);
});

Deno.test("without a burst it is a tenth of a second's worth", () => {
  const bucket = new TokenBucket({ rate: 1000 }, 0);
  bucket.take(100);
  assert(bucket.delay(0) > 0);
  assert.equal(bucket.delay(1000), 0);
});

Deno.test("the average holds for every rate, burst and size of request", () => {
  const cases = fc.record({
    rate: fc.double({ min: 10, max: 1e9, noNaN: true }),
    burst: fc.double({ min: 1, max: 1e6, noNaN: true }),
    sizes: fc.array(fc.integer({ min: 1, max: 1_000_000 }), { minLength: 50, maxLength: 100 }),
  });
  fc.assert(fc.property(cases, ({ rate, burst, sizes }) => {
    const bucket = new TokenBucket({ rate, burst }, 0);
    let now = 0;
    let total = 0;
    for (const size of sizes) {
      const delay = bucket.delay(now);
      now += delay;
      assert(bucket.delay(now) < 1e-6, "after the delay it may go on");
      bucket.take(size);
      total += size;
    }
    now += bucket.delay(now);
    // What went through is what the time allows, plus at most what was saved up at the start.
    assert(total <= burst + rate / 1000 * now + 1e-3 * total);
    assert(total >= rate / 1000 * now - 1e-3 * total);
  }));
});

Deno.test("other limits apply from now on, and keep what was borrowed", () => {
  const bucket = new TokenBucket({ rate: 1000, burst: 10 }, 0);
  bucket.take(110);
  bucket.set({ rate: 10_000, burst: 5 }, 0);
  assert(Math.abs(bucket.delay(0) - 10) < 0.01);
});

Deno.test("a limiter waits for the slower of its two budgets", () => {
  const limiter = new RateLimiter({
    bytes: { rate: 1000, burst: 10 },
    operations: { rate: 10, burst: 1 },
  }, 0);
  assert.equal(limiter.delay(0), 0);
  limiter.charge(20);
  assert(Math.abs(limiter.delay(0.1)) < 100, "operations: a new one in 100 ms");
  limiter.charge(20);
  assert(limiter.delay(0.1) > 99);
  limiter.set({}, 0.1);
  assert.equal(limiter.delay(0.1), 0, "no limits, no delay");
  limiter.set({ operations: { rate: 10, burst: 1 } }, 0.1);
  assert.equal(limiter.delay(0.1), 0, "a new limit begins full");
});

Deno.test("rates and bursts that are no positive numbers are refused", () => {
  for (const rate of [0, -1, NaN, Infinity]) {
    assert.throws(() => new TokenBucket({ rate }, 0), RangeError);
    assert.throws(() => new TokenBucket({ rate: 1, burst: rate }, 0), RangeError);
  }
});
